"""The doctor's round: ask the machine and the environment, all at once, and judge what they say."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from envtool.environment import NOT_IMPORTED, BrokenEnvironment, Environment, ImportReport
from envtool.errors import ToolError, UsageError
from envtool.fact import Fact, dataclass
from envtool.machine import Absent, Found, HostPython, Machine, Reading, Unknown
from envtool.probe.host import Host

if TYPE_CHECKING:
    from envtool.catalog import Catalog
    from envtool.checks.check import Mender
    from envtool.course import Course
    from envtool.diagnosis import Diagnosis
    from envtool.smoke import Event
    from envtool.smoke_report import SmokeReport

IMPORT_TIMEOUT = 120.0  # seconds: a cold network file system needs more than a minute


def examine(
    host: Host,
    *,
    python: str | None = None,
    do_import: bool = True,
    timeout: float = IMPORT_TIMEOUT,
    course: Course | None = None,
) -> Diagnosis:
    """A diagnosis of this host and of the Python that ``python`` names, or of the one that a user would mean.

    ``timeout`` is the longest that the import may take, in seconds. Raises UsageError where ``python`` names no
    working Python.
    """
    machine, environment, imports = ask(host, python=python, do_import=do_import, timeout=timeout)
    return judge(machine, environment, imports, course)


def with_smoke_tests(diagnosis: Diagnosis, on_event: Callable[[Event], None] | None = None) -> Diagnosis:
    """The diagnosis with what the quick smoke tests show, where torch imports or was not tried."""
    from dataclasses import replace

    return replace(diagnosis, smoke=_smoke(diagnosis, on_event))


def _smoke(diagnosis: Diagnosis, on_event: Callable[[Event], None] | None) -> Reading[SmokeReport]:
    if isinstance(diagnosis.environment, BrokenEnvironment):
        return Absent("Python does not start")
    if isinstance(diagnosis.imports, Found):
        torch = diagnosis.imports.value.stage("torch")
        if torch is None or torch.outcome != "ok":
            return Absent("torch does not import")
    from envtool.smoke import run

    try:
        return Found(run(diagnosis.environment.executable, quick=True, on_event=on_event))
    except ToolError as error:
        return Unknown(error.message)


def ask(
    host: Host, *, python: str | None, do_import: bool, timeout: float = IMPORT_TIMEOUT
) -> tuple[Machine, Environment | BrokenEnvironment, Reading[ImportReport]]:
    """All readings. Children are started as soon as they may be, and work is done while they run."""
    from envtool.probe.interpreter import choose_interpreter
    from envtool.probe.python import start, start_import

    if host.facts().get("cwd") is None:
        raise UsageError("the folder that you are in does not exist any more", hint="cd into a folder that exists")
    try:
        choice = choose_interpreter(host, python)
        environment = start(host, choice)
        from envtool.probe.everything import start_machine

        # Before torch is imported: the device files must be seen before NVIDIA's library, loaded as root, makes them.
        machine = start_machine(host, packages_path=_folder(choice.executable))
        rehearsal = start_import(host, choice.executable, timeout=timeout) if do_import else None
        import envtool.checks  # noqa: F401 - loaded while the children run, needed when they have answered

        found = environment()
        imports = _imports(found, rehearsal)
        return _with_python(machine(), found), found, imports
    finally:
        host.stop()


def _folder(executable: str) -> str:
    """The environment's folder, from its program's path: packages go there, or at least on the same disk."""
    separator = "\\" if "\\" in executable else "/"
    return separator.join(executable.split(separator)[:-2]) or separator


def _imports(
    environment: Environment | BrokenEnvironment, rehearsal: Callable[[], ImportReport] | None
) -> Reading[ImportReport]:
    if rehearsal is None:
        return NOT_IMPORTED
    if isinstance(environment, BrokenEnvironment):
        return Absent("Python does not start")
    return Found(rehearsal())


def _with_python(machine: Machine, environment: Environment | BrokenEnvironment) -> Machine:
    """The machine, and the Python that a build must suit: the one that was looked at."""
    from dataclasses import replace

    if isinstance(environment, BrokenEnvironment):
        return replace(machine, python=Unknown("Python does not start"))
    found = HostPython(environment.version, environment.abi, environment.executable, environment.bits)
    return replace(machine, python=Found(found))


@dataclass(frozen=True, eq=False, repr=False)
class MenderWhenNeeded(Fact):
    """A mender that is imported when a line is asked for: a healthy environment doesn't wait for the resolver."""

    machine: Machine
    environment: Environment | BrokenEnvironment
    catalog: Catalog
    course: Course | None = None

    @cached_property
    def _mender(self) -> Mender:
        from envtool.checks.mend import EnvironmentMender

        return EnvironmentMender(self.machine, self.environment, self.catalog, self.course)

    def reinstall(self, *, accelerator: str = "auto", force: bool = False) -> str | None:
        return self._mender.reinstall(accelerator=accelerator, force=force)

    def uninstall(self, *names: str) -> str:
        return self._mender.uninstall(*names)

    def install(self, *requirements: str) -> str:
        return self._mender.install(*requirements)


def judge(
    machine: Machine,
    environment: Environment | BrokenEnvironment,
    imports: Reading[ImportReport],
    course: Course | None = None,
) -> Diagnosis:
    """Every check's verdict on these readings. Pure, but for the catalog that it reads."""
    from envtool.catalog import load
    from envtool.checks import ALL, Evidence, of_course, run
    from envtool.diagnosis import Diagnosis

    catalog = load()
    mender = MenderWhenNeeded(machine, environment, catalog, course)
    evidence = Evidence(machine, environment, imports, catalog, mender, course)
    return Diagnosis(machine, environment, imports, run((*ALL, *of_course()) if course else ALL, evidence), course)
