"""A machine in a line, ``linux-64,py3.12,driver=550.54.14,gpu=V100``: read, and written. Pure.

What a line doesn't name is unknown, never this machine's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from envtool.catalog import Catalog
from envtool.errors import UsageError
from envtool.machine import (
    Absent,
    Amd,
    AmdGpu,
    Apple,
    Found,
    Gpu,
    HostPython,
    Intel,
    IntelGpu,
    Libc,
    Machine,
    Nvidia,
    Reading,
    Unknown,
    found_or,
)
from envtool.versions import dotted

SUBDIRS = {
    "linux-64": ("linux", "x86_64"),
    "linux-aarch64": ("linux", "aarch64"),
    "osx-64": ("macos", "x86_64"),
    "osx-arm64": ("macos", "arm64"),
    "win-64": ("windows", "x86_64"),
    "win-arm64": ("windows", "arm64"),
}
EXAMPLE = "linux-64,py3.12,driver=550.54.14,gpu=V100"
NOT_NAMED = Unknown("not named")
_MOST = 64  # GPUs of one kind

# What a version looks like, and an example of one.
_VERSIONS = {
    "driver": (r"[0-9]{2,4}(\.[0-9]{1,4}){0,3}", "550.54.14"),
    "glibc": (r"[0-9]{1,2}(\.[0-9]{1,3}){1,2}", "2.28"),
    "musl": (r"[0-9]{1,2}(\.[0-9]{1,3}){1,2}", "1.2"),
    "macos": (r"[0-9]{1,2}(\.[0-9]{1,3}){0,2}", "13.6"),
    "jetpack": (r"[0-9]{1,2}(\.[0-9]{1,3}){0,2}", "6.2"),
}
_FORMS = (*SUBDIRS, "py3.12", "driver=", "gpu=", "glibc=", "musl", "macos=", "wsl", "jetpack=")
_MEANT = {
    "linux": "linux-64 or linux-aarch64", "macos": "osx-arm64 or osx-64", "mac": "osx-arm64 or osx-64",
    "darwin": "osx-arm64 or osx-64", "osx": "osx-arm64 or osx-64", "windows": "win-64 or win-arm64",
    "win": "win-64 or win-arm64", "linux-arm64": "linux-aarch64", "linux-x86_64": "linux-64",
    "macos-arm64": "osx-arm64", "windows-64": "win-64", "win64": "win-64", "gfx": "gpu=gfx1100",
    "cuda": "driver=, the driver's version, which tells the CUDA", "glibc": "glibc=2.28", "driver": "driver=550.54.14",
    "gpu": "gpu=V100", "jetpack": "jetpack=6.2",
}  # fmt: skip

Card = Gpu | AmdGpu | IntelGpu


class _Misread(Exception):  # noqa: N818 - it becomes one line of a UsageError
    """What is wrong with one part."""


@dataclass
class _Told:
    """The parts that were understood so far."""

    facts: dict[str, str] = field(default_factory=dict)  # by key; "platform" and "python" have no "=" in the text
    cards: list[Card] = field(default_factory=list)
    chip: str | None = None
    no_gpu: bool = False

    def __contains__(self, key: str) -> bool:
        return key in self.facts


def read_target(text: str, catalog: Catalog) -> Machine:
    """The machine that a line describes; UsageError has one message for each part that can't be read."""
    told, problems = _Told(), []
    for part in text.split(","):
        try:
            _take(part.strip(), told, catalog)
        except _Misread as problem:
            problems.append(str(problem))
    if not problems:
        problems += _contradictions(told)
    hint = f"write it as in --target '{EXAMPLE}'; `envtool pick --help` tells more"
    if len(problems) == 1:
        raise UsageError(f"--target, {problems[0]}", hint=hint)
    if problems:
        raise UsageError(f"--target: {len(problems)} parts can't be used", hint=hint, details=tuple(problems))
    return _machine(told)


# ── one part ─────────────────────────────────────────────────────────────────────────────────────


def _take(part: str, told: _Told, catalog: Catalog) -> None:
    if not part:
        raise _Misread("an empty part: facts are separated by one comma each")
    key, equals, value = (piece.strip() for piece in part.partition("="))
    key = key.lower()
    if key == "gpu" and equals:
        _take_gpu(part, value, told, catalog)
        return
    key, value = _fact(part, key, value if equals else None, catalog)
    if key in told:
        noun = {"python": "a Python", "platform": "a platform"}.get(key, f"a {key}")
        raise _Misread(f"{part!r}: {noun} is named already")
    told.facts[key] = value


def _fact(part: str, key: str, value: str | None, catalog: Catalog) -> tuple[str, str]:
    if value is None:
        if key in SUBDIRS:
            return "platform", key
        if key in {"wsl", "musl"}:
            return key, ""
        if re.fullmatch(r"py[0-9]\.[0-9]{1,2}(\.[0-9]{1,2})?t?", key):
            return "python", _python(part, key[2:])
    elif key == "driver" and value.lower() == "none":
        return key, ""
    elif key in _VERSIONS:
        form, example = _VERSIONS[key]
        if not re.fullmatch(form, value):
            raise _Misread(f"{part!r}: {value!r} is not a version; write it as in {key}={example}")
        return key, value
    raise _Misread(f"{part!r} is not a fact that can be named here{_meant(part, key, value, catalog)}")


def _python(part: str, version: str) -> str:
    minor = int(version.rstrip("t").split(".")[1])
    if version.endswith("t") and (version[0] != "3" or minor < 13):
        raise _Misread(f"{part!r}: free-threaded Pythons begin with py3.13t")
    return version


def _meant(part: str, key: str, value: str | None, catalog: Catalog) -> str:
    from difflib import get_close_matches

    python = re.fullmatch(r"(?:python|cpython|cp|py)?[ =-]?(3)\.?([0-9]{1,2})((?:\.[0-9]+)?t?)", part.lower())
    if python:
        return f"; did you mean py{python[1]}.{python[2]}{python[3]}?"
    if value is None and key in _MEANT:
        return f"; did you mean {_MEANT[key]}?"
    if value is None and _cards(part, catalog):
        return f"; did you mean gpu={part}?"
    near = get_close_matches(f"{key}=" if value is not None else key, _FORMS, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(_FORMS)}"


# ── GPUs ─────────────────────────────────────────────────────────────────────────────────────────


def _take_gpu(part: str, name: str, told: _Told, catalog: Catalog) -> None:
    if name.lower() == "none":
        told.no_gpu = True
        return
    base, count = _counted(name)
    cards = _cards(base, catalog) if base != name else None
    if cards is None:
        base, count, cards = name, 1, _cards(name, catalog)
    if cards is None and re.fullmatch(r"(apple )?m[1-9]( (pro|max|ultra))?", name.lower()):
        told.chip = name if name.lower().startswith("apple") else f"Apple {name}"
        return
    if cards is None:
        raise _Misread(f"{part!r}: {_no_such_gpu(base, catalog)}")
    if not 1 <= count <= _MOST:
        raise _Misread(f"{part!r}: {count} GPUs can't be meant; name 1 to {_MOST}")
    told.cards += cards * count


def _counted(name: str) -> tuple[str, int]:
    """The name and the number of "V100x8" or "RTX 3090 x2"."""
    found = re.fullmatch(r"(.*[0-9]|.*[0-9A-Za-z]\s+)x([0-9]{1,3})", name, re.IGNORECASE)
    return (found[1].strip(), int(found[2])) if found else (name, 1)


def _cards(name: str, catalog: Catalog) -> list[Card] | None:
    """The GPU of that name, None where no table knows it."""
    words = name.lower().split()
    maker = words[0] if words else ""
    capability = re.fullmatch(r"(?:sm_?([0-9]{1,2})([0-9])|([0-9]{1,2})\.([0-9]))[af]?", name.lower())
    if capability:
        major, minor = (capability[1], capability[2]) if capability[1] else (capability[3], capability[4])
        return [Gpu(0, compute_capability=Found((int(major), int(minor))))]
    if name.isdecimal() and len(name) < 3:  # "70" might mean a capability or a part of a name: too little to go by
        return None
    if maker not in {"amd", "radeon", "instinct", "intel"}:
        found = catalog.capability_of(name)
        if found is not None:
            return [Gpu(0, name=Found(name), compute_capability=Found(found))]
    gfx = catalog.names.gfx(name) if maker != "intel" else None
    if gfx is not None:
        return [AmdGpu(Found(name), Found(gfx))]
    if maker != "amd" and catalog.names.xpu(name) is not None:
        return [IntelGpu(Found(name))]
    return None


def _no_such_gpu(name: str, catalog: Catalog) -> str:
    from difflib import get_close_matches

    from envtool.catalog.names import simplified

    shown = name if len(name) <= 40 else name[:39] + "…"
    expected = "write a name such as V100, or a compute capability such as sm_70 or 7.0"
    if name.isdecimal() and len(name) == 2:
        expected = f"write gpu={name[0]}.{name[1]} or gpu=sm_{name} for a compute capability"
    file = catalog.file("gpus")
    known = {
        simplified(n): n for table in ("nvidia", "amd", "intel") for r in file.rows(table) for n in r.names("names")
    }
    asked = simplified(name[:80])
    words = asked.split()
    near = [n for key, n in known.items() if words and all(word in key.split() for word in words)][:3]
    near += [known[key] for key in get_close_matches(asked, known, n=3, cutoff=0.6)]
    near = list(dict.fromkeys(near))[:3]
    return f"no GPU is known as {shown!r}; " + (f"did you mean {' or '.join(near)}?" if near else expected)


# ── the whole ────────────────────────────────────────────────────────────────────────────────────


def _contradictions(told: _Told) -> list[str]:
    facts = told.facts
    if "jetpack" in facts:
        facts.setdefault("platform", "linux-aarch64")  # there is no other Jetson
    if "platform" not in facts:
        return [f"the platform is missing; add one of {', '.join(SUBDIRS)}"]
    platform = facts["platform"]
    problems = []
    belongs = {"glibc": "linux", "musl": "linux", "wsl": "linux", "macos": "osx", "jetpack": "linux-aarch64"}
    for key, where in belongs.items():
        if key in facts and not platform.startswith(where):
            problems.append(f"{key} does not go with {platform}")
    if "glibc" in facts and "musl" in facts:
        problems.append("glibc and musl are named at once; a system has one of them")
    if told.chip and platform != "osx-arm64":
        problems.append(f"gpu={told.chip} does not go with {platform}; it is in osx-arm64 alone")
    if told.no_gpu and (told.cards or told.chip or facts.get("driver")):
        problems.append("gpu=none does not go with another GPU or a driver")
    return problems


def _machine(told: _Told) -> Machine:
    facts = told.facts
    os, arch = SUBDIRS[facts["platform"]]
    silicon = facts["platform"] == "osx-arm64"
    none = "none is named" if told.no_gpu else None
    amd = tuple(card for card in told.cards if isinstance(card, AmdGpu))
    intel = tuple(card for card in told.cards if isinstance(card, IntelGpu))
    libc: Reading[Libc] = NOT_NAMED if os == "linux" else Absent(f"{os} has no such thing")
    for name in ("glibc", "musl"):
        if name in facts:
            libc = Found(Libc(name, facts[name]))
    return Machine(
        os=os,
        arch=arch,
        os_version=Found(facts["macos"]) if "macos" in facts else NOT_NAMED,
        libc=libc,
        wsl=Found(2) if "wsl" in facts else NOT_NAMED if os == "linux" else Absent("this is not Linux"),
        python=_host_python(facts["python"]) if "python" in facts else NOT_NAMED,
        nvidia=_nvidia(told, none),
        amd=Amd("found" if amd else "absent" if none else "unknown", none, amd),
        intel=Intel("found" if intel else "absent" if none else "unknown", none, intel),
        apple=Apple("found", None, Found(told.chip) if told.chip else NOT_NAMED) if silicon else Apple("absent"),
        jetpack=Found(facts["jetpack"]) if "jetpack" in facts else NOT_NAMED,
    )


def _host_python(text: str) -> Reading[HostPython]:
    version = text.rstrip("t")
    major, minor = version.split(".")[:2]
    return Found(HostPython(version, f"cp{major}{minor}{'t' if text.endswith('t') else ''}"))


def _nvidia(told: _Told, none: str | None) -> Nvidia:
    gpus = [card for card in told.cards if isinstance(card, Gpu)]
    numbered = tuple(
        Gpu(index, name=gpu.name, compute_capability=gpu.compute_capability) for index, gpu in enumerate(gpus)
    )
    driver: Reading[str] = NOT_NAMED
    if "driver" in told:
        driver = Found(told.facts["driver"]) if told.facts["driver"] else Absent("no driver")
    absent = none is not None or (isinstance(driver, Absent) and not gpus)
    if none is not None and "driver" not in told:
        driver = Absent("no driver")
    status = "found" if gpus else "absent" if absent else "unknown"
    return Nvidia(status=status, reason=none, driver=driver, gpus=numbered)


# ── and back ─────────────────────────────────────────────────────────────────────────────────────


def target_text(machine: Machine, catalog: Catalog) -> str | None:
    """The line that describes a machine as far as a plan looks at it; None for a platform that has no subdir."""
    arch = {"amd64": "x86_64"}.get(machine.arch.lower(), machine.arch.lower())
    if machine.os != "linux" and arch == "aarch64":
        arch = "arm64"
    subdir = next((name for name, place in SUBDIRS.items() if place == (machine.os, arch)), None)
    if subdir is None:
        return None
    parts = [subdir]
    if isinstance(machine.python, Found):
        free = "t" if machine.python.value.abi.endswith("t") else ""
        parts.append(f"py{machine.python.value.version}{free}")
    parts += [f"driver={version}" for version in _told(machine.nvidia.driver)]
    parts += _gpu_parts(machine, catalog)
    if isinstance(machine.libc, Found):
        libc = machine.libc.value
        parts.append(f"{libc.name}={libc.version}" if libc.version else libc.name)
    if machine.os == "macos":
        parts += [f"macos={version}" for version in _told(machine.os_version)]
    parts += ["wsl"] if isinstance(machine.wsl, Found) else []
    parts += [f"jetpack={version}" for version in _told(machine.jetpack)]
    return ",".join(part for part in parts if _readable(part, catalog))


def _told(reading: Reading[str]) -> Sequence[str]:
    return [reading.value] if isinstance(reading, Found) else []


def _gpu_parts(machine: Machine, catalog: Catalog) -> list[str]:
    names = [
        dotted(gpu.compute_capability.value) if isinstance(gpu.compute_capability, Found) else found_or(gpu.name, "")
        for gpu in machine.nvidia.gpus
    ]
    names += [found_or(gpu.gfx, found_or(gpu.name, "")) for gpu in machine.amd.gpus]
    names += [found_or(gpu.name, "") for gpu in machine.intel.gpus]
    return [f"gpu={name}" for name in dict.fromkeys(names)]


def _readable(part: str, catalog: Catalog) -> bool:
    """A name with a comma, or one that no table knows, can't be written in a line."""
    try:
        _take(part, _Told(), catalog)
    except _Misread:
        return False
    return "," not in part
