import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return torch.ones(ctx.shape)  # BUG: gradient


model = nn.Linear(3, 3).to(DEVICE)
Clamp.apply(model(torch.randn(4, 3, device=DEVICE))).sum().backward()
