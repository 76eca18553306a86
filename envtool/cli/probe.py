"""``envtool probe``."""

from __future__ import annotations

import sys

import click


@click.command("probe")
@click.option("--python", metavar="PATH", help="The Python that builds must suit: a program or a folder.")
@click.option("--json", "as_json", is_flag=True, help="The machine document on stdout.")
@click.option("--record", metavar="FILE", help="Write all that was asked and answered to FILE.")
@click.option("--machine", metavar="FILE", help="Show a machine that was recorded, or a machine document.")
def command(python: str | None, as_json: bool, record: str | None, machine: str | None) -> int:
    """Show the facts of this machine, without opinion.

    Every fact is found, absent, or unknown with the reason. Nothing is
    changed, and the network is not used.
    """
    from envtool.cli.recordings import asked, keep, machine_document, open_host
    from envtool.examination import ask

    if machine is not None and python is not None:
        raise click.UsageError("--python can't be used with --machine: the file holds its own Python")
    found = machine_document(machine) if machine is not None else None
    if found is None:
        host = open_host(machine, record=record is not None)
        named, _ = asked(host, python, False)
        found, _, _ = ask(host, python=named, do_import=False)
        if record is not None:
            keep(host, record)
    if as_json:
        from envtool.machine_document import machine_to_json
        from envtool.report.json import dumps

        sys.stdout.write(dumps(machine_to_json(found)))
    else:
        from envtool.cli.terminal import style
        from envtool.report.machine import render

        sys.stdout.write(render(found, style()))
    return 0
