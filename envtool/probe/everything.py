"""All probes of the machine, in the order in which they must be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from envtool.errors import EnvtoolError
from envtool.machine import Amd, Apple, Found, Intel, Machine, Nvidia, PciCard, Reading, Unknown
from envtool.probe import amd, apple, intel, nvidia, pci, surroundings, system
from envtool.probe.host import Host

T = TypeVar("T")


def start_machine(host: Host, *, packages_path: str | None, nvml_timeout: float = 10.0) -> Callable[[], Machine]:
    """Start every probe of the machine; the answer waits for the children that were started.

    The order counts. NVML's child is the slowest, so it starts before anything is read that it doesn't need; it
    looks at the device nodes itself before that, because NVIDIA's library creates them when root loads it.
    """
    is_mac = host.facts().get("sys_platform") == "darwin"
    sysctl = apple.start_sysctl(host) if is_mac else None
    cards: Reading[tuple[PciCard, ...]] = _guarded(lambda: pci.read_cards(host), _no_cards)
    nvidia_gpus = _guarded(lambda: _start_nvidia(host, cards, nvml_timeout), _no_nvidia)
    apple_chip = _guarded(lambda: apple.start(host, sysctl), _no_apple)
    rest = system.start(host, packages_path, sysctl)
    amd_gpus = _guarded(lambda: amd.read(host, cards), lambda reason: Amd("unknown", reason))
    intel_gpus = _guarded(lambda: intel.read(host, cards), lambda reason: Intel("unknown", reason))

    def collect() -> Machine:
        return replace(
            rest(),
            nvidia=_guarded(nvidia_gpus, lambda reason: Nvidia("unknown", reason)),
            amd=amd_gpus,
            intel=intel_gpus,
            apple=_guarded(apple_chip, lambda reason: Apple("unknown", reason)),
        )

    return collect


def _start_nvidia(host: Host, cards: Reading[tuple[PciCard, ...]], timeout: float) -> Callable[[], Nvidia]:
    return nvidia.start(host, cards, wsl=isinstance(surroundings.wsl(host), Found), timeout=timeout)


def _guarded(ask: Callable[[], T], otherwise: Callable[[str], T]) -> T:
    """The answer, or ``otherwise`` with the reason: one family's fault must not hide the others.

    An EnvtoolError goes through: it is meant for the user (a recording that can't be read).
    """
    try:
        return ask()
    except EnvtoolError:
        raise
    except Exception as error:  # noqa: BLE001
        return otherwise(f"the probe itself failed: {type(error).__name__}: {error}")


def _no_cards(reason: str) -> Reading[tuple[PciCard, ...]]:
    return Unknown(reason)


def _no_nvidia(reason: str) -> Callable[[], Nvidia]:
    return lambda: Nvidia("unknown", reason)


def _no_apple(reason: str) -> Callable[[], Apple]:
    return lambda: Apple("unknown", reason)
