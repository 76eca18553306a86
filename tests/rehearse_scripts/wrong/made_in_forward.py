import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, x):
        noise = torch.randn(x.shape) * 0.1
        x = x + noise  # BUG: made-on-cpu
        return self.conv(x)


model = Noisy().to(DEVICE)
model(torch.randn(2, 1, 6, 6, device=DEVICE)).mean().backward()
