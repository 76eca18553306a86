import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

model = nn.Linear(4, 3).to(DEVICE)
criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]))
x, y = torch.randn(8, 4, device=DEVICE), torch.randint(3, (8,), device=DEVICE)
criterion(model(x), y).backward()  # BUG: module-not-moved
