import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Mixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.randn(4, 4)) for _ in range(2)])
        self.by_name = nn.ParameterDict({"bias": nn.Parameter(torch.zeros(4))})
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.heads = nn.ModuleDict({"a": nn.Linear(4, 1)})
        self.scale = 0.5
        self.register_buffer("count", torch.zeros(1), persistent=False)

    def forward(self, x):
        for weight, layer in zip(self.weights, self.layers):
            x = torch.relu(layer(x @ weight) + self.by_name["bias"]) * self.scale
        self.count += 1
        return self.heads["a"](x)


model = Mixture().to(DEVICE)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, nesterov=True, momentum=0.9)
for step in range(2):
    loss = model(torch.randn(3, 4, device=DEVICE)).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(model.parameters(), 0.5)
    optimizer.step()
print(loss.item(), model.count.item())
