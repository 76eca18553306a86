"""The usual faults of job scripts, found in their text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from envtool.data import read_table
from envtool.fact import Fact, dataclass
from envtool.setup.sites import CHANGE_ME, Site, seconds_of, slurm_seconds

PREFIX = {"slurm": "#SBATCH", "pbs": "#PBS", "lsf": "#BSUB"}


@dataclass(frozen=True, eq=False, repr=False)
class Fault(Fact):
    """One fault: where, what, and how to mend it."""

    line: int
    code: str
    message: str
    hint: str


def left_open(text: str) -> list[tuple[int, str]]:
    """The lines where a value is still to be filled in; plain comments may speak of it."""
    return [
        (number, line.strip())
        for number, line in enumerate(text.split("\n"), 1)
        if CHANGE_ME in line and (not line.lstrip().startswith("#") or line.startswith(tuple(PREFIX.values())))
    ]


def site_named_in(text: str) -> str | None:
    """The site that a script of envtool's was written for."""
    found = re.search(r"^# [^\n]*, at ([a-z0-9-]+) \(", text, re.MULTILINE)
    return found[1] if found else None


def faults_of(text: str, scheduler: str, site: Site | None, version: tuple[int, int] | None) -> list[Fault]:
    """All faults of a script, in no order."""
    lines = text.split("\n")
    prefix = PREFIX[scheduler]
    found = [*_of_the_file(text, lines), *_of_directives(lines, prefix), *_of_commands(lines)]
    for number, line in left_open(text):
        found.append(Fault(number, "change-me", f"a value is missing: {line}", "fill in what your site told you"))
    if site is not None:
        found += _of_the_site(lines, prefix, site)
    if version is not None:
        found += _too_new(lines, prefix, version)
    return found


# ── the file ─────────────────────────────────────────────────────────────────────────────────────


def _of_the_file(text: str, lines: list[str]) -> Iterator[Fault]:
    if "\r" in text:
        number = next(number for number, line in enumerate(lines, 1) if "\r" in line)
        yield Fault(number, "crlf", "the lines end as on Windows; schedulers refuse that", "run `dos2unix` on the file")
    if not lines[0].startswith("#!"):
        yield Fault(1, "no-shebang", "the first line names no shell", "make it #!/bin/bash")
    elif not re.match(r"#!\s*(/usr)?/bin/(env )?(ba)?sh\b", lines[0]):
        yield Fault(1, "no-shebang", f"{lines[0].strip()!r} is no shell", "make it #!/bin/bash")
    if not re.search(r"^\s*set\s+-[a-z]*e", text, re.MULTILINE) and not lines[0].rstrip().endswith(" -e"):
        yield Fault(
            1, "goes-on-after-errors", "a command that fails doesn't end the job", "begin with set -euo pipefail"
        )


# ── directives ───────────────────────────────────────────────────────────────────────────────────


def directives(lines: list[str], prefix: str) -> list[tuple[int, str]]:
    """The directives that count, by their lines: those before the first command."""
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        if line.startswith(prefix):
            found.append((number, line[len(prefix) :].strip()))
    return found


def _of_directives(lines: list[str], prefix: str) -> Iterator[Fault]:
    word = prefix[1:]
    counted = {number for number, _ in directives(lines, prefix)}
    for number, line in enumerate(lines, 1):
        if line.startswith(prefix) and number not in counted:
            hint = "move it up, before the first command"
            yield Fault(
                number, "directive-after-command", f"{line.strip()} is ignored: a command stands before it", hint
            )
        elif re.match(rf"\s*#\s+{word}\s+-|\s+#{word}\b|{word}\s+-", line):
            yield Fault(
                number, "no-directive", f"{line.strip()} looks like a directive and is none", f"begin with {prefix}"
            )
        elif number in counted and re.search(r"\$[A-Za-z_{(]", line):
            hint = "write it out; %u is the user and %j the job in names of logs"
            yield Fault(
                number, "variable-in-directive", f"no shell reads {line.strip()}: the variable stays as it is", hint
            )
    options = [text for _, text in directives(lines, prefix)]
    others = [name for name, other in PREFIX.items() if other != prefix and directives(lines, other)]
    if others and not options:
        hint = f"look at it with: envtool setup {others[0]} --verify"
        yield Fault(1, "another-scheduler", f"the directives are those of {others[0]}, which are comments here", hint)
    elif not any(re.match(r"(--time\b|-t(?![A-Za-z])|-W\b)", option) or "walltime=" in option for option in options):
        yield Fault(1, "no-time", "no time limit is asked for; some sites end such a job after minutes", "add one")


# ── commands ─────────────────────────────────────────────────────────────────────────────────────

_PORT = re.compile(
    r"\b29500\b|MASTER_PORT=[\"']?[0-9]{2,5}\b|--master[_-]port[= ][\"']?[0-9]{2,5}\b"
    r"|--rdzv[_-]endpoint[= ]\S*:[0-9]{2,5}\b"
)
_GUARD = re.compile(
    r"(type|command -v|hash|declare -[fF])\s+(-t\s+)?module\b"
    r"|(?:source|\.)\s+\S*(module|lmod|Lmod|LMOD|/etc/profile)|^#!.*bash\s+-\w*l"
)


def _of_commands(lines: list[str]) -> Iterator[Fault]:
    guarded = False
    for number, line in enumerate(lines, 1):
        guarded = guarded or bool(_GUARD.search(line))
        code = line.strip()
        if not code or code.startswith("#"):
            continue
        if re.match(r"(module|ml)\s+\S", code) and not guarded:
            guarded = True  # said once
            yield Fault(
                number, "module-without-guard", "a batch shell may not know `module`: exit code 127",
                "source the module system's file first, where `type module` finds nothing",
            )  # fmt: skip
        if _PORT.search(code):
            hint = 'take it from the job: MASTER_PORT="$((10000 + SLURM_JOB_ID % 20000))"'
            yield Fault(number, "fixed-port", "two jobs on a node collide on a fixed port", hint)
        if _unquoted_array(line):
            hint = 'write "${name[@]}" or "$@", with the quotes'
            yield Fault(number, "unquoted-array", "words with spaces fall apart here", hint)


def _unquoted_array(line: str) -> bool:
    """Is there a ${name[@]} or $@ outside of quotes?"""
    quote = ""
    skip = False
    for at, char in enumerate(line):
        if skip:
            skip = False
        elif char == "\\" and quote != "'":
            skip = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#" and (at == 0 or line[at - 1].isspace()):
            return False
        elif char == "$" and re.match(r"\$(@|\*|\{[A-Za-z_]\w*\[[@*]\]\})", line[at:]):
            return not re.search(r"(\[\[|\(\(|=)\s*$", line[:at])
    return False


# ── a site, a version ────────────────────────────────────────────────────────────────────────────


def _of_the_site(lines: list[str], prefix: str, site: Site) -> Iterator[Fault]:
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("#"):
            continue
        loaded = re.match(r"\s*(?:module\s+(?:load|add)|ml)\s+(.*)|\s*MODULES=\((.*)\)$", line)
        names = (loaded[1] or loaded[2] or "").split() if loaded else []
        for name in names:
            if name.partition("/")[0].strip("'\"") in site.modules_forbidden:
                brought = ", ".join(site.modules_load) or "its modules"
                message = f"{site.name}: not {name}; {brought} brings its own"
                yield Fault(number, "forbidden-module", message, f"leave {name} out")
    options = " ".join(text for _, text in directives(lines, prefix))
    if site.account_needed and not re.search(r"(?:^|\s)(--account[= ]|-A\s*\S|-P\s*\S)", options):
        form = site.account_form or "yours"
        yield Fault(1, "no-account", f"{site.name} refuses jobs without an account", f"add it: {form}")
    if site.gpu_request == "none" and site.scheduler == "slurm":
        for number, text in directives(lines, prefix):
            if re.match(r"--(gres|gpus|gpus-per-task|gpus-per-node|mem)[= ]", text):
                yield Fault(number, "refused-directive", f"{site.name} refuses {text}", "leave the line out")
    if site.scheduler == "slurm":
        yield from _above_its_limits(directives(lines, prefix), site)


def _above_its_limits(found: list[tuple[int, str]], site: Site) -> Iterator[Fault]:
    """What Slurm would refuse there, or let wait for ever."""
    for number, text in found:
        time = re.match(r"(?:--time[= ]|-t\s*)\s*(\S+)", text)
        seconds = slurm_seconds(time[1]) if time else None
        if seconds is not None and site.time_longest and seconds > seconds_of(site.time_longest):
            hint = "a shorter job with checkpoints, and --requeue where the site lets jobs go on"
            yield Fault(number, "time-too-long", f"{site.name} ends jobs after {site.time_longest}", hint)
        gpus = re.match(r"--(?:gres[= ]gpu|gpus-per-node)(?:[:= ]([A-Za-z][\w.-]*))?[:= ]([0-9]+)\b", text)
        is_whole = gpus is not None and gpus[1] in {None, *site.gpu_types}  # of parts of a GPU there may be more
        if gpus and is_whole and site.gpu_per_node is not None and int(gpus[2]) > site.gpu_per_node:
            message = f"{text}: a node of {site.name} has at most {site.gpu_per_node} GPUs"
            yield Fault(number, "too-many-gpus", message, "take more nodes")


@cache
def _flags() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = read_table("slurm_flags.toml")["flag"]
    return rows


def _too_new(lines: list[str], prefix: str, version: tuple[int, int]) -> Iterator[Fault]:
    rows = _flags()
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("#") and not line.startswith(prefix):
            continue
        for row in rows:
            year, _, month = row["since"].partition(".")
            if (int(year), int(month)) > version and re.search(rf"(?<![\w-]){re.escape(row['flag'])}(?![\w-])", line):
                there = f"{version[0]:02}.{version[1]:02}"
                message = f"{row['flag']} is there since Slurm {row['since']}; this is {there}"
                yield Fault(number, "flag-too-new", message, row["instead"])
