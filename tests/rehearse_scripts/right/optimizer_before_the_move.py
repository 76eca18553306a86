import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop):
    model = nn.Linear(3, 2)
    optimizer = kind(model.parameters(), lr=0.01)
    model.to(DEVICE)  # the parameters stay the same objects, and no state exists yet
    for _ in range(2):
        loss = model(torch.randn(4, 3, device=DEVICE)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(kind.__name__, loss.item())
