"""``envtool smoke``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from envtool.errors import EXIT_FAILED, EXIT_OK, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from envtool.smoke import Event
    from envtool.smoke_report import SmokeReport


@click.command("smoke")
@click.option("--python", metavar="PATH", help="The Python to test: a program or an environment's folder.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps", "xpu"]), default="auto", show_default=True,
    help="The device under test; auto takes the best that works.",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="Only the tests that take no time: seconds for all.")
@click.option("--only", metavar="NAME", multiple=True, help="Only this test or family; can be repeated.")
@click.option("--all", "everything", is_flag=True, help="List every test, with what it showed.")
@click.option("--list", "listing", is_flag=True, help="List the tests; run none.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option("--junit", metavar="FILE", help="Also write the verdicts as JUnit XML.")
@click.option("--script", metavar="FILE", help="Write the tests as one file that needs no envtool; run none.")
@click.option(
    "--timeout", type=click.IntRange(1, 86400), default=300, metavar="SECONDS", show_default=True,
    help="The longest that the whole run may take.",
)  # fmt: skip
def command(
    python: str | None,
    device: str,
    quick: bool,
    only: tuple[str, ...],
    everything: bool,
    listing: bool,
    as_json: bool,
    junit: str | None,
    script: str | None,
    timeout: int,
) -> int:
    """Test that PyTorch does what the lecture says.

    Runs small programs in the Python of your environment, each with a time
    limit: a crash or a hang is one failed test and no more. Without --python
    it is the environment that is active, else the python on PATH. The exit
    code is 1 if a test failed, 4 if that Python doesn't start.
    """
    for option, file in (("--junit", junit), ("--script", script)):
        if file in ("", "-"):
            raise click.UsageError(f"{option} needs the name of a file")
    if script is not None:
        return write_script(script)
    if listing:
        return list_tests(as_json=as_json, quick=quick, only=only)
    report = tested(python, device, quick=quick, only=only, timeout=float(timeout))
    if junit is not None:
        from envtool.report.junit import render as render_junit
        from envtool.report.smoke import seconds_by_code
        from envtool.write import write_text

        write_text(junit, render_junit("envtool smoke", report.verdicts, seconds_by_code(report)))
    show(report, as_json=as_json, everything=everything)
    return EXIT_FAILED if report.status.value == "fail" else EXIT_OK


def tested(python: str | None, device: str, *, quick: bool, only: tuple[str, ...], timeout: float) -> SmokeReport:
    """The report on the Python that ``python`` names, or on the one that a user would mean."""
    from dataclasses import replace

    from envtool.probe.host import LiveHost
    from envtool.probe.interpreter import choose_interpreter
    from envtool.smoke import run

    host = LiveHost()
    if host.facts().get("cwd") is None:
        raise UsageError("the folder that you are in does not exist any more", hint="cd into a folder that exists")
    choice = choose_interpreter(host, python)
    progress = Progress()
    try:
        report = run(
            choice.executable, device=device, quick=quick, only=only, timeout=timeout, on_event=progress.listener
        )
    finally:
        progress.clear()
    return replace(report, chosen_by=choice.chosen_by)


class Progress:
    """On a terminal, the test that runs; nowhere else anything."""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty() and sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.width = 0
        self.ended = 0
        self.all = 0

    @property
    def listener(self) -> Callable[[Event], None] | None:
        """What to give the runner; nothing where nothing is to be shown."""
        return self.take if self.shown else None

    def take(self, event: Event) -> None:
        """One event of the runner."""
        tests = event.get("tests")
        if isinstance(tests, list):
            self.all = len(tests)
        self.ended += event["event"] == "end"
        if event["event"] == "begin":
            self._write(f"{event.get('code')} ... ({self.ended + 1} of {self.all})")

    def clear(self) -> None:
        """Take it back."""
        if self.width:
            self._write("")
            self._write("")

    def _write(self, text: str) -> None:
        sys.stderr.write("\r" + text + " " * (self.width - len(text)) + ("" if text else "\r"))
        sys.stderr.flush()
        self.width = len(text)


def show(report: SmokeReport, *, as_json: bool, everything: bool) -> None:
    """The report on stdout."""
    if as_json:
        from envtool.report.json import dumps
        from envtool.report.smoke import smoke_to_json

        sys.stdout.write(dumps(smoke_to_json(report)))
        return
    from envtool.cli.own_name import smoke_shown
    from envtool.cli.terminal import style
    from envtool.report.smoke import render

    sys.stdout.write(render(smoke_shown(report), style(), everything=everything))


def list_tests(*, as_json: bool, quick: bool = False, only: tuple[str, ...] = ()) -> int:
    """The tests, and none is run: the Python that runs envtool reads them."""
    from envtool.smoke import tests

    found = tests(sys.executable, quick=quick, only=only)
    if as_json:
        from envtool.report.json import dumps
        from envtool.report.smoke import list_to_json

        sys.stdout.write(dumps(list_to_json(found)))
        return EXIT_OK
    from envtool.cli.terminal import style
    from envtool.report.smoke import render_list

    sys.stdout.write(style().safe(render_list(found)))
    return EXIT_OK


def write_script(path: str) -> int:
    """One file that any Python with torch runs."""
    from envtool.smoke.script import archive, is_archive
    from envtool.write import write_bytes

    if os.path.exists(path) and not is_archive(path):
        hint = "name another file, as in `envtool smoke --script smoke.pyz`"
        raise UsageError(f"{path} is there already, and is something else", hint=hint)
    write_bytes(path, archive())
    click.echo(f"written to {path}; where torch is installed: python {path}", err=True)
    return EXIT_OK
