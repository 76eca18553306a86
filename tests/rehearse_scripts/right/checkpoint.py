import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

import tempfile


def train(model, optimizer, steps=2):
    for _ in range(steps):
        loss = model(torch.randn(4, 3, device=DEVICE)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.pt")
    model = nn.Linear(3, 2).to(DEVICE)
    optimizer = torch.optim.Adam(model.parameters())
    loss = train(model, optimizer)
    mean = torch.full((3,), 0.5, device=DEVICE)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "loss": loss, "mean": mean}, path)
    again = nn.Linear(3, 2).to(DEVICE)
    resumed = torch.optim.Adam(again.parameters())
    saved = torch.load(path, map_location=DEVICE)
    again.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["optimizer"])
    train(again, resumed)
    print(again(saved["mean"]).tolist())
    best = torch.load(path)  # saved from the device, so it comes back to it
    print(again(best["mean"]).shape, best["loss"].item())
    on_cpu = torch.load(path, map_location="cpu")
    again.load_state_dict(on_cpu["model"])  # copies across devices
    print(again.to("cpu")(on_cpu["mean"]).tolist())
