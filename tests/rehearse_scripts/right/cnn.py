import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.1), nn.MaxPool2d(2), nn.Flatten()
        )
        self.head = nn.LazyLinear(3)

    def forward(self, x):
        return self.head(self.features(x))


model = Net().to(DEVICE)
images, labels = torch.randn(24, 1, 8, 8), torch.randint(3, (24,))
model(images[:2].to(DEVICE))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(2):
    model.train()
    for start in range(0, 24, 8):
        x, y = images[start : start + 8].to(DEVICE), labels[start : start + 8].to(DEVICE)
        loss = nn.functional.cross_entropy(model(x), y, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        predicted = model(images.to(DEVICE)).argmax(dim=1).cpu()
    print(epoch, f"{loss:.3f}", (predicted == labels).float().mean().item())
