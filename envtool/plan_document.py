"""The plan document: an answer of the resolver as JSON, with the lines to paste, and back. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from envtool.catalog import Catalog
from envtool.commands import install_command, shell_line
from envtool.errors import UsageError
from envtool.machine import Machine
from envtool.plan import NoPlan, Pin, Plan, Refusal
from envtool.spec import Request
from envtool.target import target_text
from envtool.verdicts import Json
from envtool.versions import public

SCHEMA = "envtool.plan/1"


def document_of(answer: Plan | NoPlan, catalog: Catalog) -> dict[str, Json]:
    """The document of any answer, with the lines to paste."""
    if isinstance(answer, NoPlan):
        return no_plan_to_json(answer, catalog)
    return plan_to_json(answer, catalog, commands_of(answer))


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def plan_to_json(plan: Plan, catalog: Catalog, commands: Mapping[str, str]) -> dict[str, Json]:
    """The document of a plan; the contract's keys first."""
    return {
        "schema": SCHEMA,
        "result": "plan",
        "packages": dict(plan.packages),
        "variant": plan.variant,
        "source": plan.source,
        "index_url": plan.index_url,
        "commands": dict(commands),
        "warnings": list(plan.warnings),
        "refusals": [_refusal_to_json(refusal) for refusal in plan.refusals],
        "catalog": {"date": catalog.date, "digest": catalog.digest},
        "accelerator": plan.accelerator,
        "constraints": list(plan.constraints),
        "platform": plan.build.platform,
        "pins": {pin.package: pin.full for pin in plan.pins},
    }


def no_plan_to_json(answer: NoPlan, catalog: Catalog) -> dict[str, Json]:
    """The document of a refusal: ``error_kind``, ``message`` and ``hint`` say what to do."""
    return {
        "schema": SCHEMA,
        "result": "no-plan",
        "packages": None,
        "variant": None,
        "source": None,
        "index_url": None,
        "commands": {},
        "warnings": list(answer.warnings),
        "refusals": [_refusal_to_json(refusal) for refusal in answer.refusals],
        "catalog": {"date": catalog.date, "digest": catalog.digest},
        "error_kind": answer.error_kind,
        "message": answer.message,
        "hint": answer.hint,
    }


def _refusal_to_json(refusal: Refusal) -> Json:
    return {
        "torch": refusal.torch,
        "variant": refusal.variant,
        "kind": refusal.kind,
        "reason": refusal.reason,
        "source": refusal.source,
    }


# ── lines to paste ───────────────────────────────────────────────────────────────────────────────


def commands_of(plan: Plan) -> dict[str, str]:
    """The install lines by installer: for PowerShell where the plan is for Windows, with the same for cmd beside it."""
    if plan.source != "conda-forge":
        return dict(_wheel_commands(plan.pins, plan.build, plan.constraints))
    from envtool.conda_commands import conda_commands

    return conda_commands(plan)


@lru_cache(maxsize=1024)
def _wheel_commands(pins: tuple[Pin, ...], build: object, constraints: tuple[str, ...]) -> dict[str, str]:
    from envtool.catalog.builds import Build

    assert isinstance(build, Build)
    plan = Plan(pins, build, build.kind, constraints)
    windows = build.platform.startswith("windows")
    shell = "powershell" if windows else "posix"
    lines = {name: install_command(plan, installer=name, shell=shell) for name in ("pip", "uv")}
    if windows:
        lines |= {f"{name}-cmd": install_command(plan, installer=name, shell="cmd") for name in ("pip", "uv")}  # noqa: S604 - a word, no shell
    return lines


# ── hints ────────────────────────────────────────────────────────────────────────────────────────

_LINE = re.compile(r"`envtool pick( [^`]*)?`")


def completed(hint: str, machine: Machine, request: Request, catalog: Catalog, place: Sequence[str] = ()) -> str:
    """A hint whose `envtool pick` asks again for all that was asked, so that it does what it says when pasted.

    ``place``: the words that named the machine; none where it is this one. A hint that adds to a target is given
    the whole of it. Quoted as PowerShell needs it, which a POSIX shell understands too.
    """

    def whole(line: re.Match[str]) -> str:
        added = shlex.split(line[1] or "")
        words = _asked(request, added)
        if "--target" in added:
            at = added.index("--target")
            text = place[1] if place and place[0] == "--target" else target_text(machine, catalog)
            if text is None:
                return line[0]
            target = ["--target", f"{text},{added[at + 1]}"]
            del added[at : at + 2]
        else:
            target = list(place)
        return f"`{shell_line(['envtool', 'pick', *words, *target, *added], 'powershell')}`"

    return _LINE.sub(whole, hint)


def _asked(request: Request, added: Sequence[str]) -> list[str]:
    """The words of a request that the hint leaves as they are; another accelerator has another variant."""
    packages, variant = list(request.packages), request.variant
    if "--accelerator" in added:
        packages, variant = [re.sub(r"\+[A-Za-z0-9.]+", "", package) for package in packages], None
    options = (
        ("--installer", request.installer if request.installer != "pip" else None),
        ("--channel", request.channel if "--installer" not in added else None),
        ("--accelerator", request.accelerator if request.accelerator != "auto" else None),
        ("--variant", variant),
    )
    words = [word for name, value in options if value and name not in added for word in (name, value)]
    return [*packages, *words, *(["--include-unverified"] if request.include_unverified else [])]


def with_whole_hint(
    answer: NoPlan, machine: Machine, request: Request, catalog: Catalog, place: Sequence[str] = ()
) -> NoPlan:
    """The refusal with its hint completed."""
    return replace(answer, hint=completed(answer.hint, machine, request, catalog, place))


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def plan_from_json(document: Json, catalog: Catalog) -> Plan | NoPlan:
    """The answer that a document about wheels tells; UsageError where it is none, or where its build is not known."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UsageError(f'the document is not a plan; its schema is not "{SCHEMA}"', hint="see `envtool pick --json`")
    refusals = tuple(_refusal_from_json(row) for row in _rows(document, "refusals"))
    warnings = _texts(document, "warnings")
    if document.get("result") == "no-plan":
        kind, message, hint = (_text(document, key) for key in ("error_kind", "message", "hint"))
        return NoPlan(kind, message, hint, refusals, warnings)
    pins = document.get("pins")
    if not isinstance(pins, dict) or "torch" not in pins:
        raise UsageError("the plan document has no pins: it is not about wheels", hint="see `envtool pick --json`")
    found = tuple(_pin(name, str(full)) for name, full in pins.items())
    variant, source = _text(document, "variant"), _text(document, "source")
    for build in catalog.builds(_text(document, "platform")):
        if (build.torch, build.variant, build.source) == (found[0].version, variant, source):
            accelerator, constraints = _text(document, "accelerator"), _texts(document, "constraints")
            return Plan(found, build, accelerator, constraints, warnings, refusals)
    raise UsageError(
        f"the plan's torch {found[0].full} from {source} is not in the catalog of {catalog.date}",
        hint="run `envtool pick` again",
    )


def _pin(name: str, full: str) -> Pin:
    return Pin(name, public(full), full.partition("+")[2] or None)


def _refusal_from_json(row: Json) -> Refusal:
    if not isinstance(row, dict):
        raise UsageError("a refusal of the plan document is not an object", hint="see `envtool pick --json`")
    torch, variant, source = row.get("torch"), row.get("variant"), row.get("source")
    return Refusal(
        torch if isinstance(torch, str) else None,
        variant if isinstance(variant, str) else None,
        _text(row, "kind"),
        _text(row, "reason"),
        source if isinstance(source, str) else None,
    )


def _text(document: Mapping[str, Json], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise UsageError(f"the plan document has no {key!r}", hint="see `envtool pick --json`")
    return value


def _rows(document: Mapping[str, Json], key: str) -> Sequence[Json]:
    value = document.get(key, [])
    if not isinstance(value, list):
        raise UsageError(f"{key!r} of the plan document is not a list", hint="see `envtool pick --json`")
    return value


def _texts(document: Mapping[str, Json], key: str) -> tuple[str, ...]:
    return tuple(str(item) for item in _rows(document, key))
