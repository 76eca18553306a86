"""The source of a package that behaves like torch as far as the import rehearsal looks, GPUs included."""

from __future__ import annotations

SOURCE = """
import sys

__version__ = "2.9.0+cu126"
DEVICES = {devices}


class Tensor:
    def __init__(self, rows, wrong=0):
        self.rows, self.wrong, self.grad = rows, wrong, None

    def __mod__(self, number):
        return Tensor([row % number for row in self.rows])

    def reshape(self, height, width):
        return Tensor([self.rows[i * width:(i + 1) * width] for i in range(height)])

    def float(self):
        return Tensor([[float(cell) for cell in row] for row in self.rows])

    def t(self):
        return Tensor([list(column) for column in zip(*self.rows)], self.wrong)

    def to(self, device):
        index = int(device.split(":")[1])
        if DEVICES[index].get("error"):
            raise RuntimeError(DEVICES[index]["error"])
        if DEVICES[index].get("dies"):
            import os, signal
            os.kill(os.getpid(), signal.SIGSEGV)
        return Tensor(self.rows, DEVICES[index].get("wrong", 0))

    def cpu(self):
        return self

    def __matmul__(self, other):
        columns = list(zip(*other.rows))
        product = [[sum(a * b for a, b in zip(row, column)) for column in columns] for row in self.rows]
        product[0][0] += self.wrong
        made = Tensor(product)
        made.operand = self
        return made

    def sum(self):
        total = Tensor(sum(sum(row) for row in self.rows))
        total.operand = self.operand
        return total

    def backward(self):
        x = self.operand.rows
        across, down = [sum(row) for row in x], [sum(column) for column in zip(*x)]
        self.operand.grad = Tensor([[across[j] + down[i] for j in range(len(x))] for i in range(len(x))])

    def item(self):
        return self.rows

    def tolist(self):
        return self.rows

    def numpy(self):
        return self


def tensor(rows, requires_grad=False):
    return Tensor(rows)


def arange(count):
    return Tensor(list(range(count)))


def zeros(count, device):
    raise RuntimeError({zeros!r})


class Properties:
    def __init__(self, device):
        self.name, self.total_memory = device["name"], 8 << 30
        self.major, self.minor = device["capability"]


class cuda:
    @staticmethod
    def is_available():
        if {warning!r}:
            import warnings
            warnings.warn({warning!r})
        return {available}

    @staticmethod
    def device_count():
        return len(DEVICES)

    @staticmethod
    def get_device_properties(index):
        return Properties(DEVICES[index])


class version:
    cuda = "12.6"
    hip = None


class backends:
    pass


class _C:
    @staticmethod
    def _cuda_getArchFlags():
        return "sm_80 sm_90"
"""


def fake_torch(
    devices: list[dict[str, object]], *, available: bool = True, zeros: str = "no zeros", warning: str = ""
) -> str:
    """The package's ``__init__.py`` for these GPUs; each may have a key "error", "wrong" or "dies"."""
    return SOURCE.format(devices=devices, available=available, zeros=zeros, warning=warning)
