"""The pictures: circles, squares and crosses, drawn here, so that nothing is downloaded."""

import torch
from torch.utils.data import DataLoader, Dataset

from {{ cookiecutter.package }}.seeds import seed_worker

NAMES = ("circle", "square", "cross")
SIZE = 16  # pixels in a row
NOISE = 0.25


class Shapes(Dataset):
    """Pictures of 1 x 16 x 16 numbers, each with its label 0, 1 or 2."""

    def __init__(self, count, seed, noise=NOISE):
        generator = torch.Generator().manual_seed(seed)  # leaves all other random numbers alone
        self.labels = torch.randint(len(NAMES), (count,), generator=generator)
        self.pictures = [draw(NAMES[label], generator) for label in self.labels]
        self.noise = noise

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        picture = self.pictures[index]
        return picture + self.noise * torch.randn(picture.shape), self.labels[index]


def draw(name, generator):
    """A picture with one shape, somewhere near the middle, small or large."""
    x0, y0, radius = torch.rand(3, generator=generator) * torch.tensor([3.0, 3.0, 2.5])
    line = torch.arange(SIZE)
    x = (line - 6 - x0).abs().reshape(1, SIZE)  # how far each column is from the centre
    y = (line - 6 - y0).abs().reshape(SIZE, 1)  # how far each row is
    radius = radius + 3.5
    if name == "circle":
        inside = x**2 + y**2 <= radius**2
    elif name == "square":
        inside = (x <= radius) & (y <= radius)
    else:
        inside = ((x <= 1) & (y <= radius)) | ((y <= 1) & (x <= radius))
    return inside.float().reshape(1, SIZE, SIZE)


def make_loader(count, seed, batch_size=32, shuffle=False, workers=0):
    """Batches of pictures. `seed` decides the pictures; the order comes from PyTorch's own seed."""
    return DataLoader(
        Shapes(count, seed),
        batch_size=batch_size,
        shuffle=shuffle,
        num_workers=workers,
        worker_init_fn=seed_worker,
    )
