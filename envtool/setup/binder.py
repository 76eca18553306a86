"""The files by which Binder makes a course's environment: repo2docker reads them from the folder .binder. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from envtool.course import Course
from envtool.course.belongings import plain_name
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.plan.answers import Plan
from envtool.setup.files import SetupFile

FOLDER = ".binder"
_BADGE = "https://mybinder.org/badge_logo.svg"
_HEAD = """\
# The environment on Binder, made by pip and without envtool. Binder has no GPU and {memory} GB of memory:
# these are PyTorch's CPU builds. Written by `envtool setup binder`{origin}; run it again after a change there.
"""
_POST_BUILD = """\
#!/bin/bash
# The image is good if torch computes, and if it is the CPU build: one for CUDA is several times as large.
set -euo pipefail
python - <<'END'
import torch

assert torch.version.cuda is None, f"torch {torch.__version__} is built for CUDA"
assert float(torch.ones(8).sum()) == 8
print("torch", torch.__version__, "computes on the CPU")
END
"""
_START = """\
#!/bin/bash
# There is no GPU on Binder: this goes before the line that names the device.
export DEVICE=cpu
exec "$@"
"""


@dataclass(frozen=True, eq=False, repr=False)
class Estimate(Fact):
    """What the environment takes, as far as it was measured."""

    disk_mb: int
    unknown: tuple[str, ...]  # packages that nobody measured
    memory_mib: int  # a session in which a small network learns
    limit_mib: int


def binder(course: Course, plan: Plan, python: str, facts: Mapping[str, Any], *, spec: bool) -> tuple[SetupFile, ...]:
    """What repo2docker reads. ``python``: "3.12"; ``spec``: there is an envtool.toml to come back to."""
    memory = f"{facts['memory-mib'] / 1024:g}"
    origin = " from envtool.toml" if spec else ""
    lines = [
        _HEAD.format(memory=memory, origin=origin).rstrip("\n"),
        *([f"--extra-index-url {plan.index_url}"] if plan.index_url else []),
        *(f"{pin.package}=={pin.full}" for pin in plan.pins),
        *plan.constraints,
        *_extras(course, plan),
        *(f"-e {folder}" if folder == "." else f"-e ./{folder}" for folder in map(_folder, course.editable)),
    ]
    return (
        SetupFile(f"{FOLDER}/requirements.txt", "\n".join(lines) + "\n"),
        SetupFile(f"{FOLDER}/runtime.txt", f"python-{python}\n"),
        SetupFile(f"{FOLDER}/postBuild", _POST_BUILD),
        SetupFile(f"{FOLDER}/start", _START),
        SetupFile(f"{FOLDER}/.gitattributes", "* text eol=lf\n"),
    )


def _extras(course: Course, plan: Plan) -> list[str]:
    """The other packages; what a constraint of the plan says of one of them is said there."""
    from packaging.requirements import InvalidRequirement, Requirement

    found = []
    for text in course.requirements():
        try:
            found.append(str(Requirement(text)))
        except InvalidRequirement:
            raise UsageError(
                f"{text!r} is not a requirement", hint="write it as in 'torchinfo' or 'pandas>=2'"
            ) from None
    held = {plain_name(text) for text in plan.constraints}
    return [text for text in found if not (plain_name(text) in held and plain_name(text) == text)]


def _folder(text: str) -> str:
    if not text.isprintable() or any(c in text for c in " \"'\\#$"):
        hint = "rename it, or install it in .binder/postBuild"
        raise UsageError(f"{text!r} can't stand in a requirements file", hint=hint)
    return text.removeprefix("./")


def estimate(course: Course, facts: Mapping[str, Any]) -> Estimate:
    """What that takes on the disk and in memory."""
    sizes = facts["disk-mb"]
    names = dict.fromkeys(map(plain_name, (*course.torch, "numpy", *course.requirements())))
    used = facts["memory-used-mib"]
    memory = used["server"] + used["kernel"] + used["training"]
    unknown = tuple(name for name in names if name not in sizes)
    return Estimate(sum(sizes.get(name, 0) for name in names), unknown, memory, facts["memory-mib"])


def address(repository: str, branch: str, notebook: str | None) -> str:
    """What starts the repository on mybinder.org."""
    base = f"https://mybinder.org/v2/gh/{quote(repository)}/{quote(branch, safe='')}"
    return f"{base}?labpath={quote(notebook, safe='')}" if notebook else base


def markdown_badge(repository: str, branch: str, notebook: str | None) -> str:
    """The badge that starts it."""
    return f"[![Binder]({_BADGE})]({address(repository, branch, notebook)})"
