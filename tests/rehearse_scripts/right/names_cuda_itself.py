import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
print("using", device.type)
model = nn.Linear(4, 3)
if torch.cuda.is_available():
    torch.cuda.manual_seed_all(0)
    torch.backends.cudnn.benchmark = True
    print(torch.cuda.get_device_name(0), torch.cuda.device_count())
    model = model.cuda()
optimizer = torch.optim.Adam(model.parameters())
for step in range(2):
    x, y = torch.randn(5, 4), torch.randint(3, (5,))
    if model.weight.is_cuda:
        x, y = x.cuda(non_blocking=True), y.cuda()
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
print(loss.item(), model.weight.get_device() >= -1)
