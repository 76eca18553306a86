"""A diagnosis: the facts, every check's verdict, and the one next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envtool.environment import BrokenEnvironment, Environment, ImportReport
from envtool.fact import Fact, dataclass
from envtool.machine import Machine, Reading
from envtool.verdicts import Status, Verdict, worst

if TYPE_CHECKING:
    from envtool.course import Course


@dataclass(frozen=True, eq=False, repr=False)
class NextStep(Fact):
    """What to do next: ``text`` is a line to copy where ``command`` is true, else a sentence."""

    text: str
    command: bool
    code: str


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Fact):
    """What the doctor found. ``verdicts`` keep the order of the checks, which is the order of mending."""

    machine: Machine
    environment: Environment | BrokenEnvironment
    imports: Reading[ImportReport]
    verdicts: tuple[Verdict, ...]
    course: Course | None = None  # whose envtool.toml the verdicts go by

    @property
    def status(self) -> Status:
        """The worst verdict: pass, warn or fail."""
        return worst(self.verdicts)

    @property
    def problems(self) -> tuple[Verdict, ...]:
        """Failures first, then warnings, then what could not be told; each in the order of mending."""
        order = (Status.FAIL, Status.WARN, Status.UNKNOWN)
        return tuple(v for status in order for v in self.verdicts if v.status is status)

    @property
    def next_step(self) -> NextStep | None:
        """The hint of the first problem that has one; None when all is well."""
        first = next((v for v in self.problems if v.hint), None)
        return NextStep(first.hint, first.command, first.code) if first and first.hint else None
