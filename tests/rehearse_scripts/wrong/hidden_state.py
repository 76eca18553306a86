import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Char(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(4, 8, batch_first=True)

    def forward(self, x):
        state = (torch.zeros(1, x.size(0), 8), torch.zeros(1, x.size(0), 8))
        y, state = self.rnn(x, state)  # BUG: made-on-cpu
        return y


model = Char().to(DEVICE)
model(torch.randn(2, 5, 4, device=DEVICE)).mean().backward()
