"""The lines that make pip do the work, and what it answers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from envtool.errors import ToolError
from envtool.fact import Fact
from envtool.install.order import Command, Package, Question, Sources, with_hashes, without_secrets, words_of
from envtool.install.tool import run
from envtool.plan import Plan
from envtool.spec import FAMILY
from envtool.write import write_text

# Settings of the user's that would make something else of a plan.
_OURS = {"PIP_TARGET": None, "PIP_PREFIX": None, "PIP_ROOT": None, "PIP_USER": "0", "PIP_NO_DEPS": None,
         "PIP_REQUIRE_HASHES": None, "PIP_REQUIREMENT": None, "PIP_UPGRADE": None, "PIP_NO_INDEX": None,
         "PIP_FORCE_REINSTALL": None, "PIP_IGNORE_INSTALLED": None, "PIP_DRY_RUN": None, "PIP_REPORT": None,
         "PIP_QUIET": None, "PIP_VERBOSE": None, "PIP_PYTHON": None, "PIP_DISABLE_PIP_VERSION_CHECK": "1",
         "PIP_NO_INPUT": "1", "PYTHONIOENCODING": "utf-8"}  # fmt: skip
NO_SOURCES = Sources()
ABLE = (22, 2)  # from here on, pip knows --report
LOOKS_ONLY = (25, 2)  # from here on, it works packages out from their metadata; before, it fetches all of them for that


@dataclass(frozen=True, eq=False, repr=False)
class Pip(Fact):
    """The pip of the environment itself. ``environ``: this machine's variables."""

    environ: Mapping[str, str]
    name: str = "pip"

    def make(self, path: str, python: str, sources: Sources) -> tuple[Command, ...]:
        """Make an environment."""
        return (self.command((python, "-m", "venv", path)),)

    def update(self, python: str, sources: Sources) -> Command:
        """Bring an environment's pip up to date."""
        return self.command((python, "-m", "pip", "install", "--upgrade", "pip"), sources)

    def solve(self, question: Question, folder: str, *, loud: bool = False) -> Command:
        """Work out what has to be installed, with files and hashes, into ``report.json`` in ``folder``."""
        wanted, answer = os.path.join(folder, "wanted.txt"), os.path.join(folder, "report.json")
        write_text(wanted, "\n".join([*map(_exactly, question.lines), ""]))
        words = [
            question.python,
            "-m",
            "pip",
            "install",
            "--dry-run",
            "--report",
            answer,
            *([] if loud else ["--no-color", "-v"]),
        ]
        words += [*([] if question.installed else ["--ignore-installed"]), "--requirement", wanted]
        words += [word for file in question.files for word in ("--requirement", file)]
        words += [word for package in FAMILY for word in ("--only-binary", package)]
        return self.command(tuple(words), question.sources, question.plan)

    def again(self, question: Question, folder: str, pins: tuple[str, ...]) -> Command:
        """Ask for the files of packages that pip thinks are there already, into the same ``report.json``."""
        words = (question.python, "-m", "pip", "install", "--dry-run", "--report", os.path.join(folder, "report.json"),
                 "--no-color", "-v", "--no-deps", "--ignore-installed", "--only-binary", ":all:", *pins)  # fmt: skip
        return self.command(words, question.sources, question.plan)

    def solved(self, question: Question, folder: str) -> tuple[Package, ...]:
        """What ``solve`` found."""
        return read_report(os.path.join(folder, "report.json"))

    def install(self, question: Question, packages: tuple[Package, ...], folder: str) -> Command:
        """Lay down exactly these."""
        exact = os.path.join(folder, "exact.txt")
        write_text(exact, with_hashes(packages))
        head = (question.python, "-m", "pip", "install", "--no-deps", "--force-reinstall")
        command = self.command((*head, "--requirement", exact), question.sources, question.plan)
        shown = (*head, *words_of(packages), *self._flags(question.sources, question.plan, show=True))
        return Command(command.words, command.environ, shown)

    # ── settings ─────────────────────────────────────────────────────────────────────────────────

    def command(self, words: tuple[str, ...], sources: Sources = NO_SOURCES, plan: Plan | None = None) -> Command:
        """A line, with the settings that belong to it."""
        environ: dict[str, str | None] = dict(_OURS)
        is_pip = "pip" in words[1:3]
        if sources.index_url and not sources.offline:
            environ["PIP_INDEX_URL"] = sources.index_url  # not among the words: it may hold a password
        if sources.certificates and "PIP_CERT" not in self.environ:
            environ["PIP_CERT"] = sources.certificates
        flags = self._flags(sources, plan, show=False) if is_pip else ()
        return Command((*words, *flags), environ, (*words, *(self._flags(sources, plan, show=True) if is_pip else ())))

    def _flags(self, sources: Sources, plan: Plan | None, *, show: bool) -> tuple[str, ...]:
        links = tuple(word for folder in sources.find_links for word in ("--find-links", folder))
        if sources.offline:
            return ("--no-index", *links)
        torch = sources.torch_index(plan) if plan else None
        if torch:
            links += ("--extra-index-url", without_secrets(torch) if show else torch)
        if show and sources.index_url:
            links += ("--index-url", without_secrets(sources.index_url))
        return links


def _exactly(line: str) -> str:
    """A pin without local part by its text: to pip, an installed 2.13.0+cpu satisfies ``==2.13.0``."""
    name, sign, version = line.partition("==")
    plain = sign and name in FAMILY and "+" not in version and not version.startswith("=")
    return f"{name}==={version}" if plain else line


def version_of(python: str) -> tuple[int, ...] | None:
    """The version of a Python's pip, None where there is none that answers."""
    words = (python, "-m", "pip", "--version")
    ran = run(Command(words, {}, words), show=False)
    found = re.search(r"^pip (\d+)\.(\d+)", ran.said, re.MULTILINE)
    return (int(found[1]), int(found[2])) if ran.code == 0 and found else None


def read_report(path: str) -> tuple[Package, ...]:
    """The packages of a ``--report``; pip doesn't tell their sizes."""
    try:
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)["install"]
        return tuple(_package(row) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "update pip in that environment: `python -m pip install --upgrade pip`"
        raise ToolError(f"what pip answered can't be read: {error}", hint=hint) from None


def _package(row: dict[str, dict[str, object]]) -> Package:
    from packaging.utils import canonicalize_name

    source = row["download_info"]
    archive = source.get("archive_info")
    hashes = archive.get("hashes") if isinstance(archive, dict) else None
    url, name = str(source["url"]), canonicalize_name(str(row["metadata"]["name"]))
    return Package(
        name=name,
        version=str(row["metadata"]["version"]),
        url=url,
        filename=unquote(urlsplit(url).path).rpartition("/")[2],
        sha256=str(hashes["sha256"]) if isinstance(hashes, dict) and "sha256" in hashes else None,
        direct=_direct(name, url, source) if row.get("is_direct") else None,
    )


def _direct(name: str, url: str, source: dict[str, object]) -> str:
    """The line for what comes from no index: a folder, an address, a repository."""
    directory, vcs = source.get("dir_info"), source.get("vcs_info")
    if isinstance(directory, dict):
        return f"-e {url}" if directory.get("editable") else f"{name} @ {url}"
    if isinstance(vcs, dict):
        return f"{name} @ {vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id')}"
    return f"{name} @ {url}"
