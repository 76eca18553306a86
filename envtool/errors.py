"""The one exception family that ends a command, and the exit codes it may end with."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_PLAN = 3
EXIT_TOOL = 4
EXIT_INTERRUPTED = 130


class EnvtoolError(Exception):
    """A command can't go on.

    ``message`` names the thing, what was needed and what was found; ``hint`` is the one next step;
    ``details`` are further lines, shown indented between the two. ``kind`` is a refusal's name, for programs only.
    """

    exit_code = EXIT_TOOL
    kind: str | None = None

    def __init__(self, message: str, *, hint: str | None = None, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: the message is meant for the user, the frames are ours."""
        lines = [f"{type(self).__name__}: {self.message}", *(f"  {detail}" for detail in self.details)]
        return [*lines, f"hint: {self.hint}"] if self.hint else lines


class UsageError(EnvtoolError):
    """The command line or an input file is wrong."""

    exit_code = EXIT_USAGE


class ToolError(EnvtoolError):
    """A tool, a file, the disk or the network failed."""

    exit_code = EXIT_TOOL
