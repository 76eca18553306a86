"""``envtool device``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from envtool.errors import EXIT_FAILED, EXIT_OK, EXIT_TOOL

if TYPE_CHECKING:
    from envtool.device.change import Change
    from envtool.device.place import Found


@click.command("device")
@click.argument("path", metavar="[PATH]", default=".")
@click.option("--max", "most", metavar="N", type=click.IntRange(min=0), help="Exit code 1 if more lines name one.")
@click.option("--set", "name", metavar="NAME", help="Change the one line to cpu, cuda, cuda:1, mps, xpu or auto.")
@click.option("--json", "as_json", is_flag=True, help="The device document on stdout.")
def command(path: str, most: int | None, name: str | None, as_json: bool) -> int:
    """Find every line that names a device, in Python files and notebooks.

    PATH is a folder, a .py file or a notebook; without it, the folder you
    are in. Nothing is run. A line counts once, and comments, docstrings and
    questions such as torch.cuda.is_available() don't count.

    --set changes one name in quotes and not a byte beside it. It refuses
    where no line names a device, and where more than one does.

    The exit code is 1 above --max, and 4 where a file can't be read.
    """
    from envtool.device import find
    from envtool.device.report import notes, render, render_change, to_json

    os.getcwd()  # a folder that is gone would pass for an empty one
    found = find(path)
    change = _set(found, name, path) if name is not None else None
    if change is not None:
        found = find(path)
    if as_json:
        from envtool.report.json import dumps

        sys.stdout.write(dumps(to_json(found, most, change)))
    else:
        sys.stdout.write(render_change(change) if change else render(found))
        sys.stdout.flush()
        for line in notes(found, most, lambda to: _line(path, to)) if change is None else _warnings(found, name):
            print(line, file=sys.stderr)
    if most is not None and len(found.places) > most:
        return EXIT_FAILED
    return EXIT_TOOL if found.skipped else EXIT_OK


def _set(found: Found, name: str, path: str) -> Change:
    from envtool.device.change import changed
    from envtool.write import rewrite_bytes

    change = changed(found, name, path)
    if change.data is not None:
        rewrite_bytes(change.place.file, change.data)
    return change


def _warnings(found: Found, name: str | None) -> list[str]:
    """PyTorch knows no device called auto: some line of the program must."""
    if name != "auto" or found.says_auto:
        return []
    return ['warning: no other line knows "auto", and PyTorch itself does not: choose a device by it']


def _line(path: str, name: str) -> str:
    from envtool.cli.terminal import program
    from envtool.shell import shell_line

    words = ["device", *([path] if path != "." else []), "--set", name]
    return f"{program()} {shell_line(words, 'powershell' if os.name == 'nt' else 'posix')}"
