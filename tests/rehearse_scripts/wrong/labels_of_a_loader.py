import os

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)


class Numbers(Dataset):
    def __init__(self):
        self.labels = torch.randint(3, (8,))

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return torch.randn(4), self.labels[index]


def train(model, loader, device):
    for numbers, labels in loader:
        scores = model(numbers.to(device))
        nn.functional.cross_entropy(scores, labels).backward()  # BUG: left-behind


device = torch.device(os.environ.get("DEVICE", "cpu"))
train(nn.Linear(4, 3).to(device), DataLoader(Numbers(), batch_size=4), device)
