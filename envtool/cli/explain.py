"""``envtool explain``."""

from __future__ import annotations

import sys

import click

from envtool.errors import UsageError


@click.command("explain")
@click.argument("code", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(code: str | None, as_json: bool) -> int:
    """Say what a check means, how it is found and how to mend it.

    Without CODE, list every check. `envtool smoke --list` lists the smoke
    tests; they are explained too.
    """
    from envtool.checks import every
    from envtool.cli.terminal import style
    from envtool.report.explain import page, render, render_list

    checks = every()
    if code is None:
        if as_json:
            from envtool.report.json import dumps

            rows = [{"code": c.code, "title": c.title, "group": c.group} for c in checks]
            sys.stdout.write(dumps({"schema": "envtool.checks/1", "checks": [dict(row) for row in rows]}))
        else:
            sys.stdout.write(style().safe(render_list(checks)))
        return 0
    code = code.lower()
    if code.startswith("smoke-"):
        return _explain_test(code, as_json=as_json)
    check = next((c for c in checks if c.code == code), None)
    if check is None:
        raise UsageError(f"there is no check called {code!r}", hint=_nearest(code, [c.code for c in checks]))
    if as_json:
        from envtool.report.json import dumps, plain

        sys.stdout.write(dumps({"schema": "envtool.explanation/1", "code": code, "page": plain(page(code))}))
    else:
        sys.stdout.write(style().safe(render(check, page(code))))
    return 0


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

    near = get_close_matches(code, codes, n=1, cutoff=0.5)
    return f"did you mean `envtool explain {near[0]}`?" if near else other
