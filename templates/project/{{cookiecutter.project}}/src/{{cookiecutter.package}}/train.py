{% if cookiecutter.framework == "pytorch" -%}
"""Teach the network: `python -m {{ cookiecutter.package }}.train`."""

import argparse

import torch
from torch import nn

from {{ cookiecutter.package }}.checkpoint import load_checkpoint, save_checkpoint
from {{ cookiecutter.package }}.data import make_loader
from {{ cookiecutter.package }}.device import get_device
from {{ cookiecutter.package }}.evaluate import accuracy, confusion
from {{ cookiecutter.package }}.model import ShapeNet
from {{ cookiecutter.package }}.seeds import set_seed


def train_one_epoch(model, loader, optimizer, device):
    """Show the network every picture once; gives the mean loss."""
    loss_function = nn.CrossEntropyLoss()
    model.train()
    total = 0.0
    for pictures, labels in loader:
        pictures, labels = pictures.to(device), labels.to(device)
        loss = loss_function(model(pictures), labels)
        optimizer.zero_grad()  # gradients add up, so start from none
        loss.backward()  # one gradient for each weight
        optimizer.step()  # a small step against them
        total += loss.item()
    return total / len(loader)


def train(options):
    """The whole training; gives the share of right answers on pictures that were kept back."""
    device = get_device()
    set_seed(options.seed)
    model = ShapeNet().to(device)  # first to the device, then to the optimizer
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    done = 0
    if options.resume:
        done = load_checkpoint(options.checkpoint, model, device, optimizer)
        print(f"going on after epoch {done} of {options.epochs}")

    loader = make_loader(1200, 0, options.batch_size, shuffle=True, workers=options.workers)
    kept_back = make_loader(300, 1)
    right = 0.0
    for epoch in range(done + 1, options.epochs + 1):
        set_seed(options.seed + epoch)  # then a training that was resumed repeats a whole one
        loss = train_one_epoch(model, loader, optimizer, device)
        right = accuracy(confusion(model, kept_back, device))
        print(f"epoch {epoch}/{options.epochs}  loss {loss:.3f}  right {right:.1%}")
        save_checkpoint(options.checkpoint, model, optimizer, epoch)
    return right


def read_options(arguments=None):
    parser = argparse.ArgumentParser(description="Teach the network to tell the shapes apart.")
    parser.add_argument("--epochs", type=int, default=5, help="how often it sees every picture")
    parser.add_argument("--batch-size", type=int, default=32, help="pictures in one step")
    parser.add_argument("--lr", type=float, default=0.003, help="the size of a step")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same numbers")
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare the data")
    parser.add_argument("--checkpoint", default="runs/model.pt", help="the file to keep it in")
    parser.add_argument("--resume", action="store_true", help="go on from that file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    train(read_options())
{% else -%}
"""Teach the network with PyTorch Lightning: `python -m {{ cookiecutter.package }}.train`."""

import argparse

import lightning as L
import torch
from torch import nn

from {{ cookiecutter.package }}.checkpoint import load_checkpoint, save_checkpoint
from {{ cookiecutter.package }}.data import make_loader
from {{ cookiecutter.package }}.device import get_device
from {{ cookiecutter.package }}.evaluate import accuracy, confusion
from {{ cookiecutter.package }}.model import ShapeNet
from {{ cookiecutter.package }}.seeds import set_seed


class LitShapeNet(L.LightningModule):
    """The network, and what one step of its training is. The loop itself is Lightning's."""

    def __init__(self, options, device):
        super().__init__()
        self.model = ShapeNet()
        self.options = options
        self.done = 0  # epochs of an earlier training
        if options.resume:
            self.done = load_checkpoint(options.checkpoint, self.model, device)
            print(f"going on after epoch {self.done} of {options.epochs}")

    def training_step(self, batch, batch_index):
        pictures, labels = batch  # Lightning has brought them to the device
        loss = nn.functional.cross_entropy(self.model(pictures), labels)
        self.log("loss", loss, on_epoch=True, on_step=False, batch_size=len(labels))
        return loss

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.model.parameters(), lr=self.options.lr)
        if self.options.resume:
            load_checkpoint(self.options.checkpoint, self.model, self.device, optimizer)
        return optimizer


class EpochEnd(L.Callback):
    """After each epoch: count the right answers, say so, and write a checkpoint."""

    right = 0.0

    def on_train_epoch_end(self, trainer, module):
        options = module.options
        epoch = module.done + trainer.current_epoch + 1
        loss = trainer.callback_metrics["loss"].item()
        self.right = accuracy(confusion(module.model, make_loader(300, 1), module.device))
        module.train()
        print(f"epoch {epoch}/{options.epochs}  loss {loss:.3f}  right {self.right:.1%}")
        save_checkpoint(options.checkpoint, module.model, trainer.optimizers[0], epoch)


def train(options):
    """The whole training; gives the share of right answers on pictures that were kept back."""
    device = get_device()
    set_seed(options.seed)
    lit, end = LitShapeNet(options, device), EpochEnd()
    trainer = L.Trainer(
        accelerator=device.type,
        devices=[device.index] if device.index is not None else 1,
        max_epochs=options.epochs - lit.done,
        callbacks=[end],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = make_loader(1200, 0, options.batch_size, shuffle=True, workers=options.workers)
    trainer.fit(lit, loader)
    return end.right


def read_options(arguments=None):
    parser = argparse.ArgumentParser(description="Teach the network to tell the shapes apart.")
    parser.add_argument("--epochs", type=int, default=5, help="how often it sees every picture")
    parser.add_argument("--batch-size", type=int, default=32, help="pictures in one step")
    parser.add_argument("--lr", type=float, default=0.003, help="the size of a step")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same numbers")
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare the data")
    parser.add_argument("--checkpoint", default="runs/model.pt", help="the file to keep it in")
    parser.add_argument("--resume", action="store_true", help="go on from that file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    train(read_options())
{% endif -%}
