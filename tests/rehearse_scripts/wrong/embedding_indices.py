import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2)).to(DEVICE)
words = torch.randint(10, (5, 3))
print(model(words).shape)  # BUG: left-behind
