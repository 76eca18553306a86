"""``envtool doctor --list``, ``--only`` and ``--skip``: which checks are meant."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from envtool.checks import ALL, Check, every, of_course
from envtool.errors import UsageError
from envtool.examination import Selection

if TYPE_CHECKING:
    from envtool.verdicts import Json

LIST = "`envtool doctor --list` lists every check and its group"


def select(only: tuple[str, ...], skip: tuple[str, ...], *, course: bool) -> Selection | None:
    """What to run and what to show; None where everything is meant.

    ``course``: is there an envtool.toml, which brings checks of its own? UsageError for a name that is none.
    """
    if not (only or skip):
        return None
    checks = (*ALL, *of_course())
    skipped = {code for name in skip for code in named(name, "--skip", checks)}
    if only:
        shown = {code for name in only for code in named(name, "--only", checks)} - skipped
    else:
        shown = {check.code for check in checks} - skipped
    brought = {check.code for check in of_course()}
    if not course and shown <= brought and shown:
        raise UsageError(
            f"{sorted(shown)[0]} goes by an envtool.toml, and there is none here",
            hint="name one with --spec FILE",
        )
    if not course:
        shown -= brought
    if not shown:
        raise UsageError("no check is left to run", hint=LIST)
    wanted = with_needs(shown, checks)
    return Selection(tuple(check for check in checks if check.code in wanted), frozenset(shown), frozenset(skipped))


def named(name: str, option: str, checks: Iterable[Check]) -> set[str]:
    """The codes behind the name of a check or of a group."""
    checks, wanted = tuple(checks), name.strip().lower()
    found = {check.code for check in checks if wanted in (check.code, check.group.lower())}
    if found:
        return found
    if any(wanted in (check.code, check.group.lower()) for check in every()):
        raise UsageError(f"{option} {name}: the doctor has no such check, `envtool check` has it", hint=LIST)
    from difflib import get_close_matches

    words = [*(check.code for check in checks), *sorted({check.group.lower() for check in checks})]
    near = get_close_matches(wanted, words, n=1, cutoff=0.6)
    hint = f"did you mean `{option} {near[0]}`?" if near else LIST
    raise UsageError(f"{option} {name}: there is no such check and no such group", hint=hint)


def with_needs(codes: Iterable[str], checks: Iterable[Check]) -> set[str]:
    """The codes, and those of all that must be right before these can be judged."""
    by_code = {check.code: check for check in checks}
    wanted: set[str] = set()
    waiting = list(codes)
    while waiting:
        code = waiting.pop()
        if code not in wanted:
            wanted.add(code)
            waiting += (*by_code[code].needs, *by_code[code].behind)
    return wanted


def show_list(only: tuple[str, ...], skip: tuple[str, ...], *, as_json: bool) -> int:
    """Print the doctor's checks, those of an envtool.toml too, without looking at anything."""
    selection = select(only, skip, course=True)
    checks = [c for c in (*ALL, *of_course()) if selection is None or c.code in selection.shown]
    if as_json:
        from envtool.report.json import CHECKS_PAGE, dumps

        rows: list[Json] = [
            {
                "code": c.code,
                "title": c.title,
                "group": c.group,
                "needs": list(c.needs),
                "url": f"{CHECKS_PAGE}#{c.code}",
            }
            for c in checks
        ]
        sys.stdout.write(dumps({"schema": "envtool.checks/1", "checks": rows}))
        return 0
    from envtool.cli.terminal import style
    from envtool.report.explain import render_list

    sys.stdout.write(style().safe(render_list(checks)))
    return 0
