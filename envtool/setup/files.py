"""A file that a target of `envtool setup` is made of. Pure."""

from __future__ import annotations

from envtool.fact import Fact, dataclass


@dataclass(frozen=True, eq=False, repr=False)
class SetupFile(Fact):
    """One file to write: its path below the output folder, with "/", and its whole text, which ends with a newline."""

    path: str
    text: str
