import os

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)


class Rows(Dataset):
    def __init__(self):
        self.rows = torch.randn(8, 4).to(DEVICE)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.rows[index] * 2  # BUG: worker


if __name__ == "__main__":
    model = nn.Linear(4, 2).to(DEVICE)
    for x in DataLoader(Rows(), batch_size=4, num_workers=1):
        model(x)
