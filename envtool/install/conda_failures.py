"""What py-rattler says when it fails, told from the patterns in conda_failures.toml; nothing of it shows a token."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from urllib.parse import urlsplit

from envtool.errors import EXIT_TOOL
from envtool.install.failures import Failure, InstallError, without_passwords

_TOKEN = re.compile(r"/t/[^/\s]+(?=/|\s|$)")
_URL = re.compile(r"(?:https?|file)://[^\s'\"`)>,;]+")
_FILE = re.compile(r"(?:failed to fetch|failed to link|to fetch) '?([\w.!+-]+?\.(?:conda|tar\.bz2))")
_SHOWN = 4


def without_tokens(text: str) -> str:
    """The text with every address cut down to what may be shown."""
    return _TOKEN.sub("/t/***", without_passwords(text))


@lru_cache(maxsize=1)
def conda_rows() -> tuple[Failure, ...]:
    """The rows of conda_failures.toml, in their order."""
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "conda_failures.toml"), "rb") as file:
        content = tomllib.load(file)
    hints: dict[str, str] = content["hints"]
    return tuple(
        Failure(row["name"], tuple(row["patterns"]), row["message"], hints.get(row["hint"], row["hint"]))
        for row in content["failures"]
    )


def conda_explained(said: str, *, doing: str, package: str | None = None, url: str | None = None) -> InstallError:
    """The error that py-rattler's words tell of; where no row knows it, its words alone."""
    text = without_tokens(said)
    lines = [line.strip().removeprefix("Caused by: ") for line in text.splitlines() if line.strip()]
    details = tuple(dict.fromkeys(lines))
    details = details if len(details) <= _SHOWN else (details[0], *details[1 - _SHOWN :])
    named = _FILE.search(text)
    package = package or (named[1] if named else None)
    failure = next((row for row in conda_rows() if row.found_in(text)), None)
    if failure is None:
        return InstallError(
            "unknown", f"{doing} failed", hint="run it again; if it fails again, report it with the lines above",
            details=details, code=EXIT_TOOL, said=text,
        )  # fmt: skip
    told = _URL.search(text)
    place = urlsplit(told[0] if told else url or "").netloc.rpartition("@")[2]
    message = failure.message.format(place=place or "the channel", package=package or "a package")
    return InstallError(failure.name, message, hint=failure.hint, details=details, code=EXIT_TOOL, said=text)
