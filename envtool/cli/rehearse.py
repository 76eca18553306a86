"""``envtool rehearse``."""

from __future__ import annotations

import os
import sys

import click

from envtool.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, UsageError


@click.command("rehearse", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("script")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.option("-m", "--module", is_flag=True, help="SCRIPT is a module's name, as after `python -m`.")
@click.option("--python", metavar="PATH", help="The Python that runs it: a program or an environment's folder.")
@click.option(
    "--limit", type=click.FloatRange(1, 86400), default=120, metavar="SECONDS", show_default=True,
    help="End the script after this time.",
)  # fmt: skip
@click.option(
    "--device", type=click.Choice(["meta", "cuda"]), default="meta", show_default=True,
    help="What the variable DEVICE holds.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout; the script's output on stderr.")
def command(
    script: str, arguments: tuple[str, ...], module: bool, python: str | None, limit: float, device: str, as_json: bool
) -> int:
    """Would this script run on a GPU? Find out on a machine without one.

    The script really runs, on the CPU, with the variable DEVICE set and a GPU
    pretended. Every tensor operation is held against what CUDA allows; what
    would stop it there is told with file, line and mend. It reads and writes
    what it always does. Options stand before SCRIPT; what follows is the
    script's own.
    """
    from envtool.probe.host import LiveHost
    from envtool.probe.interpreter import choose_interpreter
    from envtool.rehearse.report import to_json
    from envtool.rehearse.runner import Asked, rehearse

    check_script(script, module)
    sys.stdout.flush()
    chosen = choose_interpreter(LiveHost(), python)
    asked = Asked(
        chosen.executable, script, arguments, module, device=device, limit=limit, stdout=2 if as_json else None
    )
    report = rehearse(asked)
    if report.outcome == "interrupted":
        return EXIT_INTERRUPTED
    if as_json:
        from envtool.report.json import dumps

        sys.stdout.write(dumps(to_json(report)))
    else:
        from envtool.cli.terminal import style
        from envtool.rehearse.text import Screen, render

        look = style()
        text = render(report, Screen(min(look.width, 80), os.getcwd()))
        sys.stdout.write("\n" + look.safe(text))
    return EXIT_OK if report.passed else EXIT_FAILED


def check_script(script: str, module: bool) -> None:
    """UsageError where the script is no file to run."""
    if module:
        if script.endswith(".py") or os.sep in script or not all(part.isidentifier() for part in script.split(".")):
            raise UsageError(f"-m {script}: this is no module's name", hint="leave -m out for a file")
        return
    if script.endswith(".ipynb"):
        from envtool.shell import quoted

        line = f"jupyter nbconvert --to script {quoted(script, 'powershell' if sys.platform == 'win32' else 'posix')}"
        raise UsageError(
            f"{script} is a notebook, and rehearse runs scripts", hint=f"`{line}`, then rehearse the .py file"
        )
    if os.path.isdir(script):
        raise UsageError(f"{script} is a folder", hint="name the script in it, or use -m for a package")
    if not os.path.exists(script):
        raise UsageError(f"there is no script {script}", hint="check the name; options of envtool stand before it")
