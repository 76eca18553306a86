"""The places for people, and the document ``envtool.device/1``."""

from __future__ import annotations

from collections.abc import Callable

from envtool.device.change import Change, where
from envtool.device.place import Found, Place, plain
from envtool.verdicts import Json

DEVICE_SCHEMA = "envtool.device/1"
ONE_LINE = 'DEVICE = "cpu"'


def to_json(found: Found, most: int | None, change: Change | None) -> dict[str, Json]:
    """The device document; ``change``: what --set did."""
    return {
        "schema": DEVICE_SCHEMA,
        "count": len(found.places),
        "max": most,
        "places": [
            {"file": place.file, "cell": place.cell, "line": place.line, "text": place.text} for place in found.places
        ],
        "files": len(found.files),
        "skipped": [{"file": s.file, "cell": s.cell, "reason": s.reason} for s in found.skipped],
        "left_out": list(found.left_out),
        "set": _change_to_json(change) if change else None,
    }


def _change_to_json(change: Change) -> dict[str, Json]:
    place = change.place
    return {
        "file": place.file,
        "cell": place.cell,
        "line": place.line,
        "before": place.text,
        "after": change.after,
        "written": change.data is not None,
    }


def render(found: Found) -> str:
    """One line a place, as compilers write them, then the count."""
    lines = [plain(f"{where(place)}: {place.text}") for place in found.places]
    return "\n".join([*lines, *([""] if lines else []), _count(found)]) + "\n"


def _count(found: Found) -> str:
    number = len(found.places)
    among = f"of {len(found.files)} file{'' if len(found.files) == 1 else 's'}"
    if not found.files:
        return "No Python file and no notebook here."
    if number == 0:
        return f"No line names a device: 0 {among}."
    holding = len({place.file for place in found.places})
    return f"{number} line{' names' if number == 1 else 's name'} a device, in {holding} {among}."


def render_change(change: Change) -> str:
    """The line as it is now, and whether that is news."""
    said = "changed" if change.data is not None else "it says so already"
    return plain(f"{where(change.place)}: {change.after}") + f"\n\n1 line names a device: {said}.\n"


def notes(found: Found, most: int | None, line: Callable[[str], str]) -> list[str]:
    """What goes to stderr: what was not read, and the one next step; ``line``: the command that sets a name."""
    lines = [plain(f"not read: {_at(s.file, s.cell)}: {s.reason}") for s in found.skipped]
    if found.left_out:
        shown = ", ".join(found.left_out[:5]) + (", ..." if len(found.left_out) > 5 else "")
        lines.append(plain(f"not entered: {shown}"))
    number = len(found.places)
    if most is not None and number > most:
        lines.append(f"too many: {number} {'line' if number == 1 else 'lines'}, and --max allows {most}")
    elif most is not None and found.skipped:
        lines.append("what can't be read may name a device, so this is no pass")
    if number > 1:
        lines.append(f"hint: {_advice(found.places)}")
    elif number == 1 and not found.skipped and (literal := found.places[0].literal) is not None:
        name = "cpu" if literal.says.startswith("cuda") else "cuda"
        lines.append(f"hint: `{line(name)}` changes this line, and nothing else")
    return lines


def _at(file: str, cell: int | None) -> str:
    return file if cell is None else f"{file}:cell_{cell}"


def _advice(places: tuple[Place, ...]) -> str:
    """What brings them to one line; results on their way to NumPy need no name at all."""
    advice = f"keep one line, {ONE_LINE}, and write `.to(DEVICE)` and `device=DEVICE` in the others"
    if any('.to("cpu")' in place.text or ".to('cpu')" in place.text for place in places):
        advice += "; results come back with `.cpu()`, which does not count"
    return advice
