"""``envtool setup gitlab``."""

from __future__ import annotations

import click

from envtool.cli.setup import Delivery, deliver, target_options
from envtool.cli.setup_parts import Asked, ci_options, ci_recipe, envtool_option, lock_options, note, subject_of
from envtool.errors import UsageError


@click.command("gitlab")
@ci_options
@click.option("--base", metavar="IMAGE", help="The image of the jobs, by tag or digest. Default: python:VERSION-slim.")
@lock_options
@envtool_option
@target_options
def command(
    pythons: tuple[str, ...],
    base: str | None,
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
    """Write a pipeline for GitLab CI that makes the environment and checks it.

    On Linux, with the course's oldest and its newest Python: `envtool
    install`, then `envtool check`, whose verdicts are kept as JUnit and JSON.
    """
    from envtool.data import read_table
    from envtool.setup.gitlab import gitlab
    from envtool.setup.recipe import checked_base

    image = checked_base(base) if base is not None else None
    subject = subject_of(Asked(spec, no_spec, name, output, source, lock, no_lock), may_be_path=True)
    platforms = tuple(read_table("ci.toml")["gitlab"]["platforms"])
    if not set(platforms) & set(subject.course.platforms):
        raise UsageError("the course is not for Linux, and GitLab's runners are", hint="add linux-64 to platforms")
    recipe, found = ci_recipe(subject, pythons, platforms, platforms)
    code = deliver(gitlab(recipe, found[platforms[0]], image), Delivery(output, stdout, force, dry_run))
    if not (stdout or dry_run):
        note("Next: commit it and push. For each week: Build, Pipeline schedules, New schedule.")
    return code
