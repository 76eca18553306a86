"""The envtool.toml that a command goes by: found in this folder or above it, or named with --spec."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from envtool.errors import UsageError
from envtool.fact import Fact, dataclass

if TYPE_CHECKING:
    from envtool.catalog import Catalog
    from envtool.course import Course

F = TypeVar("F", bound=Callable[..., object])

FILE_NAME = "envtool.toml"
PYPROJECT = "pyproject.toml"
LARGEST = 1 << 20  # bytes
_ROOT_MARKS = (".git", ".hg", ".jj", ".svn")
_HEADER = re.compile(rb"^[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*[\"']?envtool[\"']?[ \t]*[\].]", re.MULTILINE)


@dataclass(frozen=True, eq=False, repr=False)
class Spec(Fact):
    """An envtool.toml and what it says."""

    path: str
    course: Course

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that are to be installed as they stand, as absolute paths."""
        base = os.path.dirname(os.path.realpath(self.path))
        return tuple(os.path.normpath(os.path.join(base, folder)) for folder in self.course.editable)


def spec_options(command: F) -> F:
    """Give a command --spec and --no-spec, as the arguments ``spec`` and ``no_spec``."""
    named = click.option("--spec", metavar="FILE", help="Go by this envtool.toml. Default: the one here or above.")
    without = click.option("--no-spec", is_flag=True, help="Go by no envtool.toml.")
    return named(without(command))


def chosen(spec: str | None, no_spec: bool, *, look: bool = True, catalog: Catalog | None = None) -> Spec | None:
    """The spec to go by, told in one line on stderr; None where there is none.

    ``look``: search where none is named. ``catalog``: refuse what can exist on no machine, too.
    """
    if spec is not None and no_spec:
        raise click.UsageError("--spec and --no-spec can't be used together")
    if no_spec or (spec is None and not look):
        return None
    path = _find_here() if spec is None else named(spec)
    if path is None:
        return None
    course = read(path, catalog)
    print(f"using {_short(path)} ({course.name})", file=sys.stderr)
    return Spec(path, course)


# ── finding ──────────────────────────────────────────────────────────────────────────────────────


def find(start: str) -> str | None:
    """The nearest envtool.toml, or pyproject.toml with a [tool.envtool], in a folder or above it; None without any.

    It is not looked for above the root of a repository, nor in the home folder or the file system's root unless one
    of them is where the search begins: what lies there belongs to no project.
    """
    folder = os.path.abspath(start)
    home = os.path.expanduser("~")
    first = True
    while True:
        parent = os.path.dirname(folder)
        if not first and folder in (home, parent):
            return None
        found = _in_folder(folder)
        if found is not None:
            return found
        if parent == folder or any(os.path.exists(os.path.join(folder, mark)) for mark in _ROOT_MARKS):
            return None
        folder, first = parent, False


def named(path: str) -> str:
    """The file that --spec means: a file, or the one in a folder."""
    if not os.path.isdir(path):
        return path
    found = _in_folder(path)
    if found is None:
        raise UsageError(f"--spec: there is no {FILE_NAME} in {path}", hint="name the file, or write one")
    return found


def _in_folder(folder: str) -> str | None:
    own = os.path.join(folder, FILE_NAME)
    if os.path.isfile(own):
        return own
    shared = os.path.join(folder, PYPROJECT)
    return shared if os.path.isfile(shared) and _names_envtool(shared) else None


def _names_envtool(path: str) -> bool:
    try:
        return _HEADER.search(contents(path)) is not None
    except UsageError:  # nobody named this file: one that can't be read is not ours
        return False


def _find_here() -> str | None:
    try:
        return find(os.getcwd())
    except OSError:  # the folder does not exist any more; who needs one says so
        return None


def _short(path: str) -> str:
    """The path as one would type it here."""
    try:
        relative = os.path.relpath(path)
    except (ValueError, OSError):  # another drive
        return path
    return relative if len(relative) < len(path) else path


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def read(path: str, catalog: Catalog | None = None) -> Course:
    """The course that a file describes; UsageError where it can't be read or used, or contradicts the catalog."""
    from envtool.course.parse import parse

    where = _short(path)
    return parse(decoded(contents(path), where), where, catalog)


def decoded(content: bytes, where: str) -> str:
    """Bytes as UTF-8; a UsageError names the line of what is none."""
    hint = "save it as UTF-8"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"{where} is not UTF-8 but UTF-16, as PowerShell's > writes it", hint=hint)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{where}:{line}: holds a byte that is not UTF-8", hint=hint) from None


def contents(path: str) -> bytes:
    """What is in a file of at most one MiB; UsageError where it can't be read."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot read {_short(path)}: {why}", hint="check the name of the file") from None
    if len(content) > LARGEST:
        raise UsageError(f"{_short(path)} is larger than {LARGEST >> 20} MiB", hint="name a file that a person wrote")
    return content
