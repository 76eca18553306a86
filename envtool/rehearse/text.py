"""A rehearsal on one screen."""

from __future__ import annotations

import os
from textwrap import wrap

from envtool.fact import Fact, dataclass
from envtool.rehearse.report import Fault, Place, Report, next_step

WIDEST = 80


@dataclass(frozen=True, eq=False, repr=False)
class Screen(Fact):
    """How wide the text may be, and the folder from which paths are told."""

    width: int = WIDEST
    cwd: str = "."

    def at(self, place: Place) -> str:
        """file:line, short where the file lies here."""
        near = place.file
        try:
            relative = os.path.relpath(place.file, self.cwd)
        except ValueError:  # another drive
            relative = near
        return f"{near if relative.startswith('..') else relative}:{place.line}"


def render(report: Report, screen: Screen) -> str:
    """What happened, each fault whole, what was not rehearsed, one next step."""
    lines = [_headline(report, screen), ""]
    for number, fault in enumerate(report.faults, 1):
        lines += [*_fault(number, fault, screen), ""]
    if report.faults_left_out:
        lines += [f"  and {report.faults_left_out} more", ""]
    if report.limits:
        lines.append("  not rehearsed as it would run there:")
        for limit in report.limits:
            where = f"{screen.at(limit.place)}: " if limit.place else ""
            lines += _wrapped(f"{where}{limit.message}", screen, "    - ", "      ")
        lines.append("")
    step = next_step(report)
    if step:
        lines += _wrapped(_near(step, report, screen), screen, "next: ", "      ")
    return "\n".join(lines).rstrip() + "\n"


def _near(step: str, report: Report, screen: Screen) -> str:
    places = [fault.place for fault in report.faults] + [report.error.place if report.error else None]
    for place in places:
        if place is not None:
            step = step.replace(f"{place.file}:{place.line}", screen.at(place))
    return step


def _headline(report: Report, screen: Screen) -> str:
    name = report.script
    match report.outcome:
        case "pass":
            text = f"ok    {name} would run on an accelerator: {_work(report)}"
        case "faults":
            count = len(report.faults) + report.faults_left_out
            text = f"FAIL  {name} would stop on an accelerator: {count} fault{'s' if count > 1 else ''}"
            text += f" ({_how_far(report, screen)})" if report.stopped_at or report.error else ""
        case "never-moved":
            text = f"FAIL  {name} never asked for a device that can be switched: it would run on the CPU everywhere"
        case "unfinished":
            text = f"?     {name}: {_how_far(report, screen)}; what comes after that is not proven"
        case "script-failed":
            text = f"FAIL  {name} {_failure(report, screen)}"
        case _:
            text = f"FAIL  {name} was {report.ending or 'cut off'}"
    return "\n".join(_wrapped(text, screen, "", "      "))


def _work(report: Report) -> str:
    counts = report.operations
    if counts is None or not counts.accelerator + counts.cpu:
        return f"{report.seconds:.1f} s"
    share = 100 * counts.accelerator / (counts.accelerator + counts.cpu)
    total = f"{counts.accelerator + counts.cpu:,} tensor operations"
    return f"{total}, {share:.0f} % of them on the accelerator, {report.seconds:.1f} s"


def _how_far(report: Report, screen: Screen) -> str:
    if report.error is not None:
        return _failure(report, screen)
    where = f", at {screen.at(report.stopped_at)}" if report.stopped_at else ""
    found = "" if report.faults else "no fault "
    return f"{found}until the limit of {report.limit:g} s{where}"


def _failure(report: Report, screen: Screen) -> str:
    if report.error is None:
        return f"ended with exit code {report.exit_code}"
    error = report.error
    where = f" at {screen.at(error.place)}" if error.place else ""
    first = error.message.strip().splitlines()[0] if error.message.strip() else ""
    said = f"stopped{where}: {error.type}: {first}".rstrip(": ")
    return (
        said
        + {
            True: ". It fails on the CPU, too: this is no question of devices",
            False: ". On the CPU it runs",
            None: "",
        }[error.on_cpu]
    )


def _fault(number: int, fault: Fault, screen: Screen) -> list[str]:
    place = fault.place
    where = screen.at(place) if place else "outside of your code"
    inside = f" in {place.function}" if place and place.function and place.function != "<module>" else ""
    lines = [f"{number:3d}  {where}{inside}  [{fault.kind}]"]
    if place and place.text:
        lines.append(f"         {_cut(place.text, screen.width - 9)}")
    lines += _wrapped(fault.message, screen, "     ", "     ")
    if fault.origin is not None and (
        place is None or (fault.origin.file, fault.origin.line) != (place.file, place.line)
    ):
        lines += [f"     from {screen.at(fault.origin)}: {fault.origin.text or ''}"[: screen.width].rstrip()]
    return lines + _wrapped(fault.hint, screen, "     mend: ", "           ")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _wrapped(text: str, screen: Screen, first: str, rest: str) -> list[str]:
    wide = screen.width
    return wrap(
        text, wide, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
