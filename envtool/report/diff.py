"""Two documents side by side: what matters first, each section in columns."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from envtool.contrast import MATTERS, REST, Contrast, Side
from envtool.report.text import WIDEST, Style, hanging
from envtool.verdicts import Json

SCHEMA = "envtool.diff/1"
SHOWN = {"Packages": 20, REST: 8}  # rows without --all


def to_json(a: Side, b: Side, found: Sequence[Contrast], left_out: Sequence[str]) -> dict[str, Json]:
    """The diff document, schema ``envtool.diff/1``."""
    return {
        "schema": SCHEMA,
        "same": not any(one.matters for one in found),
        "a": _side(a),
        "b": _side(b),
        "differences": [
            {"section": one.section, "what": one.what, "a": one.a, "b": one.b, "matters": one.matters} for one in found
        ],
        "not_compared": list(left_out),
    }


def _side(side: Side) -> dict[str, Json]:
    status = side.whole.get("status")
    return {"file": side.name, "schema": side.schema, "status": status if isinstance(status, str) else None}


def render(
    a: Side, b: Side, found: Sequence[Contrast], left_out: Sequence[str], style: Style, *, everything: bool = False
) -> str:
    """The screen; of the rest only a few rows, unless ``everything`` is asked for."""
    width = min(max(style.width, 40), WIDEST)
    blocks = [f"A  {_named(a)}\nB  {_named(b)}"]
    for section in (*MATTERS, REST):
        rows = [one for one in found if one.section == section]
        if rows:
            most = len(rows) if everything else SHOWN.get(section, len(rows))
            more = f"\n  and {len(rows) - most} more: --all lists them" if len(rows) > most else ""
            blocks.append(style.paint(section, "1") + "\n" + _table(rows[:most], width) + more)
    blocks += ["\n".join(hanging("Not compared  ", text, width) for text in left_out)] if left_out else []
    blocks.append(_last(found))
    return style.safe("\n\n".join(blocks) + "\n")


def _named(side: Side) -> str:
    kind = side.schema.removeprefix("envtool.").partition("/")[0]
    status = side.whole.get("status")
    return f"{side.name} ({kind}{f': {status}' if isinstance(status, str) else ''})"


def _table(rows: Sequence[Contrast], width: int) -> str:
    lead = min(max(15, *(len(one.what) for one in rows)), 34)
    each = max((width - lead - 6) // 2, 12)
    lines = [f"  {'':<{lead}}  {'A':<{each}}  B"]
    for one in rows:
        columns = [_cut(one.what, lead), _cut(one.a, each), _cut(one.b, each)]
        for i in range(max(map(len, columns))):
            what, left, right = (column[i] if i < len(column) else "" for column in columns)
            lines.append(f"  {what:<{lead}}  {left:<{each}}  {right}".rstrip())
    return "\n".join(lines)


def _cut(text: str, width: int) -> list[str]:
    return wrap(text if len(text) <= 300 else text[:297] + "…", width, break_on_hyphens=False) or [""]


def _last(found: Sequence[Contrast]) -> str:
    count = sum(one.matters for one in found)
    if count:
        return f"{count} difference{'s' if count != 1 else ''} that matter{'s' if count == 1 else ''}."
    return "No difference that matters." if found else "No difference."
