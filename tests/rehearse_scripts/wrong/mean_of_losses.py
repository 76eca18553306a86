import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

import numpy as np

model = nn.Linear(4, 2).to(DEVICE)
losses = []
for step in range(3):
    loss = model(torch.randn(3, 4, device=DEVICE)).pow(2).mean()
    loss.backward()
    losses.append(loss.detach())
print(float(np.mean(losses)))  # BUG: numpy
