"""A pipeline for GitLab CI that makes a course's environment and checks it. Pure."""

from __future__ import annotations

from envtool.setup.files import SetupFile
from envtool.setup.recipe import Recipe
from envtool.setup.yaml_values import quoted

PATH = ".gitlab-ci.yml"

_TEXT = """\
# Is the environment of {name} what {what}, and does it work?
# Written by `envtool setup gitlab`{origin}. It runs on Linux and on the CPU, as GitLab's own runners do.
# Once a week, too: Build, Pipeline schedules, New schedule. What was good may have moved.
workflow:
  rules:
    - if: $CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS && $CI_PIPELINE_SOURCE == "push"
      when: never # the pipeline of the merge request does it
    - when: always

environment check:
  parallel:
    matrix:
      - PYTHON: [{pythons}]
  image: {image}
  timeout: 40 minutes
  interruptible: true
  variables:
    DEVICE: cpu
    ENVTOOL: {envtool}
    PIP_CACHE_DIR: $CI_PROJECT_DIR/.cache/pip
    PIP_ROOT_USER_ACTION: ignore
    UV_CACHE_DIR: $CI_PROJECT_DIR/.cache/uv
  cache:
    key:{key}
    paths:
      - .cache/pip
      - .cache/uv
  script:
    - python -m pip install --disable-pip-version-check "$ENVTOOL"
    - {install}
    - {check} --junit check.xml --json-file check.json
  artifacts:
    when: always
    paths:
      - check.json
      - check.xml
    reports:
      junit: check.xml
"""


def gitlab(recipe: Recipe, pythons: tuple[str, ...], base: str | None = None) -> tuple[SetupFile, ...]:
    """The pipeline. ``base``: an image in place of Docker's Python images."""
    text = _TEXT.format(
        name=recipe.name,
        what=recipe.told,
        origin=recipe.origin,
        pythons=", ".join(map(quoted, pythons)),
        image=quoted(base) if base is not None else "python:$PYTHON-slim",
        envtool=quoted(recipe.envtool),
        key=_key(recipe),
        install=recipe.install(".venv", variant=None if recipe.lock else "cpu"),
        check=recipe.check(".venv"),
    )
    return (SetupFile(PATH, text),)


def _key(recipe: Recipe) -> str:
    """What the cache belongs to: a Python, the spec and the lockfile."""
    if not recipe.files:
        return " $PYTHON"
    return f"\n      prefix: $PYTHON\n      files: [{', '.join(map(quoted, recipe.files))}]"
