import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.register_buffer("causal", torch.triu(torch.ones(5, 5, dtype=torch.bool), diagonal=1))

    def forward(self, x, lengths):
        padding = torch.arange(x.size(1), device=x.device)[None, :] >= lengths[:, None].to(x.device)
        y, weights = self.attention(x, x, x, attn_mask=self.causal, key_padding_mask=padding)
        scores = x @ x.transpose(1, 2)
        scores = scores.masked_fill(self.causal, float("-inf")).softmax(-1)
        z = nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=~self.causal)
        return y + scores @ x + z + torch.where(x > 0, x, torch.tensor(0.0))


model = Attention().to(DEVICE)
optimizer = torch.optim.LBFGS(model.parameters(), max_iter=2)
x = torch.randn(3, 5, 8, device=DEVICE)


def closure():
    optimizer.zero_grad()
    loss = model(x, torch.tensor([5, 3, 4])).pow(2).mean()
    loss.backward()
    return loss


print(optimizer.step(closure).item())
