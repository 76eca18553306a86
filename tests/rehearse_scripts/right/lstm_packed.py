import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 6, padding_idx=0)
        self.rnn = nn.LSTM(6, 8, num_layers=2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(16, 4)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = self.rnn(packed)
        hidden, _ = pad_packed_sequence(hidden, batch_first=True)
        return self.out(hidden)


model = Tagger().to(DEVICE)
optimizer = torch.optim.Adam(model.parameters())
tokens, lengths = torch.randint(1, 20, (5, 7)), torch.tensor([7, 3, 5, 2, 6])
for step in range(2):
    scores = model(tokens.to(DEVICE), lengths)
    loss = nn.functional.cross_entropy(scores.reshape(-1, 4), torch.randint(4, (35,), device=DEVICE))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
