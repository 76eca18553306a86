import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Factors(nn.Module):
    def __init__(self):
        super().__init__()
        self.users, self.items = nn.Embedding(10, 4), nn.Embedding(12, 4, max_norm=1.0)

    def forward(self, user, item):
        return (self.users(user) * self.items(item)).sum(dim=1)


model = Factors().to(DEVICE)
optimizer = torch.optim.Adam(model.parameters())
pairs, stars = torch.randint(10, (30, 2)), torch.rand(30)
for start in range(0, 30, 10):
    rows = torch.arange(start, start + 10)
    batch = pairs[rows].to(DEVICE)
    loss = nn.functional.mse_loss(model(batch[:, 0], batch[:, 1]), stars[rows].to(DEVICE))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
weights = model.users.weight.detach()
print(weights[torch.tensor([1, 2])].shape, weights[rows[rows < 10]].shape)  # CPU indices of a GPU tensor are allowed
codes = torch.zeros(5, 4, device=DEVICE).scatter_(1, torch.randint(4, (5, 1), device=DEVICE), 1.0)
print(nn.functional.one_hot(batch[:, 0], 10).float().mean().item(), codes.sum().item())
