"""Rooms: a home with a course's folder and an environment in it, linked from a real one and then broken."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compare.doctors.driver import CannotMakeError, put_driver, put_machine
from compare.doctors.rule import Case

# a workstation, not the login node of the cluster that the comparison may run on
CLUSTER = ("sbatch", "srun", "sinfo", "squeue", "salloc", "sacct", "scontrol", "sattach", "scancel", "qsub", "bsub")


@dataclass
class Room:
    """``python`` is the interpreter of the environment, ``site`` its site-packages; it may not start."""

    folder: str
    course: str
    prefix: str
    python: str
    site: str
    variables: dict[str, str] = field(default_factory=dict)
    enter: Sequence[str] = ()  # what starts a command where the described machine is seen


@dataclass
class Builder:
    """Makes rooms below ``folder`` from torch environments by name."""

    folder: str
    bases: Mapping[str, str]
    drivers: Mapping[str, Mapping[str, Any]]

    def make(self, case: Case) -> Room:
        """The room of a case."""
        base = self._base(case.base)
        folder = os.path.join(self.folder, "room")  # a name that tells nothing
        shutil.rmtree(folder, ignore_errors=True)
        course = os.path.join(folder, "home", "course")
        os.makedirs(course)
        room = _with_python(case, base, folder, course)
        source = site_packages(base)
        _take(source, room.site, case.only or ["*"])
        _take(
            pip_of(base),
            room.site,
            ["pip", "pip-*", "setuptools*", "pkg_resources", "_distutils_hack", "distutils-precedence.pth"],
        )
        _pip_program(room)
        self._break(case, room)
        room.variables.update(self._variables(case, room))
        return room

    def _break(self, case: Case, room: Room) -> None:
        for pattern in case.remove:
            for path in _matching(room.site, [pattern]):
                _remove(path)
        for old, new in case.rename.items():
            os.rename(os.path.join(room.site, old), os.path.join(room.site, new))
        if case.take:
            _take(site_packages(self._base(case.take[0])), room.site, case.take[1:])
        if case.elsewhere:
            target = os.path.join(room.folder, case.elsewhere[1])
            os.makedirs(target, exist_ok=True)
            _take(site_packages(self._base(case.elsewhere[0])), target, case.elsewhere[2:])
            if case.elsewhere[2].endswith("/*"):  # a folder's files, not the folder
                _lift(target, case.elsewhere[2])
        for place, files in ((room.course, case.files), (room.site, case.write)):
            for name, text in files.items():
                path = os.path.join(place, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
        if case.special == "base-gone":
            shutil.rmtree(os.path.join(room.folder, "python"))

    def _variables(self, case: Case, room: Room) -> dict[str, str]:
        programs = os.path.join(room.folder, "bin")
        os.makedirs(programs, exist_ok=True)
        variables = {
            "PATH": os.pathsep.join([programs, os.path.dirname(room.python), _workstation(self.folder)]),
            "HOME": os.path.join(room.folder, "home"),
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "200",  # so that no tool cuts or breaks its own words
        }
        if case.special != "user-site":
            variables["VIRTUAL_ENV"] = room.prefix
        if case.driver:
            stub = self.drivers[case.driver]
            room.enter = put_machine(room.folder, stub)
            variables.update(put_driver(room.folder, programs, stub))
        for name, value in case.variables.items():
            own = value.replace("{room}", room.folder)
            variables[name] = own if name != "LD_LIBRARY_PATH" or name not in variables else f"{own}:{variables[name]}"
        return variables

    def _base(self, name: str) -> str:
        if name not in self.bases:
            raise CannotMakeError(f"the environment `{name}` is not there")
        return self.bases[name]


def _with_python(case: Case, base: str, folder: str, course: str) -> Room:
    """With a venv, or for what needs it with a Python of its own, which is a copy."""
    home = _home_of(base)
    if case.special:
        own = os.path.join(folder, "python")
        link_tree(os.path.dirname(home), own, skip=("test", "site-packages"))
        os.makedirs(site_packages(own, must_be=False), exist_ok=True)
        home = os.path.join(own, "bin")
    python = os.path.join(home, "python3")
    if case.special == "user-site":
        return Room(folder, course, os.path.dirname(home), python, site_packages(os.path.dirname(home)))
    prefix = os.path.join(course, ".venv")
    done = subprocess.run([python, "-m", "venv", "--without-pip", prefix], capture_output=True, text=True)
    if done.returncode:
        raise CannotMakeError(f"no venv with {python}: {done.stderr.strip()}")
    return Room(folder, course, prefix, os.path.join(prefix, "bin", "python"), site_packages(prefix))


def _pip_program(room: Room) -> None:
    for name in ("pip", "pip3"):
        path = os.path.join(os.path.dirname(room.python), name)
        if not os.path.exists(path):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"#!{room.python}\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n")
            os.chmod(path, 0o755)


def _home_of(prefix: str) -> str:
    with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8") as file:
        return next(line.partition("=")[2].strip() for line in file if line.startswith("home"))


def pip_of(prefix: str) -> str:
    """A site-packages with pip: that of the base Python."""
    return site_packages(os.path.dirname(_home_of(prefix)))


def site_packages(prefix: str, *, must_be: bool = True) -> str:
    """The site-packages of a prefix on Linux or macOS."""
    found = sorted(glob.glob(os.path.join(prefix, "lib", "python3.*")))
    if not found and must_be:
        raise CannotMakeError(f"{prefix} has no lib/python3.x")
    return os.path.join(found[0], "site-packages")


def _matching(folder: str, patterns: Sequence[str]) -> list[str]:
    return [path for pattern in patterns for path in sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))]


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _lift(folder: str, pattern: str) -> None:
    inner = os.path.join(folder, os.path.dirname(pattern))
    for name in os.listdir(inner):
        os.rename(os.path.join(inner, name), os.path.join(folder, name))


def _take(source: str, target: str, patterns: Sequence[str]) -> None:
    for path in _matching(source, patterns):
        place = os.path.join(target, os.path.relpath(path, source))
        if os.path.isdir(path):
            link_tree(path, place)
        elif not os.path.exists(place):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            _link(path, place)


def link_tree(source: str, target: str, skip: Sequence[str] = ()) -> None:
    """A copy by hard links where the file system allows it: gigabytes in a second, and the original stays as it is."""
    shutil.copytree(
        source, target, symlinks=True, ignore=shutil.ignore_patterns(*skip), copy_function=_link, dirs_exist_ok=True
    )


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target


def _workstation(folder: str) -> str:
    """A folder with links to the system's programs, less those of a cluster and of a real driver."""
    place = os.path.join(folder, "programs")
    if not os.path.isdir(place):
        os.makedirs(place)
        for source in ("/usr/bin", "/bin"):
            for name in os.listdir(source):
                if name not in CLUSTER and not name.startswith("nvidia-") and not os.path.lexists(f"{place}/{name}"):
                    os.symlink(f"{source}/{name}", f"{place}/{name}")
    return place
