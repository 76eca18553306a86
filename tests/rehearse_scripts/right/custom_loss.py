import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Focal(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.register_buffer("weight", weight)
        self.gamma = nn.Parameter(torch.tensor(2.0))

    def forward(self, scores, labels):
        logs = scores.log_softmax(dim=1)
        chosen = logs.gather(1, labels[:, None]).squeeze(1)
        return -(self.weight[labels] * (1 - chosen.exp()) ** self.gamma * chosen).mean()


model, criterion = nn.Linear(4, 3), Focal(torch.tensor([1.0, 2.0, 0.5]))
model.to(DEVICE)
criterion.to(DEVICE)
weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]).to(DEVICE))
optimizer = torch.optim.Adam([*model.parameters(), *criterion.parameters()])
for step in range(2):
    x, y = torch.randn(8, 4, device=DEVICE), torch.randint(3, (8,), device=DEVICE)
    scores = model(x)
    penalty = torch.zeros((), device=DEVICE)
    for parameter in model.parameters():
        penalty += parameter.pow(2).sum()
    loss = criterion(scores, y) + weighted(scores, y) + torch.tensor(0.01) * penalty
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss.item())
