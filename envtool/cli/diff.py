"""``envtool diff``."""

from __future__ import annotations

import sys

import click

from envtool.errors import EXIT_FAILED, EXIT_OK


@click.command("diff")
@click.argument("a", metavar="A.json")
@click.argument("b", metavar="B.json")
@click.option("--all", "everything", is_flag=True, help="Every difference, those that don't matter, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(a: str, b: str, everything: bool, as_json: bool) -> int:
    """Name what differs between two machines or environments.

    A.json and B.json are documents of `envtool doctor --json`, `envtool check
    --json` or `envtool probe --json`; "-" is the standard input. PyTorch, the
    machine, verdicts and packages matter; paths, sizes and times don't.

    As with diff, the exit code is 0 where nothing that matters differs, 1
    where something does, 2 where a file can't be read.
    """
    from envtool.cli.recordings import read_document
    from envtool.contrast import contrasts, not_compared, side

    if a == b == "-":
        raise click.UsageError("only one of the two can be the standard input")
    one, two = (side(read_document(path), "standard input" if path == "-" else path) for path in (a, b))
    found, left_out = contrasts(one, two), not_compared(one, two)
    if as_json:
        from envtool.report.diff import to_json
        from envtool.report.json import dumps

        sys.stdout.write(dumps(to_json(one, two, found, left_out)))
    else:
        from envtool.cli.terminal import style
        from envtool.report.diff import render

        sys.stdout.write(render(one, two, found, left_out, style(), everything=everything))
    return EXIT_FAILED if any(difference.matters for difference in found) else EXIT_OK
