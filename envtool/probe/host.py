"""The one way in which probes touch a machine: a host that answers questions, live or from a recording.

Every question has a plain JSON answer, so that a machine can be recorded to a file and asked again elsewhere.
A probe that goes around the host can't be replayed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from envtool.machine import Absent, Found, Reading, Unknown
from envtool.probe.child import Child, LiveChild, NoChild
from envtool.verdicts import Json

READ_LIMIT = 1 << 20  # bytes: /proc and /sys files are small; anything larger is not what was asked for

T = TypeVar("T")


class Host(Protocol):
    """Questions to a machine. None of them raises: what can't be told is Unknown, with the reason."""

    def facts(self) -> Mapping[str, Json]:
        """What the running Python knows without asking: see ``live_facts`` for the keys."""

    def env(self, name: str) -> str | None:
        """An environment variable, None where it is not set."""

    def read(self, path: str) -> Reading[str]:
        """A text file, at most a MiB of it, undecodable bytes replaced."""

    def read_bytes(self, path: str) -> Reading[bytes]:
        """A small binary file."""

    def names(self, path: str) -> Reading[tuple[str, ...]]:
        """The names in a directory, sorted."""

    def link(self, path: str) -> Reading[str]:
        """Where a symbolic link points, as written."""

    def real(self, path: str) -> Reading[str]:
        """The path with every link resolved; Absent where it does not exist."""

    def stat(self, path: str) -> Reading[Mapping[str, Json]]:
        """``kind`` (file, dir, char, other), ``mode`` ("0660"), ``uid``, ``group``, ``readable``, ``writable``."""

    def disk(self, path: str) -> Reading[tuple[int, int]]:
        """Free and total bytes of the file system that holds ``path``."""

    def which(self, name: str) -> Reading[str]:
        """Where a program lies on PATH."""

    def loadable(self, library: str) -> Reading[str]:
        """Can the dynamic loader find this library by name? Found gives the name; Absent the loader's words."""

    def registry(self, key: str) -> Reading[Mapping[str, Json]]:
        """The values of a Windows registry key below HKEY_LOCAL_MACHINE; binary ones as hexadecimal text."""

    def registry_keys(self, key: str) -> Reading[tuple[str, ...]]:
        """The names of a registry key's subkeys, in the registry's order."""

    def start(
        self,
        question: str,
        argv: Sequence[str],
        *,
        timeout: float,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a program. ``question`` names it in recordings and is unique in a run: "nvml", "environment"."""

    def stop(self) -> None:
        """End every program that still runs: nothing is left behind when the asking is broken off."""


# ── live ─────────────────────────────────────────────────────────────────────────────────────────


def live_facts() -> dict[str, Json]:
    """What the running Python knows of its machine, in JSON."""
    return {
        "sys_platform": sys.platform,  # linux, darwin, win32
        **(_linux_facts() if sys.platform == "linux" else _platform_facts()),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "pid": os.getpid(),
        "uid": os.getuid() if hasattr(os, "getuid") else None,
        "cwd": _working_directory(),
        "temporary": _temporary_directory(),
        "executable": sys.executable or None,  # the Python that envtool itself runs in
    }


def _linux_facts() -> dict[str, Json]:
    # As the module `platform` would tell them; its import alone costs as much as half of all probes.
    name, version = "", ""
    with contextlib.suppress(ValueError, OSError, AttributeError):  # only glibc knows the question
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    kernel = os.uname()
    return {
        "machine": kernel.machine,  # x86_64, aarch64
        "release": kernel.release,  # the kernel's
        "version": kernel.version,
        "hostname": kernel.nodename,
        "mac_version": None,
        "windows_version": None,
        "libc_name": name or None,
        "libc_version": version or None,
    }


def _platform_facts() -> dict[str, Json]:
    import platform

    return {
        "machine": platform.machine(),  # arm64, AMD64
        "release": platform.release(),
        "version": platform.version(),
        "hostname": platform.node(),
        "mac_version": platform.mac_ver()[0] if sys.platform == "darwin" else None,
        "windows_version": platform.version() if sys.platform == "win32" else None,
        "libc_name": None,
        "libc_version": None,
    }


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted under the shell's feet
        return None


def _temporary_directory() -> str | None:
    # tempfile.gettempdir() writes a file to find out, which a full disk turns into an error: look only.
    for name in ("TMPDIR", "TEMP", "TMP"):
        value = os.environ.get(name)
        if value:
            return value
    return "/tmp" if os.name == "posix" else None


def _reading(ask: Callable[[], T]) -> Reading[T]:
    try:
        return Found(ask())
    except (FileNotFoundError, NotADirectoryError):
        return Absent("no such file")
    except PermissionError:
        return Unknown("permission denied")
    except OSError as error:
        return Unknown(error.strerror or str(error))
    except ValueError:  # a path with a letter that this locale has no bytes for, or with a zero byte
        return Unknown("this locale has no such path")


def within(seconds: float, ask: Callable[[], Reading[T]]) -> Reading[T]:
    """The answer of ``ask``, or Unknown when it takes longer than ``seconds`` (a dead network file system)."""
    answer: list[Reading[T]] = []
    thread = threading.Thread(target=lambda: answer.append(ask()), daemon=True)
    thread.start()
    thread.join(seconds)
    return answer[0] if answer else Unknown(f"no answer within {seconds:g} s")


class LiveHost:
    """This machine. ``root`` is put before absolute paths of files, for a tree that imitates a machine in tests."""

    def __init__(self, root: str = "") -> None:
        self.root = root
        self._children: list[LiveChild] = []
        self._facts: dict[str, Json] | None = None  # asked by several probes, and worth milliseconds

    def _at(self, path: str) -> str:
        return self.root + path if self.root and path.startswith("/") else path

    def facts(self) -> Mapping[str, Json]:
        if self._facts is None:
            self._facts = live_facts()
        return self._facts

    def env(self, name: str) -> str | None:
        return os.environ.get(name)

    def read(self, path: str) -> Reading[str]:
        data = self.read_bytes(path)
        return Found(data.value.decode("utf-8", "replace")) if isinstance(data, Found) else data

    def read_bytes(self, path: str) -> Reading[bytes]:
        def ask() -> bytes:
            with open(self._at(path), "rb") as file:
                return file.read(READ_LIMIT)

        return _reading(ask)

    def names(self, path: str) -> Reading[tuple[str, ...]]:
        return _reading(lambda: tuple(sorted(os.listdir(self._at(path)))))

    def link(self, path: str) -> Reading[str]:
        return _reading(lambda: os.readlink(self._at(path)))

    def real(self, path: str) -> Reading[str]:
        return _reading(lambda: os.path.realpath(self._at(path), strict=True))

    def stat(self, path: str) -> Reading[Mapping[str, Json]]:
        return _reading(lambda: _stat(self._at(path)))

    def disk(self, path: str) -> Reading[tuple[int, int]]:
        def ask() -> tuple[int, int]:
            return _space(_existing(self._at(path)))

        return within(2.0, lambda: _reading(ask))

    def which(self, name: str) -> Reading[str]:
        found = _which(name)
        return Found(found) if found else Absent(f"no {name} on PATH")

    def loadable(self, library: str) -> Reading[str]:
        import ctypes

        try:
            ctypes.CDLL(library)
        except OSError as error:
            return Absent(str(error))
        return Found(library)

    def registry(self, key: str) -> Reading[Mapping[str, Json]]:
        return _reading(lambda: _registry_values(key)) if sys.platform == "win32" else _NO_REGISTRY

    def registry_keys(self, key: str) -> Reading[tuple[str, ...]]:
        return _reading(lambda: _registry_subkeys(key)) if sys.platform == "win32" else _NO_REGISTRY

    def start(
        self,
        question: str,
        argv: Sequence[str],
        *,
        timeout: float,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Child:
        started = time.monotonic()
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=dict(env) if env is not None else None,
                start_new_session=os.name == "posix",
            )
        except (FileNotFoundError, NotADirectoryError):
            return NoChild(Absent(f"{argv[0]}: no such file"))
        except (OSError, ValueError) as error:
            return NoChild(Unknown(f"{argv[0]}: {getattr(error, 'strerror', None) or error}"))
        child = LiveChild(process, started + timeout, started)
        self._children.append(child)
        return child

    def stop(self) -> None:
        for child in self._children:
            child.stop()


def _space(path: str) -> tuple[int, int]:
    # shutil does the same, but importing it costs a start-up as much as all other probes of the system.
    if sys.platform != "win32":
        space = os.statvfs(path)
        return space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
    else:  # noqa: RET505 - so that mypy sees one platform only
        import shutil

        usage = shutil.disk_usage(path)
        return usage.free, usage.total


def _which(name: str) -> str | None:
    if sys.platform != "win32":
        for directory in os.get_exec_path():
            path = os.path.join(directory, name)
            if os.access(path, os.X_OK) and os.path.isfile(path):
                return path
        return None
    else:  # noqa: RET505
        import shutil

        return shutil.which(name)


def _existing(path: str) -> str:
    """The nearest parent that exists: where a file would go that isn't there yet."""
    while path and not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path or "."


def _stat(path: str) -> Mapping[str, Json]:
    import stat

    status = os.stat(path)
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "dir"), (stat.S_ISCHR, "char"))
    group: Json = status.st_gid
    if os.name == "posix":
        import grp

        with contextlib.suppress(KeyError):
            group = grp.getgrgid(status.st_gid).gr_name
    return {
        "kind": next((name for is_kind, name in kinds if is_kind(status.st_mode)), "other"),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "uid": status.st_uid,
        "group": group,
        "readable": os.access(path, os.R_OK),
        "writable": os.access(path, os.W_OK),
    }


# ── the Windows registry ─────────────────────────────────────────────────────────────────────────

_NO_REGISTRY = Absent("only Windows has a registry")


def _registry_values(key: str) -> Mapping[str, Json]:
    values: dict[str, Json] = {}
    if sys.platform == "win32":
        import winreg

        # The 64-bit view also for a 32-bit Python: the other one leaves most of these keys out.
        access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, access) as opened:
            for index in range(winreg.QueryInfoKey(opened)[1]):
                name, value, _kind = winreg.EnumValue(opened, index)
                values[name] = _registry_json(value)
    return values


def _registry_json(value: object) -> Json:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [str(item) for item in value]
    return value if isinstance(value, (int, str)) else None


def _registry_subkeys(key: str) -> tuple[str, ...]:
    names: tuple[str, ...] = ()
    if sys.platform == "win32":
        import winreg

        access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, access) as opened:
            names = tuple(winreg.EnumKey(opened, index) for index in range(winreg.QueryInfoKey(opened)[0]))
    return names
