"""``envtool setup docker``."""

from __future__ import annotations

import click

from envtool.cli.setup import Delivery, deliver, target_options
from envtool.cli.setup_parts import Asked, envtool_option, image_options, lock_options, note, recipe_of, subject_of


@click.command("docker")
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
    """Write a Dockerfile of the course's environment, and its .dockerignore.

    The image runs as an ordinary user, needs no GPU, and is only made if
    PyTorch works in it. For GPUs: --variant cuda, or --build-arg VARIANT=…
    when it is built.
    """
    from envtool.setup.docker import docker
    from envtool.setup.recipe import checked_base
    from envtool.shell import shell_line

    image = checked_base(base) if base is not None else None
    subject = subject_of(Asked(spec, no_spec, name, output, source, lock, no_lock), may_be_path=False, several=True)
    recipe = recipe_of(subject, python, variant)
    code = deliver(docker(recipe, image), Delivery(output, stdout, force, dry_run))
    if not (stdout or dry_run):
        note(f"Next: {shell_line(['docker', 'build', '--tag', recipe.slug, output or '.'], 'posix')}")
    return code
