"""How good is the network? `python -m {{ cookiecutter.package }}.evaluate` tells."""

import argparse

import torch

from {{ cookiecutter.package }}.checkpoint import load_checkpoint
from {{ cookiecutter.package }}.data import NAMES, make_loader
from {{ cookiecutter.package }}.device import get_device
from {{ cookiecutter.package }}.model import ShapeNet
from {{ cookiecutter.package }}.seeds import set_seed

TEST_SEED = 2  # other pictures than those of the training


@torch.no_grad()
def confusion(model, loader, device):
    """A table of counts: a row for each true shape, a column for each answer of the network."""
    model.eval()
    table = torch.zeros(len(NAMES), len(NAMES), dtype=torch.long)
    for pictures, labels in loader:
        answers = model(pictures.to(device)).argmax(dim=1)
        for label, answer in zip(labels.tolist(), answers.tolist()):
            table[label, answer] += 1
    return table


def accuracy(table):
    """The share of right answers: they stand on the diagonal."""
    return table.diagonal().sum().item() / table.sum().item()


def main():
    parser = argparse.ArgumentParser(description="Test the network on pictures it has never seen.")
    parser.add_argument("--checkpoint", default="runs/model.pt", help="what the training wrote")
    options = parser.parse_args()

    device = get_device()
    model = ShapeNet().to(device)
    epoch = load_checkpoint(options.checkpoint, model, device)
    set_seed(TEST_SEED)
    table = confusion(model, make_loader(600, seed=TEST_SEED), device)

    print(f"after {epoch} epochs, {accuracy(table):.1%} of the answers are right")
    print("the truth   " + "".join(f"{name:>8}" for name in NAMES))
    for name, row in zip(NAMES, table.tolist()):
        print(f"{name:<12}" + "".join(f"{count:>8}" for count in row))


if __name__ == "__main__":
    main()
