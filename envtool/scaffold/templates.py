"""The templates that envtool carries, and the questions that each of them asks."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import cast

import envtool
from envtool.errors import ToolError
from envtool.fact import Fact
from envtool.verdicts import Json


@dataclass(frozen=True, eq=False, repr=False)
class Question(Fact):
    """One thing that a template wants to know. ``choices`` is empty where the answer is yes or no."""

    key: str
    text: str
    choices: dict[str, str]
    default: str | bool


def templates_folder() -> str:
    """Where the templates are: in the installed package, or beside it in a checkout."""
    package = os.path.dirname(os.path.abspath(envtool.__file__))
    for folder in (os.path.join(package, "_carried", "templates"), os.path.join(os.path.dirname(package), "templates")):
        if os.path.isdir(folder):
            return folder
    raise ToolError("envtool's templates are missing", hint="install envtool again: its installation is damaged")


def template(kind: str) -> str:
    """The folder of one template."""
    return os.path.join(templates_folder(), kind)


def read_settings(kind: str) -> dict[str, Json]:
    """The template's cookiecutter.json."""
    with open(os.path.join(template(kind), "cookiecutter.json"), encoding="utf-8") as file:
        return cast("dict[str, Json]", json.load(file))


def questions(kind: str) -> tuple[Question, ...]:
    """What is left to ask once the names are known: choices, and yes or no."""
    settings = read_settings(kind)
    prompts = cast("dict[str, str | dict[str, str]]", settings["__prompts__"])
    asked: list[Question] = []
    for key, value in settings.items():
        prompt = prompts.get(key)
        if isinstance(value, list) and isinstance(prompt, dict):
            choices = {str(choice): prompt[str(choice)] for choice in value}
            asked.append(Question(key, prompt["__prompt__"], choices, next(iter(choices))))
        elif isinstance(value, bool) and isinstance(prompt, str):
            asked.append(Question(key, prompt, {}, value))
    return tuple(asked)
