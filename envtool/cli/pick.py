"""``envtool pick``."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from envtool.cli.spec_option import Spec, chosen, spec_options
from envtool.errors import EXIT_NO_PLAN, EXIT_OK, EnvtoolError, UsageError
from envtool.fact import Fact
from envtool.spec import ACCELERATORS, INSTALLERS, Request

if TYPE_CHECKING:
    from envtool.catalog import Catalog
    from envtool.environment import BrokenEnvironment, Environment
    from envtool.machine import Machine
    from envtool.plan import NoPlan, Plan
    from envtool.probe.host import Host


class NoPlanError(EnvtoolError):
    """There is no build; the command ends with the code for that."""

    exit_code = EXIT_NO_PLAN

    def __init__(
        self, message: str, *, hint: str | None = None, details: tuple[str, ...] = (), kind: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.kind = kind


@click.command("pick")
@click.argument("specs", metavar="[SPEC]...", nargs=-1)
@click.option("--machine", metavar="FILE", help="Pick for the machine in FILE, or for JSON lines; - is stdin.")
@click.option(
    "--target", metavar="TEXT", help="Pick for a machine in a line: 'linux-64,py3.12,driver=550.54.14,gpu=V100'."
)
@click.option("--python", metavar="PATH", help="The Python that the builds must suit: a program or a folder.")
@click.option(
    "--accelerator", type=click.Choice(ACCELERATORS), default="auto", show_default=True,
    help="What the builds must run on; auto may end at the CPU.",
)  # fmt: skip
@click.option("--variant", metavar="NAME", help="This variant and no other: cpu, cu126, rocm7.2, xpu.")
@click.option("--installer", type=click.Choice(INSTALLERS), help="Whose command to print. Default: pip.")
@click.option("--channel", metavar="NAME", help="The conda channel to pick from.")
@spec_options
@click.option("--include-unverified", is_flag=True, help="Also builds that nobody has seen on their index.")
@click.option("--explain", is_flag=True, help="Also the table of candidates, with the reason against each.")
@click.option("--json", "as_json", is_flag=True, help="The plan document on stdout.")
def command(
    specs: tuple[str, ...],
    machine: str | None,
    target: str | None,
    python: str | None,
    accelerator: str,
    variant: str | None,
    installer: str | None,
    channel: str | None,
    spec: str | None,
    no_spec: bool,
    include_unverified: bool,
    explain: bool,
    as_json: bool,
) -> int:
    """Print the command that installs the matching builds of PyTorch.

    SPEC is a requirement such as 'torch==2.8.0' or torchvision; none means
    what the envtool.toml of this folder asks for, else torch, torchvision and
    torchaudio. Without --machine and --target it is this machine and the
    environment that is active. Nothing is installed, and the network is not
    used. The exit code is 3 if no build fits.

    \b
    --target names facts in any order, with commas between them:
      linux-64, linux-aarch64, osx-64, osx-arm64, win-64, win-arm64
      py3.12 or py3.13t (free-threaded)
      driver=550.54.14 or driver=none
      gpu=V100, gpu=7.0, gpu=sm_70, gpu=V100x8, gpu=gfx1100, gpu=none
      glibc=2.28 or musl, macos=13.6, wsl, jetpack=6.2
    What is not named is unknown, and never this machine's.
    """
    from envtool.catalog import load

    named = [name for name, given in (("--machine", machine), ("--target", target), ("--python", python)) if given]
    if len(named) > 1:
        raise click.UsageError(f"{' and '.join(named)} can't be used together: each names its own Python")
    request = Request(specs, accelerator, variant, installer or "pip", channel, include_unverified)
    _read_early(request, target)
    catalog = load()
    if machine is not None:
        from envtool.cli.machine_lines import Lines, answer_lines, open_machines

        opened = open_machines(machine)
        if isinstance(opened, Lines):
            found = chosen(spec, no_spec, look=False, catalog=catalog)  # lines bring their own requests
            return answer_lines(opened, _of_course(request, found), catalog, found.course if found else None)
        found = chosen(spec, no_spec, catalog=catalog)
        subject = _from_document(opened.document, machine)
    elif target is not None:
        found = chosen(spec, no_spec, catalog=catalog)
        subject = _from_target(target, catalog)
    else:
        found = chosen(spec, no_spec, catalog=catalog)
        subject = _this_machine(python)
    if installer is None:
        request = replace(request, installer=subject.installer(catalog))
    return _answer(subject, _of_course(request, found), catalog, found, explain=explain, as_json=as_json)


def _of_course(request: Request, found: Spec | None) -> Request:
    """The request with what envtool.toml says where the command line doesn't."""
    if found is None:
        return request
    return found.course.request(
        request.packages,
        accelerator=request.accelerator,
        variant=request.variant,
        installer=request.installer,
        channel=request.channel,
        include_unverified=request.include_unverified,
    )


def _read_early(request: Request, target: str | None) -> None:
    """A SPEC that can't be read is told before the machine is asked, which takes its time."""
    from envtool.spec import read

    try:
        read(request.packages, request.variant, request.installer)
    except UsageError as error:
        if target is None or "," in target:
            raise
        hint = f"quote the target, --target '{target},…': PowerShell takes it apart at its commas"
        raise UsageError(error.message, hint=hint) from None


# ── whose machine ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, repr=False)
class _Subject(Fact):
    """The machine to pick for; ``place``: the words that named it. The environment is known where it was looked at."""

    machine: Machine
    place: tuple[str, ...] = ()
    environment: Environment | BrokenEnvironment | None = None

    def installer(self, catalog: Catalog) -> str:
        """The installer to use where none is named."""
        from envtool.environment import Environment

        if not isinstance(self.environment, Environment):
            return "pip"
        from envtool.checks.mend import EnvironmentMender

        return EnvironmentMender(self.machine, self.environment, catalog).installer(self.environment)

    def commands(self, plan: Plan, catalog: Catalog) -> dict[str, str]:
        """The lines to paste; for an environment that was looked at, into that one."""
        from envtool.environment import Environment
        from envtool.plan_document import commands_of

        lines = commands_of(plan)
        if isinstance(self.environment, Environment) and "pip" in lines:
            from envtool.checks.mend import EnvironmentMender

            mender = EnvironmentMender(self.machine, self.environment, catalog)
            for name in ("pip", "uv"):
                lines[name] = mender.command(plan, self.environment, installer=name)
        return lines


def _this_machine(python: str | None) -> _Subject:
    from envtool.probe.host import LiveHost

    return _asked(LiveHost(), python, ("--python", python) if python else ())


def _asked(host: Host, python: str | None, place: tuple[str, ...]) -> _Subject:
    from envtool.examination import ask

    machine, environment, _ = ask(host, python=python, do_import=False)
    return _Subject(machine, place, environment)


def _from_document(document: object, path: str) -> _Subject:
    from envtool.machine_document import machine_from_json
    from envtool.probe.recording import RECORDING_SCHEMA

    place = ("--machine", path) if path != "-" else ()
    if isinstance(document, dict) and document.get("schema") == RECORDING_SCHEMA:
        from envtool.cli.recordings import asked
        from envtool.probe.recording import RecordedHost, recording_from_json

        host = RecordedHost(recording_from_json(document))
        named, _ = asked(host, None, False)
        return _asked(host, named, place)
    return _Subject(machine_from_json(document, "stdin" if path == "-" else path), place)  # type: ignore[arg-type]


def _from_target(text: str, catalog: Catalog) -> _Subject:
    from envtool.target import read_target

    return _Subject(read_target(text, catalog), ("--target", text))


# ── the answer ───────────────────────────────────────────────────────────────────────────────────


def _answer(
    subject: _Subject, request: Request, catalog: Catalog, spec: Spec | None, *, explain: bool, as_json: bool
) -> int:
    from envtool.cli.terminal import style
    from envtool.plan import NoPlan, resolve
    from envtool.plan_document import no_plan_to_json, plan_to_json
    from envtool.report.json import dumps

    if spec is None:
        answer = resolve(subject.machine, request, catalog)
    else:
        from envtool.plan.for_course import resolve_for

        answer, request = resolve_for(subject.machine, request, spec.course, catalog)
    if isinstance(answer, NoPlan):
        refused = _whole(answer, subject, request, catalog)
        if as_json:
            sys.stdout.write(dumps(no_plan_to_json(refused, catalog)))
            return EXIT_NO_PLAN
        if explain:
            from envtool.report.plan import table

            sys.stdout.write(table(refused.refusals, None, style()))
        raise _error(refused)
    if as_json:
        sys.stdout.write(dumps(plan_to_json(answer, catalog, subject.commands(answer, catalog))))
    else:
        _show(answer, subject, request, catalog, explain=explain)
        if spec is not None:
            _tell_of_others(spec, answer, here=not subject.place and request.installer in ("pip", "uv"))
    return EXIT_OK


def _tell_of_others(spec: Spec, plan: Plan, *, here: bool) -> None:
    """The line brings torch; a course has more. ``here``: `envtool install` would do what the line does."""
    count = len(set(spec.course.requirements()) - set(plan.constraints))
    if count:
        words = "the course's other package" if count == 1 else f"the course's {count} other packages"
        way = f"; `envtool install` brings {'it' if count == 1 else 'them'}, too" if here else ""
        from envtool.cli.own_name import typed

        print(f"not in this line: {words}{typed(way)}", file=sys.stderr)


def _whole(answer: NoPlan, subject: _Subject, request: Request, catalog: Catalog) -> NoPlan:
    """The refusal with a hint that does what it says: on this machine, a Python that does not start is mended first."""
    from envtool.environment import BrokenEnvironment
    from envtool.plan_document import with_whole_hint

    if isinstance(subject.environment, BrokenEnvironment):
        message = f"{subject.environment.executable} does not start"
        return replace(answer, message=message, hint="run `envtool doctor`, which says why")
    return with_whole_hint(answer, subject.machine, request, catalog, subject.place)


def _error(answer: NoPlan) -> NoPlanError:
    from envtool.report.plan import refusal_details

    details = (*refusal_details(answer), *answer.warnings)
    return NoPlanError(f"no build fits: {answer.message}", kind=answer.error_kind, hint=answer.hint, details=details)


def _show(plan: Plan, subject: _Subject, request: Request, catalog: Catalog, *, explain: bool) -> None:
    from envtool.cli.terminal import style
    from envtool.plan.outlook import outlook
    from envtool.report.plan import Shown, render, table

    line = subject.commands(plan, catalog)[request.installer]
    shell = "PowerShell" if subject.machine.os == "windows" else None
    newer = outlook(subject.machine, request, catalog, plan)
    if explain:
        sys.stdout.write(table(plan.refusals, plan, style()) + "\n")
    sys.stdout.write(render(plan, subject.machine, Shown(line, shell, newer), style()))
