"""What the targets for containers and CI have in common: their options, and the recipe that these make."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from envtool import REQUIREMENT
from envtool.cli.pick import NoPlanError
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass

if TYPE_CHECKING:
    from envtool.catalog import Catalog
    from envtool.cli.setup_locked import Held
    from envtool.cli.spec_option import Spec
    from envtool.course import Course
    from envtool.plan import NoPlan
    from envtool.setup.recipe import Recipe

F = TypeVar("F", bound=Callable[..., object])

LOCKFILE = "lockfiles/pixi.lock"


@dataclass(frozen=True, eq=False, repr=False)
class Asked(Fact):
    """The options of these targets."""

    spec: str | None
    no_spec: bool
    name: str | None
    output: str | None
    envtool: str = REQUIREMENT
    lock: str | None = None
    no_lock: bool = False


def envtool_option(function: F) -> F:
    """``--envtool``, as the argument ``source``."""
    return click.option(
        "--envtool", "source", metavar="SPEC", default=REQUIREMENT,
        help="What pip installs envtool from: a requirement or a URL. Default: envtool, 0.9 or newer.",
    )(function)  # fmt: skip


def lock_options(function: F) -> F:
    """``--lock`` and ``--no-lock``."""
    named = click.option(
        "--lock", metavar="FILE", help=f"Install what this lockfile holds. Default: {LOCKFILE}, where it is there."
    )
    return named(click.option("--no-lock", is_flag=True, help="Install what the spec says, and no lockfile.")(function))


def image_options(function: F) -> F:
    """``--base``, ``--python`` and ``--variant``, of an image."""
    for option in reversed((
        click.option("--base", metavar="IMAGE", help="The image to begin with, by tag or IMAGE@sha256:…; has Python."),
        click.option("--python", metavar="VERSION", help="Its Python. Default: the newest that fits the course."),
        click.option("--variant", metavar="NAME", help="cpu, cuda, or one such as cu126. Default: cpu."),
    )):  # fmt: skip
        function = option(function)
    return function


def ci_options(function: F) -> F:
    """``--python``, repeatable, as the argument ``pythons``."""
    return click.option(
        "--python", "pythons", metavar="VERSION", multiple=True,
        help="With this Python; repeatable. Default: the oldest and the newest of the course.",
    )(function)  # fmt: skip


# ── the course and its files ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, repr=False)
class Subject(Fact):
    """The course, and its files as they are called from the folder that is set up."""

    course: Course
    spec: str | None
    lock: str | None
    envtool: str
    held: tuple[Held, ...] | None = None  # what the lockfile holds, where that can be told


def subject_of(asked: Asked, *, may_be_path: bool, several: bool = False) -> Subject:
    """The course and its files; UsageError where one lies outside of the folder that is set up.

    ``several``: the target has several files, and so --output names a folder.
    """
    from envtool.cli.setup import course_of
    from envtool.cli.setup_locked import held_in

    course, found = course_of(asked.spec, asked.no_spec, asked.name)
    root = os.path.abspath(folder_of(asked.output, several=several) or os.getcwd())
    found_lock = _lockfile(asked, found)
    lock = _below(found_lock, root, "--lock") if found_lock is not None else None
    spec = _below(found.path, root, "--spec") if found is not None else None
    _refuse_folders(course, found, root)
    held = held_in(found_lock, lock) if found_lock is not None and lock is not None else None
    return Subject(course, spec, lock, _source(asked.envtool, lock is not None, may_be_path=may_be_path), held)


def _lockfile(asked: Asked, found: Spec | None) -> str | None:
    """The lockfile to install: the one that is named, else the one beside the spec."""
    if asked.lock is not None:
        if asked.no_lock:
            raise click.UsageError("--lock and --no-lock can't be used together")
        if not os.path.isfile(asked.lock):
            raise UsageError(f"--lock {asked.lock}: there is no such file", hint="run `envtool lock`, which makes one")
        return asked.lock
    if found is None or asked.no_lock:
        return None
    path = os.path.join(os.path.dirname(found.path), *LOCKFILE.split("/"))
    if not os.path.isfile(path):
        return None
    note(f"using {LOCKFILE}")
    return path


def folder_of(output: str | None, *, several: bool = False) -> str | None:
    """The folder that --output names, which is then the one that is set up; None where it names a file or nothing."""
    if output is None:
        return None
    return output if several or os.path.isdir(output) or output.endswith(("/", os.sep)) else None


def _below(path: str, root: str, option: str) -> str:
    from envtool.setup.recipe import plain_path

    try:
        relative = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
    except ValueError:  # another drive
        relative = os.path.abspath(path)
    return plain_path(relative.replace(os.sep, "/"), option)


def _refuse_folders(course: Course, found: Spec | None, root: str) -> None:
    """Folders to install must have names that can be written, and lie where the spec says from this folder, too."""
    from envtool.setup.recipe import plain_path

    if found is None or not course.editable:
        return
    for folder in course.editable:
        plain_path(folder, "[pip] editable")
    if os.path.realpath(os.path.dirname(os.path.abspath(found.path))) != os.path.realpath(root):
        hint = f"run this in {os.path.dirname(found.path) or '.'}"
        raise UsageError("the folders of [pip] editable are beside the spec, and so this is set up there", hint=hint)


def _source(text: str, locked: bool, *, may_be_path: bool) -> str:
    """What pip installs envtool from, with the extras that the work needs."""
    from envtool.scaffold.names import checked_source

    checked = checked_source(text)
    is_path = "://" not in text and not text.startswith("envtool")
    if is_path and not may_be_path:
        raise UsageError(f"--envtool {text} is a path, which is not in the image", hint="name a version or a URL")
    return checked.replace("{extras}", "[install,lock]" if locked else "[install]")


# ── the recipe ───────────────────────────────────────────────────────────────────────────────────


def recipe_of(subject: Subject, python: str | None, variant: str | None) -> Recipe:
    """The recipe of an image on Linux; NoPlanError where there is no build."""
    from envtool.catalog import load
    from envtool.setup.builds import cuda_variant, left_out
    from envtool.setup.recipe import Recipe, checked_python, is_variant, newest

    if variant is not None and not is_variant(variant):
        raise UsageError(f"--variant {variant}: there is no such one here", hint="take cpu, cuda, or one such as cu126")
    catalog = load()
    course, subdir = subject.course, linux_of(subject.course)
    if subject.held is not None:
        return _locked_recipe(subject, subdir, checked_python(python) if python else None, variant)
    version = (
        checked_python(python)
        if python is not None
        else newest(pythons_with_a_plan(course, subdir, "cpu", catalog), course)
    )
    if variant is None:
        variant = "cpu" if "cpu" in course.variants else course.variants[0]
    cuda = cuda_variant(course, subdir, version, catalog) if has_cuda(course) or variant == "cuda" else None
    if variant == "cuda":
        if cuda is None:
            raise NoPlanError("no CUDA build fits the course's GPUs", hint="see `envtool pick --explain`")
        variant = cuda
    if not is_variant(variant):
        raise UsageError(f"the course's variant {variant} can't be set up here", hint="name --variant cpu or cuda")
    _refuse_without_plan(course, subdir, version, variant, catalog)
    why = left_out(course, (subdir, version), variant, catalog)
    if why is not None:
        note(f"warning: not for every GPU that [gpu] in envtool.toml promises to serve: {why}")
    gpu = variant if variant != "cpu" else cuda
    driver = catalog.driver_floor(gpu, "linux") if gpu is not None else None
    return Recipe(course, subject.spec, version, variant, subject.envtool, subject.lock, driver, cuda)


def _locked_recipe(subject: Subject, subdir: str, python: str | None, variant: str | None) -> Recipe:
    """The recipe of an image that holds what is locked: Python, build and driver are the lockfile's."""
    from envtool.catalog import load
    from envtool.cli.setup_locked import gpu_of, held_variant
    from envtool.setup.recipe import Recipe

    assert subject.held is not None
    chosen = held_variant(subject.held, subdir, variant)
    cuda, driver = gpu_of(subject.held, subdir, load())
    version = python or _envtools_python(chosen.python)
    return Recipe(subject.course, subject.spec, version, chosen.shown, subject.envtool, subject.lock, driver, cuda)


def _envtools_python(locked: str) -> str:
    """The Python of an image or a job: the lockfile's, where envtool itself runs on it."""
    from envtool.setup.builds import OLDEST
    from envtool.versions import dotted, numbers

    return locked if numbers(locked) >= OLDEST else dotted(OLDEST)


def linux_of(course: Course) -> str:
    """The course's platform for images; UsageError where there is none."""
    for subdir in ("linux-64", "linux-aarch64"):
        if subdir in course.platforms:
            return subdir
    raise UsageError("the course has no platform for an image", hint='add "linux-64" to platforms in envtool.toml')


def has_cuda(course: Course) -> bool:
    """Is the course made for NVIDIA GPUs, too?"""
    return any(variant.startswith("cu") for variant in course.variants)


def pythons_with_a_plan(course: Course, subdir: str, variant: str, catalog: Catalog) -> tuple[str, ...]:
    """The Pythons that the course can be set up with, the oldest first; NoPlanError where there is none."""
    from envtool.setup.builds import allowed, pythons

    there = pythons(course, subdir, variant, catalog)
    if there:
        return there
    in_range = allowed(course, subdir, catalog)
    if in_range:
        _refuse_without_plan(course, subdir, in_range[-1], variant, catalog)
    message = f"no Python from 3.10 on, which envtool needs, suits python = {course.python!r}"
    raise NoPlanError(message, hint="allow a newer one in envtool.toml")


def ci_recipe(
    subject: Subject, named: tuple[str, ...], platforms: tuple[str, ...], known: tuple[str, ...]
) -> tuple[Recipe, dict[str, tuple[str, ...]]]:
    """The recipe of a CI job, which is for the CPU, and the Pythons to try by platform."""
    from envtool.catalog import load
    from envtool.setup.recipe import Recipe

    unknown = [subdir for subdir in platforms if subdir not in known]
    if unknown:
        raise UsageError(f"there is no runner for {unknown[0]}", hint=f"name a --platform of {', '.join(known)}")
    catalog = load()
    wanted = _locked_platforms(subject, platforms)
    found = {subdir: _pythons_of(subject, named, subdir, catalog) for subdir in wanted}
    found = {subdir: pythons for subdir, pythons in found.items() if pythons}
    newest_of_all = next(iter(found.values()))[-1]
    return Recipe(subject.course, subject.spec, newest_of_all, "cpu", subject.envtool, subject.lock), found


def _locked_platforms(subject: Subject, platforms: tuple[str, ...]) -> tuple[str, ...]:
    """The platforms, each once, without those that the lockfile holds nothing for, which are named."""
    from envtool.cli.setup_locked import HINT

    there = tuple(dict.fromkeys(platforms))
    if subject.held is None:
        return there
    locked = {one.subdir for one in subject.held}
    out = [subdir for subdir in there if subdir not in locked]
    if len(out) == len(there):
        raise UsageError(f"the lockfile holds nothing for {', '.join(there)}", hint=HINT)
    if out:
        note(f"note: left out, as the lockfile holds nothing for it: {', '.join(out)}")
    return tuple(subdir for subdir in there if subdir in locked)


def _pythons_of(subject: Subject, named: tuple[str, ...], subdir: str, catalog: Catalog) -> tuple[str, ...]:
    """The Pythons to try on a platform: those named, else the oldest and the newest; a lockfile has one of its own."""
    from envtool.cli.setup_locked import held_variant
    from envtool.setup.recipe import checked_python, newest

    course = subject.course
    if named and subject.held is not None:
        return tuple(dict.fromkeys(map(checked_python, named)))
    if named:
        for version in map(checked_python, named):
            _refuse_without_plan(course, subdir, version, "cpu", catalog)
        return tuple(dict.fromkeys(named))
    if subject.held is not None:
        return (_envtools_python(held_variant(subject.held, subdir, None).python),)
    there = pythons_with_a_plan(course, subdir, "cpu", catalog)
    last = newest(there, course)
    return (last,) if subject.lock is not None or not course.python else tuple(dict.fromkeys((there[0], last)))


def _refuse_without_plan(course: Course, subdir: str, python: str, variant: str, catalog: Catalog) -> None:
    from envtool.plan import NoPlan
    from envtool.setup.builds import plan_for

    answer = plan_for(course, subdir, python, variant, catalog)
    if isinstance(answer, NoPlan):
        raise no_plan(answer, f"{subdir}, Python {python}, {variant}")


def no_plan(answer: NoPlan, where: str) -> NoPlanError:
    """The refusal, with the place it is about."""
    return NoPlanError(f"no build fits {where}: {answer.message}", kind=answer.error_kind, hint=answer.hint)


def note(text: str) -> None:
    """A hint on stderr."""
    print(text, file=sys.stderr)
