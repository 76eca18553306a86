import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

import threading

from torch.utils.checkpoint import checkpoint

block = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4)).to(DEVICE)
x = torch.randn(3, 4, device=DEVICE, requires_grad=True)
y = checkpoint(block, x, use_reentrant=False)
y.sum().backward()
results = []


def work(rows):
    with torch.no_grad():
        results.append(block(rows.to(DEVICE)) + torch.zeros(4, device=DEVICE))


threads = [threading.Thread(target=work, args=(torch.randn(2, 4),)) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(torch.cat(results).shape, torch.func.vmap(lambda row: row.norm())(x.detach()).sum().item())
