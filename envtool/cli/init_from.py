"""``envtool init --from FILE``: an envtool.toml from what a course has already."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from envtool.errors import EXIT_OK, UsageError
from envtool.fact import Fact, dataclass
from envtool.scaffold.schema import SCHEMA

if TYPE_CHECKING:
    from envtool.scaffold.from_file import Draft

F = TypeVar("F", bound=Callable[..., object])


def from_options(command: F) -> F:
    """Give a command the options of ``make_from``, as its keyword arguments."""
    for option in reversed((
        click.option("--from", "source", metavar="FILE",
                     help="Write envtool.toml from an environment.yml, requirements.txt or pyproject.toml."),
        click.option("--name", metavar="NAME", help="With --from: the course's name. Default: the file's or folder's."),
        click.option("--output", metavar="FILE", help="With --from: where to. Default: envtool.toml; - is stdout."),
        click.option("--schema/--no-schema", default=True,
                     help=f"With --from: beside it, {SCHEMA}, by which editors check it. Default: yes."),
        click.option("--dry-run", is_flag=True, help="With --from: print the file, and write nothing."),
    )):  # fmt: skip
        command = option(command)
    return command


@dataclass(frozen=True, eq=False, repr=False)
class Wanted(Fact):
    """The options of ``from_options``."""

    source: str | None
    name: str | None
    output: str | None
    schema: bool
    dry_run: bool


def run_from(context: click.Context, wanted: Wanted) -> int:
    """What the group does itself: write from a file, or show what it could do."""
    given = [f"--{name.replace('_', '-')}" for name in ("name", "output", "schema", "dry_run") if _told(context, name)]
    if context.invoked_subcommand is not None:
        named = ["--from", *given] if wanted.source is not None else given
        if named:
            raise click.UsageError(f"{named[0]} stands alone, without {context.invoked_subcommand}")
        return EXIT_OK
    if wanted.source is not None:
        return make_from(wanted.source, wanted)
    if given:
        raise click.UsageError(f"{given[0]} needs --from")
    click.echo(context.get_help())
    return EXIT_OK


def _told(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def make_from(source: str, wanted: Wanted) -> int:
    """Write the envtool.toml and say what was left out. Nothing that exists is overwritten."""
    from envtool.catalog import load
    from envtool.scaffold.from_file import draft

    target = "-" if wanted.dry_run else wanted.output or "envtool.toml"
    to_file = target != "-"
    beside = os.path.join(os.path.dirname(target), SCHEMA)
    if to_file:
        _free(target)
    folder = os.path.basename(os.path.dirname(os.path.abspath(source)))
    schema = f"./{SCHEMA}" if wanted.schema and to_file else None
    made = draft(source, _read, load(), name=_checked(wanted.name), folder=folder, schema=schema)
    if not to_file:
        sys.stdout.write(made.text)
    else:
        from envtool.scaffold.schema import schema_text
        from envtool.write import write_texts

        write_texts({target: made.text, **({beside: schema_text()} if schema and not os.path.exists(beside) else {})})
    _tell(made, target if to_file else None)
    return EXIT_OK


def _checked(name: str | None) -> str | None:
    from envtool.course import values
    from envtool.course.forms import Misfit

    try:
        return None if name is None else values.name(name)
    except Misfit as misfit:
        raise UsageError(f"--name: {misfit.problem}", hint="choose another --name") from None


def _free(path: str) -> None:
    if os.path.lexists(path):
        hint = "name another file with --output, or look at what it would be with --dry-run"
        raise UsageError(f"{path} is there already, and nothing is overwritten", hint=hint)


def _read(path: str) -> str:
    """The text of a file; PowerShell's ``pip freeze > requirements.txt`` is UTF-16."""
    from envtool.cli.spec_option import contents, decoded

    content = contents(path)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    return decoded(content, path)


def _tell(made: Draft, target: str | None) -> None:
    """What was written and what was not, on stderr: stdout may hold the file itself."""
    from envtool.report.facts import course_line
    from envtool.report.text import hanging

    blocks = [hanging("Written  ", f"{target}, {course_line(made.course)}", 80)] if target else []
    if made.notes:
        rows = [_hanging(f"{what}: {why}") for what, why in made.notes]
        blocks.append("\n".join(["Left out or taken otherwise:", *rows]))
    if made.assumed:
        text = f"{', '.join(made.assumed)}. Where that is wrong, mend it with [pip] names or [pip] packages."
        blocks.append("Taken to have one name on conda and on PyPI:\n" + _hanging(text))
    if made.wrong:
        rows = [_hanging(f"{key}: {problem}") for key, problem in made.wrong]
        blocks.append("\n".join(["To be changed before it can be used:", *rows]))
    if target:
        from envtool.cli.own_name import typed

        blocks.append(typed("Next: look through the file, then run `envtool pick`."))
    if blocks:
        print("\n\n".join(blocks), file=sys.stderr)


def _hanging(text: str) -> str:
    from textwrap import fill

    return fill(text, 80, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
