import pytest
import torch

from {{ cookiecutter.package }}.data import NAMES, SIZE, Shapes, make_loader
from {{ cookiecutter.package }}.seeds import set_seed


def test_a_picture_and_its_label():
    shapes = Shapes(50, seed=0)
    picture, label = shapes[7]
    assert len(shapes) == 50
    assert picture.shape == (1, SIZE, SIZE)
    assert 0 <= label < len(NAMES)
    assert set(shapes.labels.tolist()) == {0, 1, 2}


def test_the_seed_decides_the_pictures():
    same = [torch.stack(Shapes(20, seed=3).pictures) for _ in range(2)]
    other = torch.stack(Shapes(20, seed=4).pictures)
    assert torch.equal(*same)
    assert not torch.equal(same[0], other)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_seed_decides_order_and_noise_also_with_workers(workers):
    def first_batches():
        set_seed(5)
        loader = make_loader(24, 0, batch_size=8, shuffle=True, workers=workers)
        return torch.cat([pictures for pictures, _ in loader])

    assert torch.equal(first_batches(), first_batches())


def test_workers_draw_different_noise():
    set_seed(5)
    shapes = make_loader(2, 0, batch_size=1, workers=2)
    drawn = [pictures[0] for pictures, _ in shapes]
    noise = [seen - clean for seen, clean in zip(drawn, shapes.dataset.pictures)]
    assert not torch.allclose(noise[0], noise[1])
