"""``envtool setup TARGET``: what all targets share, and the list of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

import click

from envtool.cli.spec_option import spec_options
from envtool.errors import EXIT_OK, UsageError
from envtool.fact import Fact, dataclass

if TYPE_CHECKING:
    from envtool.cli.spec_option import Spec
    from envtool.course import Course
    from envtool.setup.files import SetupFile

F = TypeVar("F", bound=Callable[..., object])

# Name, and one line of help; each is the `command` of the module envtool.cli.setup_NAME.
TARGETS: dict[str, str] = {
    "colab": "A notebook for Google Colab; --check: what clashes with Colab",
    "kaggle": "A notebook for Kaggle, and its metadata",
    "slurm": "A job for a cluster with Slurm, by the site's profile",
    "pbs": "The same for PBS",
    "lsf": "The same for LSF",
    "binder": "What Binder makes the environment from: CPU builds, 2 GB",
    "jupyterhub": "CPU and GPU profiles for zero-to-jupyterhub",
    "docker": "A Dockerfile: the environment in an image, for CPU or CUDA",
    "apptainer": "The same for Apptainer, on a cluster",
    "devcontainer": "A development container: VS Code, Codespaces, JetBrains",
    "github": "A workflow for GitHub Actions, on each of the systems",
    "gitlab": "A pipeline for GitLab CI, on Linux",
}


class Targets(click.Group):
    """A group that imports a target's module when that target is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(TARGETS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in TARGETS:
            return None
        command = import_module(f"envtool.cli.setup_{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Targets"):
            formatter.write_dl(list(TARGETS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in TARGETS:
            raise click.UsageError(_no_such_target(args[0]), ctx)
        return super().resolve_command(ctx, args)


def _no_such_target(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, TARGETS, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(TARGETS)}."
    return f"there is no target {name!r}.{guess}"


@click.group("setup", cls=Targets, invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Write the files that set up one place to run in: a notebook, a cluster job, a container, CI.

    They are made from envtool.toml, or from options where there is none.
    The same input gives the same bytes. What is there already is kept.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


# ── what every target takes ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, repr=False)
class Delivery(Fact):
    """Where the files of a target go, and what happens to those that are there."""

    output: str | None = None  # a file where the target makes one, else a folder
    stdout: bool = False
    force: bool = False
    dry_run: bool = False


def target_options(function: F) -> F:
    """The options of every target; its function gets ``spec``, ``no_spec``, ``name`` and those of `Delivery`."""
    for option in reversed((
        click.option("--output", metavar="PATH", help="Where to write: a file, or a folder where there are several."),
        click.option("--stdout", is_flag=True, help="Print the text and write nothing."),
        click.option("--force", is_flag=True, help="Replace what is there."),
        click.option("--dry-run", is_flag=True, help="List the files and write nothing."),
        click.option("--name", metavar="NAME", help="What the course is called, where there is no envtool.toml."),
    )):  # fmt: skip
        function = option(function)
    return spec_options(function)


def course_of(spec: str | None, no_spec: bool, name: str | None) -> tuple[Course, Spec | None]:
    """The course to set up for: that of the envtool.toml found or named, else one that needs PyTorch and no more."""
    from envtool.cli.spec_option import chosen

    found = chosen(spec, no_spec)
    if found is not None:
        if name is not None:
            raise click.UsageError("--name is for a course without an envtool.toml; with it, add --no-spec")
        return found.course, found
    from envtool.course import Course

    return Course(name if name is not None else os.path.basename(os.getcwd()) or "course"), None


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def deliver(files: Sequence[SetupFile], how: Delivery) -> int:
    """Write a target's files, each whole; nothing at all where another file stands in the way and ``force`` is not set.

    What has been written is told on stdout, a line a file. ``stdout`` prints the texts instead, with a heading where
    there are several.
    """
    if how.stdout:
        _print(files)
        return EXIT_OK
    places = _places(files, how.output)
    ours = [path for path, file in places.items() if _holds(path, file.text)]
    in_the_way = [path for path in places if os.path.lexists(path) and path not in ours]
    if in_the_way and not how.force:
        raise UsageError(
            f"there already, and different: {', '.join(_shown(path) for path in in_the_way)}",
            hint="look at the new text with --stdout; --force replaces what is there, --output writes elsewhere",
        )
    for path, file in places.items():
        word = "unchanged" if path in ours else "replaced" if path in in_the_way else "written"
        if how.dry_run:
            word = {"unchanged": "unchanged", "replaced": "would replace", "written": "would write"}[word]
        elif path not in ours:
            _write(path, file.text)
        print(f"{word} {_shown(path)}")
    sys.stdout.flush()  # before what the target then says on stderr
    return EXIT_OK


def _print(files: Sequence[SetupFile]) -> None:
    for file in files:
        if len(files) > 1:
            sys.stdout.write(f"==> {file.path} <==\n")
        sys.stdout.write(file.text)


def _places(files: Sequence[SetupFile], output: str | None) -> dict[str, SetupFile]:
    """The files by the paths to write them to."""
    if output is None:
        return {os.path.normpath(file.path): file for file in files}
    is_folder = os.path.isdir(output) or output.endswith(("/", os.sep))
    if len(files) == 1 and not is_folder:
        return {output: files[0]}
    if os.path.isfile(output):
        raise UsageError(f"--output {output} is a file, and there are {len(files)} to write", hint="name a folder")
    return {os.path.join(output, *file.path.split("/")): file for file in files}


def _holds(path: str, text: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read() == text.encode("utf-8")
    except OSError:
        return False


def _write(path: str, text: str) -> None:
    from envtool.write import make_folder, write_text

    make_folder(os.path.dirname(path))
    write_text(path, text)


def _shown(path: str) -> str:
    return path.replace(os.sep, "/")
