"""What a job must know of a cluster: its site profile, read from TOML. Pure.

Every text of a profile may end up in a job script, so each has a form that leaves no room for more than it says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from envtool.course.forms import Misfit, Misfits, each, near, shown, text
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass

SCHEDULERS = ("slurm", "pbs", "lsf")
CHANGE_ME = "CHANGE_ME"


@dataclass(frozen=True, eq=False, repr=False)
class Site(Fact):
    """A cluster. A value that its profile leaves out is not known, or there is none."""

    name: str
    title: str
    scheduler: str
    page: str  # where the values are from
    read: str  # when
    notes: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()  # tables whose values are from jobs of its users, not from its own pages
    account_needed: bool = False
    account_form: str = ""
    queue_partition: str = ""  # Slurm's partition, the queue of PBS and LSF
    queue_qos: str = ""
    queue_constraint: str = ""
    gpu_request: str = "per-node"
    gpu_type: str = ""
    gpu_types: tuple[str, ...] = ()
    gpu_per_node: int | None = None
    share_cores: int = 4
    share_memory: int | None = None  # GiB of main memory for each GPU; None: the site sets it
    time_default: str = "01:00:00"
    time_longest: str = ""
    modules_purge: bool = False
    modules_use: tuple[str, ...] = ()
    modules_load: tuple[str, ...] = ()
    modules_forbidden: tuple[str, ...] = ()
    python_from: str = "environment"
    python_activate: str = ""  # after the modules, where they alone don't do
    python_variant: str = ""  # the build of torch, where the login node has no GPU to tell
    python_platform: str = ""  # of the nodes with GPUs, where that is told
    internet_login: bool = True
    internet_compute: bool | None = None
    internet_proxy: str = ""
    places_scratch: str = ""  # variables, without $
    places_temporary: str = ""
    places_submit: str = ""
    places_logs: str = ""
    places_prepare: str = ""  # the command that gets a node to prepare on, where the login node isn't for it
    launch_with: str = ""
    launch_each_node: str = ""
    launch_interface: str = ""
    extra_directives: tuple[str, ...] = ()


# ── the form of each value ───────────────────────────────────────────────────────────────────────


def _matching(pattern: str, example: str) -> Callable[[object], str]:
    known = re.compile(pattern)

    def form(value: object) -> str:
        found = text(value, example)
        if not known.fullmatch(found):
            raise Misfit(f'{shown(found)} can\'t stand here; write it as in "{example}"')
        return found

    return form


def _one_of(*words: str) -> Callable[[object], str]:
    def form(value: object) -> str:
        found = text(value, words[0])
        if found not in words:
            raise Misfit(f"{shown(found)} is none of {', '.join(words)}; {near(found, words, 'take one of them')}")
        return found

    return form


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Misfit(f"{shown(value)} is neither true nor false")
    return value


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100_000:
        raise Misfit(f"{shown(value)} is not a whole number from 1 on")
    return value


_NAME = _matching(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", "della")
_WORD = _matching(r"[A-Za-z0-9][A-Za-z0-9_.+:@&|-]*", "gpu")
_TYPE = _matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "a100")
_MODULE = _matching(r"[A-Za-z0-9][A-Za-z0-9_.+/-]*", "python/3.12")
_FOLDER = _matching(r"/[A-Za-z0-9_.+/%-]*", "/scratch/%u")
_VARIABLE = _matching(r"[A-Z_][A-Z0-9_]*", "SCRATCH")
_TIME = _matching(r"(?:[0-9]{1,3}-)?[0-9]{1,3}:[0-5][0-9]:[0-5][0-9]", "12:00:00")
_DATE = _matching(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]", "2026-11-23")
_PAGE = _matching(r"https?://[^\s\"'`<>\\{}|^$]+", "https://docs.example.org/jobs")
_SENTENCE = _matching(r"[^\x00-\x1f\x7f`$\\\"]+", "def-PROFESSOR")
_DIRECTIVE = _matching(r"-{1,2}[A-Za-z][A-Za-z0-9_-]*(?:[= ][A-Za-z0-9_.,:=+@&/%-]+)?", "--hint=nomultithread")
_COMMAND = _matching(r"[A-Za-z0-9][A-Za-z0-9_ ./:=,{}-]*", "mpiexec -n {nodes} -ppn 1")
_ADDRESS = _matching(r"http://[A-Za-z0-9.-]+:[0-9]+", "http://proxy.example.org:3128")
_VARIANT = _matching(r"cpu|xpu|cu[0-9]{3}|rocm[0-9]+\.[0-9]+", "cu126")

Form = Callable[[object], object]
KEYS: dict[str, dict[str, Form]] = {
    "": {
        "name": _NAME,
        "title": _SENTENCE,
        "scheduler": _one_of(*SCHEDULERS),
        "page": _PAGE,
        "read": _DATE,
        "notes": each(_SENTENCE, "no GPU on the login nodes"),
    },
    "account": {"needed": _flag, "form": _SENTENCE},
    "queue": {"partition": _WORD, "qos": _WORD, "constraint": _WORD},
    "gpu": {
        "request": _one_of("per-node", "gres", "select", "flat", "none"),
        "type": _TYPE,
        "types": each(_TYPE, "a100"),
        "per-node": _number,
    },
    "share": {"cores": _number, "memory": _number},
    "time": {"default": _TIME, "longest": _TIME},
    "modules": {
        "purge": _flag,
        "use": each(_FOLDER, "/soft/modulefiles"),
        "load": each(_MODULE, "python/3.12"),
        "forbidden": each(_MODULE, "cuda"),
    },
    "python": {
        "from": _one_of("environment", "wheels", "site-wheels", "module"),
        "activate": _one_of("conda activate base"),
        "variant": _VARIANT,
        "platform": _one_of("linux-64", "linux-aarch64"),
    },
    "internet": {"login": _flag, "compute": _flag, "proxy": _ADDRESS},
    "places": {
        "scratch": _VARIABLE,
        "temporary": _VARIABLE,
        "submit": _VARIABLE,
        "logs": _FOLDER,
        "prepare": _COMMAND,
    },
    "launch": {"with": _one_of("srun", "torchrun", "direct"), "each-node": _COMMAND, "interface": _WORD},
    "extra": {"directives": each(_DIRECTIVE, "--hint=nomultithread")},
}
KEYS_THERE_ARE = f"{', '.join(KEYS[''])}, and the tables {' '.join(f'[{name}]' for name in KEYS if name)}"
_ORIGIN: dict[str, Form] = {"source": _PAGE, "date": _DATE, "confirmed": _flag}  # of a table's values
_TABLE_NEEDS = ("source", "date")
_NEEDED = ("name", "title", "scheduler", "page", "read")


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def read_site(table: Mapping[str, Any], where: str) -> Site:
    """A profile, from its parsed TOML; UsageError names every value that can't stand."""
    doubted = sorted(key for key, value in table.items() if isinstance(value, dict) and value.get("confirmed") is False)
    found: dict[str, object] = {"unconfirmed": tuple(doubted)}
    problems: list[str] = []
    for key, value in table.items():
        if isinstance(value, dict):
            problems += _read_table(key, value, found)
        else:
            problems += _read_value("", key, value, found)
    problems += [f"{key}: is missing" for key in _NEEDED if key not in table]
    if problems:
        few = tuple(problems[:20])
        raise UsageError(f"{where} is no site profile", details=few, hint=f"there may be {KEYS_THERE_ARE}")
    return Site(**found)  # type: ignore[arg-type]


def _read_table(name: str, table: Mapping[str, Any], found: dict[str, object]) -> list[str]:
    if not name or name not in KEYS:
        return [f"[{name}]: there is no such table; {near(name, [key for key in KEYS if key], 'leave it out')}"]
    problems = [
        f"{name}.{key}: is missing; each table says where its values are from"
        for key in _TABLE_NEEDS
        if key not in table
    ]
    for key, value in table.items():
        problems += _read_value(name, key, value, found)
    return sorted(problems)


def _read_value(table: str, key: str, value: object, found: dict[str, object]) -> list[str]:
    path = f"{table}.{key}" if table else key
    origin = bool(table) and key in _ORIGIN
    form = _ORIGIN[key] if origin else KEYS[table].get(key)
    if form is None:
        return [f"{path}: there is no such key; {near(key, KEYS[table], 'leave it out')}"]
    try:
        read = form(value)
    except Misfit as misfit:
        return [f"{path}{misfit.at}: {misfit.problem}"]
    except Misfits as misfits:
        return [f"{path}{misfit.at}: {misfit.problem}" for misfit in misfits.several]
    if not origin:
        found["_".join(part.replace("-", "_") for part in (table, key) if part)] = read
    return []


def seconds_of(time: str) -> int:
    """A time limit, "2-12:00:00" or "00:30:00", in seconds."""
    days, _, clock = time.rpartition("-")
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def slurm_seconds(time: str) -> int | None:
    """A limit in any form that Slurm takes: minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S; None for what is none."""
    match = re.fullmatch(r"(?:([0-9]+)-)?([0-9]+(?::[0-9]+){0,2})", time)
    if match is None:
        return None
    parts = [int(part) for part in match[2].split(":")]
    if match[1] is not None:
        hours, minutes, seconds = [*parts, 0, 0][:3]
        return ((int(match[1]) * 24 + hours) * 60 + minutes) * 60 + seconds
    hours, minutes, seconds = parts if len(parts) == 3 else (0, parts[0], parts[1] if len(parts) == 2 else 0)
    return (hours * 60 + minutes) * 60 + seconds
