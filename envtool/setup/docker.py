"""A Dockerfile of a course's environment, and what stays out of its image. Pure."""

from __future__ import annotations

import re

from envtool.setup.files import SetupFile
from envtool.setup.recipe import PYTORCH_INDEX, Recipe

BASE = "python:{python}-slim"
HOME = "/home/student"
COURSE = f"{HOME}/course"
VENV = f"{HOME}/venv"
CACHE = "/var/cache/envtool"

_IGNORED = """\
# What is made anew, or is nobody else's business, and so stays out of the image. Written by `envtool setup docker`.
Dockerfile
.dockerignore
.git
**/.venv
**/.conda
**/.envtool
**/.cache
**/runs
**/__pycache__
**/.ipynb_checkpoints
**/.pytest_cache
**/.ruff_cache
**/*.egg-info

# secrets
**/.env
**/.env.*
**/.netrc
**/.pypirc
**/pip.conf
**/kaggle.json
**/*.pem
**/*.key
**/id_rsa*
**/id_ed25519*
"""


def docker(recipe: Recipe, base: str | None = None) -> tuple[SetupFile, ...]:
    """The Dockerfile and its .dockerignore."""
    parts = (
        _head(recipe),
        [f"FROM {base or BASE.format(python=recipe.python)}", ""],
        _arguments(recipe),
        _user(recipe),
        _envtool(),
        _environment(recipe),
        _course(recipe),
        _test(),
    )
    text = "\n".join(line for part in parts for line in part) + "\n"
    return SetupFile("Dockerfile", text), SetupFile(".dockerignore", _IGNORED)


def _head(recipe: Recipe) -> list[str]:
    lines = [
        f"# The environment of {recipe.name}, in an image. Written by `envtool setup docker`{recipe.origin}.",
        "#",
        f"#     docker build --tag {recipe.slug} .",
        f"#     docker run --rm --interactive --tty {recipe.slug}",
        "#",
    ]
    if recipe.variant != "cpu":
        lines += [
            f"# It holds PyTorch for {recipe.variant}, and computes without a GPU, too. For a GPU add --gpus all:",
            f"# the machine needs the NVIDIA driver{_or_newer(recipe)} and the NVIDIA Container Toolkit, nothing else.",
        ]
    elif recipe.cuda is not None:
        variant = recipe.named(recipe.cuda)
        lines += [
            f"# For NVIDIA GPUs build it with --build-arg VARIANT={variant}, and run it with --gpus all:",
            f"# the machine needs the NVIDIA driver{_or_newer(recipe)} and the NVIDIA Container Toolkit, nothing else.",
        ]
    return [
        *lines,
        "# Data loaders with workers need more shared memory than Docker gives by itself: add --shm-size 1g.",
        "",
    ]


def _or_newer(recipe: Recipe) -> str:
    return f" {recipe.driver} or newer" if recipe.driver else ""


def _arguments(recipe: Recipe) -> list[str]:
    return [
        "# Which PyTorch: cpu, or a CUDA variant as "
        + ("`envtool pick` names it." if recipe.lock is None else "the lockfile names it."),
        f"ARG VARIANT={recipe.locked_variant}",
        "# What pip installs envtool from" + (
            ", and where the builds of PyTorch are." if recipe.lock is None else "."
        ),
        f"ARG ENVTOOL={in_quotes(recipe.envtool)}",
        *([f'ARG PYTORCH_INDEX="{PYTORCH_INDEX}"'] if recipe.lock is None else []),
        "",
    ]  # fmt: skip


def _user(recipe: Recipe) -> list[str]:
    return [
        f"LABEL org.opencontainers.image.title={in_quotes(recipe.name)}",
        "",
        "RUN useradd --create-home --user-group --uid 1000 student \\",
        f"    && install --directory --owner=student --group=student {COURSE}",
        f"WORKDIR {COURSE}",
        f"ENV VIRTUAL_ENV={VENV} \\",
        f"    PATH={VENV}/bin:$PATH \\",
        "    PYTHONUNBUFFERED=1 \\",
        "    NVIDIA_DRIVER_CAPABILITIES=compute,utility",
        "",
    ]


def _envtool() -> list[str]:
    return [
        "# Layers, from what changes least to what changes most. Downloads are kept in a cache beside the image. The",
        "# settings of a private index, where you need one, go in as a secret, of which the image keeps nothing:",
        "#     docker build --secret id=pip.conf,src=$HOME/.config/pip/pip.conf ...",
        f"RUN --mount=type=cache,target={CACHE}/pip \\",
        "    --mount=type=secret,id=pip.conf,target=/etc/pip.conf \\",
        "    python3 -m venv /opt/envtool \\",
        f'    && /opt/envtool/bin/pip install --disable-pip-version-check --cache-dir {CACHE}/pip "$ENVTOOL" \\',
        "    && ln -s /opt/envtool/bin/envtool /usr/local/bin/envtool",
        "",
        "USER 1000",
    ]


def _install(recipe: Recipe, more: str = "") -> list[str]:
    index = ' --pytorch-index-url "$PYTORCH_INDEX"' if recipe.lock is None else ""
    line = recipe.install(VENV, variant='"$VARIANT"') + more + index
    return [
        f"RUN --mount=type=cache,target={CACHE}/uv,uid=1000,gid=1000 \\",
        "    --mount=type=secret,id=pip.conf,target=/etc/pip.conf,uid=1000 \\",
        f"    UV_CACHE_DIR={CACHE}/uv UV_LINK_MODE=copy \\",
        f"    {line}",
    ]


def _environment(recipe: Recipe) -> list[str]:
    more = " --no-project" if recipe.course.editable and recipe.lock is None else ""
    copies = [f"COPY --chown=1000:1000 {path} {_folder(path)}" for path in recipe.files]
    return [*copies, *_install(recipe, more), ""]


def _folder(path: str) -> str:
    return f"./{path.rpartition('/')[0]}/" if "/" in path else "./"


def _course(recipe: Recipe) -> list[str]:
    lines = ["# The course's own files.", "COPY --chown=1000:1000 . ."]
    if recipe.course.editable and recipe.lock is None:
        lines += _install(recipe)
    elif recipe.course.editable:
        folders = " ".join(f"--editable ./{folder}" for folder in recipe.course.editable)
        lines += [
            f"RUN /opt/envtool/bin/pip --python {VENV} install --no-cache-dir --no-deps {folders}",
        ]
    return [*lines, ""]


def _test() -> list[str]:
    return [
        "# The image's test: one that can't compute is not made.",
        f"RUN envtool smoke --quick --device cpu --python {VENV}",
        "",
        'CMD ["bash"]',
    ]


def in_quotes(text: str) -> str:
    """A value of LABEL or ARG that is nothing but that text: no variable in it is looked up."""
    return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'
