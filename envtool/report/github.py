"""`envtool check` in GitHub Actions: annotations on the log and the files, and the job's summary in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from envtool.verdicts import Json, Status, Verdict

if TYPE_CHECKING:
    from envtool.report.check import CheckReport

MOST = 10  # of a kind, in one step: GitHub drops the rest
_KINDS = {Status.FAIL: "error", Status.WARN: "warning", Status.UNKNOWN: "notice"}
_WORDS = {Status.FAIL: "failed", Status.WARN: "warning", Status.UNKNOWN: "not known"}


def data(text: str) -> str:
    """The text of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def property_value(text: str) -> str:
    """The value of one of its properties, where a colon and a comma mean something."""
    return data(text).replace(":", "%3A").replace(",", "%2C")


def annotation_lines(report: CheckReport) -> list[str]:
    """One line for each problem; each line of code that names a device too much has its own."""
    found: dict[str, list[str]] = {}
    for verdict in report.diagnosis.problems:
        kind = _KINDS[verdict.status]
        found.setdefault(kind, []).extend(_lines(kind, verdict, report))
    return [line for lines in found.values() for line in lines[:MOST]]


def error_line(message: str, details: Iterable[str], hint: str | None) -> str:
    """Why no check could be made."""
    text = "\n".join([message, *details, *([f"hint: {hint}"] if hint else [])])
    return _command("error", "envtool check", text, None, None)


def _lines(kind: str, verdict: Verdict, report: CheckReport) -> Iterator[str]:
    text = verdict.message + (f"\nfix: {verdict.hint}" if verdict.hint else "")
    places = verdict.evidence.get("lines") if verdict.code == "device-lines" else None
    if not isinstance(places, list):
        yield _command(kind, verdict.code, text, _file(verdict, report), None)
        return
    most = verdict.evidence.get("max")
    for place in places[most if isinstance(most, int) else 0 :]:
        file, line = _place(place)
        yield _command(kind, verdict.code, text, file, line)


def _command(kind: str, code: str, text: str, file: str | None, line: str | None) -> str:
    told = [("file", file), ("line", line), ("title", code)]
    properties = ",".join(f"{name}={property_value(value)}" for name, value in told if value)
    return f"::{kind} {properties}::{data(text)}"


def _file(verdict: Verdict, report: CheckReport) -> str | None:
    """The file that a problem is about, with "/" between its parts; none where it is the environment."""
    locked = report.drift.locked
    about_lock = verdict.code in {"lock-edited", "lock-target", "lock-kind"}
    path = locked.shown if about_lock and locked else report.spec_path if verdict.code == "lock-stale" else None
    return path.replace("\\", "/") if path else None


def _place(place: Json) -> tuple[str | None, str | None]:
    """ "src/train.py:12: DEVICE = …" as file and line; in a notebook the cell's number says nothing to GitHub."""
    parts = str(place).split(": ", 1)[0].split(":")
    if len(parts) == 2 and parts[1].isdecimal():
        return parts[0], parts[1]
    return parts[0], None


# ── the summary ──────────────────────────────────────────────────────────────────────────────────


def summary(report: CheckReport) -> str:
    """What the job's page shows: the result, a table of the problems, the facts."""
    from envtool.report.check import lock_line

    words = {Status.PASS: "as asked for", Status.WARN: "as asked for, with warnings", Status.FAIL: "not as asked for"}
    blocks = [f"### envtool check: {words[report.status]}", _table(report)]
    rows = [("Lockfile", report.drift.locked.words if report.drift.locked else "none"), ("Packages", lock_line(report))]
    if not report.files_only:
        from envtool.report.text import group_lines

        rows += list(group_lines(report.diagnosis).items())
    blocks.append("\n".join(["| | |", "|---|---|", *(f"| {name} | {cell(text)} |" for name, text in rows)]))
    return "\n\n".join(block for block in blocks if block) + "\n\n"


def _table(report: CheckReport) -> str:
    problems = report.diagnosis.problems
    if not problems:
        return f"{report.count(Status.PASS)} checks passed."
    lines = ["| | check | what | fix |", "|---|---|---|---|"]
    for verdict in problems:
        fix = (code(verdict.hint) if verdict.command else cell(verdict.hint)) if verdict.hint else ""
        lines.append(f"| {_WORDS[verdict.status]} | `{verdict.code}` | {cell(verdict.message)} | {fix} |")
    return "\n".join(lines)


def cell(text: str) -> str:
    """A text in a cell: no table, no tag and no emphasis begins within it."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "\\`*_[]|":
        plain = plain.replace(sign, f"\\{sign}")
    return plain


def code(text: str) -> str:
    """A command in a cell, as it is to be typed."""
    plain = " ".join(text.split()).replace("|", "\\|")
    return f"`` {plain} ``" if "`" in plain else f"`{plain}`"
