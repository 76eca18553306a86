import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

generator = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)).to(DEVICE)
critic = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)).to(DEVICE)
of_generator = torch.optim.Adam(generator.parameters(), betas=(0.5, 0.999))
of_critic = torch.optim.Adam(critic.parameters(), betas=(0.5, 0.999))
criterion = nn.BCEWithLogitsLoss()
for step in range(3):
    real = torch.randn(6, 2).to(DEVICE)
    fake = generator(torch.randn(6, 3, device=DEVICE))
    verdict = critic(real)
    loss = criterion(verdict, torch.ones_like(verdict)) + criterion(critic(fake.detach()), torch.zeros_like(verdict))
    of_critic.zero_grad()
    loss.backward()
    of_critic.step()
    verdict = critic(fake)
    loss = criterion(verdict, torch.full_like(verdict, 0.9))
    mixture = torch.rand(6, 1, device=real.device)
    between = (mixture * real + (1 - mixture) * fake.detach()).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    loss = loss + 0.1 * (slope.norm(dim=1) - 1).pow(2).mean()
    of_generator.zero_grad()
    loss.backward()
    of_generator.step()
print("loss", loss)
