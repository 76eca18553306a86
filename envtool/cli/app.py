"""The entry point: finds the command, loads only that one, and turns every error into a message and an exit code."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from importlib import import_module

gc.disable()  # a command ends before there is garbage worth collecting; imports alone would start it a dozen times

from envtool import __version__  # noqa: E402
from envtool.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_TOOL, EXIT_USAGE, EnvtoolError  # noqa: E402

try:
    import click
except KeyboardInterrupt:  # the first tenth of a second, before there is a command
    sys.stderr.write("error: interrupted\n")
    sys.exit(EXIT_INTERRUPTED)

# Name, and one line of help: `envtool --help` must not load a single command.
COMMANDS = {
    "doctor": "What is wrong here, and the one next step",
    "probe": "The facts of this machine, no opinion",
    "pick": "The builds that fit this machine or another, and the command",
    "init": "Make a project or a course, ready to run",
    "lock": "Lockfiles for every platform and variant, without conda",
    "install": "Make or repair an environment with the builds that fit",
    "setup": "Files for one place to run in: Colab, Slurm, a container, CI",
    "catalog": "The compatibility data: show it, verify it, bring it up to date",
    "smoke": "Tests that PyTorch does what the lecture says",
    "rehearse": "Would this script run on a GPU? Tried on a machine without one",
    "device": "Every line that names a device, and the one that changes it",
    "check": "Is this environment what the spec and the lockfile say? For CI",
    "diff": "What differs between two machines or environments",
    "explain": "What a check means and how to mend it",
}


class LazyGroup(click.Group):
    """A group that imports a command's module when that command is called, and not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"envtool.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            raise click.UsageError(_no_such_command(name), ctx)
        return super().resolve_command(ctx, args)


def _no_such_command(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(COMMANDS)}."
    return f"no such command {name!r}.{guess}"


@click.command(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="Start with `envtool doctor`. `envtool COMMAND --help` explains each.",
)
@click.version_option(__version__, "-V", "--version", message="envtool %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """From a bare machine to a PyTorch environment that works."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: list[str] | None = None) -> int:
    """Run one command and give its exit code; the console script passes it to the shell."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _survive_any_text()
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        _complain(arguments, "interrupted", None, (), EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `envtool doctor | head -1`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def _survive_any_text() -> None:
    """A terminal without UTF-8 gets question marks in place of a UnicodeEncodeError."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller: `envtool doctor >&-`
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _run(arguments: list[str]) -> int:
    try:
        result = cli.main(arguments, prog_name="envtool", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else EXIT_OK
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        return _complain(arguments, _clean(error), _usage_hint(error, arguments), (), EXIT_USAGE)
    except EnvtoolError as error:
        return _complain(arguments, error.message, error.hint, error.details, error.exit_code, error.kind)
    except BrokenPipeError:
        raise
    except OSError as error:
        message, hint, code = _of_the_system(error)
        return _complain(arguments, message, hint, (), code)
    except Exception as error:  # a person sees a message, never a traceback that they didn't ask for
        if "ENVTOOL_TRACEBACK" in os.environ:
            raise
        message = f"envtool itself failed: {type(error).__name__}: {error}"
        hint = "report it, with what ENVTOOL_TRACEBACK=1 in the environment adds"
        return _complain(arguments, message, hint, (), EXIT_TOOL)


def _of_the_system(error: OSError) -> tuple[str, str, int]:
    """(message, hint, exit code) where the folder that this began in is gone, or what it prints finds no room."""
    try:
        os.getcwd()
    except OSError:
        return "the folder that you are in does not exist any more", "cd into a folder that exists", EXIT_USAGE
    hint = "free some space, or check that the disk can be written to"
    return f"{error.filename or 'output'}: {error.strerror or error}", hint, EXIT_TOOL


def _clean(error: click.ClickException) -> str:
    text = error.format_message().rstrip(".")
    return text[:1].lower() + text[1:]


def _usage_hint(error: click.ClickException, arguments: list[str]) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _command_in(arguments)
    return f"see `{path} --help`"


def _command_in(arguments: list[str]) -> str:
    """The command that a command line names: not every error of click's knows it."""
    path = "envtool"
    group: click.Group = cli
    for word in arguments:
        inner = group.get_command(click.Context(group), word)
        if inner is None:
            break
        path = f"{path} {word}"
        if not isinstance(inner, click.Group):
            break
        group = inner
    return path


def _typed(text: str) -> str:
    """A hint for who calls envtool through another program, such as a course's start.py, which names itself."""
    program = os.environ.get("ENVTOOL_PROGRAM")
    if not program:
        return text
    from envtool.cli.own_name import typed

    return typed(text, program)


def _complain(
    arguments: list[str],
    message: str,
    hint: str | None,
    details: tuple[str, ...],
    code: int,
    kind: str | None = None,
) -> int:
    """The message on stderr; with ``--json`` also one document on stdout, where a program reads."""
    lines = [f"error: {message}", *(f"  {detail}" for detail in details)]
    if hint:
        lines.append(f"hint: {_typed(hint)}")
    print("\n".join(lines), file=sys.stderr)
    if "--json" in arguments:
        from envtool.report.json import dumps, error_to_json

        document = error_to_json(message, hint, details, code)
        if kind is not None and isinstance(document["error"], dict):
            document["error"] = {**document["error"], "kind": kind}
        sys.stdout.write(dumps(document))
    return code


def console() -> None:
    """The console script. It ends at once: taking a process apart that is about to end costs a tenth of its time.

    It also keeps the exit code: Python ends by the signal when Ctrl-C came inside an exec(), as of a dataclass.
    """
    code = main()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
