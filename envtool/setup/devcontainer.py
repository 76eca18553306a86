"""A development container of a course, for VS Code, Codespaces and JetBrains. Pure."""

from __future__ import annotations

import json

from envtool.setup.files import SetupFile
from envtool.setup.recipe import Recipe
from envtool.shell import quoted

PATH = ".devcontainer/devcontainer.json"
BASE = "mcr.microsoft.com/devcontainers/python:{python}"
USER = "vscode"  # the user that all images of mcr.microsoft.com/devcontainers have
HOME = f"/home/{USER}"
VENV = f"{HOME}/venv"  # in the container: the workspace is the host's, whose .venv may be a Mac's
ENVTOOL = f"{HOME}/.envtool"


def devcontainer(
    recipe: Recipe, base: str | None = None, *, gpu: bool, variant: str | None = None
) -> tuple[SetupFile, ...]:
    """The configuration. ``gpu``: use one where the host has it; ``variant``: None for what suits the host."""
    document: dict[str, object] = {
        "name": variable_free(recipe.name),
        "image": base or BASE.format(python=recipe.python),
    }
    if gpu:
        document["hostRequirements"] = {"gpu": "optional"}
    document |= {
        "remoteUser": USER,
        "runArgs": ["--shm-size=1g"],
        "remoteEnv": {"VIRTUAL_ENV": VENV, "PATH": f"{VENV}/bin:${{containerEnv:PATH}}:{ENVTOOL}/bin"},
        "onCreateCommand": _envtool(recipe),
        "updateContentCommand": f"{ENVTOOL}/bin/{recipe.install(VENV, variant=variant)}{_folders(recipe)}",
        "postCreateCommand": f"{ENVTOOL}/bin/envtool smoke --quick --python {VENV}",
        "customizations": {
            "vscode": {
                "extensions": ["ms-python.python", "ms-toolsai.jupyter", "charliermarsh.ruff"],
                "settings": {"python.defaultInterpreterPath": f"{VENV}/bin/python"},
            }
        },
    }
    return (SetupFile(PATH, json.dumps(document, indent=2, ensure_ascii=False) + "\n"),)


def _envtool(recipe: Recipe) -> str:
    pip = f"{ENVTOOL}/bin/pip install --disable-pip-version-check"
    return f"python3 -m venv {ENVTOOL} && {pip} {quoted(variable_free(recipe.envtool), 'posix')}"


def _folders(recipe: Recipe) -> str:
    """A lockfile holds packages only; the course's own folders come after it."""
    if recipe.lock is None or not recipe.course.editable:
        return ""
    folders = " ".join(f"--editable ./{folder}" for folder in recipe.course.editable)
    return f" && {ENVTOOL}/bin/pip --python {VENV} install --no-deps {folders}"


def variable_free(text: str) -> str:
    """A text in which the tools find no variable of theirs, ${localEnv:NAME}."""
    return text.replace("${", "$ {")
