"""One stage of the import rehearsal as checks speak of it."""

from __future__ import annotations

from envtool.checks.check import Evidence
from envtool.environment import Stage
from envtool.machine import Absent, Found, Unknown
from envtool.verdicts import Json, Verdict, skipped, unknown


def stage_or_verdict(evidence: Evidence, name: str) -> Stage | Verdict:
    """The stage, or the verdict that stands in for it."""
    match evidence.imports:
        case Absent(reason):
            return skipped(reason or "not imported")
        case Unknown(reason):
            return unknown(f"the import could not be tried: {reason}")
        case Found(report):
            start = report.stage("start")
            if start is not None and start.outcome != "ok":
                return unknown(f"the import could not be tried: Python {how_it_ended(start)}")
            stage = report.stage(name)
    if stage is None or stage.outcome in ("not-installed", "not-planned"):
        return skipped(f"{name} is not installed or not there")
    if stage.outcome == "not-reached":
        return skipped("an earlier step failed")
    return stage


def facts_of(stage: Stage) -> dict[str, Json]:
    """What a verdict keeps of a stage as its evidence."""
    facts: dict[str, Json] = {"stage": stage.name, "outcome": stage.outcome, "last_lines": list(stage.last_lines)}
    facts["signal"] = stage.signal
    facts["exit_code"] = stage.exit_code
    return facts


def how_it_ended(stage: Stage) -> str:
    """What happened, in words: the exception, the signal, the time limit."""
    if stage.outcome == "timeout":
        return f"did not end within {stage.seconds:.0f} s" if stage.seconds else "did not end within the time limit"
    if stage.outcome == "crash" and stage.signal:
        return f"was killed by {stage.signal}"
    if stage.outcome == "crash":
        return f"ended the process with exit code {stage.exit_code}"
    message = (stage.message or "no words").rstrip(".")  # a sentence of ours ends after it
    return f"fails: {stage.error_type + ': ' if stage.error_type else ''}{message}"
