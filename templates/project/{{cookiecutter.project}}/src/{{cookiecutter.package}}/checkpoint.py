"""A training on disk: to go on later, or on another machine with another device."""

import os
from pathlib import Path

import torch


def save_checkpoint(path, model, optimizer, epoch):
    """Write all that is needed to go on after `epoch`. A crash while writing spoils nothing."""
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".new")
    torch.save(state, aside)
    os.replace(aside, path)


def load_checkpoint(path, model, device, optimizer=None):
    """Fill the model, and the optimizer where there is one; gives the epoch it was saved after.

    `map_location` brings the numbers to this machine's device, wherever they were saved.
    `weights_only` reads numbers and never runs code from the file.
    """
    if not Path(path).exists():
        raise SystemExit(f"There is no {path}. Train first, with train.py.")
    state = torch.load(path, map_location=device, weights_only=True)
    model.load_state_dict(state["model"])
    if optimizer is not None:
        optimizer.load_state_dict(state["optimizer"])
    return state["epoch"]
