import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

import copy

model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).to(DEVICE)
average = copy.deepcopy(model).requires_grad_(False)
shadow = {name: value.detach().clone() for name, value in model.state_dict().items()}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    loss = model(torch.randn(4, 3, device=DEVICE)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for mine, theirs in zip(average.parameters(), model.parameters()):
            mine.mul_(0.9).add_(theirs, alpha=0.1)
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                shadow[name].lerp_(value, 0.1)
average.load_state_dict(shadow)
print(average(torch.ones(2, 3, device=DEVICE)).sum().item())
