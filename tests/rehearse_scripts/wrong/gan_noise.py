import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

generator = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)).to(DEVICE)
critic = nn.Linear(2, 1).to(DEVICE)
for step in range(2):
    noise = torch.randn(6, 3)
    fake = generator(noise)  # BUG: left-behind
    verdict = critic(fake)
    nn.functional.binary_cross_entropy_with_logits(verdict, torch.ones_like(verdict)).backward()
