"""What `envtool check` found: a screen on which each problem has its own fix, a document, JUnit."""

from __future__ import annotations

from envtool.checks import LOCK, of_lock
from envtool.diagnosis import Diagnosis
from envtool.drift import Drift
from envtool.environment import BrokenEnvironment
from envtool.fact import Fact, dataclass
from envtool.machine import Found
from envtool.machine_document import machine_to_json
from envtool.report import facts
from envtool.report.json import course_to_json, environment_to_json, verdict_to_json
from envtool.report.text import SEVERITY, WIDEST, Style, copy_this, group_lines, group_status, hanging
from envtool.verdicts import Json, Status, Verdict

SCHEMA = "envtool.check/1"
_OWN_ROWS = {"device-lines": "Device", "catalog-ends": "Term"}  # asked on the command line, and not of the lockfile
SHOWN = 12  # problems on the screen; CI's logs are long, and still one reads them


@dataclass(frozen=True, eq=False, repr=False)
class CheckReport(Fact):
    """The diagnosis with the verdicts on the lockfile, what they are about, and what is to count as failed."""

    diagnosis: Diagnosis
    drift: Drift
    spec_path: str | None
    fail_on: str = "fail"  # or "warn"
    files_only: bool = False

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All of them, the smoke tests' last."""
        return self.diagnosis.all_verdicts

    @property
    def status(self) -> Status:
        """The worst verdict: pass, warn or fail."""
        return self.diagnosis.status

    @property
    def failed(self) -> bool:
        """Is the exit code to be 1?"""
        return self.status is Status.FAIL or (self.fail_on == "warn" and self.status is not Status.PASS)

    def count(self, status: Status) -> int:
        """How many checks ended so."""
        return sum(verdict.status is status for verdict in self.verdicts)


# ── JSON and JUnit ───────────────────────────────────────────────────────────────────────────────


def to_json(report: CheckReport) -> dict[str, Json]:
    """The check document, schema ``envtool.check/1``; without a look at the environment that is null."""
    diagnosis, step = report.diagnosis, report.diagnosis.next_step
    spec = {"path": report.spec_path, **course_to_json(diagnosis.course)} if diagnosis.course else None
    return {
        "schema": SCHEMA,
        "status": report.status.value,
        "failed": report.failed,
        "fail_on": report.fail_on,
        "machine": machine_to_json(diagnosis.machine),
        "environment": None if report.files_only else environment_to_json(diagnosis.environment),
        "spec": spec,
        "lockfile": _lockfile(report.drift),
        "term": report.drift.term.until if report.drift.term else None,
        "smoke": _smoke(diagnosis),
        "verdicts": [_verdict(report, verdict) for verdict in report.verdicts],
        "next_step": step.text if step else None,
        "next_step_code": step.code if step else None,
    }


def _lockfile(drift: Drift) -> Json:
    locked = drift.locked
    if locked is None:
        return None
    return {
        "path": locked.shown,
        "kind": locked.kind,
        "subdir": locked.subdir,
        "variant": locked.variant,
        "python": locked.python or None,
        "packages": len(locked.pins),
    }


def _smoke(diagnosis: Diagnosis) -> Json:
    """In short: the tests' verdicts stand among the others."""
    if diagnosis.smoke is None:
        return None
    if not isinstance(diagnosis.smoke, Found):
        return {"status": None, "reason": diagnosis.smoke.reason}
    smoke = diagnosis.smoke.value
    return {"status": smoke.status.value, "torch": smoke.torch, "device": smoke.device, "seconds": smoke.seconds}


def _verdict(report: CheckReport, verdict: Verdict) -> Json:
    document = verdict_to_json(verdict)
    if verdict.code.startswith("smoke-"):
        from envtool.report.smoke import TESTS_PAGE

        document["url"] = f"{TESTS_PAGE}#{verdict.code}"
    return document


def junit_of(report: CheckReport) -> str:
    """A test case for each check. With --fail-on warn a warning is a failure there, too: CI shows what it stops for."""
    from dataclasses import replace

    from envtool.report.junit import NOT_MEASURED, render
    from envtool.report.smoke import seconds_by_code

    smoke = report.diagnosis.smoke
    seconds = seconds_by_code(smoke.value) if isinstance(smoke, Found) else NOT_MEASURED
    verdicts = report.verdicts
    if report.fail_on == "warn":
        counted = (Status.WARN, Status.UNKNOWN)
        verdicts = tuple(replace(v, status=Status.FAIL) if v.status in counted else v for v in verdicts)
    return render("envtool check", verdicts, seconds)


# ── text ─────────────────────────────────────────────────────────────────────────────────────────


def render(report: CheckReport, style: Style, *, everything: bool = False) -> str:
    """The screen, ending in the first fix; ``everything`` lists what passed, too."""
    width = min(max(style.width, 40), WIDEST)
    blocks = [_head(report, width), _rows(report, style, width)]
    blocks.append(_every(report, style, width) if everything else _problems(report, style, width))
    blocks.append(_last(report, style, width))
    if report.failed and report.status is not Status.FAIL:
        blocks.insert(-1, "Nothing failed; with --fail-on warn that is not enough.")
    return style.safe("\n\n".join(block for block in blocks if block) + "\n")


def _head(report: CheckReport, width: int) -> str:
    rows = []
    if not report.files_only:
        rows.append(("Environment", facts.environment_line(report.diagnosis.environment)))
    if report.spec_path is not None:
        rows.append(("Spec", report.spec_path))
    locked = report.drift.locked
    if locked is not None:
        count = len(locked.pins)
        rows.append(("Lockfile", f"{locked.words}, {count} package{'s' if count != 1 else ''}"))
    return "\n".join(hanging(f"{title:<13}", text, width) for title, text in rows)


def _rows(report: CheckReport, style: Style, width: int) -> str:
    diagnosis = report.diagnosis
    rows: list[tuple[Status | None, str, str]] = []
    if not report.files_only:
        lines = group_lines(diagnosis)
        rows = [(group_status(diagnosis, group), group, text) for group, text in lines.items()]
    about_lock = {check.code for check in of_lock()} - set(_OWN_ROWS)
    mine = [verdict for verdict in diagnosis.verdicts if verdict.code in about_lock]
    status = next((s for s in SEVERITY if any(v.status is s for v in mine)), None)
    rows.append((status if status is not Status.SKIP else None, LOCK, lock_line(report)))
    asked = [verdict for verdict in diagnosis.verdicts if verdict.code in _OWN_ROWS]
    rows += [(v.status, _OWN_ROWS[v.code], _short(v.message)) for v in asked if v.status is not Status.SKIP]
    return "\n".join(hanging(f"{style.mark(s)} {group:<8} ", text, width, visible=15) for s, group, text in rows)


def _short(message: str) -> str:
    """A message up to what it lists, which the problem below tells in full, and without where it is known from."""
    return message.partition(": ")[0].partition(", as ")[0]


def lock_line(report: CheckReport) -> str:
    """How much of the lockfile is there, in a few words."""
    drift = report.drift
    if drift.unusable is not None:
        return "none that is for this environment"
    if drift.locked is None:
        fresh = isinstance(drift.stale, Found)
        return (
            "not held against an environment"
            if fresh
            else "none: the spec alone is checked"
            if report.spec_path
            else "none"
        )
    if isinstance(report.diagnosis.environment, BrokenEnvironment):
        return "not compared: Python does not start"
    from envtool.drift.compare import SAME, differences

    found = differences(drift, drift.locked)
    same = sum(one.kind == SAME for one in found)
    return f"{same} of {len(found)} packages as locked"


def _problems(report: CheckReport, style: Style, width: int) -> str:
    problems = report.diagnosis.problems
    blocks = [_problem(verdict, style, width) for verdict in problems[:SHOWN]]
    if len(problems) > SHOWN:
        blocks.append(f"and {len(problems) - SHOWN} more: --all lists them")
    return "\n\n".join(blocks)


def _problem(verdict: Verdict, style: Style, width: int) -> str:
    lines = [f"{style.mark(verdict.status)} {verdict.code}", hanging(" " * 6, verdict.message, width)]
    if verdict.hint:
        fix = f"      fix: {verdict.hint}"  # a command is not wrapped: it is there to be copied
        lines.append(fix if verdict.command else hanging("      fix: ", verdict.hint, width))
    return "\n".join(lines)


def _every(report: CheckReport, style: Style, width: int) -> str:
    rows = []
    for verdict in report.verdicts:
        mark = style.mark(verdict.status if verdict.status is not Status.SKIP else None)
        rows.append(hanging(f"{mark} ", f"{verdict.code}: {verdict.message}", width, visible=6))
    return "\n".join(rows)


def _last(report: CheckReport, style: Style, width: int) -> str:
    step = report.diagnosis.next_step
    if step is None:
        if report.status is not Status.PASS:
            return ""
        asked = report.spec_path is not None or report.drift.locked is not None
        works = "the environment is what was asked for, and it works" if asked else "the environment works"
        what = "the files agree" if report.files_only else works
        if not report.files_only and not isinstance(report.diagnosis.imports, Found):
            what = "nothing is wrong in the files; torch was not imported"
        count = report.count(Status.PASS)
        return hanging("", f"All is well: {what} ({count} check{'s' if count != 1 else ''} passed).", width)
    first = "First" if len(report.diagnosis.problems) > 1 else "Next"
    why = f"{first} (why: {style.program} explain {step.code})"
    if step.command:
        return hanging("", f"{why}; {copy_this(report.diagnosis.machine)}:", width) + f"\n\n{step.text}"
    return hanging("", f"{why}:", width) + "\n\n" + hanging("", step.text, width)
