"""Documents in JSON, as CONTRACT.md of the project describes them; see docs/reference/json.md."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

from envtool.diagnosis import Diagnosis
from envtool.environment import BrokenEnvironment, Environment
from envtool.machine import Absent, Found, Reading, Unknown
from envtool.machine_document import machine_to_json
from envtool.verdicts import Json, Status, Verdict

if TYPE_CHECKING:
    from envtool.course import Course
    from envtool.smoke_report import SmokeReport

DOCTOR_SCHEMA = "envtool.doctor/1"
CHECKS_PAGE = "docs/reference/checks.md"


def dumps(document: Json) -> str:
    """One JSON document, ASCII so that no terminal or pipe can spoil it, ending in a line end."""
    import json

    return json.dumps(document, indent=2) + "\n"


def doctor_to_json(diagnosis: Diagnosis) -> dict[str, Json]:
    """The doctor document, schema ``envtool.doctor/1``."""
    step = diagnosis.next_step
    return {
        "schema": DOCTOR_SCHEMA,
        "status": diagnosis.status.value,
        "machine": machine_to_json(diagnosis.machine),
        "environment": environment_to_json(diagnosis.environment),
        "imports": plain(diagnosis.imports),
        "verdicts": [verdict_to_json(v) | mending_to_json(v, diagnosis) for v in diagnosis.verdicts],
        "next_step": step.text if step else None,
        "next_step_code": step.code if step else None,
        **({"partial": True} if diagnosis.partial else {}),
        **({"spec": course_to_json(diagnosis.course)} if diagnosis.course else {}),
        **({"smoke": _smoke_to_json(diagnosis.smoke)} if diagnosis.smoke is not None else {}),
    }


def _smoke_to_json(smoke: Reading[SmokeReport]) -> Json:
    """The smoke document, or why there is none."""
    if not isinstance(smoke, Found):
        return plain(smoke)
    from envtool.report.smoke import smoke_to_json

    return smoke_to_json(smoke.value)


def course_to_json(course: Course) -> dict[str, Json]:
    """What the envtool.toml in use asks for."""
    return {
        "name": course.name,
        "python": course.python or None,
        "torch": list(course.torch),
        "packages": list(course.requirements()),
        "variants": list(course.variants),
    }


def verdict_to_json(verdict: Verdict) -> dict[str, Json]:
    """One verdict; ``url`` is its page in the documentation."""
    return {
        "code": verdict.code,
        "title": verdict.title,
        "status": verdict.status.value,
        "message": verdict.message,
        "hint": verdict.hint,
        "evidence": dict(verdict.evidence),
        "url": f"{CHECKS_PAGE}#{verdict.code}",
    }


def mending_to_json(verdict: Verdict, diagnosis: Diagnosis) -> dict[str, Json]:
    """Is the hint a line to copy, who can follow it, and what not to do; nothing for what is no problem."""
    if verdict.status in (Status.PASS, Status.SKIP):
        return {}
    from envtool.mending import what_not, who_mends

    who, avoid = who_mends(verdict, diagnosis.machine), what_not(verdict)
    return {"command": verdict.command, "who": who, "not": avoid}


def environment_to_json(environment: Environment | BrokenEnvironment) -> dict[str, Json]:
    """Prefix, manager and packages first; all else that was read behind them."""
    if isinstance(environment, BrokenEnvironment):
        return {"prefix": None, "manager": None, "packages": {}, "broken": plain(environment)}
    packages: dict[str, Json] = {d.name: d.version for d in reversed(environment.distributions)}
    # The files of a package know its local version ("2.13.0+cpu"), which its metadata may leave out.
    packages.update({b.package: b.version for b in environment.builds})
    document: dict[str, Json] = {
        "prefix": environment.prefix,
        "manager": environment.manager,
        "packages": dict(sorted(packages.items())),
    }
    rest = plain(environment)
    assert isinstance(rest, dict)
    return document | {key: value for key, value in rest.items() if key not in (*document, "distributions")}


def plain(value: object) -> Json:  # noqa: PLR0911 - one arm a kind
    """A fact as JSON: readings as {"found"|"absent"|"unknown": …}, dataclasses as objects, tuples as lists."""
    match value:
        case Found(inner):
            return {"found": plain(inner)}
        case Absent(reason):
            return {"absent": reason}
        case Unknown(reason):
            return {"unknown": reason}
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case _:
            return _dataclass(value)


def _dataclass(value: object) -> Json:
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"no JSON form for {type(value).__name__}")
    return {field.name: plain(getattr(value, field.name)) for field in fields(value)}


def error_to_json(message: str, hint: str | None, details: tuple[str, ...], code: int) -> dict[str, Json]:
    """What stands on stdout when a command with ``--json`` can't go on."""
    return {
        "schema": "envtool.error/1",
        "error": {"message": message, "hint": hint, "details": list(details), "exit_code": code},
    }
