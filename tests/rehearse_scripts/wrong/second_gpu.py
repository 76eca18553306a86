import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

model = nn.Linear(4, 2).to(DEVICE)
other = DEVICE if DEVICE == "cpu" else "cuda:1"
x = torch.randn(3, 4).to(other)  # BUG: second-gpu
print(model(x).sum().item())
