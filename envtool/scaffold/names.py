"""Names that a project may have: it must be a folder, a distribution and a package on every system."""

from __future__ import annotations

import keyword
import os
import posixpath
import re
import sys
import unicodedata

from envtool.errors import UsageError
from envtool.shell import shell_line

LONGEST = 40  # longer ones break the lines of the rendered code
PROJECT = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")
PACKAGE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")

# What a project installs, imports or has beside its package; a second thing of that name would hide it.
_TAKEN = (
    "torch torchvision torchaudio torchgen functorch pytorch lightning pytorch_lightning numpy matplotlib mpl_toolkits "
    "pylab pytest _pytest ruff ipykernel nbclient ipython jupyter notebook notebooks jobs runs src tests test envtool "
    "pip uv setuptools pkg_resources wheel hatchling conda cuda triton"
)
TAKEN = frozenset(_TAKEN.split())
# Windows takes these for devices, with or without an ending.
WINDOWS_DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))])

_FILES = (".whl", ".tar.gz", ".zip")
_ONLY_HERE = (
    "warning: {} exists on your machine only, and start.py names it to all students\n"
    "  give a URL, or put a wheel of envtool into the course: --envtool tools/NAME.whl"
)


def package_of(project: str) -> str:
    """The name to import a project by; the template's own default says the same."""
    return project.lower().replace("-", "_")


def checked_project(name: str, command: str = "project") -> str:
    """The name of a project, or UsageError with one that would do."""
    folder, slash, last = name.replace("\\", "/").rstrip("/").rpartition("/")
    if slash:
        line = shell_line(["envtool", "init", command, suggestion(last), "--output-dir", folder or "/"], "posix")
        raise UsageError(f"{name!r} is a path, and the name of a {command} is wanted", hint=f"try `{line}`")
    problem = _problem(name, PROJECT, "letters, digits and hyphens")
    problem = problem or _reserved(package_of(name))
    if problem:
        raise UsageError(f"{name!r} can't be the name of a {command}: {problem}", hint=f"try {suggestion(name)}")
    return name


def checked_package(name: str) -> str:
    """The name of a package, or UsageError with one that would do."""
    problem = _problem(name, PACKAGE, "small letters, digits and _") or _reserved(name)
    if problem:
        better = package_of(suggestion(name))
        raise UsageError(f"{name!r} can't be the name of a package: {problem}", hint=f"try --package {better}")
    return name


def checked_source(text: str) -> str:
    """What pip installs envtool from, with {extras} where the extras go, or UsageError.

    It becomes part of a program, so what could end a piece of text there is refused.
    """
    wrong = "--envtool: {!r} can't be installed from: {}".format
    hint = "give a requirement such as envtool==1.2, a URL without a password, or a path"
    if not text.isprintable() or not text.strip() or set(text) & set("\"'\\{}$`"):
        raise UsageError(wrong(text, "it is empty, or has quotes, braces or control characters"), hint=hint)
    if "://" in text:
        if "@" in text.split("://", 1)[1].split("/", 1)[0] and not text.startswith("git+ssh://"):
            raise UsageError(
                "--envtool: the URL has a name or a password in it, and all students would see it", hint=hint
            )
        return f"envtool{{extras}} @ {text}"
    if "/" in text or text.endswith(_FILES):
        return f"{text}{{extras}}"
    name = re.match(r"envtool(?![\w-])", text)
    if name is None or "[" in text:
        raise UsageError(wrong(text, "it names neither envtool nor a file"), hint=hint)
    return f"envtool{{extras}}{text[len('envtool') :]}"


def beyond_the_course(source: str, folder: str) -> str | None:
    """What students who clone the course lack of what `checked_source` allowed; None where nothing is known to be."""
    path = source.removesuffix("{extras}").partition(" @ file://")
    if path[1]:
        return _ONLY_HERE.format(path[2])
    if ("/" not in path[0] and not path[0].endswith(_FILES)) or "://" in source:
        return None
    if re.match(r"/|~|[A-Za-z]:", path[0]) or posixpath.normpath(path[0]).split("/")[0] == "..":
        return _ONLY_HERE.format(path[0])
    if os.path.exists(os.path.join(folder, path[0])):
        return None
    place = posixpath.dirname(path[0]) or "."
    return (
        f"note: the course needs {path[0]}; this makes a wheel there, in the course's folder:\n"
        f"  python3 -m pip wheel --no-deps PATH-OF-ENVTOOL --wheel-dir {place}"
    )


def suggestion(name: str) -> str:
    """A name that is allowed, as near to this one as can be."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain)
    if not words:
        return "first-project"
    if words[0][0].isdecimal():
        words.insert(0, "project")
    short = "-".join(words)[: LONGEST - len("-project")].rstrip("-")
    return f"{short}-project" if _reserved(package_of(short)) else short


def _problem(name: str, pattern: re.Pattern[str], wanted: str) -> str | None:
    if not name:
        return "it is empty"
    if len(name) > LONGEST:
        return f"it has {len(name)} characters, and {LONGEST} are the most"
    if not name[0].isalpha():
        return "it must begin with a letter"
    return None if pattern.fullmatch(name) else f"use {wanted}"


def _reserved(package: str) -> str | None:
    """Why a package can't be called so although its letters are right."""
    if keyword.iskeyword(package) or package in ("none", "true", "false"):
        return "it is a word of Python itself"
    if package in sys.stdlib_module_names:
        return f"Python's own module {package} would be hidden"
    if package in TAKEN:
        return "something that the project needs is called so"
    if package in WINDOWS_DEVICES:
        return "Windows allows no folder of that name"
    return None
