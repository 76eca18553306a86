import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

old = nn.Linear(3, 2)
optimizer = torch.optim.Adam(old.parameters())
old(torch.randn(4, 3)).sum().backward()
optimizer.step()
saved = optimizer.state_dict()
model = nn.Linear(3, 2)
optimizer = torch.optim.Adam(model.parameters())
optimizer.load_state_dict(saved)
model.to(DEVICE)
model(torch.randn(4, 3, device=DEVICE)).sum().backward()
optimizer.step()  # BUG: optimizer-state
