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

    Without CODE, list every check.
    """
    from envtool.checks import ALL
    from envtool.cli.terminal import style
    from envtool.report.explain import page, render, render_list

    if code is None:
        if as_json:
            from envtool.report.json import dumps

            rows = [{"code": c.code, "title": c.title, "group": c.group} for c in ALL]
            sys.stdout.write(dumps({"schema": "envtool.checks/1", "checks": [dict(row) for row in rows]}))
        else:
            sys.stdout.write(style().safe(render_list(ALL)))
        return 0
    code = code.lower()
    check = next((c for c in ALL if c.code == code), None)
    if check is None:
        raise UsageError(f"there is no check called {code!r}", hint=_nearest(code, [c.code for c in ALL]))
    if as_json:
        from envtool.report.json import dumps, plain

        sys.stdout.write(dumps({"schema": "envtool.explanation/1", "code": code, "page": plain(page(code))}))
    else:
        sys.stdout.write(style().safe(render(check, page(code))))
    return 0


def _nearest(code: str, codes: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(code, codes, n=1, cutoff=0.5)
    return f"did you mean `envtool explain {near[0]}`?" if near else "`envtool explain` lists every check"
