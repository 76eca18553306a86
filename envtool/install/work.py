"""The work itself: solve, announce, check the room, change, and make sure of what came of it."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from envtool.errors import ToolError
from envtool.fact import Fact
from envtool.install import space
from envtool.install.ask import trouble, with_sizes
from envtool.install.failures import InstallError, explained, needed_by
from envtool.install.installed import read_installed
from envtool.install.order import Command, Package, Question, is_same, without_secrets
from envtool.install.pip import LOOKS_ONLY, Pip, version_of
from envtool.install.place import Place, python_in
from envtool.install.tool import Ran, run
from envtool.install.transaction import Transaction, transaction
from envtool.install.uv import Uv
from envtool.spec import FAMILY

Tell = Callable[[str], None]
_SYSTEMS_CERTIFICATES = {"UV_SYSTEM_CERTS", "UV_NATIVE_TLS"}  # the second is how uv called it before
_MIRROR = "or name a mirror that has it, with --index-url, or a folder of wheels, with --find-links"
_IN_DOUBT = {"not-there", "no-wheel", "unknown", "missing", "password"}


@dataclass(frozen=True, eq=False, repr=False)
class Job(Fact):
    """One environment, and what it shall hold. ``base``: the Python that a new one is made from."""

    place: Place
    base: str
    tool: Uv | Pip
    question: Question
    site_packages: str | None


@dataclass(frozen=True, eq=False, repr=False)
class Result(Fact):
    """What was done, or would be. ``before``: the versions that were there; ``commands``: the steps, to be shown."""

    packages: tuple[Package, ...]
    size: space.Size
    commands: tuple[Command, ...]


# ── solving ──────────────────────────────────────────────────────────────────────────────────────


def solve(tool: Uv | Pip, question: Question, folder: str, tell: Tell, held: int | None = None) -> tuple[Package, ...]:
    """Every package that has to be laid down; InstallError where there is no solution or no answer."""
    if isinstance(tool, Uv):
        _run(tool, tool.solve(question, folder), question, held, doing="working out the packages")
        found = tool.differences(question, folder)
    else:
        loud = _fetches_all(question)
        if loud:
            tell(
                "This pip is older than 25.2: it fetches everything to work it out, of a size that is not known before."
            )
        command = tool.solve(question, folder, loud=loud)
        _run(tool, command, question, held, doing="working out the packages", show=loud)
        found = tool.solved(question, folder)
        found += _forced(tool, question, folder, {package.name for package in found}, held)
        _from_the_right_index(tool, question, folder, found, held)
    return with_sizes(found, question.sources.certificates)


def _fetches_all(question: Question) -> bool:
    version = version_of(question.python) if not question.sources.offline else None
    return version is not None and version < LOOKS_ONLY


def _forced(tool: Pip, question: Question, folder: str, known: set[str], held: int | None) -> tuple[Package, ...]:
    """What pip takes for installed, and is to be laid down again all the same."""
    names = sorted(question.force - known)
    if not names:
        return ()
    pins = {pin.package: pin.full for pin in question.plan.pins}
    versions = {name: pins.get(name) or question.installed[name] for name in names}
    wanted = tuple(f"{name}=={version}" for name, version in versions.items())
    _run(tool, tool.again(question, folder, wanted), question, held, doing="working out the packages")
    return tool.solved(question, folder)


def _from_the_right_index(
    tool: Pip, question: Question, folder: str, found: tuple[Package, ...], held: int | None
) -> None:
    """pip takes one version from either of two indexes: a plan's build must not be PyPI's of the same name."""
    index = question.sources.torch_index(question.plan)
    plain = {pin.package: pin.full for pin in question.plan.pins if pin.local is None}
    pins = {p.name: p for p in found if p.name in plain}
    if index is None or not pins:
        return
    alone = replace(question, sources=replace(question.sources, index_url=index, pytorch_index_url=None))
    wanted = tuple(f"{name}==={plain[name]}" for name in sorted(pins))
    _run(tool, tool.again(alone, folder, wanted), alone, held, doing="working out the packages")
    wrong = next((p for p in tool.solved(alone, folder) if p.sha256 != pins[p.name].sha256), None)
    if wrong is not None:
        message = f"pip would take {wrong.name} {wrong.version} from another index than {without_secrets(index)}"
        raise ToolError(message, hint="install uv, which can tell them apart: `pip install uv`")


def _run(
    tool: Uv | Pip, command: Command, question: Question, held: int | None, *, doing: str, show: bool = False
) -> Ran:
    ran = run(command, show=show, held=held)
    if ran.code == 0:
        return ran
    error = explained(ran, tool.name, doing=doing)
    if error.name == "certificate" and isinstance(tool, Uv) and not _SYSTEMS_CERTIFICATES & os.environ.keys():
        # pip and browsers trust what this system trusts; uv does where it is told to, from here on
        os.environ.update(dict.fromkeys(_SYSTEMS_CERTIFICATES, "1"))
        return _run(tool, command, question, held, doing=doing, show=show)
    if error.name in _IN_DOUBT and not question.sources.offline:
        asked = trouble(_indexes(question), question.sources.certificates)
        if asked:
            other = explained(Ran(1, asked), tool.name, doing=doing)
            if other.name != "unknown":
                error = other.told(details=error.details)
    if show:  # the tool's words have been read already
        error = error.told(details=())
    raise _with_way_on(error, question)


def _indexes(question: Question) -> list[str]:
    sources = question.sources
    named = [sources.torch_index(question.plan), sources.index_url]
    return [url for url in named if url]


def _with_way_on(error: InstallError, question: Question) -> InstallError:
    """Where a folder of wheels lacks what is wanted, say what it has."""
    if not question.sources.offline or error.name not in {"not-there", "no-wheel"}:
        if error.name != "not-there":
            return error
        places = " or ".join(map(without_secrets, _indexes(question))) or "the package index"
        message = error.message.replace("from there", f"from {places}")
        package = error.message.split(" is not")[0]
        if re.split(r"[=<>~! ]", package)[0] in (*FAMILY, "a"):
            return error.told(message=message)
        return error.told(message=message, hint=f"look at its name and version; {_MIRROR}")
    there = [name for folder in question.sources.find_links for name in _torches(folder)]
    pin = question.plan.pins[0]
    folders = ", ".join(question.sources.find_links)
    missing = re.split(r"[=<>~! ]", error.message)[0]
    wanted_by = needed_by(error.said, missing)
    if error.name == "not-there" and wanted_by is not None:
        hint = (
            "add `--index-url URL` with an index that has it, or fill the folder where there is a network:"
            " `envtool install --download DIR`"
        )
        return error.told(message=f"{folders} has no {missing}, which {wanted_by} needs", hint=hint)
    message = f"{folders} holds no {_what(error, question)}"
    hint = "fill it with `envtool install --download DIR` for this machine, where there is a network"
    if there and f"torch-{pin.full}" not in " ".join(there):
        version = there[-1].split("-")[1]
        words = [f"torch=={version}", *(name for name in FAMILY[1:] if _holds(question, name))]
        hint = f"ask for the torch that is there: `envtool install {' '.join(words)}`"
    return error.told(message=message, hint=hint, details=(*there, *error.details))


def _what(error: InstallError, question: Question) -> str:
    words = error.message.split(" is not")[0].split(" has no")[0]
    return f"{words} for Python {'.'.join(question.python_version.split('.')[:2])}"


def _holds(question: Question, package: str) -> bool:
    """Is that companion asked for, and in a folder of wheels?"""
    folders = question.sources.find_links
    asked = any(pin.package == package for pin in question.plan.pins)
    return asked and any(_wheels(folder, rf"{package}-[\d.]+") for folder in folders)


def _torches(folder: str) -> list[str]:
    return _wheels(folder, r"torch-[\d.]+")


def _wheels(folder: str, pattern: str) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(name for name in os.listdir(folder) if re.match(pattern, name))
    return []


# ── installing ───────────────────────────────────────────────────────────────────────────────────


def install(job: Job, tell: Tell) -> Result:
    """Make or change the environment, as a whole or not at all."""
    with transaction(job.place.path, tell) as change, _folder() as folder:
        steps: tuple[Command, ...] = ()
        if not job.place.there:
            change.begin_making()
            steps = _make(job, job.place.path, change.held)
        tell(f"Working out the packages with {job.tool.name} ...")
        packages = solve(job.tool, job.question, folder, tell, change.held)
        size = space.size_of(packages)
        if packages:
            steps += (_lay_down(job, packages, size, folder, change, tell),)
        change.done()
    return Result(packages, size, steps)


def _make(job: Job, path: str, held: int | None) -> tuple[Command, ...]:
    steps = job.tool.make(path, job.base, job.question.sources)
    for step in steps:
        _run(job.tool, step, job.question, held, doing=f"making {job.place.shown}")
    if isinstance(job.tool, Pip) and not job.question.sources.offline:
        version = version_of(python_in(path))
        if version is not None and version < LOOKS_ONLY:
            update = job.tool.update(python_in(path), job.question.sources)
            run(update, show=False, held=held)  # where it can't be had, this one does
    return steps


def _lay_down(
    job: Job, packages: tuple[Package, ...], size: space.Size, folder: str, change: Transaction, tell: Tell
) -> Command:
    command = job.tool.install(job.question, packages, folder)
    missing = _to_fetch(job, command, packages)
    tell(_announcement(size, missing, job))
    space.check_room(size, job.place.path, _stores(job), fetch=missing != 0)
    if job.place.there:
        change.protect()
    _run(job.tool, command, job.question, change.held, doing="the installation", show=True)
    _make_sure(job, packages)
    return command


def _announcement(size: space.Size, missing: int | None, job: Job) -> str:
    import shutil

    if job.question.sources.offline:
        return f"From {', '.join(job.question.sources.find_links)}: {size}."
    if missing == 0:
        packages = "the one package is" if size.packages == 1 else f"all {size.packages} packages are"
        return f"Nothing to download: {packages} in uv's cache."
    free = space.readable(shutil.disk_usage(os.path.dirname(job.place.path)).free)
    cached = size.packages - missing if missing is not None else 0
    are = "is" if cached == 1 else "are"
    less = f", less {cached} that {are} in uv's cache" if cached > 0 else ""
    return f"To download: {size}{less}. {free} are free on this disk."


def _to_fetch(job: Job, command: Command, packages: tuple[Package, ...]) -> int | None:
    """How many packages are not in uv's cache; None where nobody tells."""
    if not isinstance(job.tool, Uv):
        return None
    ran = run(replace(command, words=(*command.words, "--dry-run")), show=False)
    if ran.code != 0:
        return None
    found = re.search(r"Would download (\d+) package", ran.said)
    return int(found[1]) if found else 0


def _stores(job: Job) -> tuple[str, ...]:
    """Where the downloads lie before they are unpacked."""
    if not isinstance(job.tool, Uv):
        return (tempfile.gettempdir(),)
    ran = run(Command((job.tool.program, "cache", "dir"), {}, ()), show=False)
    return (ran.said.strip().splitlines()[-1],) if ran.code == 0 and ran.said.strip() else ()


def _make_sure(job: Job, packages: tuple[Package, ...]) -> None:
    """The tool said that all went well; the folder has to say so, too."""
    there = read_installed(job.site_packages or site_packages_of(job.place.path))
    wrong = [p for p in packages if p.name not in there or not (p.direct or is_same(there[p.name].version, p.version))]
    if wrong:
        names = ", ".join(f"{p.name} {p.version}" for p in wrong[:4])
        raise ToolError(
            f"{job.tool.name} ended well, but these are not in the environment: {names}",
            hint="try the other tool: `envtool install --installer pip`, or uv",
        )


def site_packages_of(path: str) -> str | None:
    """Where a venv keeps its packages."""
    if os.name == "nt":
        return os.path.join(path, "Lib", "site-packages")
    library = os.path.join(path, "lib")
    names = sorted(os.listdir(library)) if os.path.isdir(library) else []
    found = [os.path.join(library, name, "site-packages") for name in names if name.startswith(("python", "pypy"))]
    return next((folder for folder in found if os.path.isdir(folder)), None)


# ── rehearsing ───────────────────────────────────────────────────────────────────────────────────


def rehearse(job: Job, tell: Tell) -> Result:
    """What ``install`` would do; nothing is changed. pip needs an environment to think in, which is thrown away."""
    with _folder() as folder:
        question = job.question
        steps: tuple[Command, ...] = ()
        if not job.place.there:
            steps = job.tool.make(job.place.shown, job.base, question.sources)
            if isinstance(job.tool, Uv):
                question = replace(question, python=job.base)
            else:
                _make(job, os.path.join(folder, "env"), None)
                question = replace(question, python=python_in(os.path.join(folder, "env")))
        tell(f"Working out the packages with {job.tool.name} ...")
        packages = solve(job.tool, question, folder, tell)
        last = (job.tool.install(job.question, packages, folder),) if packages else ()
    return Result(packages, space.size_of(packages), (*steps, *last))


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="envtool-", ignore_cleanup_errors=True) as folder:
        yield folder
