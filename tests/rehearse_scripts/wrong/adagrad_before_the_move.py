import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

model = nn.Linear(3, 2)
optimizer = torch.optim.Adagrad(model.parameters())
model.to(DEVICE)
model(torch.randn(4, 3, device=DEVICE)).sum().backward()
optimizer.step()  # BUG: optimizer-state
