"""A course, or a project, as a request to lock."""

from __future__ import annotations

from envtool.course import Course
from envtool.errors import UsageError
from envtool.lock.channels import channel_url
from envtool.lock.model import SUBDIRS, Target
from envtool.lock.request import LockRequest, checked
from envtool.versions import dotted, kind_of


def request_of(course: Course, *, channels: tuple[str, ...] = (), exclude_newer: str | None = None) -> LockRequest:
    """What to lock for a course; ``channels`` of the command line come in place of its own."""
    from envtool.lock.cutoff import cutoff

    cutoff(exclude_newer)
    for channel in channels or course.channels:
        if channel_url(channel).startswith("file:"):
            raise UsageError(
                f"the channel {channel} is a folder of this machine, which would stand in every lockfile",
                hint=f"read it in place of the public one: --mirror conda-forge={channel}",
            )
    capability = course.gpu.compute_capability
    subdirs = tuple(one for one in course.platforms if one in SUBDIRS)
    return checked(LockRequest(
        course.name, course.python, course.torch, course.packages, course.conda_packages, course.pip_packages,
        course.pip_names, subdirs, tuple(v for v in course.variants if kind_of(v) in {"cpu", "cuda"}),
        channels or course.channels, course.gpu.driver, dotted(capability) if capability else None, exclude_newer,
    ))  # fmt: skip


def not_on_conda(course: Course) -> tuple[str, ...]:
    """The variants and the platforms of a course for which conda-forge builds no PyTorch: "rocm", "win-arm64"."""
    variants = (variant for variant in course.variants if kind_of(variant) not in {"cpu", "cuda"})
    return (*variants, *(one for one in course.platforms if one not in SUBDIRS))


def narrowed(request: LockRequest, platforms: tuple[str, ...], variants: tuple[str, ...]) -> tuple[Target, ...]:
    """The targets that ``--platform`` and ``--variant`` leave; UsageError for one that the spec hasn't."""
    for option, given, known in (
        ("--platform", platforms, request.subdirs),
        ("--variant", variants, request.variants),
    ):
        for one in given:
            if one not in known:
                key = "platforms" if option == "--platform" else "variants"
                raise UsageError(
                    f"{option} {one}: the spec has {', '.join(known) or 'none that conda builds'}",
                    hint=f"name one of these, or add it to {key} in the spec",
                )
    return tuple(
        target for target in request.targets
        if (not platforms or target.subdir in platforms) and (not variants or target.variant in variants)
    )  # fmt: skip
