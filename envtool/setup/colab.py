"""A course's notebook for Google Colab, and the lines that open it. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

from envtool import REQUIREMENT
from envtool.course import Course
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.setup.files import SetupFile
from envtool.setup.notebook import notebook
from envtool.setup.notebook_cells import Place, Wishes, cells
from envtool.shell import shell_line

FILE = "colab.ipynb"
COLAB = Place(
    name="Colab",
    restart="Choose Runtime, Restart session",
    reset="Choose Runtime, Disconnect and delete runtime",
    gpu="this Colab runtime has no GPU. Choose Runtime, Change runtime type, and a GPU.",
    switch="choose Runtime, Change runtime type, and a GPU",
)
_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}")


@dataclass(frozen=True, eq=False, repr=False)
class Colab(Fact):
    """What the options say. ``path``: where the notebook lies in the repository."""

    gpu: str | None = "T4"
    repository: str | None = None
    branch: str = "main"
    path: str = FILE
    runtime: str | None = None  # a past version of Colab, as "2026.07"
    source: str = REQUIREMENT


def checked_repository(text: str) -> str:
    """OWNER/NAME, also from the repository's address."""
    plain = re.sub(r"^(https://github\.com/|git@github\.com:)", "", text.strip()).rstrip("/")
    plain = re.sub(r"\.git$", "", plain)
    if not _REPOSITORY.fullmatch(plain) or plain.split("/")[1] in (".", ".."):
        raise UsageError(f"--repo: {text!r} is no repository on GitHub", hint="write it as in --repo OWNER/NAME")
    return plain


def checked_branch(text: str) -> str:
    """A branch or a tag."""
    if not _BRANCH.fullmatch(text) or ".." in text or text.endswith(("/", ".lock")):
        raise UsageError(f"--branch: {text!r} is no name of a branch", hint="write it as in --branch main")
    return text


def checked_path(text: str) -> str:
    """Where a notebook lies in its repository."""
    plain = text.replace("\\", "/")
    bad = not plain.endswith(".ipynb") or plain.startswith("/") or ".." in plain.split("/") or not plain.isprintable()
    if bad:
        raise UsageError(f"--path: {text!r} is no notebook in a repository", hint=f"write it as in --path {FILE}")
    return plain


def colab(course: Course, wanted: Colab) -> tuple[SetupFile, ...]:
    """The notebook."""
    badge = (markdown_badge(wanted),) if wanted.repository else ()
    wishes = Wishes(wanted.gpu, wanted.repository, wanted.branch, wanted.source, badge)
    about: dict[str, object] = {"provenance": [], "toc_visible": True}
    if wanted.gpu:
        about["gpuType"] = wanted.gpu
    if wanted.runtime:
        about["runtime_attributes"] = {"runtime_version": wanted.runtime}
    metadata: dict[str, object] = {"colab": about} | ({"accelerator": "GPU"} if wanted.gpu else {})
    return (SetupFile(FILE, notebook(cells(course, COLAB, wishes), metadata)),)


def address(wanted: Colab) -> str:
    """What opens the notebook from its repository."""
    inside = f"{wanted.repository}/blob/{wanted.branch}/{wanted.path}"
    return f"https://colab.research.google.com/github/{quote(inside)}"


def markdown_badge(wanted: Colab) -> str:
    """The badge that opens the notebook, for a README or a page of the course."""
    return f"[![Open in Colab]({_BADGE})]({address(wanted)})"


def run_line(wanted: Colab, script: str = "train.py") -> str:
    """A script on a Colab machine of its own, from a terminal: Google's google-colab-cli."""
    gpu = ["--gpu", wanted.gpu] if wanted.gpu else []
    device = "cuda" if wanted.gpu else "cpu"
    return shell_line(["colab", "run", *gpu, "--timeout", "3600", "--env", f"DEVICE={device}", script], "posix")
