"""``envtool setup jupyterhub``."""

from __future__ import annotations

import sys

import click

from envtool.cli.setup import Delivery, course_of, deliver, target_options


@click.command("jupyterhub")
@click.option("--image", metavar="IMAGE", help="The image with the course's environment, with a tag or a digest.")
@click.option("--gpu-image", metavar="IMAGE", help="Another one for the GPU profile.")
@click.option("--cpus", type=click.IntRange(1, 256), default=2, show_default=True, help="CPU cores, without a GPU.")
@click.option("--memory", type=click.IntRange(1, 4096), default=4, show_default=True, help="GiB, without a GPU.")
@click.option("--gpu-cpus", type=click.IntRange(1, 256), default=4, show_default=True, help="CPU cores beside a GPU.")
@click.option("--gpu-memory", type=click.IntRange(1, 4096), default=16, show_default=True, help="GiB beside a GPU.")
@click.option("--gpus", type=click.IntRange(0, 16), default=1, show_default=True, help="GPUs; 0: no such profile.")
@click.option("--node-label", "labels", metavar="KEY=VALUE", multiple=True, help="Of the nodes with GPUs. Repeatable.")
@target_options
def command(
    image: str | None,
    gpu_image: str | None,
    cpus: int,
    memory: int,
    gpu_cpus: int,
    gpu_memory: int,
    gpus: int,
    labels: tuple[str, ...],
    spec: str | None,
    no_spec: bool,
    name: str | None,
    **delivery: str | bool | None,
) -> int:
    """Values for zero-to-jupyterhub: a profile on the CPU and one on a GPU.

    The GPU profile asks for its GPU, sets DEVICE=cuda and may run on the nodes
    that are kept for GPUs; the CPU profile sees no GPU. Both get a /dev/shm
    that a DataLoader with workers needs.
    """
    from envtool.setup.jupyterhub import CHANGE_ME, Hub, checked_image, checked_label, jupyterhub

    course, _ = course_of(spec, no_spec, name)
    wanted = Hub(
        image=checked_image(image) if image is not None else None,
        gpu_image=checked_image(gpu_image) if gpu_image is not None else None,
        cpus=cpus,
        memory=memory,
        gpu_cpus=gpu_cpus,
        gpu_memory=gpu_memory,
        gpus=gpus,
        labels=tuple(checked_label(text) for text in labels),
    )
    how = Delivery(**delivery)  # type: ignore[arg-type]
    code = deliver(jupyterhub(course, wanted), how)
    if not how.stdout and not how.dry_run:
        if wanted.image is None:
            print(f"\nName the image in place of {CHANGE_ME}, or run this again with --image.", file=sys.stderr)
        line = "helm upgrade HUB jupyterhub/jupyterhub --values config.yaml --values jupyterhub-values.yaml"
        print(
            f"\nGive it to Helm beside the hub's own values (here config.yaml; HUB is the release):\n  {line}",
            file=sys.stderr,
        )
    return code
