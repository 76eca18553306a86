"""A diagnosis on one screen: 80 columns, readable without colour, ASCII where the terminal needs it."""

from __future__ import annotations

from textwrap import wrap

from envtool.checks import ALL, COURSE, GROUPS, Check, is_blocked, of_course
from envtool.checks.check import BLOCKED
from envtool.diagnosis import Diagnosis
from envtool.environment import BrokenEnvironment
from envtool.fact import Fact, dataclass
from envtool.machine import Found, Machine
from envtool.report import facts
from envtool.verdicts import Status, Verdict

SMOKE = "Smoke"  # the group of the smoke tests
SHOWN = 5  # problems on the screen; the rest are counted
WIDEST = 80


@dataclass(frozen=True, eq=False, repr=False)
class Style(Fact):
    """What the terminal can show. ``width`` in columns."""

    width: int = WIDEST
    colour: bool = False
    unicode: bool = True
    program: str = "envtool"  # what to type to run this program again

    def paint(self, text: str, code: str) -> str:
        """The text in a colour, where there is colour."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code else text

    def mark(self, status: Status | None) -> str:
        """The word that begins a line; words, not signs, so that a screen reader says them."""
        word, colour = MARKS[status]
        return self.paint(f"{word:<5}", colour)

    def safe(self, text: str) -> str:
        """The text in ASCII, where the terminal can show nothing else."""
        if self.unicode:
            return text
        for sign, plain in PLAIN.items():
            text = text.replace(sign, plain)
        return text.encode("ascii", "replace").decode()


MARKS: dict[Status | None, tuple[str, str]] = {
    Status.PASS: ("ok", "32"),
    Status.SKIP: ("ok", "32"),
    Status.WARN: ("warn", "33"),
    Status.FAIL: ("FAIL", "1;31"),
    Status.UNKNOWN: ("?", "35"),
    None: ("--", "2"),
}
PLAIN = {"“": '"', "”": '"', "’": "'", "…": "...", "×": "x", "–": "-", "—": "-"}
CELL = ("!", "%env ", "import os; ")  # how a line for a notebook begins
SEVERITY = (Status.FAIL, Status.WARN, Status.UNKNOWN, Status.PASS, Status.SKIP)


def render(diagnosis: Diagnosis, style: Style, *, everything: bool = False) -> str:
    """The whole screen, ending in the fix; ``everything`` lists the verdicts that passed too."""
    width = min(max(style.width, 40), WIDEST)
    blocks = [_head(diagnosis, style, width), _groups(diagnosis, style, width)]
    if everything:
        blocks.append(_every_verdict(diagnosis, style, width))
    else:
        blocks.append(_problems(diagnosis, style, width))
    blocks.append(_next_step(diagnosis, style, width))
    return style.safe("\n\n".join(block for block in blocks if block) + "\n")


def _head(diagnosis: Diagnosis, style: Style, width: int) -> str:
    line = facts.environment_line(diagnosis.environment)
    return hanging("Environment  ", line, width)


def hanging(lead: str, text: str, width: int, *, visible: int | None = None) -> str:
    """Text wrapped behind a lead of ``visible`` columns, never at a no-break space; later lines are indented."""
    indent = visible if visible is not None else len(lead)
    lines = wrap(text, max(width - indent, 20), break_long_words=False, break_on_hyphens=False) or [""]
    return (lead + ("\n" + " " * indent).join(lines)).replace("\u00a0", " ")


def _groups(diagnosis: Diagnosis, style: Style, width: int) -> str:
    lines = group_lines(diagnosis)
    rows = []
    for group in lines:
        status = group_status(diagnosis, group)
        rows.append(hanging(f"{style.mark(status)} {group:<8} ", lines[group], width, visible=15))
    return "\n".join(rows)


def group_lines(diagnosis: Diagnosis) -> dict[str, str]:
    """The facts of each group, by its name."""
    lines = {
        "Python": facts.python_line(diagnosis.environment),
        "PyTorch": facts.torch_line(diagnosis.environment, diagnosis.imports),
        "Driver": facts.driver_line(diagnosis.machine),
        "GPU": facts.gpu_line(diagnosis.machine),
        "System": facts.system_line(diagnosis.machine),
    }
    assert tuple(lines) == GROUPS
    if diagnosis.course is not None:
        lines[COURSE] = facts.course_line(diagnosis.course)
    if diagnosis.smoke is not None:
        lines[SMOKE] = facts.smoke_line(diagnosis.smoke)
    for group, line in list(lines.items()):
        cause = _hidden_by(diagnosis, group)
        if cause:
            lines[group] = cause if line == facts.NOT_LOOKED_AT else f"{line}; {cause}"
    if diagnosis.partial:
        codes = {verdict.code for verdict in diagnosis.verdicts}
        looked_at = {check.group for check in checks_of(diagnosis) if check.code in codes} | {SMOKE}
        return {group: line for group, line in lines.items() if group in looked_at}
    return lines


def _hidden_by(diagnosis: Diagnosis, group: str) -> str | None:
    """ "not checked, because of …" where a failure elsewhere is why a group could not be looked at."""
    if group_status(diagnosis, group) is not None:
        return None
    codes = {check.code for check in checks_of(diagnosis) if check.group == group}
    failures = [v.code for v in diagnosis.verdicts if v.status is Status.FAIL]
    said = (v.message for v in diagnosis.verdicts if v.code in codes and is_blocked(v))
    return next((words for words in said if words.removeprefix(BLOCKED) in failures), None)


def checks_of(diagnosis: Diagnosis) -> tuple[Check, ...]:
    """The checks that the verdicts are from."""
    return ALL if diagnosis.course is None else (*ALL, *of_course())


def group_status(diagnosis: Diagnosis, group: str) -> Status | None:
    """The worst verdict of a group; None where it could not be looked at because of something else."""
    if group == "PyTorch" and isinstance(diagnosis.environment, BrokenEnvironment):
        return None
    if group == SMOKE:
        return diagnosis.smoke.value.status if isinstance(diagnosis.smoke, Found) else None
    groups = {check.code: check.group for check in checks_of(diagnosis)}
    verdicts = [v for v in diagnosis.verdicts if groups.get(v.code) == group]
    worst = next((status for status in SEVERITY if any(v.status is status for v in verdicts)), Status.PASS)
    if group in ("Driver", "GPU") and worst is Status.SKIP and diagnosis.machine.nvidia.status == "absent":
        return worst
    if worst in (Status.PASS, Status.SKIP) and any(is_blocked(v) for v in verdicts):
        return None
    # Not one question about GPUs arose, and yet there may be one.
    return None if worst is Status.SKIP and group == "GPU" else worst


def _problems(diagnosis: Diagnosis, style: Style, width: int) -> str:
    problems = diagnosis.problems
    blocks = [_problem(verdict, style, width) for verdict in problems[:SHOWN]]
    if len(problems) > SHOWN:
        blocks.append(f"and {len(problems) - SHOWN} more: {style.program} doctor --all")
    return "\n\n".join(blocks)


def _problem(verdict: Verdict, style: Style, width: int) -> str:
    head = f"{style.mark(verdict.status)} {verdict.code}"
    return head + "\n" + hanging(" " * 6, verdict.message, width)


def _every_verdict(diagnosis: Diagnosis, style: Style, width: int) -> str:
    rows = []
    for verdict in diagnosis.all_verdicts:
        mark = style.mark(verdict.status if verdict.status is not Status.SKIP else None)
        rows.append(hanging(f"{mark} ", f"{verdict.code}: {verdict.message}", width, visible=6))
    return "\n".join(rows)


def _next_step(diagnosis: Diagnosis, style: Style, width: int) -> str:
    step = diagnosis.next_step
    if step is None:
        return hanging("", _all_well(diagnosis), width)
    who, avoid = person(diagnosis, step.code), avoided(diagnosis, step.code)
    lead = hanging("", avoid, width) + "\n\n" if avoid else ""
    why = f"({who}why: {style.program} explain {step.code})"
    if step.command:  # never wrapped: it is there to be copied
        how = copy_this(diagnosis.machine)
        if step.text.startswith(CELL):
            how += " into a cell" + (", run it, and restart the kernel" if " -m pip " in step.text else "")
        return lead + hanging("", f"Fix {why}; {how}:", width) + f"\n\n{step.text}"
    return lead + hanging("", f"Next {why}:", width) + "\n\n" + hanging("", step.text, width)


def copy_this(machine: Machine) -> str:
    """What to do with a line: on Windows it is one for PowerShell, which the old command prompt does not understand."""
    return "copy this line into PowerShell" if machine.os == "windows" else "copy this line"


def person(diagnosis: Diagnosis, code: str) -> str:
    """ "you, with sudo; ": who can mend a problem, as it begins a parenthesis; empty where that is not known."""
    from envtool.mending import who_mends, who_words  # loaded only where something is wrong

    verdict = next((v for v in diagnosis.problems if v.code == code), None)
    who = who_mends(verdict, diagnosis.machine) if verdict else None
    if who is None:
        return ""
    return "nobody can mend the cause; " if who == "nobody" else f"{who_words(who, diagnosis.machine)}; "


def avoided(diagnosis: Diagnosis, code: str) -> str | None:
    """What not to do about a problem, though it is often advised."""
    from envtool.mending import what_not

    verdict = next((v for v in diagnosis.problems if v.code == code), None)
    return what_not(verdict) if verdict else None


def _all_well(diagnosis: Diagnosis) -> str:
    if diagnosis.status is not Status.PASS:
        return ""
    count = sum(v.status is Status.PASS for v in diagnosis.verdicts)
    others = sum(v.status is not Status.PASS for v in diagnosis.verdicts) if diagnosis.partial else 0
    if others:
        return f"{count} of the checks that were asked for passed; the other {others} ask what does not arise here."
    if isinstance(diagnosis.smoke, Found):
        return f"All is well: {count} checks and {diagnosis.smoke.value.count(Status.PASS)} smoke tests passed."
    if isinstance(diagnosis.imports, Found):
        return f"All is well: {count} checks passed."
    return f"Nothing is wrong in the files ({count} checks passed); torch was not imported."
