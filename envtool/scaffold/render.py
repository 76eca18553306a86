"""Rendering: cookiecutter fills a folder, and what rendered to nothing is dropped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from envtool.errors import ToolError
from envtool.extras import line_for
from envtool.scaffold.templates import read_settings, template

if TYPE_CHECKING:
    from envtool.verdicts import Json

INSTALL = line_for("init")
Answers = Mapping[str, str | bool]


def need_the_extra() -> None:
    """ToolError where cookiecutter isn't installed."""
    from importlib.util import find_spec

    if find_spec("cookiecutter") is None:
        raise ToolError("making a scaffold needs cookiecutter, which is not installed", hint=INSTALL)


def render(kind: str, answers: Answers, into: str) -> str:
    """Render a template into a folder; gives the folder that it made there, named after the project.

    The answers are trusted here: names are checked before, and the rest are choices of the template's own.
    The hooks of the template do for plain cookiecutter what names.py and _drop_unwanted do for envtool.
    """
    need_the_extra()
    from cookiecutter.generate import generate_files

    settings: dict[str, Json] = {key: value for key, value in read_settings(kind).items() if key != "__prompts__"}
    made = generate_files(
        repo_dir=template(kind),
        context={"cookiecutter": {**settings, **answers}},
        output_dir=into,
        accept_hooks=False,
    )
    _drop_unwanted(made)
    return str(made)


def _drop_unwanted(folder: str) -> None:
    """A file of nothing but white space is one whose condition didn't hold; folders left empty go with it.

    So does what pip compiled of the template when it installed envtool.
    """
    for here, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = os.path.join(here, name)
            with open(path, "rb") as file:
                wanted = bool(file.read().strip())
            if not wanted or name.endswith(".pyc"):
                os.unlink(path)
        if not os.listdir(here):
            os.rmdir(here)


def files_of(folder: str) -> tuple[str, ...]:
    """Every file in a folder, with forward slashes, sorted: what a screen lists."""
    found = []
    for here, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(here, name), folder).replace(os.sep, "/") for name in names]
    return tuple(sorted(found))
