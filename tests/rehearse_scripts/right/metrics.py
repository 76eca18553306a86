import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

import numpy as np

model = nn.Linear(4, 3).to(DEVICE)
correct = torch.zeros(3, device=DEVICE)
losses, kept, total = [], [], 0.0
best, patience = float("inf"), 0
running = torch.tensor(0.0)
for step in range(6):
    x, y = torch.randn(10, 4).to(DEVICE), torch.randint(3, (10,)).to(DEVICE)
    scores = model(x)
    loss = nn.functional.cross_entropy(scores, y)
    hit = scores.argmax(1) == y
    correct.index_add_(0, y[hit], torch.ones(int(hit.sum()), device=DEVICE))
    losses.append(loss.item())
    total += loss.detach()
    running = running + loss.detach()  # a CPU number without dimensions may be added to
    kept.append(scores.detach().cpu().numpy())
    confusion = torch.bincount(y * 3 + scores.argmax(1), minlength=9).reshape(3, 3)
    if loss < best:
        best, patience = loss.item(), 0
    else:
        patience += 1
    if patience > 2:
        break
print(np.mean(losses), np.concatenate(kept).shape, float(total), running.item(), confusion.tolist())
print("few" if (y == 0).nonzero().numel() < 3 else "many", torch.unique(y).tolist(), scores[y == 1].shape)
