"""What a course asks of a GPU, held against those of a machine. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.course import Floors
from envtool.machine import Found, Gpu, Machine
from envtool.versions import at_least, numbers

# A card is sold as 16 GB and reports 15 GiB: ECC and firmware take their part (a T4 15360 MiB, an L4 of 24 GB 23034).
OF_WHAT_IS_SOLD = 0.92


def enough_memory(memory_mib: int, floors: Floors) -> bool:
    """Has a GPU that reports so much what the course asks for?"""
    return floors.memory_gib is None or memory_mib >= floors.memory_gib * 1024 * OF_WHAT_IS_SOLD


def too_little_memory(gpus: Iterable[Gpu], floors: Floors) -> tuple[Gpu, ...]:
    """The GPUs that are known to have less."""
    return tuple(
        gpu for gpu in gpus if isinstance(gpu.memory_mib, Found) and not enough_memory(gpu.memory_mib.value, floors)
    )


def below_driver(machine: Machine, driver: str, floor: str) -> bool:
    """Is a driver older than the floor? The floor is a Linux driver; Windows numbers its own otherwise."""
    if machine.os == "windows" or isinstance(machine.wsl, Found):
        return False
    return not at_least(numbers(driver), numbers(floor))
