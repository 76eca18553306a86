import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

student, teacher = nn.Linear(4, 2), nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
student.to(DEVICE)
x = torch.randn(3, 4).to(DEVICE)
with torch.no_grad():
    wanted = teacher(x)  # BUG: module-not-moved
nn.functional.kl_div(student(x).log_softmax(1), wanted.softmax(1), reduction="batchmean").backward()
