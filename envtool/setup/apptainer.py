"""An Apptainer definition of a course's environment, for clusters. Pure."""

from __future__ import annotations

from envtool.setup.docker import BASE
from envtool.setup.files import SetupFile
from envtool.setup.recipe import Recipe
from envtool.shell import quoted

PATH = "apptainer.def"
COURSE = "/opt/course"
VENV = "/opt/venv"
# What belongs to the machine where the image is built, and to nobody's environment.
_HOST = "unset PYTHONPATH PYTHONHOME PIP_REQUIRE_VIRTUALENV VIRTUAL_ENV CONDA_PREFIX"


def apptainer(recipe: Recipe, base: str | None = None) -> tuple[SetupFile, ...]:
    """The definition."""
    lines = [
        *_head(recipe),
        "Bootstrap: docker",
        f"From: {base or BASE.format(python=recipe.python)}",
        "",
        "%labels",
        f"    course {template_free(recipe.name)}",
        f"    variant {recipe.variant}",
        "",
        *_post(recipe),
        *_run_time(recipe),
        *_help(recipe),
    ]
    return (SetupFile(PATH, "\n".join(lines) + "\n"),)


def _head(recipe: Recipe) -> list[str]:
    lines = [
        f"# The environment of {template_free(recipe.name)} for Apptainer."
        f" Written by `envtool setup apptainer`{recipe.origin}.",
        "#",
        f"#     apptainer build {recipe.slug}.sif {PATH}",
        f"#     apptainer run --nv {recipe.slug}.sif train.py",
        "#",
    ]  # fmt: skip
    if recipe.variant == "cpu":
        lines.append("# It holds the CPU build of PyTorch, and --nv changes nothing. For GPUs: --variant cuda.")
    else:
        lines += [
            f"# It holds PyTorch for {recipe.variant}: --nv brings in the node's NVIDIA driver"
            + (f", which must be {recipe.driver} or newer." if recipe.driver else "."),
            "# Without a GPU it computes on the CPU.",
        ]
    return [*lines, "# Build it where there is internet and room in $APPTAINER_TMPDIR; no root is needed.", ""]


def _post(recipe: Recipe) -> list[str]:
    files = [f"    {path} {COURSE}/{path}" for path in recipe.files]
    install = recipe.install(VENV, variant=recipe.locked_variant, folder=f"{COURSE}/")
    if recipe.course.editable and recipe.lock is None:
        install += " --no-project"
    return [
        *(["%files", *files, ""] if files else []),
        "%post",
        "    set -eu",
        f"    {_HOST}",
        "    export HOME=/root PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy",
        "    python3 -m venv /opt/envtool",
        f"    /opt/envtool/bin/pip install --disable-pip-version-check {_word(recipe.envtool)}",
        f"    /opt/envtool/bin/{install}",
        "    chmod -R a+rX /opt",
        "",
    ]


def _word(text: str) -> str:
    """A word of the shell that Apptainer takes for no variable of its own, {{ NAME }}."""
    return quoted(text, "posix").replace("{{", "{''{")


def template_free(text: str) -> str:
    """A text in which Apptainer finds no variable of its own, {{ NAME }}."""
    return text.replace("{{", "{ {")


def _run_time(recipe: Recipe) -> list[str]:
    return [
        "%environment",
        "    # The host's own Python settings and the packages in your home folder stay outside.",
        f"    {_HOST}",
        "    export PYTHONNOUSERSITE=1",
        f"    export VIRTUAL_ENV={VENV}",
        f"    export PATH={VENV}/bin:/opt/envtool/bin:$PATH",
        *_code(recipe),
        "",
        "%test",
        "    # The image's test: one that can't compute is not made. Later, on a node: apptainer test.",
        f"    /opt/envtool/bin/envtool smoke --quick --device cpu --python {VENV}",
        "",
        "%runscript",
        f'    exec {VENV}/bin/python "$@"',
        "",
    ]


def _code(recipe: Recipe) -> list[str]:
    """The course's own folders are found where the program is started: a change in them needs no new image."""
    if not recipe.course.editable:
        return []
    folders = [f"$PWD/{folder}" if folder != "." else "$PWD" for folder in recipe.course.editable]
    paths = ":".join(f"{folder}/src:{folder}" for folder in folders)
    return [
        "    # The course's own code is not in the image. It is taken from the folder that you are in.",
        f'    export PYTHONPATH="{paths}"',
    ]


def _help(recipe: Recipe) -> list[str]:
    name = template_free(recipe.name)
    return [
        "%help",
        f"    The environment of {name}: Python {recipe.python}, PyTorch for {recipe.variant}.",
        "",
        f"        apptainer run --nv {recipe.slug}.sif train.py                 a program",
        f"        apptainer exec --nv {recipe.slug}.sif envtool doctor          what is wrong",
        f"        apptainer exec --nv {recipe.slug}.sif envtool smoke --quick --device cuda",
    ]  # fmt: skip
