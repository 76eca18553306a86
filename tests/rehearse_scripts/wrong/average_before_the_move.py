import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

model = nn.Linear(3, 2)
shadow = {name: value.clone() for name, value in model.state_dict().items()}
model.to(DEVICE)
with torch.no_grad():
    for name, value in model.state_dict().items():
        shadow[name].mul_(0.9).add_(value, alpha=0.1)  # BUG: in-place
print(shadow["bias"].sum().item())
