"""Verdicts: what a check says, and what a command's exit code makes of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from typing import TypeAlias

from envtool.errors import EXIT_FAILED, EXIT_OK
from envtool.fact import Fact, dataclass

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

NOTHING: Mapping[str, Json] = {}


class Status(str, Enum):
    """How a check ended. ``unknown`` is never healthy: the question stands unanswered."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False, repr=False)
class Verdict(Fact):
    """One check's answer. ``hint`` is the next step: a command where ``command`` is true, else a sentence."""

    status: Status
    message: str
    hint: str | None = None
    command: bool = False
    evidence: dict[str, Json] = field(default_factory=dict)
    code: str = ""
    title: str = ""


def passed(message: str, *, evidence: Mapping[str, Json] = NOTHING) -> Verdict:
    """The check's question was asked and the answer is good."""
    return Verdict(Status.PASS, message, evidence=dict(evidence))


def warned(message: str, *, hint: str, command: bool = False, evidence: Mapping[str, Json] = NOTHING) -> Verdict:
    """It works, but it costs or will bite."""
    return Verdict(Status.WARN, message, hint, command, dict(evidence))


def failed(message: str, *, hint: str, command: bool = False, evidence: Mapping[str, Json] = NOTHING) -> Verdict:
    """It does not work."""
    return Verdict(Status.FAIL, message, hint, command, dict(evidence))


def skipped(message: str) -> Verdict:
    """The question does not arise here."""
    return Verdict(Status.SKIP, message)


def unknown(message: str, *, hint: str | None = None, evidence: Mapping[str, Json] = NOTHING) -> Verdict:
    """The question arises and could not be answered."""
    return Verdict(Status.UNKNOWN, message, hint, evidence=dict(evidence))


def worst(verdicts: tuple[Verdict, ...]) -> Status:
    """The worst of pass, warn and fail. An unknown counts as a warning: it is not healthy, and no proven fault."""
    statuses = {v.status for v in verdicts}
    if Status.FAIL in statuses:
        return Status.FAIL
    if Status.WARN in statuses or Status.UNKNOWN in statuses:
        return Status.WARN
    return Status.PASS


def exit_code(verdicts: tuple[Verdict, ...]) -> int:
    """1 if any verdict is a failure, else 0."""
    return EXIT_FAILED if worst(verdicts) is Status.FAIL else EXIT_OK
