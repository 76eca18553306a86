"""What kind of environment a prefix is, for what it was built, and what of it is near: pip on PATH, ./.venv."""

from __future__ import annotations

import re

from envtool.machine import Absent, Found, Reading, Unknown
from envtool.probe.answer import Answer, shown, text_of, texts_of
from envtool.probe.host import Host
from envtool.probe.installed import Entry

_MACHINES = {"amd64": "x86_64", "i386": "i686", "i586": "i686", "win32": "i686"}


def abi_of(answer: Answer) -> str:
    """The ABI part of a wheel's tag: "cp312", "cp313t" without the GIL, "pp310" for PyPy."""
    version = (text_of(answer, "version") or "").split(".")
    digits = "".join(version[:2])
    if text_of(answer, "implementation") == "pypy":
        return f"pp{digits}"
    # .cpython-313t-x86_64-linux-gnu.so, .cp313t-win_amd64.pyd
    own = next(iter(texts_of(answer, "suffixes")), "")
    threaded = "t" in (text_of(answer, "abiflags") or "") or re.match(r"^\.cp(ython-)?\d+t", own)
    return f"cp{digits}{'t' if threaded else ''}"


def arch_of(answer: Answer) -> str:
    """What the interpreter was built for, in the machine document's words."""
    own = next(iter(texts_of(answer, "suffixes")), "")
    platform = text_of(answer, "platform")
    found = re.search(r"-([a-z0-9_]+)-linux|-win_([a-z0-9]+)\.|-(win32)\.", own)
    machine = next(part for part in found.groups() if part) if found else text_of(answer, "machine") or "unknown"
    if platform == "win32" and not found:
        machine = "x86_64" if answer.get("bits") == 64 else "i686"
    if platform == "win32" and machine == "arm64":
        return "aarch64"
    return _MACHINES.get(machine.lower(), machine.lower())


def venv_settings(pyvenv: str | None) -> dict[str, str]:
    """pyvenv.cfg's settings, their names in lower case; none where there is no such file."""
    settings = {}
    for line in (pyvenv or "").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            settings[key.strip().lower()] = value.strip()
    return settings


# A part of the base prefix, and what keeps Pythons there.
_KEEPERS = (
    ("/.pyenv/versions/", "pyenv"),
    ("/pyenv-win/versions/", "pyenv"),
    ("/cellar/", "homebrew"),
    ("/opt/homebrew/", "homebrew"),
    ("/linuxbrew/", "homebrew"),
    ("/windowsapps/", "windows-store"),
    ("/uv/python/", "uv-python"),
    ("/.asdf/installs/", "asdf"),
    ("/mise/installs/", "mise"),
    ("/python.framework/versions/", "python.org"),
    ("/programs/python/python3", "python.org"),
    ("/program files/python3", "python.org"),
    ("/hostedtoolcache/", "hosted"),
    ("/xcode.app/", "xcode"),
    ("/commandlinetools/", "xcode"),
)


def manager_of(answer: Answer, settings: dict[str, str]) -> str:
    """What made the environment: venv, virtualenv, uv, conda, or what keeps the Python itself."""
    prefix, base = text_of(answer, "prefix") or "", text_of(answer, "base_prefix") or ""
    if settings and prefix != base:
        return next((name for name in ("uv", "virtualenv") if name in settings), "venv")
    if answer.get("conda") is not None:
        return "conda"
    if prefix != base:
        return "virtualenv"
    return _keeper(base, text_of(answer, "real_executable") or "")


def _keeper(base: str, executable: str) -> str:
    for path in (base, executable):
        plain = path.replace("\\", "/").lower() + "/"
        for part, keeper in _KEEPERS:
            if part in plain:
                return keeper
    return "system" if base in ("/usr", "/usr/local") else "other"


def site_packages_of(entries: tuple[Entry, ...], prefix: str) -> str | None:
    """Where the environment's own packages lie: the first such folder under its prefix."""
    own = [entry.path for entry in entries if entry.leak is None and entry.path.startswith(prefix)]
    return next((path for path in own if path.endswith(("site-packages", "dist-packages"))), None)


# ── near ─────────────────────────────────────────────────────────────────────────────────────────


def pip_on_path(host: Host) -> Reading[str]:
    """The interpreter that a bare `pip` would install into."""
    found = host.which("pip")
    if not isinstance(found, Found):
        return found
    path = found.value
    if path.lower().endswith(".exe"):
        return _launched_by(host.read_bytes(path), path)
    text = host.read(path)
    return _interpreter_in(text.value, path) if isinstance(text, Found) else text


def _launched_by(data: Reading[bytes], path: str) -> Reading[str]:
    """pip.exe is a launcher with a `#!` line and a zip archive behind it."""
    if not isinstance(data, Found):
        return data
    found = re.search(rb"#!\"?([^\r\n\"\x00]+?)\"?[ \t]*[\r\n]+PK\x03\x04", data.value)
    if found is None:
        return Unknown(f"{path} does not name its interpreter")
    return Found(shown(found.group(1).decode("utf-8", "replace")))


def _interpreter_in(text: str, path: str) -> Reading[str]:
    first, _, rest = text.partition("\n")
    program = first[2:].strip() if first.startswith("#!") else ""
    name = program.rpartition("/")[2]
    # '''exec' "/a path/with blanks/python" "$0" "$@": what pip writes where a `#!` line can't hold the path
    long = re.match(r"'''exec'\s+\"?(/[^\"\n]*?python[\w.]*)\"?\s", rest)
    if name == "sh" and long:
        return Found(long.group(1))
    if name == "sh" and rest.startswith("'''exec'") and "dirname" in rest.split("\n")[0]:
        return Found(path.rpartition("/")[0] + "/python")
    if name.startswith(("python", "pypy")):
        return Found(program)
    if re.match(r".*/env\s+(-\S+\s+)*python", program):
        return Unknown(f"{path} asks for {program.split()[-1]!r}, whichever comes first on PATH")
    return Unknown(f"{path} is a script that does not name its interpreter")


def venv_starts(host: Host, venv: Reading[str]) -> Reading[bool]:
    """Does a venv's Python lead anywhere? It is not started."""
    if not isinstance(venv, Found):
        return Absent("there is no other environment in the working directory")
    windows = "\\" in venv.value
    program = f"{venv.value}\\Scripts\\python.exe" if windows else f"{venv.value}/bin/python"
    match host.real(program):
        case Found(_):
            return Found(True)
        case Absent(_):
            return Found(False)
        case Unknown(reason):
            return Unknown(reason)


def local_venv(host: Host, cwd: str | None, prefix: str) -> Reading[str]:
    """./.venv or ./venv, where that is another environment than the one at ``prefix``."""
    if cwd is None:
        return Unknown("there is no working directory")
    for name in (".venv", "venv"):
        separator = "\\" if "\\" in cwd else "/"
        path = cwd.rstrip("/\\") + separator + name
        if isinstance(host.stat(f"{path}{separator}pyvenv.cfg"), Found):
            here, there = host.real(path), host.real(prefix)
            same = isinstance(here, Found) and isinstance(there, Found) and here.value == there.value
            return Absent(f"./{name} is this environment") if same else Found(path)
    return Absent("no .venv in the working directory")
