"""A course's notebook for Kaggle, and the metadata that `kaggle kernels push` reads. Pure."""

from __future__ import annotations

import json
import re

from envtool import REQUIREMENT
from envtool.course import Course
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.setup.files import SetupFile
from envtool.setup.notebook import notebook
from envtool.setup.notebook_cells import Place, Wishes, cells

NOTEBOOK = "kaggle.ipynb"
METADATA = "kernel-metadata.json"
CHANGE_ME = "CHANGE_ME"
LONGEST = 50  # characters of a title
KAGGLE = Place(
    name="Kaggle",
    restart="Restart the session, in the menu Run",
    reset="Stop the session and start it again",
    gpu="this Kaggle session has no GPU. Choose Settings, Accelerator, and a GPU T4.",
    switch="choose Settings, Accelerator, and a GPU T4",
)


@dataclass(frozen=True, eq=False, repr=False)
class Kaggle(Fact):
    """What the options say."""

    gpu: str | None = "NvidiaTeslaT4"
    user: str | None = None  # one's name on Kaggle
    repository: str | None = None
    branch: str = "main"
    datasets: tuple[str, ...] = ()
    competitions: tuple[str, ...] = ()
    public: bool = False
    source: str = REQUIREMENT


def checked_user(text: str) -> str:
    """A name on Kaggle, as it stands in the addresses there."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", text):
        raise UsageError(f"--user: {text!r} is no name on Kaggle", hint="take the one in kaggle.com/YOUR-NAME")
    return text


def checked_dataset(text: str) -> str:
    """A data set on Kaggle."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9][A-Za-z0-9_-]{0,99}", text):
        raise UsageError(f"--dataset: {text!r} is no data set", hint="write it as in --dataset OWNER/NAME")
    return text


def checked_competition(text: str) -> str:
    """A competition on Kaggle."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", text):
        raise UsageError(f"--competition: {text!r} is no competition", hint="write it as in --competition titanic")
    return text


def title(course: Course) -> str:
    """A title whose address on Kaggle is the title itself: small letters, digits and hyphens, five to fifty of them."""
    plain = re.sub(r"[^a-z0-9]+", "-", course.name.lower()).strip("-")[:LONGEST].strip("-")
    return plain if len(plain) >= 5 else "-".join(part for part in (plain, "notebook") if part)


def kaggle(course: Course, wanted: Kaggle) -> tuple[SetupFile, ...]:
    """The notebook and its metadata."""
    wishes = Wishes(wanted.gpu, wanted.repository, wanted.branch, wanted.source)
    inside = {
        "kaggle": {
            "accelerator": _accelerator(wanted.gpu),
            "dataSources": [],
            "isGpuEnabled": wanted.gpu is not None,
            "isInternetEnabled": True,
            "language": "python",
            "sourceType": "notebook",
        }
    }
    text = notebook(cells(course, KAGGLE, wishes), inside)
    return (SetupFile(NOTEBOOK, text), SetupFile(METADATA, _metadata(course, wanted)))


def _accelerator(gpu: str | None) -> str:
    return gpu[:1].lower() + gpu[1:] if gpu else "none"


def _metadata(course: Course, wanted: Kaggle) -> str:
    name = title(course)
    fields: dict[str, object] = {
        "id": f"{wanted.user or CHANGE_ME}/{name}",
        "title": name,
        "code_file": NOTEBOOK,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": not wanted.public,
        "enable_gpu": wanted.gpu is not None,
        "enable_internet": True,  # pip and git need it
        "dataset_sources": list(wanted.datasets),
        "competition_sources": list(wanted.competitions),
        "kernel_sources": [],
        "model_sources": [],
    }
    if wanted.gpu:
        fields["machine_shape"] = wanted.gpu
    return json.dumps(fields, indent=2) + "\n"
