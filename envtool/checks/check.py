"""What a check is, what it may look at, and how all of them are run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from envtool.catalog import Catalog
from envtool.environment import BrokenEnvironment, Build, Environment, ImportReport, Workplace
from envtool.fact import Fact, dataclass
from envtool.machine import Found, Gpu, Machine, Reading
from envtool.verdicts import Status, Verdict, skipped, unknown

if TYPE_CHECKING:
    from envtool.course import Course
    from envtool.drift import Drift

GROUPS = ("Python", "PyTorch", "Driver", "GPU", "System")
COURSE = "Course"  # the group of the checks that an envtool.toml brings
LOCK = "Lockfile"  # … and of those that `envtool check` brings
FAULTS = (Status.FAIL, Status.WARN, Status.UNKNOWN)
BLOCKED = "not checked, because of "  # how the message of a check begins whose need failed


class Mender(Protocol):
    """Works out the commands that mend an environment; see ``checks.mend``."""

    def reinstall(self, *, accelerator: str = "auto", force: bool = False) -> str | None:
        """The line that brings torch and its companions here to builds that fit; None where there are none.

        ``force`` lays down the files of what is installed already, too: for a damaged installation.
        """

    def uninstall(self, *names: str) -> str:
        """The line that removes distributions."""

    def install(self, *requirements: str) -> str:
        """The line that installs other packages."""


@dataclass(frozen=True, eq=False, repr=False)
class Evidence(Fact):
    """All that a check may look at. Pure data: the same evidence gives the same verdict anywhere."""

    machine: Machine
    environment: Environment | BrokenEnvironment
    imports: Reading[ImportReport]
    catalog: Catalog
    mender: Mender
    course: Course | None = None  # what the envtool.toml in use says
    drift: Drift | None = None  # what `envtool check` looks at beside

    @property
    def env(self) -> Environment | None:
        """The environment, None where its Python does not start."""
        return self.environment if isinstance(self.environment, Environment) else None

    @cached_property
    def torch(self) -> Build | None:
        """What torch's own files say of it, None where there is no torch."""
        return self.env.build("torch") if self.env else None

    @property
    def torch_version(self) -> str | None:
        """torch's release without a local part: "2.13.0"."""
        return self.torch.version.partition("+")[0] if self.torch else None

    @property
    def cuda_build(self) -> bool:
        """Is a CUDA build of torch installed?"""
        return self.torch is not None and self.torch.cuda is not None

    @property
    def platform(self) -> str:
        """The catalog's name of this platform: "linux_x86_64"."""
        return f"{self.machine.os}_{self.machine.arch}"

    @cached_property
    def gpus(self) -> tuple[Gpu, ...]:
        """The NVIDIA GPUs that answered."""
        return tuple(gpu for gpu in self.machine.nvidia.gpus if gpu.error_code is None)

    @property
    def workplace(self) -> Workplace | None:
        """The folder, the shell and the settings of a plain start; None where it did not tell."""
        return self.env.workplace if self.env else None

    def variable(self, name: str) -> str | None:
        """One of the variables that the workplace tells of, None where it is not set or not known."""
        return self.workplace.variable(name) if self.workplace else None

    @property
    def report(self) -> ImportReport | None:
        """The import rehearsal, None where there was none."""
        return self.imports.value if isinstance(self.imports, Found) else None


def imports_torch(evidence: Evidence) -> bool:
    """Was torch imported here? Then somebody built one for this machine, whatever the index has."""
    stage = evidence.report.stage("torch") if evidence.report else None
    return stage is not None and stage.outcome == "ok"


@dataclass(frozen=True, eq=False, repr=False)
class Check(Fact):
    """One named rule. Its code never changes meaning; ``group`` is the line of the screen that it belongs to.

    Where one of ``needs`` failed, the check is not asked. Where one of ``behind`` failed, it is, and a fault that it
    finds is not told: it follows from that failure, or goes with it.
    """

    code: str
    title: str
    group: str
    judge: Callable[[Evidence], Verdict]
    needs: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()


def run(checks: Iterable[Check], evidence: Evidence) -> tuple[Verdict, ...]:
    """Every check's verdict, in order. A check whose need failed is skipped; one that crashes is unknown."""
    verdicts: dict[str, Verdict] = {}
    failures: set[str] = set()
    out: set[str] = set()  # these, and what waits for one of them
    for check in checks:
        cause = next((need for need in check.needs if need in out), None)
        verdict = skipped(f"{BLOCKED}{cause}") if cause else _judged(check, evidence)
        if verdict.status in FAULTS:
            cause = next((code for code in check.behind if code in failures), None)
            verdict = skipped(f"{BLOCKED}{cause}") if cause else verdict
        if verdict.status is Status.FAIL:
            failures.add(check.code)
        if cause or verdict.status is Status.FAIL:
            out.add(check.code)
        verdicts[check.code] = replace(verdict, code=check.code, title=check.title)
    return tuple(verdicts.values())


def is_blocked(verdict: Verdict) -> bool:
    """Was the check skipped because one that it needs failed?"""
    return verdict.status is Status.SKIP and verdict.message.startswith(BLOCKED)


def _judged(check: Check, evidence: Evidence) -> Verdict:
    try:
        return check.judge(evidence)
    except Exception as error:  # noqa: BLE001 - one broken check must not hide the rest
        return unknown(
            f"this check broke: {type(error).__name__}: {error}",
            hint="report it with the output of `envtool doctor --json`",
        )
