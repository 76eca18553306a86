"""The lines that bring an environment back to what is locked."""

from __future__ import annotations

from collections.abc import Sequence

from envtool.checks.check import Evidence
from envtool.drift import CONDA, Locked, Pin
from envtool.environment import Environment
from envtool.shell import chained, shell_line
from envtool.spec import FAMILY

LONGEST = 8  # packages that are named in a line; of more, the whole lockfile is installed


def whole(evidence: Evidence, locked: Locked) -> str:
    """Everything as locked, in this environment."""
    env = evidence.env
    assert env is not None  # no check of a lockfile comes so far without
    if locked.manager == CONDA:
        variant = ["--variant", locked.variant] if locked.several and locked.variant else []
        words = ["envtool", "install", "--lock", locked.shown, "--into", near(env, env.prefix), *variant]
        return shell_line(words, _shell(evidence))
    if locked.kind == "pylock":  # few pips read one
        words = ["uv", "pip", "install", "--python", near(env, env.executable), "--requirements", locked.shown]
        return shell_line(words, _shell(evidence))
    return _install(evidence, "--no-deps", "--requirement", locked.shown, *_index(evidence, locked, locked.pins))


def packages(evidence: Evidence, locked: Locked, pins: Sequence[Pin], *, force: bool = False) -> str:
    """These packages as locked; ``force`` lays down what is there in the same version already, too."""
    if locked.manager == CONDA:
        return whole(evidence, locked)
    if force:
        return _forced(evidence, locked, pins)
    if len(pins) > LONGEST or locked.kind == "requirements":
        return whole(evidence, locked)
    return _named(evidence, locked, pins)


def _forced(evidence: Evidence, locked: Locked, pins: Sequence[Pin]) -> str:
    return _named(evidence, locked, pins, "--force-reinstall")


def _named(evidence: Evidence, locked: Locked, pins: Sequence[Pin], *options: str) -> str:
    named = [requirement(pin) for pin in pins]
    return _install(evidence, *options, "--no-deps", *named, *locked.options, *_index(evidence, locked, pins))


def _install(evidence: Evidence, *words: str) -> str:
    """uv takes a package from the first index that has any version of it, and PyTorch's has some of many."""
    line = evidence.mender.install(*words)
    if line.startswith("uv ") and "--extra-index-url" in words:
        return evidence.mender.install(*words, "--index-strategy", "unsafe-best-match")
    return line


def _index(evidence: Evidence, locked: Locked, pins: Sequence[Pin]) -> list[str]:
    """PyPI has no 2.13.0+cpu: where the file names no index, as none of `pip freeze` does, PyTorch's own is added."""
    if any("index" in word or word in {"-i", "-f", "--find-links"} for word in locked.options):
        return []
    builds = evidence.catalog.builds(evidence.platform)
    for pin in pins:
        local = pin.version.partition("+")[2]
        if pin.name in FAMILY and local and not pin.url:
            url = next((build.index_url for build in builds if build.variant == local and build.index_url), None)
            return ["--extra-index-url", url] if url else []
    return []


def requirement(pin: Pin) -> str:
    """The very file where its address is locked, else the very version: to pip, ==2.13.0 is met by 2.13.0+cpu."""
    if not pin.url:
        return f"{pin.name}==={pin.version}"
    digest = next((text.replace(":", "=") for text in pin.hashes if text.startswith("sha256:")), None)
    return f"{pin.name} @ {pin.url}" + (f"#{digest}" if digest else "")


def build_again(evidence: Evidence, locked: Locked, family: Sequence[Pin], gone: Sequence[Pin]) -> str:
    """The locked build of PyTorch, laid down whatever is there, and what else of the lockfile it needs."""
    if locked.manager == CONDA:
        return whole(evidence, locked)
    first = _forced(evidence, locked, family)
    if not gone:
        return first
    return chained(first, packages(evidence, locked, gone), _shell(evidence))


def another_python(evidence: Evidence, locked: Locked, python: str) -> str:
    """A new environment with the locked Python beside the old one; conda's is made anew where it is."""
    if locked.manager == CONDA:
        return whole(evidence, locked)
    shell = _shell(evidence)
    folder = f".venv-{python}"
    make = shell_line(["uv", "venv", "--python", python, folder], shell)
    return chained(
        make, shell_line(["uv", "pip", "install", "--python", folder, "--requirements", locked.shown], shell), shell
    )


def in_place_of_conda(evidence: Evidence, locked: Locked, pins: Sequence[Pin], records: Sequence[str]) -> str:
    """conda's packages go, and no other with them, before pip lays down its own: else both would have a record."""
    env, shell = evidence.env, _shell(evidence)
    assert env is not None
    remove = ["conda", "remove", "--yes", "--force", "--prefix", near(env, env.prefix), *records]
    return chained(shell_line(remove, shell), _named(evidence, locked, pins), shell)


def near(env: Environment, path: str) -> str:
    """A path as one would type it where the command ran."""
    here = (env.working_directory or "").rstrip("/\\")
    inside = path[len(here) + 1 :] if here and path.startswith((f"{here}/", f"{here}\\")) else ""
    return inside or path


def _shell(evidence: Evidence) -> str:
    return "powershell" if evidence.machine.os == "windows" else "posix"
