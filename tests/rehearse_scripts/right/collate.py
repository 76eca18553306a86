import os

import torch
from torch import nn

DEVICE = os.environ.get("DEVICE", "cpu")
torch.manual_seed(0)

from torch.utils.data import DataLoader, Dataset


class Words(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return torch.arange(1, 2 + index % 4), index % 2


def collate(batch):
    texts, labels = zip(*batch)
    return nn.utils.rnn.pad_sequence(texts, batch_first=True), torch.tensor(labels)


def main():
    model = nn.EmbeddingBag(6, 2, mode="mean").to(DEVICE)
    optimizer = torch.optim.Adagrad(model.parameters())
    loader = DataLoader(Words(), batch_size=4, shuffle=True, collate_fn=collate, num_workers=2, pin_memory=True)
    for texts, labels in loader:
        texts, labels = texts.to(DEVICE, non_blocking=True), labels.to(DEVICE, non_blocking=True)
        loss = nn.functional.cross_entropy(model(texts), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(loss.item())


if __name__ == "__main__":
    main()
