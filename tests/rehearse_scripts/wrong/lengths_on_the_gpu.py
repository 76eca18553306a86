import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

rnn = nn.GRU(4, 3, batch_first=True).to(DEVICE)
x, lengths = torch.randn(2, 5, 4, device=DEVICE), torch.tensor([5, 3]).to(DEVICE)
packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)  # BUG: lengths
print(rnn(packed)[1].sum().item())
