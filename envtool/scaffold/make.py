"""A scaffold from its answers: a project, or a course with a project in it as the template of its assignments."""

from __future__ import annotations

import tempfile

from envtool.scaffold.folder import new_folder, refuse_what_is_in_the_way
from envtool.scaffold.render import Answers, files_of, render
from envtool.scaffold.schema import put_beside

ASSIGNMENT = "assignment"


def preview(kind: str, answers: Answers) -> tuple[str, ...]:
    """The files that would be made."""
    with tempfile.TemporaryDirectory(prefix="envtool-") as aside:
        return files_of(_rendered(kind, answers, aside))


def make(kind: str, answers: Answers, path: str) -> tuple[str, ...]:
    """Make the scaffold at a path, whose last part is its name, whole or not at all; gives its files."""
    with new_folder(path) as aside:
        files = files_of(_rendered(kind, answers, aside))
        refuse_what_is_in_the_way(path, files)
    return files


def _rendered(kind: str, answers: Answers, into: str) -> str:
    made = render(kind, answers, into)
    if kind == "course":
        render("project", {**answers, "project": ASSIGNMENT, "package": ASSIGNMENT, "_course": True}, made)
        put_beside(made)
    return made
