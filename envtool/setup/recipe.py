"""What is set up in a container or in CI: a course, its Python and builds, and the lines that make it. Pure."""

from __future__ import annotations

import re

from envtool import REQUIREMENT
from envtool.course import Course
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.setup.notebook import one_line
from envtool.shell import quoted

PYTORCH_INDEX = "https://download.pytorch.org/whl"
ENVTOOL = REQUIREMENT.replace("envtool", "envtool[install]", 1)
ENVTOOL_FOR_LOCK = REQUIREMENT.replace("envtool", "envtool[install,lock]", 1)
# A path goes into shell lines, YAML, JSON and Dockerfiles, one in the other: what would need quotes is refused.
_PATH = re.compile(r"[A-Za-z0-9_.@+=][A-Za-z0-9_.@+=,-]*(?:/[A-Za-z0-9_.@+=,-]+)*")


@dataclass(frozen=True, eq=False, repr=False)
class Recipe(Fact):
    """``spec`` and ``lock``: files below the folder that is set up, with "/"; None where there are none.

    ``envtool`` is what pip installs; ``variant`` is "cpu" or a CUDA variant such as "cu126".
    """

    course: Course
    spec: str | None
    python: str  # "3.12"
    variant: str = "cpu"
    envtool: str = ENVTOOL
    lock: str | None = None
    driver: str | None = None  # the least that the variant needs
    cuda: str | None = None  # the CUDA variant to take instead, where the course has one

    @property
    def name(self) -> str:
        """The course's name as one line that can be shown."""
        return one_line(self.course.name) or "course"

    @property
    def slug(self) -> str:
        """The name as an image may bear it."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:60].strip("-") or "course"

    @property
    def origin(self) -> str:
        """What the file was made from, for its first line."""
        return f" from {self.spec}" if self.spec else ""

    @property
    def files(self) -> tuple[str, ...]:
        """What `envtool install` reads."""
        return tuple(path for path in (self.spec, self.lock) if path is not None)

    @property
    def told(self) -> str:
        """What says what the environment is to be, with its verb."""
        words = " and ".join(self.files) or "PyTorch's index"
        return f"{words} {'say' if len(self.files) > 1 else 'says'}"

    @property
    def locked_variant(self) -> str:
        """The variant as the install line names it."""
        return self.named(self.variant)

    def named(self, variant: str) -> str:
        """A variant as the install line names it: a lockfile has them by the course's own names."""
        is_name = self.lock is None or variant == "cpu" or variant in self.course.variants
        return variant if is_name else "cuda"

    def which(self) -> list[str]:
        """The words by which envtool's commands find the spec."""
        if self.spec is None:
            return ["--no-spec"]
        return [] if self.spec == "envtool.toml" else ["--spec", self.spec]

    def install(self, into: str, *, variant: str | None = None, folder: str = "") -> str:
        """The line that makes the environment. ``variant`` is a word of the shell; ``folder`` holds the files."""
        chosen = [] if variant is None else ["--variant", variant]
        if self.lock is not None:
            words = ["envtool", "install", "--lock", quoted(folder + self.lock, "posix"), *chosen]
        else:
            named = [folder + word if word == self.spec else word for word in self.which()]
            if folder and self.spec and not named:
                named = ["--spec", folder + self.spec]
            words = ["envtool", "install", *(quoted(word, "posix") for word in named), *chosen]
        return " ".join([*words, "--into", quoted(into, "posix"), "--no-smoke"])

    def check(self, python: str) -> str:
        """The line that holds an environment against spec and lockfile."""
        locked = ["--lock", self.lock] if self.lock is not None else []
        return " ".join(
            quoted(word, "posix") for word in ["envtool", "check", *self.which(), *locked, "--python", python]
        )


def plain_path(text: str, option: str) -> str:
    """A path that can be written everywhere; UsageError with what is wrong with it."""
    if text.startswith("../") or text == ".." or text.startswith("/") or re.match(r"[A-Za-z]:", text):
        hint = f"run this in the folder that holds {text.rsplit('/', 1)[-1]}, or name that folder with --output"
        raise UsageError(f"{option} {text} is outside of the folder that is set up", hint=hint)
    if not _PATH.fullmatch(text):
        raise UsageError(
            f"{option} {text!r} can't be written into this file", hint="rename it: letters, digits, -, _, ."
        )
    return text


def checked_python(text: str) -> str:
    """A minor version of Python that envtool runs on, as "3.12"."""
    found = re.fullmatch(r"3\.(\d{1,2})", text)
    if found is None:
        raise UsageError(f"--python {text}: this is no version of Python", hint="write it as in --python 3.12")
    if int(found[1]) < 10:
        raise UsageError(f"--python {text}: envtool needs 3.10 or newer", hint="name a newer one")
    return text


def checked_base(text: str) -> str:
    """An image with a tag or a digest: without either it would be another one tomorrow."""
    name = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    host = r"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?/)?"
    tag = r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    if not re.fullmatch(rf"{host}{name}(?:/{name})*{tag}(?:@sha256:[0-9a-f]{{64}})?", text):
        raise UsageError(f"--base {text!r} is no image", hint="write it as in --base python:3.12-slim")
    if ":" not in text.rsplit("/", 1)[-1] or text.endswith(":latest"):
        raise UsageError(f"--base {text}: another image any day", hint="name a tag or a digest: python:3.12-slim")
    return text


# ── Python and builds ────────────────────────────────────────────────────────────────────────────


def is_variant(text: str) -> bool:
    """Is it a variant that these places know?"""
    return re.fullmatch(r"cpu|cuda|cu[1-9][0-9]{2}", text) is not None


def newest(pythons: tuple[str, ...], course: Course) -> str:
    """The one to take of several, oldest first: the newest, and one older where the course doesn't say.

    A Python that is a few weeks old has torch, and few other packages.
    """
    return pythons[-1] if course.python or len(pythons) == 1 else pythons[-2]
