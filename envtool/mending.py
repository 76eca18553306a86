"""Who can mend what a check found, what not to do about it, and which lines may be run for a person. Pure."""

from __future__ import annotations

import re
from functools import cache

from envtool.data import read_row, read_table
from envtool.environment import BrokenEnvironment, Environment
from envtool.fact import Fact, dataclass
from envtool.machine import Found, Machine
from envtool.shell import shell_line
from envtool.verdicts import Status, Verdict

PROBLEMS = (Status.FAIL, Status.WARN, Status.UNKNOWN)
OWN = ("venv", "virtualenv", "uv")  # kinds of environments that belong to one person and can be made again
FAMILY = ("torch", "torchvision", "torchaudio")
INDEX = "https://download.pytorch.org/whl/"
_SUDO = re.compile(r"(?:^|[|&;`(]\s*|\bor: )sudo ")


# ── who ──────────────────────────────────────────────────────────────────────────────────────────


@cache
def _known(code: str) -> tuple[str, str | None] | None:
    """Who, and what not to do; None for what has neither. Only this row is read: it is on the way of a screen."""
    row = read_row("symptoms.toml", code)
    if row is not None:
        return str(row["who"]), row.get("avoid")
    who = read_table("who.toml")["who"].get(code)
    return (str(who), None) if who else None


def who_mends(verdict: Verdict, machine: Machine) -> str | None:
    """ "you", "sudo", "administrator" or "nobody"; None for what is no problem or not known.

    It is said of the hint: where nobody can mend the cause, a line that helps all the same is for you to run. On a
    cluster nobody has sudo but the administrator.
    """
    if verdict.status not in PROBLEMS or verdict.hint is None or (known := _known(verdict.code)) is None:
        return None
    who = known[0]
    if _SUDO.search(verdict.hint):
        who = "administrator" if who == "administrator" else "sudo"
    elif verdict.command:  # whoever can mend the cause, this line is for whoever reads it
        who = "you"
    return "administrator" if who == "sudo" and isinstance(machine.slurm, Found) else who


def who_words(who: str, machine: Machine) -> str:
    """The person, in words."""
    if who == "sudo":
        return "you, as administrator" if machine.os == "windows" else "you, with sudo"
    return {"administrator": "your administrator", "nobody": "nobody"}.get(who, "you")


def what_not(verdict: Verdict) -> str | None:
    """What not to do, where the remedy that circulates is wrong."""
    known = _known(verdict.code) if verdict.status in PROBLEMS else None
    words = known[1] if known else None
    # Advice for a pasted text, such as to look at nvidia-smi first, says nothing where a check has looked already.
    return words if words and words.startswith("Do not") else None


# ── what may be run ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, repr=False)
class Offer(Fact):
    """A fix that its user alone can undo: ``commands`` run one after another and need no shell."""

    code: str
    message: str
    commands: tuple[tuple[str, ...], ...]
    line: str
    undo: str


@dataclass(frozen=True, eq=False, repr=False)
class Refused(Fact):
    """A fix that is left to a person, and why."""

    code: str
    reason: str


def offer(verdict: Verdict, machine: Machine, environment: Environment | BrokenEnvironment) -> Offer | Refused:
    """The fix of a problem, if it may be run for its user."""

    def refuse(reason: str) -> Refused:
        return Refused(verdict.code, reason)

    if not verdict.hint or not verdict.command:
        return refuse("it is more than a command")
    if _SUDO.search(verdict.hint) or who_mends(verdict, machine) not in ("you", None):
        return refuse("it is not for you alone")
    if machine.os == "windows":
        return refuse("it is a line for PowerShell")
    commands = commands_in(verdict.hint)
    if commands is None:
        return refuse("it needs your own shell")
    ready = [_ready(words, environment) for words in commands]
    if not ready or not all(ready):
        return refuse("what it changes can't be undone by envtool's own means, or is not this environment")
    whole = tuple(words for words, _ in filter(None, ready))
    undo = " && ".join(dict.fromkeys(undo for _, undo in reversed([*filter(None, ready)]) if undo))
    line = " && ".join(shell_line(words, "posix") for words in whole)
    return Offer(verdict.code, verdict.message, whole, line, undo)


def commands_in(line: str) -> tuple[tuple[str, ...], ...] | None:
    """The commands of a line for a POSIX shell that has nothing but words and "&&"; None for any other."""
    import shlex

    if any(sign in line for sign in "$`\n\\#"):
        return None
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:  # a quotation that never ends
        return None
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "&&":
            commands.append([])
        elif set(word) <= set("();<>|&") or word.startswith("~"):
            return None
        else:
            commands[-1].append(word)
    return tuple(tuple(words) for words in commands) if all(commands) else None


def _ready(words: tuple[str, ...], environment: Environment | BrokenEnvironment) -> tuple[tuple[str, ...], str] | None:
    """The command as it will run, and the line that takes it back; None for what is not run for anybody."""
    if words[:2] == ("mv", "-i") and len(words) == 4:
        return words, shell_line(["mv", "-i", words[3], words[2]], "posix")
    if isinstance(environment, BrokenEnvironment) or not _is_ones_own(environment):
        return None
    python = environment.executable
    tool: tuple[str, ...] = (python, "-m", "pip")
    match words:
        case ("uv", "pip", ("install" | "uninstall") as verb, "--python", named, *rest) if rest:
            tool = ("uv", "pip", "--python", python)
            ours: tuple[str, ...] = ("uv", "pip", verb, "--python", python, *rest)
        case (named, "-m", "ensurepip"):
            verb, rest, ours = "install", ["pip"], (python, "-m", "ensurepip")
        case (named, "-m", "pip", ("install" | "uninstall") as verb, *rest) if rest:
            ours = (*tool, verb, *rest)
        case _:
            return None
    return (ours, _undone(tool, verb, tuple(rest), environment)) if _is_its_python(named, environment) else None


def _is_ones_own(environment: Environment) -> bool:
    apart = environment.prefix != environment.base_prefix and not environment.externally_managed
    return apart and environment.manager in OWN and not environment.conda_base


def _is_its_python(word: str, environment: Environment) -> bool:
    if word == environment.executable:
        return True
    if word in ("python", "python3"):
        return environment.chosen_by.startswith("the active")
    here = environment.working_directory
    return here is not None and f"{here.rstrip('/')}/{word}" == environment.executable


def _undone(tool: tuple[str, ...], verb: str, words: tuple[str, ...], environment: Environment) -> str:
    """The line that brings back the versions that are there now, and takes away what was not there."""
    installed: dict[str, list[str]] = {}  # by the index that has them
    new = []
    for name in _packages(words):
        distribution, build = environment.distribution(name), environment.build(name)
        version = distribution.version if distribution else build.version if build else ""
        if name in FAMILY and "+" in version:
            installed.setdefault(INDEX + version.partition("+")[2], []).append(f"{name}=={version}")
        elif name in FAMILY and version:  # PyPI's own build, for which pip would take a 2.13.0+cpu as well
            installed.setdefault("", []).append(f"{name}==={version}")
        elif distribution is not None:
            installed.setdefault("", []).append(f"{name}=={version}")
        elif verb == "install":
            new.append(name)
    lines = []
    for index, back in installed.items():
        # uv's --index-url gives way to a UV_DEFAULT_INDEX of a company's mirror
        option = "--default-index" if tool[0] == "uv" else "--index-url"
        lines.append(_line(tool, "install", "--no-deps", *back, *([option, index] if index else [])))
    if new:
        lines.append(_line(tool, "uninstall", *new))
    return " && ".join(lines)


def _line(tool: tuple[str, ...], verb: str, *words: str) -> str:
    """``tool`` is "uv pip --python X" or "X -m pip": the verb goes where that tool wants it."""
    if tool[0] == "uv":
        return shell_line(["uv", "pip", verb, *tool[2:], *words], "posix")
    return shell_line([*tool, verb, *words], "posix")


def _packages(words: tuple[str, ...]) -> tuple[str, ...]:
    """The names among the words of an install: neither options nor their values."""
    names = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in ("--index-url", "--default-index", "--extra-index-url", "--python", "--reinstall-package"):
            skip = True
        elif not word.startswith("-"):
            name = re.match(r"[A-Za-z0-9._-]+", word)
            if name:
                names.append(re.sub(r"[-_.]+", "-", name[0]).lower())
    return tuple(dict.fromkeys(names))
