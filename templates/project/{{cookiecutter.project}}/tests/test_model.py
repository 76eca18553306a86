import torch
from torch import nn

from {{ cookiecutter.package }}.data import NAMES, SIZE
from {{ cookiecutter.package }}.device import get_device
from {{ cookiecutter.package }}.model import ShapeNet


def test_one_score_for_each_shape():
    device = get_device()
    scores = ShapeNet().to(device)(torch.zeros(5, 1, SIZE, SIZE, device=device))
    assert scores.shape == (5, len(NAMES))


def test_every_weight_gets_a_gradient():
    device = get_device()
    torch.manual_seed(0)
    model = ShapeNet().to(device)
    pictures = torch.randn(4, 1, SIZE, SIZE).to(device)
    labels = torch.tensor([0, 1, 2, 0]).to(device)
    nn.functional.cross_entropy(model(pictures), labels).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name
