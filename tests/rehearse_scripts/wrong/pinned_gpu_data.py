import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(torch.randn(8, 4, device=DEVICE))
model = nn.Linear(4, 2).to(DEVICE)
for (x,) in DataLoader(data, batch_size=4, pin_memory=DEVICE != "cpu"):  # BUG: pin-memory
    model(x)
