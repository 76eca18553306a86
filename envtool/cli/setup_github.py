"""``envtool setup github``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from envtool.cli.setup import Delivery, deliver, target_options
from envtool.cli.setup_parts import Asked, ci_options, ci_recipe, envtool_option, lock_options, note, subject_of

if TYPE_CHECKING:
    from envtool.setup.github import Row


@click.command("github")
@ci_options
@click.option("--platform", "platforms", metavar="SUBDIR", multiple=True, help="On this one; repeatable. Default: all.")
@click.option("--weekly/--no-weekly", default=True, help="Also each Monday. Default: yes.")
@lock_options
@envtool_option
@target_options
def command(
    pythons: tuple[str, ...],
    platforms: tuple[str, ...],
    weekly: bool,
    lock: str | None,
    no_lock: bool,
    source: str,
    spec: str | None,
    no_spec: bool,
    name: str | None,
    output: str | None,
    stdout: bool,
    force: bool,
    dry_run: bool,
) -> int:
    """Write a workflow for GitHub Actions that makes the environment and checks it.

    On each of the course's systems, with its oldest and its newest Python:
    `envtool install`, then `envtool check`, whose verdicts are kept as JUnit
    and JSON.
    """
    from envtool.data import read_table
    from envtool.setup.github import github

    subject = subject_of(Asked(spec, no_spec, name, output, source, lock, no_lock), may_be_path=True)
    facts = read_table("ci.toml")["github"]
    recipe, by_platform = ci_recipe(subject, pythons, platforms or subject.course.platforms, tuple(facts["runners"]))
    rows = _rows(by_platform, facts["runners"])
    code = deliver(github(recipe, rows, facts["actions"], weekly=weekly), Delivery(output, stdout, force, dry_run))
    if not (stdout or dry_run):
        note(f"Next: commit it and push. Each push is {len(rows)} {'job' if len(rows) == 1 else 'jobs'}.")
    return code


def _rows(by_platform: dict[str, tuple[str, ...]], runners: dict[str, str]) -> tuple[Row, ...]:
    from envtool.setup.github import Row

    return tuple(Row(runners[subdir], python) for subdir, pythons in by_platform.items() for python in pythons)
