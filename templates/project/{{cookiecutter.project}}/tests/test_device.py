import pytest
import torch

from {{ cookiecutter.package }} import device
from {{ cookiecutter.package }}.device import KINDS, get_device, why_not


def test_the_environment_variable_goes_before_the_line(monkeypatch):
    monkeypatch.setattr(device, "DEVICE", "nonsense")
    monkeypatch.setenv("DEVICE", KINDS[-1])
    assert get_device() == torch.device(KINDS[-1])


@pytest.mark.parametrize("name", ["auto", " auto "])
def test_auto_finds_a_device_and_says_which(name, monkeypatch, capsys):
    monkeypatch.setenv("DEVICE", name)
    assert get_device().type in KINDS
    assert "this runs on" in capsys.readouterr().out


@pytest.mark.parametrize("name", KINDS)
def test_a_device_computes_or_the_reason_is_told(name, monkeypatch):
    monkeypatch.setenv("DEVICE", name)
    problem = why_not(name)
    if problem is None:
        assert get_device().type == name
    else:
        with pytest.raises(RuntimeError, match=f"DEVICE is '{name}', but ."):
            get_device()


@pytest.mark.parametrize("name", ["gpu", "GPU", "auto:1", "cuda:", "cuda:one", "cuda :1"])
def test_a_name_that_is_none_is_refused(name, monkeypatch):
    monkeypatch.setenv("DEVICE", name)
    with pytest.raises(RuntimeError, match="It may be cuda, xpu, mps, cpu or auto"):
        get_device()


def test_the_words_of_pytorch_are_passed_on(monkeypatch):
    def broken(*sizes, **options):
        raise RuntimeError("no kernel image is available.\nAnd a long story.")

    monkeypatch.setattr(torch, "ones", broken)
    said = why_not(KINDS[-1])
    assert said == "PyTorch says: no kernel image is available. Run `envtool doctor`."
