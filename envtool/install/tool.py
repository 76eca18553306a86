"""Runs uv and pip: their output is passed on as it comes, and its end is kept to tell what went wrong."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from envtool.errors import ToolError
from envtool.fact import Fact
from envtool.install.order import Command
from envtool.install.signals import undisturbed

KEPT = 64 * 1024  # characters of output that are remembered
PATIENCE = 10.0  # seconds for a tool that was told to stop
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, eq=False, repr=False)
class Ran(Fact):
    """How a tool ended. ``said``: the end of its output, plain."""

    code: int
    said: str


def run(command: Command, *, show: bool, held: int | None = None) -> Ran:
    """Run a tool to its end. ``show``: pass on what it says, with its progress bars where stderr is a terminal.

    ``held`` is the descriptor of a lock that the tool keeps for as long as it lives: if envtool is killed, the tool
    may still be at work.
    """
    with _output(show) as ends:
        reader, writer = ends
        try:
            process = subprocess.Popen(
                command.words, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, env=_environment(command),
                pass_fds=(held,) if held is not None and os.name == "posix" else (),
            )  # fmt: skip
        except OSError as error:
            message = f"{command.words[0]} can't be started: {error.strerror or error}"
            raise ToolError(message, hint="install uv (`pip install uv`) or use `--installer pip`") from None
        os.close(ends.pop())
        try:
            said = _pass_on(reader, show)
            return Ran(process.wait(), said)
        except BaseException:
            _stop(process)
            raise


def _environment(command: Command) -> dict[str, str]:
    environ = dict(os.environ)
    for name, value in command.environ.items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value
    return environ


@contextlib.contextmanager
def _output(show: bool) -> Iterator[list[int]]:
    """Both ends of what the tool writes to: a terminal of its own where the user sits at one, else a pipe.

    Whoever closes one takes it out: its number may be another thread's by the time that the rest is closed.
    """
    live = show and sys.stderr.isatty() and "NO_COLOR" not in os.environ and sys.platform != "win32"
    ends = [*(_terminal() if live else os.pipe())]
    try:
        yield ends
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                os.close(end)


def _terminal() -> tuple[int, int]:
    if sys.platform == "win32":
        raise OSError("no such thing on Windows")
    import fcntl
    import pty
    import termios

    reader, writer = pty.openpty()
    with contextlib.suppress(OSError):
        fcntl.ioctl(writer, termios.TIOCSWINSZ, fcntl.ioctl(sys.stderr.fileno(), termios.TIOCGWINSZ, bytes(8)))
        settings = termios.tcgetattr(writer)
        settings[1] &= ~termios.OPOST  # the real terminal turns "\n" into "\r\n" once more
        termios.tcsetattr(writer, termios.TCSANOW, settings)
    return reader, writer


def _pass_on(reader: int, show: bool) -> str:
    kept = b""
    while True:
        try:
            data = os.read(reader, 8192)
        except OSError:  # a terminal whose last writer has gone
            data = b""
        if not data:
            break
        kept = (kept + data)[-KEPT:]
        if show:
            _show(data)
    return _COLOURS.sub("", kept.decode("utf-8", "replace")).replace("\r\n", "\n").replace("\r", "\n")


def _show(data: bytes) -> None:
    """To stderr: stdout is for the answer."""
    with contextlib.suppress(OSError, ValueError):
        buffer = getattr(sys.stderr, "buffer", None)
        if buffer is not None:
            buffer.write(data)
        else:
            sys.stderr.write(data.decode("utf-8", "replace"))
        sys.stderr.flush()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C reaches the tool as well, which then ends by itself; a tool that doesn't is ended."""
    with undisturbed():
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
