"""A workflow for GitHub Actions that makes a course's environment and checks it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envtool.fact import Fact, dataclass
from envtool.setup.files import SetupFile
from envtool.setup.recipe import Recipe
from envtool.setup.yaml_values import quoted

PATH = ".github/workflows/environment.yml"
SCHEDULE = "17 5 * * 1"  # off the full hour, when GitHub drops schedules

_HEAD = """\
# Is the environment of {name} what {what}, and does it work?
# Written by `envtool setup github`{origin}. No runner here has a GPU: these are CPU builds.
# The actions are GitHub's own, by their major versions, which get its security fixes.
name: Environment

on:
  push:
  pull_request:
{schedule}  workflow_dispatch:

permissions:
  contents: read

concurrency:
  group: ${{{{ github.workflow }}}}-${{{{ github.ref }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}

jobs:
  environment:
    name: ${{{{ matrix.os }}}}, Python ${{{{ matrix.python }}}}
    runs-on: ${{{{ matrix.os }}}}
    timeout-minutes: 40
    strategy:
      fail-fast: false
      matrix:
"""
_STEPS = """\
    env:
      DEVICE: cpu
      ENVTOOL: {envtool}
      UV_CACHE_DIR: ${{{{ github.workspace }}}}/.cache/uv
    defaults:
      run:
        shell: bash
    steps:
      - uses: {checkout}
        with:
          persist-credentials: false
      - uses: {setup_python}
        with:
          python-version: ${{{{ matrix.python }}}}
      - uses: {cache}
        with:
          path: .cache/uv
          key: uv-${{{{ runner.os }}}}-${{{{ runner.arch }}}}-${{{{ matrix.python }}}}-{key}
          restore-keys: uv-${{{{ runner.os }}}}-${{{{ runner.arch }}}}-${{{{ matrix.python }}}}-
      - name: envtool
        run: python -m pip install --disable-pip-version-check "$ENVTOOL"
      - name: The environment
        run: {install}
      - name: Is it what was asked for, and does it work?
        run: {check} --junit check.xml --json-file check.json
      - uses: {upload_artifact}
        if: ${{{{ !cancelled() }}}}
        with:
          name: check-${{{{ matrix.os }}}}-${{{{ matrix.python }}}}
          path: |
            check.json
            check.xml
          if-no-files-found: ignore
"""


@dataclass(frozen=True, eq=False, repr=False)
class Row(Fact):
    """One job of the matrix: a runner, and a Python that has a plan there."""

    runner: str
    python: str


def github(recipe: Recipe, rows: tuple[Row, ...], actions: Mapping[str, Any], *, weekly: bool) -> tuple[SetupFile, ...]:
    """The workflow. ``actions``: which action to use for each purpose."""
    schedule = (
        f'  schedule:\n    - cron: "{SCHEDULE}" # Monday, early: what was good may have moved\n' if weekly else ""
    )
    text = _HEAD.format(name=recipe.name, what=recipe.told, origin=recipe.origin, schedule=schedule)
    text += "".join(f"        {line}\n" for line in _matrix(rows))
    text += _STEPS.format(
        envtool=expression_free(recipe.envtool),
        key=_key(recipe),
        install=recipe.install(".venv", variant=None if recipe.lock else "cpu"),
        check=recipe.check(".venv"),
        **{name.replace("-", "_"): str(use) for name, use in actions.items() if name != "source"},
    )
    return (SetupFile(PATH, text),)


def _matrix(rows: tuple[Row, ...]) -> list[str]:
    """The product of systems and Pythons where all of it can be, else row by row."""
    systems = tuple(dict.fromkeys(row.runner for row in rows))
    pythons = tuple(dict.fromkeys(row.python for row in rows))
    if len(systems) * len(pythons) == len(rows):
        return [f"os: [{', '.join(systems)}]", f"python: [{', '.join(map(quoted, pythons))}]"]
    return ["include:", *(f"  - {{ os: {row.runner}, python: {quoted(row.python)} }}" for row in rows)]


def _key(recipe: Recipe) -> str:
    """What the cache belongs to: the spec and the lockfile."""
    if not recipe.files:
        return "torch"
    return f"${{{{ hashFiles({', '.join(repr(path) for path in recipe.files)}) }}}}"


def expression_free(text: str) -> str:
    """A text as YAML in which GitHub evaluates nothing: what begins an expression is itself made by one."""
    return quoted(text.replace("${{", "${{ '${{' }}"))
