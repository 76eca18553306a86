"""Verdicts as JUnit XML, for CI systems: a failure for each fail, a skip for each skip and unknown."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from envtool.verdicts import Status, Verdict

NOT_MEASURED: Mapping[str, float] = {}


def render(suite: str, verdicts: tuple[Verdict, ...], seconds: Mapping[str, float] = NOT_MEASURED) -> str:
    """One test suite; each verdict is a test case named by its code. Warnings are kept in ``system-out``.

    ``seconds`` tells by its code how long a case took.
    """
    counts = {status: sum(v.status is status for v in verdicts) for status in Status}
    skipped = counts[Status.SKIP] + counts[Status.UNKNOWN]
    head = (
        f"<testsuite name={quoteattr(suite)} tests={quoteattr(str(len(verdicts)))} "
        f"failures={quoteattr(str(counts[Status.FAIL]))} errors='0' skipped={quoteattr(str(skipped))}>"
    )
    cases = "\n".join(_case(suite, verdict, seconds.get(verdict.code)) for verdict in verdicts)
    return f"<?xml version='1.0' encoding='utf-8'?>\n<testsuites>\n{head}\n{cases}\n</testsuite>\n</testsuites>\n"


def _case(suite: str, verdict: Verdict, seconds: float | None) -> str:
    time = "" if seconds is None else f" time={quoteattr(f'{seconds:.3f}')}"
    lead = f"  <testcase classname={quoteattr(suite)} name={quoteattr(verdict.code)}{time}>"
    body = _xml(verdict.message + (f"\nhint: {verdict.hint}" if verdict.hint else ""))
    match verdict.status:
        case Status.FAIL:
            inner = f"<failure message={quoteattr(_printable(verdict.message))}>{body}</failure>"
        case Status.SKIP | Status.UNKNOWN:
            inner = f"<skipped message={quoteattr(_printable(verdict.status.value + ': ' + verdict.message))}/>"
        case Status.WARN:
            inner = f"<system-out>warning: {body}</system-out>"
        case Status.PASS:
            inner = f"<system-out>{body}</system-out>"
    return f"{lead}{inner}</testcase>"


def _printable(text: str) -> str:
    """Without the control characters that XML 1.0 forbids, escaped or not."""
    return "".join(
        c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff")
    )


def _xml(text: str) -> str:
    return escape(_printable(text))
