"""What a run of the smoke tests showed."""

from __future__ import annotations

from dataclasses import field

from envtool.fact import Fact, dataclass
from envtool.verdicts import Status, Verdict, worst

CODE = "smoke-"  # before a test's name it makes the verdict's code


@dataclass(frozen=True, eq=False, repr=False)
class SmokeTest(Fact):
    """A test as it is told before it runs. ``limit`` in seconds; a ``fresh`` one has a process of its own."""

    code: str
    family: str
    sentence: str
    mend: str
    quick: bool
    limit: float
    fresh: bool


@dataclass(frozen=True, eq=False, repr=False)
class SmokeVerdict(Fact):
    """A test's verdict, whose title is its sentence; ``lines`` tell where an exception or a crash happened."""

    verdict: Verdict
    family: str
    seconds: float | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class SmokeReport(Fact):
    """One run. ``torch`` is None where it does not import, ``device`` where none was reached."""

    python: str
    asked: str  # the device that was asked for: "auto" or one by its name
    quick: bool
    outcomes: tuple[SmokeVerdict, ...]
    seconds: float
    torch: str | None = None
    device: str | None = None
    device_name: str | None = None
    accelerators: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)  # why a kind of accelerator can't be used
    chosen_by: str = ""  # why this Python: --python, the active environment, or PATH

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts alone, in the order of the families."""
        return tuple(outcome.verdict for outcome in self.outcomes)

    @property
    def status(self) -> Status:
        """The worst verdict: pass, warn or fail."""
        return worst(self.verdicts)

    @property
    def problems(self) -> tuple[SmokeVerdict, ...]:
        """Failures first, then warnings, then what was not reached; each in the order of the families."""
        order = (Status.FAIL, Status.WARN, Status.UNKNOWN)
        return tuple(one for status in order for one in self.outcomes if one.verdict.status is status)

    @property
    def next_step(self) -> Verdict | None:
        """The first problem that says what to do; None where there is nothing to do."""
        return next((one.verdict for one in self.problems if one.verdict.hint), None)

    def count(self, status: Status) -> int:
        """How many tests ended so."""
        return sum(verdict.status is status for verdict in self.verdicts)
