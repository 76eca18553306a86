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
    from envtool.checks import Check, Evidence
    from envtool.checks.check import Mender
    from envtool.course import Course
    from envtool.diagnosis import Diagnosis
    from envtool.smoke import Event
    from envtool.smoke_report import SmokeReport
    from envtool.verdicts import Verdict

IMPORT_TIMEOUT = 120.0  # seconds: a cold network file system needs more than a minute


@dataclass(frozen=True, eq=False, repr=False)
class Selection(Fact):
    """Some checks: ``run`` in their order, with all that they need; ``shown`` and ``skipped`` by their codes."""

    run: tuple[Check, ...]
    shown: frozenset[str]
    skipped: frozenset[str] = frozenset()


def examine(
    host: Host,
    *,
    python: str | None = None,
    do_import: bool = True,
    timeout: float = IMPORT_TIMEOUT,
    course: Course | None = None,
    selection: Selection | None = None,
) -> Diagnosis:
    """A diagnosis of this host and of the Python that ``python`` names, or of the one that a user would mean.

    ``timeout`` is the longest that the import may take, in seconds. With a ``selection``, torch is imported only
    where one of its checks looks at that. Raises UsageError where ``python`` names no working Python.
    """
    first = do_import and selection is None
    machine, environment, imports = ask(host, python=python, do_import=first, timeout=timeout)
    looked = selection is None or _look_at_the_import(selection, machine, environment, course)
    if do_import and not first and looked:
        imports = _imported(host, environment, timeout)
    if looked and not _computes_on_cuda(imports):
        machine = _with_cuda(host, machine)
    return judge(machine, environment, imports, course, selection)


def _computes_on_cuda(imports: Reading[ImportReport]) -> bool:
    """Has PyTorch computed on a GPU of NVIDIA's? Then CUDA starts, and is not asked again."""
    stages = imports.value.stages if isinstance(imports, Found) else ()
    return any(stage.name.startswith("cuda") and stage.outcome == "ok" for stage in stages)


def _with_cuda(host: Host, machine: Machine) -> Machine:
    if machine.nvidia.status != "found" or not machine.nvidia.gpus:
        return machine  # nothing is loaded that isn't needed
    from dataclasses import replace

    from envtool.probe.cuda import with_cuda

    try:
        return replace(machine, nvidia=with_cuda(host, machine.nvidia))
    finally:
        host.stop()


def _look_at_the_import(
    selection: Selection, machine: Machine, environment: Environment | BrokenEnvironment, course: Course | None
) -> bool:
    """Would any of the checks look at the import? Tried, without one: a check that asks for it is seen asking."""
    from envtool.checks import Evidence, run

    asked: list[str] = []

    class Watched(Evidence):
        def __getattribute__(self, name: str) -> object:
            if name == "imports":
                asked.append(name)
            return super().__getattribute__(name)

    run(selection.run, _evidence(Watched, machine, environment, NOT_IMPORTED, course))
    return bool(asked)


def _imported(host: Host, environment: Environment | BrokenEnvironment, timeout: float) -> Reading[ImportReport]:
    if isinstance(environment, BrokenEnvironment):
        return Absent("Python does not start")
    from envtool.probe.python import start_import

    try:
        return Found(start_import(host, environment, timeout=timeout)())
    finally:
        host.stop()


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
    selection: Selection | None = None,
) -> Diagnosis:
    """Every check's verdict on these readings, or those of a selection. Pure, but for the catalog that it reads."""
    from envtool.checks import ALL, Evidence, of_course, run
    from envtool.diagnosis import Diagnosis

    evidence = _evidence(Evidence, machine, environment, imports, course)
    if selection is None:
        verdicts = run((*ALL, *of_course()) if course else ALL, evidence)
        return Diagnosis(machine, environment, imports, verdicts, course)
    verdicts = _shown(run(selection.run, evidence), selection)
    return Diagnosis(machine, environment, imports, verdicts, course, partial=True)


def _evidence(
    kind: type[Evidence],
    machine: Machine,
    environment: Environment | BrokenEnvironment,
    imports: Reading[ImportReport],
    course: Course | None,
) -> Evidence:
    from envtool.catalog import load

    catalog = load()
    return kind(machine, environment, imports, catalog, MenderWhenNeeded(machine, environment, catalog, course), course)


def _shown(verdicts: tuple[Verdict, ...], selection: Selection) -> tuple[Verdict, ...]:
    """The verdicts that were asked for, and the failure that one of them waits for: without it there is no answer."""
    from envtool.checks.check import BLOCKED, is_blocked

    by_code = {verdict.code: verdict for verdict in verdicts}
    wanted = set(selection.shown)
    for code in selection.shown & set(by_code):
        cause = by_code[code]
        while is_blocked(cause) and (of := cause.message[len(BLOCKED) :]) in by_code:
            cause = by_code[of]
        wanted.add(cause.code)
    return tuple(verdict for verdict in verdicts if verdict.code in wanted - selection.skipped)
