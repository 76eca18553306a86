"""What the output of a failed uv or pip means, told from the patterns in failures.toml."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from envtool.errors import EXIT_NO_PLAN, EXIT_TOOL, EXIT_USAGE, EnvtoolError
from envtool.fact import Fact
from envtool.install.order import without_secrets
from envtool.install.tool import Ran

LINES = 8  # of the tool's own words
_ADDRESS = re.compile(r"(?:https?|file)://[^\s'\"`)>,;]+")
_HOST = re.compile(r"host='([^']+)'")
_PACKAGES = (
    re.compile(
        r"[Bb]ecause (?:there (?:is|are) no versions? of )?(?!you |all |only )"
        r"([A-Za-z0-9][\w.-]*(?:[=<>~!]=?=?[\w.+!*,<>=-]+)?) "
    ),
    re.compile(r"`([A-Za-z0-9][\w.+-]*(?:==[\w.+!-]+)?)`"),
    re.compile(r"No matching distribution found for ([^\s]+)"),
    re.compile(r"^\s*([A-Za-z0-9][\w.-]*(?:[=<>~!]=[^\s]+)?) from (?:https?|file)://", re.MULTILINE),
    re.compile(r"/([A-Za-z0-9][\w.]*-\d[\w.!%]*)-[^/\s]*\.whl"),
)
_WISH = re.compile(  # uv: "all versions of oldthing depend on torch<2.3"; pip: "oldthing 1.0 depends on torch<2.3"
    r"([A-Za-z0-9][\w.-]*)(?:[=<>~!]=?[^\s]*)?(?: \d[^\s]*)? depends? on "
    r"((?:torch|torchvision|torchaudio)[=<>~!][^\s]*)"
)


class InstallError(EnvtoolError):
    """An installer failed. ``name`` is the row that tells why; the exit code is that row's."""

    def __init__(
        self, name: str, message: str, *, hint: str, details: tuple[str, ...], code: int, said: str = ""
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.name = name
        self.exit_code = code
        self.said = said

    def told(
        self, *, message: str | None = None, hint: str | None = None, details: tuple[str, ...] | None = None
    ) -> InstallError:
        """The same failure in other words."""
        return InstallError(
            self.name,
            message or self.message,
            hint=hint or str(self.hint),
            details=self.details if details is None else details,
            code=self.exit_code,
            said=self.said,
        )


@dataclass(frozen=True, eq=False, repr=False)
class Failure(Fact):
    """One row: what is looked for, and what is said of it."""

    name: str
    patterns: tuple[str, ...]
    message: str
    hint: str
    code: int = EXIT_TOOL

    def found_in(self, text: str) -> bool:
        """Does one of the patterns occur?"""
        return any(re.search(pattern, text) for pattern in self.patterns)


@lru_cache(maxsize=1)
def rows() -> tuple[Failure, ...]:
    """The rows of failures.toml, in their order."""
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "failures.toml"), "rb") as file:
        content = tomllib.load(file)
    hints: Mapping[str, str] = content["hints"]
    return tuple(
        Failure(
            row["name"],
            tuple(row["patterns"]),
            row["message"],
            hints.get(row["hint"], row["hint"]),
            row["exit"] if row.get("exit") in {EXIT_USAGE, EXIT_NO_PLAN} else EXIT_TOOL,
        )
        for row in content["failures"]
    )


def explained(ran: Ran, tool: str, *, doing: str) -> InstallError:
    """The error that a tool's output tells of; where no row knows it, the tool's own words alone."""
    text = without_passwords(ran.said)
    details = _last_words(text)
    text += f"\n{_unwrapped(text)}{_signal(ran.code)}"
    failure = next((row for row in rows() if row.found_in(text)), None)
    if failure is None:
        message = f"{doing} failed: {tool} ended with exit code {ran.code}"
        hint = "read its words above; `--installer` names the other tool"
        return InstallError("unknown", message, hint=hint, details=details, code=EXIT_TOOL, said=text)
    place, package = _place(text), _package(text)
    words = {"place": place or "the index", "host": _host(place) or "the index", "package": package or "a package"}
    message = failure.message.format(**words)
    return InstallError(failure.name, message, hint=failure.hint, details=details, code=failure.code, said=text)


def _unwrapped(text: str) -> str:
    """All of it in one line: uv once wrapped its words at the width of the terminal, behind signs of a tree."""
    return " ".join(re.sub(r"[╰├─▶│×]", " ", text).split())


def _signal(code: int) -> str:
    """What ended a tool that did not end by itself."""
    if code >= 0:
        return ""
    import signal

    try:
        return f"\nkilled by {signal.Signals(-code).name}"
    except ValueError:
        return f"\nkilled by signal {-code}"


def who_wants(said: str) -> tuple[tuple[str, str], ...]:
    """Of a conflict: which packages want which torch, ("oldthing", "torch<2.3")."""
    found = _WISH.findall(said)
    return tuple(dict.fromkeys((name, wish.rstrip(",.")) for name, wish in found if not name.startswith("torch")))


def needed_by(said: str, package: str) -> str | None:
    """Which package depends on one that is not there: "torch" in uv's and in pip's words; None where nobody does."""
    name = re.escape(package)
    uv = rf"(?:all versions of )?([A-Za-z0-9][\w.-]*)(?:[=<>~!]=?[^\s]*)? depends? on {name}\b"
    pip = rf"requirement {name}[^\s]* \(from ([A-Za-z0-9][\w.-]*)"
    found = re.search(uv, _unwrapped(said)) or re.search(pip, said)
    return found[1] if found else None


def without_passwords(text: str) -> str:
    """The text with every address cut down to what may be shown."""
    return _ADDRESS.sub(lambda found: without_secrets(found[0]), text)


def _place(text: str) -> str | None:
    """Whom the trouble is with: the last address, without what comes behind the host of a file."""
    addresses = _ADDRESS.findall(text)
    if addresses:
        return str(addresses[-1]).rstrip(".:/")
    hosts = _HOST.findall(text)
    return str(hosts[-1]) if hosts else None


def _host(place: str | None) -> str | None:
    return (urlsplit(place).hostname or place) if place else None


def _package(text: str) -> str | None:
    for pattern in _PACKAGES:
        found = pattern.search(text)
        if found and not found[1].startswith("--"):
            return found[1].replace("%2B", "+")
    return None


def _last_words(text: str) -> tuple[str, ...]:
    """The lines from the tool's error on, else its last ones; progress bars and warnings of pip left out."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and "━" not in line]
    start = next((i for i, line in enumerate(lines) if re.match(r"\s*(error\b|ERROR\b|×)", line)), None)
    kept = lines[start : start + LINES] if start is not None else lines[-LINES:]
    return tuple(line[:300] for line in kept)
