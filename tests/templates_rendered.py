"""Every combination of a template's answers, rendered without cookiecutter's walk over the disk: each file once."""

from __future__ import annotations

import functools
import itertools
import os
from pathlib import Path

from envtool import REQUIREMENT
from envtool.scaffold.templates import questions, read_settings, template

COURSE = {"project": "deep-learning", "envtool": REQUIREMENT.replace("envtool", "envtool{extras}", 1)}
PROJECT = {"project": "first-project", "package": "first_project"}


def combinations(kind: str) -> list[dict[str, str | bool]]:
    """Every answer to every question with every other."""
    asked = questions(kind)
    values = [list(question.choices) or [True, False] for question in asked]
    names = PROJECT if kind == "project" else COURSE
    return [
        {**names, **dict(zip((q.key for q in asked), chosen, strict=True))} for chosen in itertools.product(*values)
    ]


@functools.cache
def sources(kind: str):
    """(path with its own variables, compiled text) of each file of a template."""
    from cookiecutter.utils import create_env_with_context

    root = Path(template(kind)) / "{{cookiecutter.project}}"
    environment = create_env_with_context({"cookiecutter": read_settings(kind)})
    environment.keep_trailing_newline = True
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return [
        (environment.from_string(path.relative_to(root).as_posix()), environment.from_string(path.read_text("utf-8")))
        for path in files
    ]


def rendered(kind: str, answers: dict[str, str | bool]) -> dict[str, str]:
    """The files that these answers give, by path; what renders to nothing is none."""
    context = {"cookiecutter": {**read_settings(kind), **answers}}
    texts = {name.render(context): text.render(context) for name, text in sources(kind)}
    return {name: text for name, text in texts.items() if text.strip()}


def on_disk(folder: str | os.PathLike[str]) -> dict[str, str]:
    """The same of a folder."""
    root = Path(folder)
    return {
        path.relative_to(root).as_posix(): path.read_bytes().decode("utf-8")
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
