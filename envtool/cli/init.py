"""``envtool init project | course | --from``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from envtool import REQUIREMENT
from envtool.cli.init_from import Wanted, from_options, run_from
from envtool.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from envtool.scaffold.templates import Question

F = TypeVar("F", bound=Callable[..., object])

DEVICES = ("cpu", "gpu")
FRAMEWORKS = ("pytorch", "lightning")
CI = ("github", "gitlab", "none")
CONTAINERS = ("none", "docker", "devcontainer")
DEFAULT_NAMES = {"project": "first-project", "course": "deep-learning"}


@click.group("init", invoke_without_command=True)
@from_options
@click.pass_context
def command(
    context: click.Context, /, source: str | None, name: str | None, output: str | None, schema: bool, dry_run: bool
) -> int:
    """A new project or a new course, ready to run; or an envtool.toml for the one that there is.

    \b
    envtool init project NAME          a small network, its training, tests
    envtool init course NAME           a course's repository
    envtool init --from FILE           envtool.toml from an environment.yml,
                                       requirements.txt or pyproject.toml
    """
    return run_from(context, Wanted(source, name, output, schema, dry_run))


def answers(function: F) -> F:
    """The options that both templates know; each one answers a question, which is then not asked."""
    for option in reversed((
        click.option("--device", type=click.Choice(DEVICES), help="Where to compute at first. Default: cpu."),
        click.option("--framework", type=click.Choice(FRAMEWORKS), help="Whose training loop. Default: pytorch."),
        click.option("--notebook/--no-notebook", default=None, help="A notebook that tours the lecture. Default: yes."),
        click.option("--ci", type=click.Choice(CI), help="Who runs the tests at each push. Default: github."),
        click.option("--container", type=click.Choice(CONTAINERS), help="A container to run in. Default: none."),
        click.option("--cluster/--no-cluster", default=None, help="A job script for Slurm. Default: no."),
        click.option("--output-dir", metavar="DIR", default=".", help="The folder to make it in. Default: this one."),
        click.option("--no-input", is_flag=True, help="Ask nothing: what no option answers gets its default."),
        click.option("--dry-run", is_flag=True, help="List the files and write nothing."),
    )):  # fmt: skip
        function = option(function)
    return function


@command.command("project")
@click.argument("name", required=False)
@click.option("--package", metavar="NAME", help="The name to import it by. Default: the project's name, with _ for -.")
@answers
def project(
    name: str | None,
    package: str | None,
    output_dir: str,
    no_input: bool,
    dry_run: bool,
    **given: str | bool | None,
) -> int:
    """Make a project: a small network, its training, tests, and the one line that says where it computes.

    NAME is its folder, too. On a terminal it asks for what no option answers;
    elsewhere the defaults hold. Nothing that exists is overwritten.
    """
    from envtool.scaffold.names import checked_package, checked_project, package_of

    asking = _asks(no_input)
    if package is not None:
        checked_package(package)
    name = _name("project", name, asking, checked_project)
    package = package if package is not None else checked_package(package_of(name))
    chosen = {"project": name, "package": package, **_answers("project", given, asking)}
    chosen["_course"] = in_a_course(output_dir)
    return _made("project", chosen, output_dir, dry_run)


@command.command("course")
@click.argument("name", required=False)
@click.option(
    "--envtool", "source", metavar="SPEC", default=REQUIREMENT,
    help="What students' pip installs envtool from: a requirement, a URL or a path. Default: envtool, 0.9 or newer.",
)  # fmt: skip
@answers
def course(
    name: str | None, source: str, output_dir: str, no_input: bool, dry_run: bool, **given: str | bool | None
) -> int:
    """Make a course: a repository that students clone and set up with one command.

    It holds envtool.toml, the start script, the set-up page, a project as the
    template of the assignments, and CI that tries it all out each week.
    """
    from envtool.scaffold.names import beyond_the_course, checked_project, checked_source

    asking = _asks(no_input)
    source = checked_source(source)
    name = _name("course", name, asking, checked_project)
    chosen = {"project": name, "envtool": source, **_answers("course", given, asking)}
    told = beyond_the_course(source, os.path.join(output_dir, name))
    if told is not None:
        print(told, file=sys.stderr)
    return _made("course", chosen, output_dir, dry_run)


# ── asking ───────────────────────────────────────────────────────────────────────────────────────


def _asks(no_input: bool) -> bool:
    return not no_input and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _name(kind: str, name: str | None, asking: bool, check: Callable[[str, str], str]) -> str:
    """The name from the command line, or asked for until it will do."""
    if name is not None:
        return check(name, kind)
    if not asking:
        return DEFAULT_NAMES[kind]
    while True:
        answer = str(click.prompt(f"Name of the {kind}, which is also its folder", DEFAULT_NAMES[kind], err=True))
        try:
            return check(answer.strip(), kind)
        except UsageError as error:
            print(f"{error.message}\n{error.hint}", file=sys.stderr)


def _answers(kind: str, given: dict[str, str | bool | None], asking: bool) -> dict[str, str | bool]:
    from envtool.scaffold.templates import questions

    found: dict[str, str | bool] = {}
    for question in questions(kind):
        answer = given.get(question.key)
        if answer is None:
            answer = _asked(question) if asking else question.default
        found[question.key] = answer
    return found


def _asked(question: Question) -> str | bool:
    if isinstance(question.default, bool):
        return click.confirm(question.text, default=question.default, err=True)
    print(f"{question.text}:", file=sys.stderr)
    for choice, words in question.choices.items():
        print(f"  {choice:<13} {words}", file=sys.stderr)
    return str(click.prompt(" ", question.default, type=click.Choice(list(question.choices)), show_choices=False,
                            prompt_suffix="> ", err=True))  # fmt: skip


# ── making ───────────────────────────────────────────────────────────────────────────────────────


def _made(kind: str, chosen: dict[str, str | bool], output_dir: str, dry_run: bool) -> int:
    from envtool.scaffold.folder import refuse_what_is_in_the_way
    from envtool.scaffold.make import make, preview

    if not os.path.isdir(output_dir):
        raise UsageError(f"--output-dir: there is no folder {output_dir}", hint="make it first")
    name = str(chosen["project"])
    path = name if output_dir == "." else os.path.join(output_dir, name)
    if dry_run:
        files = preview(kind, chosen)
        refuse_what_is_in_the_way(path, files)
        for file in files:
            print(f"{path}/{file}")
        print(f"{len(files)} files; nothing was written", file=sys.stderr)
        return EXIT_OK
    files = make(kind, chosen, os.path.abspath(path))
    print(f"Made {path}, {len(files)} files.")
    steps = start_line() if chosen.get("_course") else next_steps(kind, path)
    print(f"\nNext:\n\n{steps}")
    return EXIT_OK


def in_a_course(folder: str) -> bool:
    """Is this the folder of a course, whose environment serves its assignments?"""
    return all(os.path.isfile(os.path.join(folder, name)) for name in ("start.py", "envtool.toml"))


def start_line() -> str:
    """What sets up a course."""
    return f"{'py' if os.name == 'nt' else 'python3'} start.py"


def next_steps(kind: str, path: str) -> str:
    """The lines to type next."""
    from envtool.cli.terminal import style
    from envtool.shell import quoted

    here = f"cd {quoted(path, 'powershell' if os.name == 'nt' else 'posix')}"
    if kind == "course":
        return f"{here}\n{start_line()}"
    after = "Then see 'With envtool' in README.md. It tells of uv, pip and conda, too."
    return f"{here}\n{style().program} install\n\n{after}"
