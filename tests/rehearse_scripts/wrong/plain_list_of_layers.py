import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.layers = [nn.Linear(4, 4) for _ in range(3)]

    def forward(self, x):
        x = self.first(x)
        for layer in self.layers:
            x = torch.relu(layer(x))  # BUG: module-in-a-list
        return x


model = Deep().to(DEVICE)
model(torch.randn(3, 4, device=DEVICE)).sum().backward()
