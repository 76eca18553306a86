import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Mixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = [nn.Parameter(torch.randn(4, 4)) for _ in range(2)]
        self.out = nn.Linear(4, 1)

    def forward(self, x):
        for weight in self.weights:
            x = torch.relu(x @ weight)  # BUG: parameter-in-a-list
        return self.out(x)


model = Mixture().to(DEVICE)
model(torch.randn(3, 4, device=DEVICE)).sum().backward()
