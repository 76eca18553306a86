import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

images, labels = torch.randn(20, 4), torch.randint(2, (20,))
model = nn.Linear(4, 2).to(DEVICE)
with torch.no_grad():
    hardest = model(images.to(DEVICE)).max(dim=1)[0].topk(5)[1]
print(labels[hardest].float().mean().item())  # BUG: index
