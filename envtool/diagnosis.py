"""A diagnosis: the facts, every check's verdict, and the one next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envtool.environment import BrokenEnvironment, Environment, ImportReport
from envtool.fact import Fact, dataclass
from envtool.machine import Found, Machine, Reading, Unknown
from envtool.verdicts import Status, Verdict, worst

if TYPE_CHECKING:
    from envtool.course import Course
    from envtool.smoke_report import SmokeReport


@dataclass(frozen=True, eq=False, repr=False)
class NextStep(Fact):
    """What to do next: ``text`` is a line to copy where ``command`` is true, else a sentence."""

    text: str
    command: bool
    code: str


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Fact):
    """What the doctor found. ``verdicts`` keep the order of the checks, which is the order of mending.

    ``smoke`` is None where no smoke tests were asked for, Absent where there was no torch to test, and Unknown where
    they could not be run.
    """

    machine: Machine
    environment: Environment | BrokenEnvironment
    imports: Reading[ImportReport]
    verdicts: tuple[Verdict, ...]
    course: Course | None = None  # whose envtool.toml the verdicts go by
    smoke: Reading[SmokeReport] | None = None
    partial: bool = False  # only some checks were asked for

    @property
    def all_verdicts(self) -> tuple[Verdict, ...]:
        """The checks' verdicts, and behind them those of the smoke tests."""
        return self.verdicts + (self.smoke.value.verdicts if isinstance(self.smoke, Found) else ())

    @property
    def status(self) -> Status:
        """The worst verdict: pass, warn or fail. Smoke tests that were asked for and could not be run are no pass."""
        found = worst(self.all_verdicts)
        return Status.WARN if found is Status.PASS and isinstance(self.smoke, Unknown) else found

    @property
    def problems(self) -> tuple[Verdict, ...]:
        """Failures first, then warnings, then what could not be told; each in the order of mending."""
        order = (Status.FAIL, Status.WARN, Status.UNKNOWN)
        return tuple(v for status in order for v in self.all_verdicts if v.status is status)

    @property
    def next_step(self) -> NextStep | None:
        """The hint of the first problem that has one; None when all is well."""
        first = next((v for v in self.problems if v.hint), None)
        return NextStep(first.hint, first.command, first.code) if first and first.hint else None
