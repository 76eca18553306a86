"""The rule: what counts as right, wrong and silent, and nothing that knows a tool's insides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RIGHT, WRONG, SILENT, UNJUDGED, NOT_RUN = "right", "wrong", "silent", "not judged", "not run"
KINDEST = (RIGHT, SILENT, WRONG)  # of two tries the better one counts
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


@dataclass(frozen=True)
class Case:
    """One environment: how it is broken, and the words that name the cause."""

    key: str
    title: str
    base: str
    cause: str = ""
    healthy: bool = False
    control: str = ""
    folder: bool = False
    special: str = ""
    driver: str = ""
    note: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    write: Mapping[str, str] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    unjudged: Mapping[str, str] = field(default_factory=dict)
    only: Sequence[str] = ()
    remove: Sequence[str] = ()
    take: Sequence[str] = ()
    elsewhere: Sequence[str] = ()
    named: Sequence[str] = ()
    symptoms: Sequence[str] = ()


@dataclass(frozen=True)
class Manner:
    """How a tool speaks: its mark of a problem (error, not warning), and its words for "all is well"."""

    problem: str = ""
    calm: str = ""
    codes: str = ""  # its names for causes, which are not counted as words


@dataclass(frozen=True)
class Said:
    """What a tool wrote and how it ended; ``started`` is False where there was no Python to run it."""

    text: str
    code: int
    started: bool = True
    command: str = ""


@dataclass(frozen=True)
class Verdict:
    """One of the words, and the words of the tool for which it fell."""

    word: str
    why: str = ""


def cases(document: Mapping[str, Any]) -> list[Case]:
    """Of the TOML document, in its order; the symptoms that hold everywhere are added to each one's own."""
    everywhere = document["rule"]["symptoms"]
    return [Case(**{**row, "symptoms": [*row.get("symptoms", []), *everywhere]}) for row in document["case"]]


def plain(text: str) -> str:
    """Without colour and frames; line breaks stay."""
    return re.sub(r"[│┃╭╮╰╯─━┏┓┗┛┡┩┴┬┼└┘┌┐]+", " ", ANSI.sub("", text))


def flat(text: str) -> str:
    """On one line, with single spaces."""
    return " ".join(plain(text).split())


def alarms(manner: Manner, text: str) -> list[str]:
    """The lines that a tool marks as problems."""
    if not manner.problem:
        return []
    return [flat(line) for line in plain(text).splitlines() if re.search(manner.problem, line)]


def judge(case: Case, manner: Manner, tries: Sequence[Said], control: Said | None) -> Verdict:
    """The best verdict that a tool's tries deserve."""
    found = [_judge(case, manner, said, control) for said in tries]
    return min(found, key=lambda verdict: KINDEST.index(verdict.word))


def _judge(case: Case, manner: Manner, said: Said, control: Said | None) -> Verdict:
    if not said.started:
        return Verdict(SILENT, "does not start")
    if case.healthy:
        return _healthy(manner, said)
    text = flat(re.sub(manner.codes, "", said.text, flags=re.MULTILINE) if manner.codes else said.text)
    for words in case.named:
        if match := re.search(words, text, re.IGNORECASE):
            return Verdict(RIGHT, _around(text, match))
    wrong = _wrong(case, manner, said, control)
    if wrong:
        return Verdict(WRONG, wrong)
    return Verdict(SILENT, f"ends in a traceback: {_last(said.text)}" if _crashed(said) else "")


def _wrong(case: Case, manner: Manner, said: Said, control: Said | None) -> str:
    """The words that call the environment well, or the first alarm that is neither usual nor a mere symptom."""
    if manner.calm and (match := re.search(manner.calm, flat(said.text), re.IGNORECASE)):
        return match[0]
    usual = {_same(line) for line in alarms(manner, control.text)} if control else set()
    for line in alarms(manner, said.text):
        if _same(line) not in usual and not any(re.search(words, line, re.IGNORECASE) for words in case.symptoms):
            return line[:160]
    return ""


def _healthy(manner: Manner, said: Said) -> Verdict:
    found = alarms(manner, said.text)
    if found:
        return Verdict(WRONG, found[0][:160])
    return Verdict(SILENT, f"ends in a traceback: {_last(said.text)}") if _crashed(said) else Verdict(RIGHT)


def _crashed(said: Said) -> bool:
    return said.code < 0 or said.code > 100 or "Traceback (most recent call last)" in said.text


def _same(line: str) -> str:
    """A line without what differs from room to room."""
    return re.sub(r"\d+", "0", re.sub(r"\S*/\S*", "PATH", line))


def _around(text: str, match: re.Match[str]) -> str:
    start, end = max(0, match.start() - 40), min(len(text), match.end() + 60)
    return text[start:end]


def _last(text: str) -> str:
    lines = [line for line in plain(text).splitlines() if line.strip()]
    return flat(lines[-1])[:120] if lines else ""
