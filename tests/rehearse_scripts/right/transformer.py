import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Positions(nn.Module):
    def __init__(self, width, longest=16):
        super().__init__()
        angle = torch.arange(longest)[:, None] / 100 ** (torch.arange(0, width, 2) / width)
        table = torch.zeros(longest, width)
        table[:, 0::2], table[:, 1::2] = angle.sin(), angle.cos()
        self.register_buffer("table", table)

    def forward(self, x):
        return x + self.table[: x.size(1)]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(11, 8), Positions(8)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
        self.out = nn.Linear(8, 11)

    def forward(self, tokens):
        causal = nn.Transformer.generate_square_subsequent_mask(tokens.size(1)).to(tokens.device)
        hidden = self.positions(self.embedding(tokens))
        return self.out(self.encoder(hidden, mask=causal, src_key_padding_mask=(tokens == 0).float()))


model = Model().to(DEVICE)
optimizer = torch.optim.AdamW(model.parameters())
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)
for step in range(2):
    tokens = torch.randint(1, 11, (3, 6)).to(DEVICE)
    loss = nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
with torch.no_grad():
    tokens = torch.ones(1, 1, dtype=torch.long, device=DEVICE)
    for _ in range(3):
        following = model(tokens)[:, -1].softmax(-1).multinomial(1)
        tokens = torch.cat([tokens, following], dim=1)
print(loss.item(), tokens.tolist())
