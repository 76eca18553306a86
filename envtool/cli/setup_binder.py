"""``envtool setup binder``."""

from __future__ import annotations

import os
import sys
from glob import glob
from typing import TYPE_CHECKING

import click

from envtool.cli.pick import NoPlanError
from envtool.cli.setup import Delivery, course_of, deliver, target_options
from envtool.errors import UsageError

if TYPE_CHECKING:
    from envtool.course import Course
    from envtool.plan import Plan


@click.command("binder")
@click.option("--repo", metavar="OWNER/NAME", help="The course's repository on GitHub: for the link and the badge.")
@click.option("--branch", metavar="NAME", default="main", show_default=True, help="Its branch.")
@click.option("--path", metavar="FILE", help="The notebook that the link opens.")
@click.option("--python", metavar="X.Y", help="The Python. Default: the newest that the course and Binder have.")
@target_options
def command(
    repo: str | None,
    branch: str,
    path: str | None,
    python: str | None,
    spec: str | None,
    no_spec: bool,
    name: str | None,
    **delivery: str | bool | None,
) -> int:
    """The files by which Binder makes the course's environment, in .binder.

    PyTorch's CPU builds, pinned, and the course's other packages, by pip:
    Binder has no GPU and 2 GB of memory. What that takes is told.
    """
    from envtool.setup.binder import binder, markdown_badge
    from envtool.setup.colab import checked_branch, checked_path, checked_repository
    from envtool.setup.places import facts

    course, found = course_of(spec, no_spec, name)
    course = _with_assignments(course)
    table = facts("binder")
    plan, chosen = _planned(course, python, tuple(table["pythons"]))
    how = Delivery(**delivery)  # type: ignore[arg-type]
    opened = checked_path(path) if path is not None else None
    link = markdown_badge(checked_repository(repo), checked_branch(branch), opened) if repo is not None else None
    code = deliver(binder(course, plan, chosen, table, spec=found is not None), how)
    if not how.stdout and not how.dry_run:
        _tell(course, table, link)
    return code


def _with_assignments(course: Course) -> Course:
    """In a course of `envtool init`, with the folders that its start.py installs."""
    from dataclasses import replace

    from envtool.cli.init import in_a_course

    if course.editable or not in_a_course("."):
        return course
    return replace(course, editable=tuple(os.path.dirname(path) for path in sorted(glob("*/pyproject.toml"))))


def _planned(course: Course, named: str | None, pythons: tuple[str, ...]) -> tuple[Plan, str]:
    """CPU builds for Binder's Linux, and the Python: the newest of both for which there are any."""
    from envtool.catalog import load
    from envtool.plan import NoPlan, resolve
    from envtool.target import read_target

    if named is not None and named not in pythons:
        raise UsageError(f"--python: Binder has no Python {named}", hint=f"take one of {', '.join(pythons)}")
    allowed = [one for one in pythons if any(course.allows_python(f"{one}.{patch}") for patch in range(40))]
    if named is not None and named not in allowed:
        raise UsageError(f"--python: the course is made for Python {course.python}", hint="leave --python out")
    catalog = load()
    request = course.request(accelerator="cpu")
    refused: NoPlan | None = None
    for python in [named] if named is not None else reversed(allowed):
        answer = resolve(read_target(f"linux-64,py{python},glibc=2.35,gpu=none", catalog), request, catalog)
        if not isinstance(answer, NoPlan):
            return answer, python
        refused = refused or answer
    if refused is None:
        names = ", ".join(pythons)
        raise NoPlanError(
            f"no Python on Binder is {course.python}: it has {names}", hint="widen python in envtool.toml"
        )
    raise NoPlanError(f"no build fits Binder: {refused.message}", kind=refused.error_kind, hint=refused.hint)


def _tell(course: Course, table: dict[str, object], link: str | None) -> None:
    from envtool.setup.binder import estimate

    about = estimate(course, table)
    unknown = f", and {', '.join(about.unknown)}, which nobody measured" if about.unknown else ""
    lines = [
        "",
        f"On the disk: about {about.disk_mb} MB of packages{unknown}.",
        f"In memory: about {about.memory_mib} MiB while a small network learns; Binder gives {about.limit_mib}.",
        "Push the folder .binder, then start it:"
        if link
        else "Push the folder .binder; --repo OWNER/NAME makes a link",
        *([f"  {link}"] if link else []),
    ]
    print("\n".join(lines), file=sys.stderr)
