"""``envtool setup apptainer``."""

from __future__ import annotations

import click

from envtool.cli.setup import Delivery, deliver, target_options
from envtool.cli.setup_parts import (
    Asked,
    envtool_option,
    folder_of,
    image_options,
    lock_options,
    note,
    recipe_of,
    subject_of,
)


@click.command("apptainer")
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
    """Write a definition of the course's environment for Apptainer or Singularity.

    The image needs no GPU, takes nothing of your home folder's Python
    packages, and is only made if PyTorch works in it. For GPUs: --variant
    cuda, and --nv when it is run.
    """
    from envtool.setup.apptainer import PATH, apptainer
    from envtool.setup.recipe import checked_base
    from envtool.shell import shell_line

    image = checked_base(base) if base is not None else None
    subject = subject_of(Asked(spec, no_spec, name, output, source, lock, no_lock), may_be_path=False)
    recipe = recipe_of(subject, python, variant)
    code = deliver(apptainer(recipe, image), Delivery(output, stdout, force, dry_run))
    if not (stdout or dry_run):
        folder = folder_of(output)
        file = PATH if folder is not None else output or PATH
        where = "" if folder is None else f", in {folder}"
        note(f"Next{where}: {shell_line(['apptainer', 'build', f'{recipe.slug}.sif', file], 'posix')}")
    return code
