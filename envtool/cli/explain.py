"""``envtool explain``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from envtool.errors import UsageError

if TYPE_CHECKING:
    from envtool.verdicts import Json


@click.command("explain")
@click.argument("code", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(code: str | None, as_json: bool) -> int:
    """Say what a check or a known failure means and how to mend it.

    Without CODE, list every check, and the failures that no check looks for.
    `envtool smoke --list` lists the smoke tests; they are explained too.
    """
    from envtool.checks import every
    from envtool.cli.terminal import style
    from envtool.report.explain import page, render, render_list

    checks = every()
    if code is None:
        if as_json:
            from envtool.report.json import dumps

            rows: list[Json] = [{"code": c.code, "title": c.title, "group": c.group} for c in checks]
            others: list[Json] = [{"code": code, "title": title} for code, title in _without_a_check()]
            sys.stdout.write(dumps({"schema": "envtool.checks/1", "checks": rows, "failures": others}))
        else:
            lines = [f"  {code:<28} {title}" for code, title in _without_a_check()]
            more = "\n".join(["Known failures without a check", *lines, ""])
            sys.stdout.write(style().safe(f"{render_list(checks)}\n{more}"))
        return 0
    code = code.lower()
    if code.startswith("smoke-"):
        return _explain_test(code, as_json=as_json)
    check = next((c for c in checks if c.code == code), None)
    from envtool.symptoms import failures

    failure = failures().get(code)
    if check is None and failure is None:
        known = [*(c.code for c in checks), *failures()]
        raise UsageError(f"there is no check called {code!r}", hint=_nearest(code, known))
    if as_json:
        from envtool.report.failures import failure_to_json, page_of
        from envtool.report.json import dumps, plain

        document = {"schema": "envtool.explanation/1", "code": code, "page": plain(page_of(code))}
        sys.stdout.write(dumps({**document, "failure": failure_to_json(failure) if failure else None}))
        return 0
    from envtool.report.failures import render_more, render_own

    if check is None:
        assert failure is not None
        text = render_own(failure)
    else:
        text = render(check, page(code), render_more(failure) if failure else "")
    from envtool.cli.own_name import typed

    sys.stdout.write(typed(style().safe(text)))
    return 0


def _without_a_check() -> list[tuple[str, str]]:
    from envtool.report.failures import own_pages

    return [(code, own.title) for code, own in own_pages().items()]


def _explain_test(code: str, *, as_json: bool) -> int:
    from envtool.smoke import tests

    found = tests(sys.executable)
    test = next((test for test in found if code == f"smoke-{test.code}"), None)
    if test is None:
        hint = _nearest(code, [f"smoke-{test.code}" for test in found], other="`envtool smoke --list` lists every test")
        raise UsageError(f"there is no smoke test called {code!r}", hint=hint)
    if as_json:
        from envtool.report.json import dumps
        from envtool.report.smoke import page_to_json

        sys.stdout.write(dumps({"schema": "envtool.explanation/1", "code": code, "test": page_to_json(test)}))
    else:
        from envtool.cli.terminal import style
        from envtool.report.smoke import render_page

        sys.stdout.write(style().safe(render_page(test)))
    return 0


def _nearest(code: str, codes: list[str], *, other: str = "`envtool explain` lists every check") -> str:
    from difflib import get_close_matches

    begun = [known for known in codes if len(code) > 3 and known.startswith(code)]
    near = begun or get_close_matches(code, codes, n=1, cutoff=0.75)
    return f"did you mean `envtool explain {near[0]}`?" if near else other
