import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

model = nn.Linear(4, 2).to(DEVICE)
for x, y in torch.utils.data.DataLoader(
    torch.utils.data.TensorDataset(torch.randn(8, 4), torch.randn(8, 2)), batch_size=4
):
    x.to(DEVICE)
    y = y.to(DEVICE)
    scores = model(x)  # BUG: left-behind
    nn.functional.mse_loss(scores, y).backward()
