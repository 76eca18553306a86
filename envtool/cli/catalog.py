"""``envtool catalog show | verify | update``."""

from __future__ import annotations

import os
import sys

import click

from envtool.errors import EXIT_FAILED, EXIT_OK, ToolError, UsageError

JSON_HELP = "One JSON document on stdout."


@click.group("catalog", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """The compatibility data: what exists, what it needs, and where each fact comes from."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@command.command("show")
@click.option("--torch", metavar="VERSION", help="One release in detail, with the sources of what is told.")
@click.option("--all", "everything", is_flag=True, help="Every release, not only the newest.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def show(torch: str | None, everything: bool, as_json: bool) -> int:
    """Print the catalog: releases, newest first, with their builds, companions, Pythons and drivers."""
    from envtool.catalog import load
    from envtool.cli.terminal import style
    from envtool.report import catalog as report

    catalog = load()
    if torch is not None and catalog.release(torch) is None:
        raise UsageError(f"the catalog has no torch {torch}", hint=_nearest(torch, [r.torch for r in catalog.releases]))
    if as_json:
        from envtool.report.json import dumps

        sys.stdout.write(dumps(report.to_json(catalog, torch)))
        return EXIT_OK
    if torch is not None:
        text = report.render_release(catalog, torch, style())
    else:
        text = report.render(catalog, style(), everything=everything)
    sys.stdout.write(style().safe(text))
    return EXIT_OK


def _nearest(torch: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(torch, known, n=1, cutoff=0.5)
    show = f"`envtool catalog show --torch {near[0] if near else known[0]}`"
    return f"{show}; or bring the catalog up to date: `envtool catalog update`"


@command.command("verify")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def verify(as_json: bool) -> int:
    """Check the laws of the catalog: unique rows, sources, references that resolve, floors that never fall.

    Exit code 1 if one is broken.
    """
    from envtool.catalog import load
    from envtool.catalog.laws import LAWS, judged
    from envtool.cli.terminal import style
    from envtool.report import catalog as report

    catalog = load()
    found = judged(catalog)
    if as_json:
        from envtool.report.json import dumps

        sys.stdout.write(dumps(report.verified_to_json(catalog, found)))
    else:
        sys.stdout.write(style().safe(report.render_verified(catalog, found, len(LAWS))))
    return EXIT_FAILED if any(breaches for _, _, breaches in found) or catalog.problem else EXIT_OK


@command.command("update")
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if something would change.")
@click.option("--reset", is_flag=True, help="Go back to the catalog that came with envtool.")
@click.option("--full", is_flag=True, help="Compare the metadata of releases that are known already, too.")
@click.option("--index-url", metavar="URL", help="The package index, in place of what pip and uv are set to.")
@click.option("--pytorch-index-url", metavar="URL", help="A mirror of the PyTorch index.")
@click.option("--timeout", type=click.FloatRange(1), default=300.0, show_default=True, help="Seconds for all of it.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def update(
    check: bool,
    reset: bool,
    full: bool,
    index_url: str | None,
    pytorch_index_url: str | None,
    timeout: float,
    as_json: bool,
) -> int:
    """Bring the catalog up to date from the package index and the PyTorch index.

    Shows what changes, checks all of it and writes it to your data directory (ENVTOOL_DATA overrides where that is).
    An index that can't be read changes nothing.
    """
    if reset:
        if check or full or index_url or pytorch_index_url:
            raise UsageError("--reset goes with no other option", hint="`envtool catalog update --reset`")
        return _reset(as_json)
    from envtool.catalog import load
    from envtool.cli.terminal import style
    from envtool.report import catalog as report
    from envtool.update import PYTORCH_INDEX, need_the_extra, outcome
    from envtool.update.settings import find_settings, urlsplit_or_none

    pytorch = pytorch_index_url or PYTORCH_INDEX
    if urlsplit_or_none(pytorch) is None:
        raise UsageError("--pytorch-index-url: only http and https can be read")
    need_the_extra()
    settings = find_settings(os.environ, os.getcwd(), chosen=index_url)
    found = outcome(load(), settings, pytorch, seconds=timeout, full=full, tell=_tell)
    path = None if check or not found.changes else _write(found.date, found.texts)
    if as_json:
        from envtool.report.json import dumps

        sys.stdout.write(dumps(report.update_to_json(found.changes, found.notes, found.unread, found.date, path)))
    else:
        sys.stdout.write(
            style().safe(report.render_update(found.changes, found.notes, path, unread=bool(found.unread), check=check))
        )
        for line in found.unread:
            print(f"not read: {line}", file=sys.stderr)
    return EXIT_FAILED if check and found.changes else EXIT_OK


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)


def _write(date: str, texts: dict[str, str]) -> str:
    from envtool.catalog.place import updated_path
    from envtool.catalog.updated import Updated, dumps
    from envtool.write import write_text

    path = updated_path(os.environ)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"cannot make {os.path.dirname(path)}: {error.strerror or error}",
            hint="set ENVTOOL_DATA to a folder that you may write to",
        ) from None
    write_text(path, dumps(Updated(date, texts)))
    return path


def _reset(as_json: bool) -> int:
    from envtool.catalog import load
    from envtool.catalog.place import updated_path
    from envtool.report import catalog as report

    path = updated_path(os.environ)
    there = os.path.lexists(path)
    if there:
        try:
            os.unlink(path)
        except OSError as error:
            raise ToolError(f"cannot remove {path}: {error.strerror or error}", hint="remove it by hand") from None
    date = load().date
    if as_json:
        from envtool.report.json import dumps

        sys.stdout.write(dumps(report.update_to_json((), (), (), date, None, path if there else None)))
    else:
        said = f"Removed {path}." if there else "There was no update to take back."
        print(f"{said} The catalog in use is the one that came with envtool, of {date}.")
    return EXIT_OK
