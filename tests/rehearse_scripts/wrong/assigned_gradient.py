import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

model = nn.Linear(4, 2).to(DEVICE)
for parameter in model.parameters():
    parameter.grad = torch.zeros(parameter.shape)  # BUG: gradient
torch.optim.SGD(model.parameters(), lr=0.1).step()
