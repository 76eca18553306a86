import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Char(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(4, 8, batch_first=True)
        self.out = nn.Linear(8, 4)

    def forward(self, x, hidden=None):
        if hidden is None:
            hidden = torch.zeros(1, x.size(0), 8, device=x.device)
        y, hidden = self.rnn(x, hidden)
        return self.out(y), hidden


model = Char().to(DEVICE)
optimizer = torch.optim.RMSprop(model.parameters())
hidden = None
for step in range(3):
    x = torch.randn(2, 5, 4).to(DEVICE)
    y, hidden = model(x, hidden)
    hidden = hidden.detach()
    loss = (y - x).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(loss)
