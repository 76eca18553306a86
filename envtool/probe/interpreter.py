"""Which Python is meant: the one that is named, else the active environment's, else the one on PATH."""

from __future__ import annotations

import os.path
from dataclasses import replace

from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.machine import Absent, Found, Unknown
from envtool.probe.host import Host

HINT = "name a Python program or an environment's folder, as in `--python .venv`"
_ACTIVE = (("VIRTUAL_ENV", "the active environment"), ("CONDA_PREFIX", "the active conda environment"))
# pipx and uv keep an environment for each tool, envtool's own too, and `uvx` puts it first on PATH.
_TOOLS = ("/pipx/venvs/", "/uv/tools/", "/archive-v0/", "/pipx/.cache/", "/.venv-envtool/")


@dataclass(frozen=True, eq=False, repr=False)
class Choice(Fact):
    """A Python, and why it: ``named`` is true where the user asked for it with ``--python``."""

    executable: str
    chosen_by: str
    named: bool = False
    ghost: str | None = None  # an environment that is active and has no Python


def choose_interpreter(host: Host, named: str | None) -> Choice:
    """The Python that a user would mean; UsageError where the named one can't be one."""
    if named is not None:
        return Choice(_named(host, named), "--python", named=True)
    return _active(host) or replace(_on_path(host) or _own(host), ghost=_ghost(host))


def _ghost(host: Host) -> str | None:
    """What the shell calls active, and is not there: a venv that was moved or deleted."""
    for variable, _ in _ACTIVE:
        prefix = host.env(variable)
        if not prefix or _python_in(host, prefix) is not None or _of_a_tool(prefix + "/"):
            continue
        if variable == "VIRTUAL_ENV" or isinstance(host.stat(prefix), Absent):
            return prefix  # conda's environments may do without Python: such a one is none that was deleted
    return None


def _windows(host: Host) -> bool:
    return host.facts().get("sys_platform") == "win32"


def _programs(host: Host, prefix: str) -> tuple[str, ...]:
    """Where an environment may keep its Python, the usual place first."""
    if _windows(host):
        places: tuple[tuple[str, ...], ...] = (("Scripts", "python.exe"), ("python.exe",), ("bin", "python.exe"))
    else:
        places = (("bin", "python"), ("bin", "python3"))
    return tuple(_join(host, prefix, *place) for place in places)


def _join(host: Host, *parts: str) -> str:
    separator = "\\" if _windows(host) else "/"
    return separator.join([*(part.rstrip("/\\") for part in parts[:-1]), parts[-1]])


def _python_in(host: Host, prefix: str) -> str | None:
    """An environment's Python. A link that leads nowhere counts: that environment is meant, and is broken."""
    for program in _programs(host, prefix):
        if not isinstance(host.stat(program), Absent) or isinstance(host.link(program), Found):
            return program
    return None


# ── named ────────────────────────────────────────────────────────────────────────────────────────


def _named(host: Host, named: str) -> str:
    if not named.strip():
        raise UsageError("--python needs a path, and got none", hint=HINT)
    bare = "/" not in named and "\\" not in named
    path = _absolute(host, named)
    found = host.stat(path)
    if bare and not (isinstance(found, Found) and found.value.get("kind") == "dir"):
        on_path = host.which(named)
        if isinstance(on_path, Found):
            return on_path.value
    match found:
        case Absent():
            if isinstance(host.link(path), Found):
                return path
            where = "is neither a program on PATH nor a path that exists" if bare else "does not exist"
            raise UsageError(f"--python {named}: {where}", hint=HINT)
        case Unknown(reason):
            raise UsageError(f"--python {named}: can't be read: {reason}", hint=HINT)
        case Found(status):
            if status.get("kind") == "dir":
                return _in_folder(host, named, path)
            return _program(host, named, path, str(status.get("mode") or ""))


def _absolute(host: Host, named: str) -> str:
    if named.startswith("~"):
        home = host.env("USERPROFILE" if _windows(host) else "HOME")
        if home and named[1:2] in ("", "/", "\\"):
            named = home + named[1:]
    absolute = named.startswith("/") or (_windows(host) and (named[1:2] == ":" or named.startswith("\\")))
    return named if absolute else _join(host, str(host.facts().get("cwd") or "."), os.path.normpath(named))


def _in_folder(host: Host, named: str, path: str) -> str:
    python = _python_in(host, path)
    if python is None:
        first, *others = _programs(host, path)
        raise UsageError(
            f"--python {named}: this folder holds no Python: there is no {first}"
            + "".join(f" and no {other}" for other in others[:1]),
            hint=HINT,
        )
    return python


def _program(host: Host, named: str, path: str, mode: str) -> str:
    executable = _windows(host) or not mode or any(int(digit) & 1 for digit in mode[-3:] if digit in "01234567")
    if not executable:
        raise UsageError(f"--python {named}: this file is not executable (mode {mode})", hint=HINT)
    return path


# ── found ────────────────────────────────────────────────────────────────────────────────────────


def _active(host: Host) -> Choice | None:
    """The active environment. Where two are active, the one that comes first on PATH is the one that runs."""
    found: list[tuple[int, Choice]] = []
    folders = _path_folders(host)
    for variable, title in _ACTIVE:
        prefix = host.env(variable)
        python = _python_in(host, prefix) if prefix else None
        if python is None or _of_a_tool(python):
            continue
        folder = python.replace("\\", "/").rsplit("/", 1)[0]
        place = folders.index(folder) if folder in folders else len(folders)
        found.append((place, Choice(python, f"{title} ({variable})")))
    return min(found, key=lambda one: one[0])[1] if found else None


def _path_folders(host: Host) -> list[str]:
    separator = ";" if _windows(host) else ":"
    folders = (host.env("PATH") or "").split(separator)
    return [folder.replace("\\", "/").rstrip("/") for folder in folders if folder]


def _on_path(host: Host) -> Choice | None:
    names = ("python", "py") if _windows(host) else ("python3", "python")
    found: list[Choice] = []
    for name in names:
        program = host.which(name)
        if isinstance(program, Found):
            path = _past_tools(host, name, program.value)
            if path is not None:
                found.append(Choice(path, f"{name} on PATH"))
                if not _store_alias(path):
                    break
    # Windows puts an alias for the Store's Python on PATH, also where no Python is installed: any other goes first.
    return next((choice for choice in found if not _store_alias(choice.executable)), found[0] if found else None)


def _store_alias(path: str) -> bool:
    return "/microsoft/windowsapps/" in path.replace("\\", "/").lower()


def _past_tools(host: Host, name: str, found: str) -> str | None:
    """The first program of that name outside the environments of tools, None where there is none."""
    if not _of_a_tool(found):
        return found
    program = name + (".exe" if _windows(host) else "")
    for folder in _path_folders(host):
        path = _join(host, folder, program)
        if not _of_a_tool(path) and isinstance(host.stat(path), Found):
            return path
    return None


def _of_a_tool(path: str) -> bool:
    return any(part in path.replace("\\", "/") for part in _TOOLS)


def _own(host: Host) -> Choice:
    own = host.facts().get("executable")
    if not isinstance(own, str) or not own:
        raise UsageError("no Python is active and none is on PATH", hint=HINT)
    return Choice(own, "envtool's own Python: no environment is active and no Python is on PATH")
