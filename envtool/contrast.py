"""What differs between two documents of a machine or an environment, and what of it matters. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.machine import Absent, Found, Gpu, Libc, Machine, Reading, Unknown, found_or
from envtool.machine_document import machine_from_json
from envtool.verdicts import Json

SCHEMAS = ("envtool.machine/1", "envtool.doctor/1", "envtool.check/1")
FAMILY = ("torch", "torchvision", "torchaudio")
NOT_TOLD, NONE, NOT_KNOWN = "not told", "none", "not known"
PYTORCH, MACHINE, VERDICTS, PACKAGES, REST = "PyTorch", "Machine", "Verdicts", "Packages", "The rest"
MATTERS = (PYTORCH, MACHINE, VERDICTS, PACKAGES)
BASICS = ("pip", "setuptools", "wheel")  # the installer's own, which no program sees
_BAD = ("fail", "warn", "unknown")


@dataclass(frozen=True, eq=False, repr=False)
class Side(Fact):
    """One document, read. A field that its kind has not is None."""

    name: str  # as it was named on the command line
    schema: str
    machine: Machine | None
    environment: Mapping[str, Json] | None
    statuses: Mapping[str, str] | None  # of the checks, by code
    whole: Mapping[str, Json]


@dataclass(frozen=True, eq=False, repr=False)
class Contrast(Fact):
    """One thing that differs; ``section`` is one of the words above."""

    section: str
    what: str
    a: str
    b: str

    @property
    def matters(self) -> bool:
        """Does it make results, or whether something runs, differ?"""
        return self.section in MATTERS


def side(document: Json, name: str) -> Side:
    """A document, checked; UsageError where it is of no kind that can be compared."""
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(document, dict) or schema not in SCHEMAS:
        found = f"its schema is {schema!r}" if isinstance(schema, str) else "it names no schema of envtool's"
        raise UsageError(
            f"{name} is no document of `envtool doctor`, `check` or `probe`: {found}",
            hint="write one with `envtool doctor --json > laptop.json`",
        )
    if schema == SCHEMAS[0]:
        return Side(name, SCHEMAS[0], machine_from_json(document, name), None, None, document)
    machine, environment = document.get("machine"), document.get("environment")
    return Side(
        name, str(schema), machine_from_json(machine, f"{name}, machine") if isinstance(machine, dict) else None,
        environment if isinstance(environment, dict) else None, _statuses(document.get("verdicts")), document,
    )  # fmt: skip


def _statuses(verdicts: Json) -> Mapping[str, str] | None:
    if not isinstance(verdicts, list):
        return None
    return {str(one["code"]): str(one.get("status")) for one in verdicts if isinstance(one, dict) and "code" in one}


def contrasts(a: Side, b: Side) -> tuple[Contrast, ...]:
    """Every difference, what matters first."""
    told = list(_compared(PYTORCH, _pytorch(a), _pytorch(b))) if a.environment and b.environment else []
    if a.machine is not None and b.machine is not None:
        told += _compared(MACHINE, dict(_machine(a.machine)), dict(_machine(b.machine)))
    told += _verdicts(a, b)
    packages = tuple(_compared(PACKAGES, _packages(a, b), _packages(b, a)))
    told += [one for one in packages if one.what not in BASICS]
    known = {"machine", "verdicts", "next_step", "next_step_code", "schema", "imports"}
    told += [Contrast(REST, one.what, one.a, one.b) for one in packages if one.what in BASICS]
    told += _rest(a, b, known)
    return tuple(told)


def not_compared(a: Side, b: Side) -> tuple[str, ...]:
    """What only one of the two tells."""
    parts = (
        ("the machine", a.machine, b.machine), ("the environment", a.environment, b.environment),
        ("verdicts", a.statuses, b.statuses),
    )  # fmt: skip
    return tuple(
        f"{what}: only in {a.name if two is None else b.name}"
        for what, one, two in parts if (one is None) != (two is None)
    )  # fmt: skip


def _compared(section: str, one: Mapping[str, str], two: Mapping[str, str]) -> Iterator[Contrast]:
    """In the order of the first; what only the second has comes last."""
    for what in [*one, *(name for name in two if name not in one)]:
        left, right = one.get(what, NONE), two.get(what, NONE)
        if left != right:
            yield Contrast(section, what, left, right)


# ── PyTorch and Python ───────────────────────────────────────────────────────────────────────────


def _pytorch(side: Side) -> dict[str, str]:
    env = side.environment
    if env is None:
        return {}
    if env.get("prefix") is None:
        return {"Python": "does not start"}
    found = {"Python": ".".join(str(env.get("version") or NOT_TOLD).split(".")[:2])}
    found["installed by"] = "conda" if env.get("manager") == "conda" else "pip"
    builds = env.get("builds")
    known = (
        {str(one.get("package")): one for one in builds if isinstance(one, dict)} if isinstance(builds, list) else {}
    )
    packages = env.get("packages")
    versions = packages if isinstance(packages, dict) else {}
    for name in FAMILY:
        version = versions.get(name)
        if version is not None:
            variant = known.get(name, {}).get("variant") or NOT_KNOWN
            found[name] = f"{str(version).partition('+')[0]}, build {variant}"
    return found


def _packages(side: Side, other: Side) -> dict[str, str]:
    """All but PyTorch, where both documents tell of an environment."""
    if side.environment is None or other.environment is None:
        return {}
    packages = side.environment.get("packages")
    found = packages if isinstance(packages, dict) else {}
    return {str(name): str(version) for name, version in found.items() if name not in FAMILY}


# ── the machine ──────────────────────────────────────────────────────────────────────────────────


def _machine(machine: Machine) -> Iterator[tuple[str, str]]:
    yield "system", f"{machine.os} {machine.arch}"
    yield "GPU", _gpus(machine)
    yield "NVIDIA driver", _say(machine.nvidia.driver)
    yield "CUDA driver API", _say(machine.nvidia.cuda_driver)
    match machine.libc:
        case Found(Libc(name, version)):
            yield "C library", f"{name} {version}"
        case Absent(_) | Unknown(_):
            yield "C library", _say(machine.libc)


def _say(reading: Reading[object]) -> str:
    match reading:
        case Found(value):
            return str(value)
        case Absent(_):
            return NONE
        case Unknown(_):
            return NOT_KNOWN


def _gpus(machine: Machine) -> str:
    """Every GPU with what decides whether code runs on it; equal ones counted."""
    names = [_nvidia(gpu) for gpu in machine.nvidia.gpus]
    names += [f"{found_or(gpu.name, 'AMD GPU')} ({found_or(gpu.gfx, NOT_KNOWN)})" for gpu in machine.amd.gpus]
    names += [found_or(gpu.name, "Intel GPU") for gpu in machine.intel.gpus]
    names += [machine.apple.chip.value] if isinstance(machine.apple.chip, Found) else []
    if names:
        return ", ".join(f"{count} x {name}" if count > 1 else name for name, count in Counter(names).items())
    statuses = {machine.nvidia.status, machine.amd.status, machine.intel.status}
    return NOT_KNOWN if "unknown" in statuses or machine.nvidia.status == "found" else NONE


def _nvidia(gpu: Gpu) -> str:
    words = [found_or(gpu.name, "NVIDIA GPU")]
    if isinstance(gpu.memory_mib, Found):
        words.append(f"{gpu.memory_mib.value / 1024:.0f} GiB")
    if isinstance(gpu.compute_capability, Found):
        words.append("sm_{}{}".format(*gpu.compute_capability.value))
    if gpu.mig == Found(True):
        words.append("MIG")
    return ", ".join(words)


# ── verdicts, and the rest ───────────────────────────────────────────────────────────────────────


def _verdicts(a: Side, b: Side) -> list[Contrast]:
    """Checks that went wrong on one side only; failures first. A check that one document hasn't is no difference."""
    if a.statuses is None or b.statuses is None:
        return []
    found = [
        Contrast(VERDICTS, code, status, b.statuses[code])
        for code, status in a.statuses.items()
        if code in b.statuses and b.statuses[code] != status and {status, b.statuses[code]} & set(_BAD)
    ]
    return sorted(found, key=lambda one: min(_BAD.index(s) for s in (one.a, one.b) if s in _BAD))


def _rest(a: Side, b: Side, known: set[str]) -> Iterator[Contrast]:
    """Leaf by leaf; a value that differs at each run, such as seconds, is among these."""
    one = {**_leaves(_machine_part(a), ""), **_leaves({k: v for k, v in a.whole.items() if k not in known}, "")}
    two = {**_leaves(_machine_part(b), ""), **_leaves({k: v for k, v in b.whole.items() if k not in known}, "")}
    for path, value in one.items():
        if path in two and value != two[path] and not _told_above(path):
            yield Contrast(REST, path, value, two[path])


def _machine_part(side: Side) -> Mapping[str, Json]:
    part = side.whole if side.schema == SCHEMAS[0] else side.whole.get("machine")
    return {"machine": dict(part)} if isinstance(part, Mapping) else {}


def _told_above(path: str) -> bool:
    above = ("environment.packages.", "environment.builds", "machine.nvidia.driver", "machine.nvidia.cuda_driver",
             "machine.os", "machine.arch", "machine.libc", "schema")  # fmt: skip
    return path.startswith(above) and path not in {"machine.os_version"}


def _leaves(value: Json | Mapping[str, Json], path: str) -> dict[str, str]:
    if isinstance(value, Mapping):
        inner = ((f"{path}.{key}" if path else str(key), item) for key, item in value.items())
        return {name: text for at, item in inner for name, text in _leaves(item, at).items()}
    if isinstance(value, list):
        return {name: text for i, item in enumerate(value) for name, text in _leaves(item, f"{path}[{i}]").items()}
    return {path: {None: "null", True: "true", False: "false"}.get(value, str(value))}  # type: ignore[arg-type]
