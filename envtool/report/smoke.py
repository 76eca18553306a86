"""A run of the smoke tests: a line a family where all is well, and whole where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from envtool.report.json import verdict_to_json
from envtool.report.text import WIDEST, Style, hanging
from envtool.smoke_report import CODE, SmokeReport, SmokeTest, SmokeVerdict
from envtool.verdicts import Json, Status

SCHEMA = "envtool.smoke/1"
TESTS_SCHEMA = "envtool.smoke-tests/1"
TESTS_PAGE = "docs/reference/smoke-tests.md"
LINES = 3  # of a traceback or a crash
NAMES = {"cuda": "CUDA", "xpu": "XPU", "mps": "MPS"}
_SEVERITY = (Status.FAIL, Status.WARN, Status.UNKNOWN, Status.PASS, Status.SKIP)
_WORDS = {
    Status.FAIL: "failed",
    Status.WARN: "with a warning",
    Status.UNKNOWN: "not run",
    Status.PASS: "passed",
    Status.SKIP: "skipped",
}


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────


def smoke_to_json(report: SmokeReport) -> dict[str, Json]:
    """The smoke document, schema ``envtool.smoke/1``."""
    step = report.next_step
    return {
        "schema": SCHEMA,
        "status": report.status.value,
        "python": report.python,
        "chosen_by": report.chosen_by or None,
        "torch": report.torch,
        "device": report.device,
        "device_name": report.device_name,
        "device_asked": report.asked,
        "accelerators": list(report.accelerators),
        "reasons": dict(report.reasons),
        "quick": report.quick,
        "seconds": round(report.seconds, 3),
        "verdicts": [_verdict_to_json(outcome) for outcome in report.outcomes],
        "next_step": step.hint if step else None,
        "next_step_code": step.code if step else None,
    }


def _verdict_to_json(outcome: SmokeVerdict) -> Json:
    seconds = None if outcome.seconds is None else round(outcome.seconds, 4)
    return verdict_to_json(outcome.verdict) | {
        "family": outcome.family,
        "seconds": seconds,
        "lines": list(outcome.lines),
        "url": f"{TESTS_PAGE}#{outcome.verdict.code}",
    }


def list_to_json(tests: Sequence[SmokeTest]) -> dict[str, Json]:
    """What ``smoke --list --json`` prints, schema ``envtool.smoke-tests/1``."""
    return {"schema": TESTS_SCHEMA, "tests": [page_to_json(test) for test in tests]}


def page_to_json(test: SmokeTest) -> dict[str, Json]:
    """One test, as its verdict will name it."""
    return {
        "code": CODE + test.code,
        "family": test.family,
        "sentence": test.sentence,
        "mend": test.mend,
        "quick": test.quick,
        "limit": test.limit,
        "fresh": test.fresh,
    }


def seconds_by_code(report: SmokeReport) -> dict[str, float]:
    """How long each test took, for JUnit."""
    return {one.verdict.code: one.seconds for one in report.outcomes if one.seconds is not None}


# ── text ─────────────────────────────────────────────────────────────────────────────────────────


def render(report: SmokeReport, style: Style, *, everything: bool = False) -> str:
    """The whole screen, ending in the one next step; ``everything`` lists every test."""
    width = min(max(style.width, 40), WIDEST)
    step = report.next_step
    blocks = [_head(report, width), _families(report, style, width)]
    if everything:
        blocks.append(_every_test(report, style, width))
    blocks += [
        _problem(one, style, width, mend=step is not None and one.verdict.code != step.code)
        for one in report.problems
        if one.verdict.status is not Status.UNKNOWN
    ]
    blocks.append(_last(report, style, width))
    return style.safe("\n\n".join(blocks) + "\n")


def _head(report: SmokeReport, width: int) -> str:
    torch = f"torch {report.torch}" if report.torch else "torch does not import"
    why = f", {report.chosen_by}" if report.chosen_by.startswith("the ") else f" ({report.chosen_by})"
    python = report.python + (why if report.chosen_by else "")
    rows = [hanging("Python   ", python, width), hanging("PyTorch  ", torch, width)]
    return "\n".join([*rows, hanging("Device   ", device_line(report), width)])


def device_line(report: SmokeReport) -> str:
    """The device under test; where that is the CPU, what was in the way of a better one."""
    if report.device is None:
        return "none was reached"
    name = f"{report.device} ({report.device_name})" if report.device_name else report.device
    if report.device != "cpu" or report.asked == "cpu":
        return name
    built = [
        f"{NAMES.get(kind, kind)} can't be used: {_short(why)}" for kind, why in report.reasons.items() if _built(why)
    ]
    return "; ".join([name, *built]) if built else f"{name}: this torch has no accelerator that can be used"


def _short(why: str) -> str:
    """ "RuntimeError: Found no NVIDIA driver on your system. Please check ...": the first sentence."""
    return why.removeprefix("RuntimeError: ").partition(". ")[0].rstrip(".")


def _built(why: str) -> bool:
    return "is built without" not in why


def _families(report: SmokeReport, style: Style, width: int) -> str:
    rows: list[str] = []
    left_out: dict[str, list[str]] = {}  # whole families, by the one reason for it
    for family in dict.fromkeys(one.family for one in report.outcomes):
        mine = [one for one in report.outcomes if one.family == family]
        reason = _one_reason(mine)
        if reason is not None:
            left_out.setdefault(reason, []).append(family)
            continue
        found = [one.verdict.status for one in mine]
        worst = next(status for status in _SEVERITY if status in found)
        counted = ", ".join(f"{found.count(status)} {_WORDS[status]}" for status in _SEVERITY if status in found)
        seconds = sum(one.seconds or 0.0 for one in mine)
        mark = style.mark(worst if worst is not Status.SKIP else None)
        time = f"{seconds:6.1f} s" if seconds else " " * 8
        rows.append(f"{mark} {family:<10} {counted:<{max(width - 28, 12)}}{time}".rstrip())
    mark = style.mark(None)
    rows += [hanging(f"{mark} ", f"{', '.join(n)}: skipped, {why}", width, visible=6) for why, n in left_out.items()]
    return "\n".join(rows)


def _one_reason(outcomes: list[SmokeVerdict]) -> str | None:
    """Why a whole family was skipped, where that is one reason; a family of one test says it in its own line."""
    reasons = {one.verdict.message for one in outcomes if one.verdict.status is Status.SKIP}
    skipped = sum(one.verdict.status is Status.SKIP for one in outcomes)
    return reasons.pop() if len(reasons) == 1 and skipped == len(outcomes) > 1 else None


def _problem(one: SmokeVerdict, style: Style, width: int, *, mend: bool) -> str:
    verdict, indent = one.verdict, " " * 6
    lines = [f"{style.mark(verdict.status)} {verdict.code}", hanging(indent, verdict.title, width)]
    lines.append(hanging(indent, verdict.message, width))
    lines += [f"{indent}  {_fitting(line, width - 10)}" for line in one.lines[:LINES]]
    if mend and verdict.hint:
        lines.append(hanging(indent + "Mend: ", verdict.hint, width))
    return "\n".join(lines)


def _fitting(line: str, width: int) -> str:
    """'File "…/torch/nn/functional.py", line 3, in relu': a path loses its beginning where the line is too long."""
    if len(line) <= width:
        return line
    head, quote, rest = line.partition('"')
    path, _, tail = rest.partition('"')
    keep = max(width - len(head) - len(tail) - 3, 12)
    return f'{head}"…{path[-keep:]}"{tail}' if quote else line[: width - 1] + "…"


def _every_test(report: SmokeReport, style: Style, width: int) -> str:
    rows = []
    for one in report.outcomes:
        status = one.verdict.status
        mark = style.mark(status if status is not Status.SKIP else None)
        time = f" ({one.seconds:.2f} s)" if one.seconds is not None and status is not Status.SKIP else ""
        rows.append(hanging(f"{mark} ", f"{one.verdict.code}: {one.verdict.message}{time}", width, visible=6))
    return "\n".join(rows)


def summary(report: SmokeReport) -> str:
    """The run in one line: the tests that failed by name, or how many passed."""
    failed = [one.verdict.code for one in report.outcomes if one.verdict.status is Status.FAIL]
    if failed:
        return f"{len(failed)} of {len(report.outcomes)} smoke tests failed: {', '.join(failed)}"
    counted = [f"{report.count(Status.PASS)} smoke tests passed"]
    counted += [f"{n} {_WORDS[s]}" for s in (Status.WARN, Status.SKIP, Status.UNKNOWN) if (n := report.count(s))]
    return f"{', '.join(counted)}, on {report.device or 'no device'}, in {report.seconds:.1f} s"


def _last(report: SmokeReport, style: Style, width: int) -> str:
    step = report.next_step
    if step is None or step.hint is None:
        lead = "All is well: " if report.status is Status.PASS else ""
        return hanging("", f"{lead}{summary(report)}.", width)
    return (
        hanging("", f"Next (why: {style.program} explain {step.code}):", width) + "\n\n" + hanging("", step.hint, width)
    )


# ── the tests themselves ─────────────────────────────────────────────────────────────────────────


def render_list(tests: Sequence[SmokeTest]) -> str:
    """Every test in its family: its name and the sentence that it proves."""
    blocks = []
    for family in dict.fromkeys(test.family for test in tests):
        rows = [hanging(f"  {t.code:<22} ", t.sentence, WIDEST) for t in tests if t.family == family]
        blocks.append("\n".join([family, *rows]))
    return "\n\n".join(blocks) + "\n"


def render_page(test: SmokeTest) -> str:
    """The page of one test on the terminal."""

    def paragraph(text: str) -> str:
        return fill(
            text, 78, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )

    sections = (
        ("What it proves", test.sentence),
        ("How to mend it when it fails", test.mend),
        ("How envtool tells", how(test)),
        ("To run it alone", f"envtool smoke --only {test.code}"),
    )
    return "\n\n".join([CODE + test.code, *(f"{head}\n{paragraph(body)}" for head, body in sections)]) + "\n"


def how(test: SmokeTest) -> str:
    """In words: where the test runs, and when it counts as failed."""
    where = "in a process of its own" if test.fresh else "in a process that has imported torch"
    quick = "It is one of the quick ones" if test.quick else "It is not one of the quick ones"
    return (
        f"A test of the family {test.family}: it runs {where} of the environment's Python, and fails where the "
        f"sentence is not true, where that process crashes, and where it takes more than {test.limit:g} s. {quick}."
    )
