import pytest
import torch

from {{ cookiecutter.package }}.checkpoint import load_checkpoint
from {{ cookiecutter.package }}.device import get_device
from {{ cookiecutter.package }}.evaluate import accuracy
from {{ cookiecutter.package }}.model import ShapeNet
from {{ cookiecutter.package }}.train import read_options, train


def run(path, *arguments):
    """Train, and give the weights that were kept."""
    train(read_options(["--checkpoint", str(path), *arguments]))
    return torch.load(path, map_location=get_device(), weights_only=True)["model"]


def test_it_learns(tmp_path):
    right = train(read_options(["--epochs", "3", "--checkpoint", str(tmp_path / "model.pt")]))
    assert right > 0.7  # guessing would give a third


def test_the_same_seed_gives_the_same_weights(tmp_path):
    one, other = (run(tmp_path / f"{name}.pt", "--epochs", "1") for name in "ab")
    for name, weight in one.items():
        torch.testing.assert_close(weight, other[name])
{% if cookiecutter.framework == "pytorch" %}

def test_a_training_that_was_resumed_repeats_one_that_never_stopped(tmp_path):
    whole = run(tmp_path / "whole.pt", "--epochs", "2")
    run(tmp_path / "halves.pt", "--epochs", "1")
    halves = run(tmp_path / "halves.pt", "--epochs", "2", "--resume")
    for name, weight in whole.items():
        torch.testing.assert_close(weight, halves[name])
{% else %}

def test_a_training_goes_on_where_it_stopped(tmp_path):
    run(tmp_path / "model.pt", "--epochs", "1")
    run(tmp_path / "model.pt", "--epochs", "2", "--resume")
    device = get_device()
    assert load_checkpoint(tmp_path / "model.pt", ShapeNet().to(device), device) == 2
{% endif %}

def test_a_missing_checkpoint_is_told(tmp_path):
    with pytest.raises(SystemExit, match="Train first"):
        load_checkpoint(tmp_path / "none.pt", ShapeNet(), get_device())


def test_accuracy_counts_the_diagonal():
    assert accuracy(torch.tensor([[3, 1], [0, 4]])) == pytest.approx(7 / 8)
