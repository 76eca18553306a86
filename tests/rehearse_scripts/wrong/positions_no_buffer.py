import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions = torch.randn(6, 8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x):
        x = x + self.positions[: x.size(1)]  # BUG: attribute
        return self.encoder(x)


model = Model().to(DEVICE)
model(torch.randn(2, 5, 8, device=DEVICE)).sum().backward()
