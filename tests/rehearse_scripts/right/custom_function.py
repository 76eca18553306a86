import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x, scale)
        return x * torch.sigmoid(scale * x)

    @staticmethod
    def backward(ctx, gradient):
        x, scale = ctx.saved_tensors
        s = torch.sigmoid(scale * x)
        ones = torch.ones(x.shape, device=x.device)
        return gradient * (s + scale * x * s * (ones - s)), (gradient * x * x * s * (ones - s)).sum()


model = nn.Linear(3, 3).to(DEVICE)
scale = torch.tensor(1.0, device=DEVICE, requires_grad=True)
optimizer = torch.optim.SGD([*model.parameters(), scale], lr=0.1)
for step in range(2):
    loss = Swish.apply(model(torch.randn(4, 3, device=DEVICE)), scale).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item(), scale.item())
