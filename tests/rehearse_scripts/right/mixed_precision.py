import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

import warnings

warnings.simplefilter("ignore")
model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3)).to(DEVICE)
optimizer = torch.optim.AdamW(model.parameters())
on_gpu = next(model.parameters()).device.type != "cpu"
scaler = torch.cuda.amp.GradScaler(enabled=on_gpu)
for step in range(3):
    x, y = torch.randn(5, 6, device=DEVICE), torch.randint(3, (5,), device=DEVICE)
    with torch.autocast(device_type=DEVICE.split(":")[0], dtype=torch.float16 if on_gpu else torch.bfloat16):
        scores = model(x)
        loss = nn.functional.cross_entropy(scores, y)
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
print(loss.item(), scores.float().detach().cpu().numpy().shape)
