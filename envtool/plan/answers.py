"""What the resolver answers with: a plan, or no plan, and the builds that were passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envtool.fact import Fact

if TYPE_CHECKING:
    from envtool.catalog.builds import Build


@dataclass(frozen=True, eq=False, repr=False)
class Refusal(Fact):
    """A build that was passed over: its first reason. ``torch`` and ``variant`` are None where all builds are meant."""

    torch: str | None
    variant: str | None
    kind: str
    reason: str
    source: str | None = None  # where the build lives: a torch may stand in two places as one variant


@dataclass(frozen=True, eq=False, repr=False)
class Pin(Fact):
    """One package to install. ``local`` is the suffix that its version carries on its index, None where it has none."""

    package: str
    version: str
    local: str | None = None

    @property
    def full(self) -> str:
        """The version as its index writes it: "2.13.0+cpu"."""
        return f"{self.version}+{self.local}" if self.local else self.version


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Fact):
    """What to install, from where, and what was passed over for it."""

    pins: tuple[Pin, ...]  # torch first
    build: Build
    accelerator: str  # cuda | rocm | xpu | mps | cpu
    constraints: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    python: str | None = None  # "3.12": conda makes an environment with its own Python

    @property
    def packages(self) -> dict[str, str]:
        """Versions by package, as the plan document has them."""
        return {pin.package: pin.version for pin in self.pins}

    @property
    def variant(self) -> str:
        """The build's variant, "cu126" or "cpu"."""
        return self.build.variant

    @property
    def source(self) -> str:
        """Where the packages live: pypi, pytorch-index or conda-forge."""
        return self.build.source

    @property
    def index_url(self) -> str | None:
        """The index to name in the command, None for PyPI and conda-forge."""
        return self.build.index_url


@dataclass(frozen=True, eq=False, repr=False)
class NoPlan(Fact):
    """No build fits. ``error_kind`` names the decisive refusal, ``message`` says it, ``hint`` is the next step."""

    error_kind: str
    message: str
    hint: str
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()
