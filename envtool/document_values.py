"""How dataclasses are written as JSON and read again: values, readings and objects, with the path of what is wrong.

A reading is its value, or null; where that alone would not tell absent from unknown, the object's ``reasons`` say
it: ``{"driver": {"absent": "no NVIDIA card"}}``. A key that is missing means unknown.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from envtool.fact import Fact
from envtool.machine import NOT_ASKED, Absent, Found, Unknown
from envtool.verdicts import Json


class Misfit(Exception):  # noqa: N818 - a document module turns it into a UsageError
    """A value that doesn't fit its place in the document."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem


class Gap(Misfit):
    """A key that its object can't do without is missing: the object as a whole is unknown."""


def shown(value: Json) -> str:
    """The value as JSON, cut to what fits into a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


# ── values ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, repr=False)
class Value(Fact):
    """How one kind of value is written, and read again at a path."""

    encode: Callable[[Any], Json]
    decode: Callable[[Json, str], Any]


def _decode_text(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise Misfit(path, f"{shown(value)} is not a text")
    return value


def _decode_whole(value: Json, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Misfit(path, f"{shown(value)} is not a whole number")
    return value


def _decode_number(value: Json, path: str) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise Misfit(path, f"{shown(value)} is not a number")
    return float(value)


def _decode_truth(value: Json, path: str) -> bool:
    if not isinstance(value, bool):
        raise Misfit(path, f"{shown(value)} is neither true nor false")
    return value


def _decode_capability(value: Json, path: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})", value) if isinstance(value, str) else None
    if found is None:
        digits = re.findall(r"\d+", shown(value))
        meant = f"{digits[0]}.{digits[1]}" if len(digits) == 2 else "8.9"
        raise Misfit(path, f'{shown(value)} is not a version; write "{meant}"')
    return int(found[1]), int(found[2])


def one_of(words: tuple[str, ...]) -> Value:
    """A text that must be one of a few."""

    def decode(value: Json, path: str) -> str:
        if value not in words or not isinstance(value, str):
            raise Misfit(path, f"{shown(value)} is not one of {', '.join(words)}")
        return value

    return Value(lambda value: value, decode)


def nullable(inner: Value) -> Value:
    """A value that may be null, and then is None."""
    return Value(
        lambda value: None if value is None else inner.encode(value),
        lambda value, path: None if value is None else inner.decode(value, path),
    )


def each(inner: Value, *, with_gaps: bool = False) -> Value:
    """A list, which is a tuple in the dataclass. ``with_gaps``: an item that lacks a key it needs is passed over."""

    def decode(value: Json, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Misfit(path, f"{shown(value)} is not a list")
        items = []
        for index, item in enumerate(value):
            try:
                items.append(inner.decode(item, f"{path}[{index}]"))
            except Gap:
                if not with_gaps:
                    raise
        return tuple(items)

    return Value(lambda items: [inner.encode(item) for item in items], decode)


TEXT = Value(lambda value: value, _decode_text)
WHOLE = Value(lambda value: value, _decode_whole)
NUMBER = Value(lambda value: value, _decode_number)
TRUTH = Value(lambda value: value, _decode_truth)
CAPABILITY = Value(lambda value: f"{value[0]}.{value[1]}", _decode_capability)


# ── objects ──────────────────────────────────────────────────────────────────────────────────────

Unfound: TypeAlias = "Absent | Unknown"


@dataclass(frozen=True, eq=False, repr=False)
class Reads(Fact):
    """A reading of a value. ``null`` is what null means without a reason; ``always``: the key is never left out."""

    value: Value
    null: Unfound = NOT_ASKED
    always: bool = False


Fields: TypeAlias = "Mapping[str, Value | Reads]"


def of(kind: type[Any], fields: Fields) -> Value:
    """The object of a dataclass whose attributes are named as the document's keys."""
    needed = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    plain = {name for name, form in fields.items() if isinstance(form, Value)}

    def decode(value: Json, path: str) -> object:
        if not isinstance(value, dict):
            raise Misfit(path, f"{shown(value)} is not an object")
        reasons = value.get("reasons")
        if reasons is not None and not isinstance(reasons, dict):
            raise Misfit(_below(path, "reasons"), f"{shown(reasons)} is not an object")
        # Where a default stands ready, null says no more than a missing key.
        told = {key: item for key, item in value.items() if item is not None or key in needed or key not in plain}
        given = _decode_fields(fields, told, reasons or {}, path)
        for name in sorted(needed - given.keys()):
            raise Gap(_below(path, name), "is missing")
        return kind(**given)

    return Value(lambda thing: _encode_object(fields, thing), decode)


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _encode_object(fields: Fields, thing: object) -> Json:
    out: dict[str, Json] = {}
    reasons: dict[str, Json] = {}
    for name, form in fields.items():
        value = getattr(thing, name)
        match form:
            case Value():
                out[name] = form.encode(value)
            case Reads():
                _encode_reading(name, form, value, (out, reasons))
    if reasons:
        out["reasons"] = reasons
    return out


def _encode_reading(name: str, form: Reads, reading: object, into: tuple[dict[str, Json], dict[str, Json]]) -> None:
    out, reasons = into
    match reading:
        case Found(value):
            out[name] = form.value.encode(value)
        case Absent() | Unknown():
            if reading == NOT_ASKED and not form.always:
                return
            out[name] = None
            if reading != form.null:
                reasons[name] = {"absent" if isinstance(reading, Absent) else "unknown": reading.reason}


def _decode_fields(fields: Fields, value: dict[str, Json], reasons: dict[str, Json], path: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, form in fields.items():
        if name not in value and name not in reasons:  # most keys of most documents
            if isinstance(form, Reads):
                given[name] = NOT_ASKED
            continue
        at = _below(path, name)
        match form:
            case Value():
                if name in value:
                    given[name] = form.decode(value[name], at)
            case Reads():
                given[name] = _decode_reading(form, value, reasons.get(name), (name, at, path))
    return given


def _decode_reading(form: Reads, value: dict[str, Json], reason: Json, where: tuple[str, str, str]) -> object:
    name, at, path = where
    if value.get(name) is not None:
        try:
            return Found(form.value.decode(value[name], at))
        except Gap as gap:
            return Unknown(f"{gap.path} is missing in the document")
    if reason is None:
        return form.null if name in value else NOT_ASKED
    if isinstance(reason, dict) and len(reason) == 1:
        ((kind, text),) = reason.items()
        if kind in ("absent", "unknown") and isinstance(text, str):
            return Absent(text) if kind == "absent" else Unknown(text)
    needed = 'write {"absent": "why"} or {"unknown": "why"}'
    raise Misfit(_below(_below(path, "reasons"), name), f"{shown(reason)} is no reason; {needed}")
