"""The doctor's round: ask the machine and the environment, all at once, and judge what they say."""

from __future__ import annotations

from collections.abc import Callable

from envtool.diagnosis import Diagnosis
from envtool.environment import NOT_IMPORTED, BrokenEnvironment, Environment, ImportReport
from envtool.machine import Absent, Found, HostPython, Machine, Reading, Unknown
from envtool.probe.host import Host

IMPORT_TIMEOUT = 120.0  # seconds: a cold network file system needs more than a minute


def examine(
    host: Host, *, python: str | None = None, do_import: bool = True, timeout: float = IMPORT_TIMEOUT
) -> Diagnosis:
    """A diagnosis of this host and of the Python that ``python`` names, or of the one that a user would mean.

    ``timeout`` is the longest that the import may take, in seconds. Raises UsageError where ``python`` names no
    working Python.
    """
    machine, environment, imports = ask(host, python=python, do_import=do_import, timeout=timeout)
    return judge(machine, environment, imports)


def ask(
    host: Host, *, python: str | None, do_import: bool, timeout: float = IMPORT_TIMEOUT
) -> tuple[Machine, Environment | BrokenEnvironment, Reading[ImportReport]]:
    """All readings. Everything is started before anything is waited for."""
    from envtool.probe.everything import start_machine
    from envtool.probe.interpreter import choose_interpreter
    from envtool.probe.python import start, start_import

    try:
        choice = choose_interpreter(host, python)
        # The machine first: its device files must be seen before anything loads NVIDIA's library, which may make them.
        machine = start_machine(host, packages_path=choice.executable)
        environment = start(host, choice)
        rehearsal = start_import(host, choice.executable, timeout=timeout) if do_import else None
        found = environment()
        imports = _imports(found, rehearsal)
        return _with_python(machine(), found), found, imports
    finally:
        host.stop()


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


def judge(machine: Machine, environment: Environment | BrokenEnvironment, imports: Reading[ImportReport]) -> Diagnosis:
    """Every check's verdict on these readings. Pure, but for the catalog that it reads."""
    from envtool.catalog import load
    from envtool.checks import ALL, Evidence, run
    from envtool.checks.mend import EnvironmentMender

    catalog = load()
    mender = EnvironmentMender(machine, environment, catalog)
    evidence = Evidence(machine, environment, imports, catalog, mender)
    return Diagnosis(machine, environment, imports, run(ALL, evidence))
