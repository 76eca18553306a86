"""A course's requirements files, as far as they must be understood here; the installer reads them whole."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from envtool.errors import UsageError
from envtool.fact import Fact
from envtool.spec import FAMILY

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_DEEPEST = 10  # files that name one another


@dataclass(frozen=True, eq=False, repr=False)
class Line(Fact):
    """One requirement and where it stands. ``name`` is None where only the installer can tell what it is."""

    text: str
    file: str | None  # None where it was named on the command line
    number: int = 0
    name: str | None = None

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        if self.file is None:
            return "the command line"
        return f"{self.file}, line {self.number}" if self.number else self.file


def read_files(files: tuple[str, ...], *, depth: int = 0) -> tuple[Line, ...]:
    """Every line of these files and of those that they name; UsageError where one can't be read."""
    found: list[Line] = []
    for file in files:
        for number, text in _logical_lines(_text(file)):
            other = re.match(r"(?:-r|--requirement)[ =]\s*(\S+)$", text)
            if other and depth < _DEEPEST and "://" not in other[1]:
                found += read_files((os.path.join(os.path.dirname(file), other[1]),), depth=depth + 1)
            else:
                found.append(_line(text, file, number))
    return tuple(found)


def named(texts: tuple[str, ...], file: str | None = None) -> tuple[Line, ...]:
    """Requirements of the command line, or of a file that has no lines of its own for them."""
    lines = tuple(_line(text, file, 0) for text in texts)
    for line in lines:
        if line.name is None:
            raise UsageError(f"{line.text!r} is not a requirement", hint="write it as in 'torch==2.8.0' or pandas")
    return lines


def of_installed(lines: tuple[Line, ...], editable: Mapping[str, str]) -> tuple[Line, ...]:
    """The lines, a folder that is installed as it stands by its distribution's name. ``editable``: names by folder."""
    found = []
    for line in lines:
        folder = os.path.realpath(line.text[3:]) if line.text.startswith("-e ") and line.name is None else ""
        name = editable.get(folder)
        found.append(replace(line, text=name, name=name) if name else line)
    return tuple(found)


def torch_specs(lines: tuple[Line, ...]) -> tuple[str, ...]:
    """What the lines ask of torch and its companions, in the form that a request takes."""
    found = []
    for line in lines:
        requirement = parsed(line)
        if requirement is not None and line.name in FAMILY and not requirement.url and applies(requirement):
            found.append(f"{line.name}{requirement.specifier}")
    return tuple(found)


def refuse_decoys(lines: tuple[Line, ...]) -> None:
    """UsageError at names under which PyPI has nothing, or something else: conda's of torch, and those of modules."""
    from envtool.course.imported import package_of_import

    for line in lines:
        if line.name == "pytorch":
            raise UsageError(
                f"{line.place}: {line.text!r}: pip's name is torch; pytorch is conda's", hint="write torch"
            )
        package = package_of_import(line.name) if line.name and "@" not in line.text else None
        if package is not None:
            message = f"{line.place}: {line.text!r} is what is imported; the package is called {package}"
            raise UsageError(message, hint=f"write {package}")


def parsed(line: Line) -> Requirement | None:
    """The requirement, None where it is no plain one."""
    if line.name is None:
        return None
    from packaging.requirements import Requirement

    return Requirement(_bare(line.text))


def applies(requirement: Requirement, environment: dict[str, str] | None = None) -> bool:
    """Does its marker, if any, hold there? Without an environment: where envtool runs, which is this machine."""
    return requirement.marker is None or requirement.marker.evaluate(environment)


def _text(file: str) -> str:
    try:
        with open(file, encoding="utf-8-sig") as opened:
            return opened.read()
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text", hint="save it again as UTF-8") from None
    except OSError as error:
        hint = "name a file as in `--requirements requirements.txt`"
        raise UsageError(f"cannot read {file}: {error.strerror or error}", hint=hint) from None


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines without comments, those that end in a backslash joined, with the number of their first."""
    found: list[tuple[int, str]] = []
    held, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        first = first or number
        if raw.rstrip().endswith("\\"):
            held += raw.rstrip()[:-1] + " "
            continue
        line = re.sub(r"(^|\s)#.*$", "", held + raw).strip()
        if line:
            found.append((first, line))
        held, first = "", 0
    return found


def _bare(text: str) -> str:
    """A requirement without the options that a file may put behind it."""
    return re.split(r"\s--\w", text)[0].strip()


def _line(text: str, file: str | None, number: int) -> Line:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        requirement = Requirement(_bare(text))
    except InvalidRequirement:
        return Line(text, file, number)
    return Line(text, file, number, canonicalize_name(requirement.name))
