"""``envtool setup devcontainer``."""

from __future__ import annotations

import click

from envtool.cli.setup import Delivery, deliver, target_options
from envtool.cli.setup_parts import (
    Asked,
    envtool_option,
    has_cuda,
    image_options,
    lock_options,
    note,
    recipe_of,
    subject_of,
)


@click.command("devcontainer")
@image_options
@lock_options
@envtool_option
@target_options
def command(
    base: str | None,
    python: str | None,
    variant: str | None,
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
    """Write a development container for VS Code, Codespaces or JetBrains.

    Without --variant it takes the builds that suit the machine it is opened
    on: for its GPU where there is one, else for the CPU. No GPU is needed.
    """
    from envtool.setup.devcontainer import devcontainer
    from envtool.setup.recipe import checked_base

    image = checked_base(base) if base is not None else None
    subject = subject_of(Asked(spec, no_spec, name, output, source, lock, no_lock), may_be_path=False)
    recipe = recipe_of(subject, python, variant)
    gpu = recipe.variant != "cpu" if variant is not None else has_cuda(subject.course)
    chosen = None if variant is None else recipe.locked_variant
    files = devcontainer(recipe, image, gpu=gpu, variant=chosen)
    code = deliver(files, Delivery(output, stdout, force, dry_run))
    if not (stdout or dry_run):
        note("Next: in VS Code, Dev Containers: Reopen in Container.")
    return code
