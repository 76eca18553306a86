import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

from torch.utils.data import DataLoader, TensorDataset


def collate(batch):
    stacked = torch.stack([row[0] for row in batch])
    return stacked.to(DEVICE)  # BUG: worker


if __name__ == "__main__":
    model = nn.Linear(4, 2).to(DEVICE)
    for x in DataLoader(TensorDataset(torch.randn(8, 4)), batch_size=4, collate_fn=collate, num_workers=1):
        model(x)
