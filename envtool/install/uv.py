"""The lines that make uv do the work, and what it answers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from envtool.errors import ToolError
from envtool.fact import Fact
from envtool.install.order import Command, Package, Question, Sources, changed, with_hashes, without_secrets, words_of
from envtool.install.tags import best
from envtool.plan import Plan
from envtool.spec import FAMILY
from envtool.write import write_text

# Settings of the user's that would make something else of a plan.
_OURS = ("UV_TORCH_BACKEND", "UV_REQUIRE_HASHES", "UV_SYSTEM_PYTHON", "UV_BREAK_SYSTEM_PACKAGES", "UV_PYTHON",
         "UV_INDEX_STRATEGY", "UV_PROJECT_ENVIRONMENT", "UV_NO_INDEX")  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Uv(Fact):
    """uv at ``program``. ``environ``: this machine's variables."""

    program: str
    environ: Mapping[str, str]
    name: str = "uv"

    def make(self, path: str, python: str, sources: Sources) -> tuple[Command, ...]:
        """Make an environment."""
        return (self._command(("venv", "--no-project", "--python", python, path), sources, None),)

    def fetch_python(self, version: str) -> Command:
        """Have uv get a Python of that version."""
        return self._command(("python", "install", version), Sources(), None)

    def find_python(self, version: str) -> Command:
        """Where a Python of that version is, if it is on this machine."""
        return self._command(("python", "find", "--system", "--no-project", version), Sources(), None)

    def solve(self, question: Question, folder: str) -> Command:
        """Work out every package, with its file and hash, into ``pylock.toml`` in ``folder``."""
        wanted, answer = os.path.join(folder, "wanted.in"), os.path.join(folder, "pylock.toml")
        write_text(wanted, "\n".join([*question.lines, ""]))
        if question.installed:
            write_text(answer, _preferences(question.installed))
        words = ["pip", "compile", wanted, *question.files, "--format", "pylock.toml", "--no-header", "--quiet"]
        words += [word for package in FAMILY for word in ("--only-binary", package)]
        words += ["--output-file", answer, *self._for_python(question)]
        command = self._command(tuple(words), question.sources, question.plan)
        mac = {"MACOSX_DEPLOYMENT_TARGET": question.macos} if question.macos else {}
        return Command(command.words, {**command.environ, **mac}, command.shown)

    def _for_python(self, question: Question) -> list[str]:
        if question.platform is None:
            return ["--python", question.python]
        return ["--python-version", question.python_version, "--python-platform", question.platform]

    def solved(self, question: Question, folder: str) -> tuple[Package, ...]:
        """What ``solve`` found, all of it."""
        return read_pylock(os.path.join(folder, "pylock.toml"), question)

    def differences(self, question: Question, folder: str) -> tuple[Package, ...]:
        """What ``solve`` found and is not installed."""
        return changed(self.solved(question, folder), question.installed, question.force)

    def install(self, question: Question, packages: tuple[Package, ...], folder: str) -> Command:
        """Lay down exactly these."""
        exact = os.path.join(folder, "exact.txt")
        write_text(exact, with_hashes(packages))
        head = ["pip", "install", "--python", question.python, "--no-deps"]
        head += [word for p in packages if p.name in question.installed for word in ("--reinstall-package", p.name)]
        command = self._command((*head, "--requirements", exact), question.sources, question.plan)
        shown = ("uv", *head, *words_of(packages), *self._flags(question.sources, question.plan))
        return Command(command.words, command.environ, shown)

    # ── settings ─────────────────────────────────────────────────────────────────────────────────

    def _command(self, words: tuple[str, ...], sources: Sources, plan: Plan | None) -> Command:
        """The words, with the indexes in variables: an address may hold a password, and words can be seen by all."""
        environ: dict[str, str | None] = dict.fromkeys(_OURS)
        indexes, default = self._indexes(sources, plan)
        if default:
            environ |= {"UV_DEFAULT_INDEX": default, "UV_INDEX_URL": None}
        if indexes:
            environ["UV_INDEX"] = " ".join(indexes)
        if sources.certificates and "SSL_CERT_FILE" not in self.environ:
            environ["SSL_CERT_FILE"] = sources.certificates
        extra = self._offline(sources) + (("--index-strategy", "unsafe-best-match") if words[0] == "pip" else ())
        flags = self._flags(sources, plan) if words[0] == "pip" else ()
        return Command((self.program, *words, *extra), environ, ("uv", *words, *flags))

    def _indexes(self, sources: Sources, plan: Plan | None) -> tuple[list[str], str | None]:
        """The indexes in the order in which a version that two of them have is taken, and the one that comes last."""
        if sources.offline:
            return [], None
        torch = sources.torch_index(plan) if plan else None
        own = self.environ.get("UV_INDEX", "").split() if sources.index_url is None else []
        told = any(self.environ.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"))
        default = sources.index_url or (None if told else sources.pip_index_url)
        more = sources.pip_more if sources.index_url is None else ()
        return [*([torch] if torch else []), *own, *more], default

    def _offline(self, sources: Sources) -> tuple[str, ...]:
        links = tuple(word for folder in sources.find_links for word in ("--find-links", folder))
        return (*links, "--no-index") if sources.offline else links

    def _flags(self, sources: Sources, plan: Plan | None) -> tuple[str, ...]:
        """The settings as words, for people to read."""
        indexes, default = self._indexes(sources, plan)
        words = [word for url in indexes for word in ("--index", without_secrets(url))]
        if default:
            words += ["--default-index", without_secrets(default)]
        strategy = ("--index-strategy", "unsafe-best-match") if indexes else ()
        return (*self._offline(sources), *words, *strategy)


def find_uv() -> str | None:
    """uv, as its own package tells, else the one on PATH; None where there is none."""
    import shutil

    try:
        from uv import find_uv_bin
    except ImportError:
        return shutil.which("uv")
    try:
        return str(find_uv_bin())
    except FileNotFoundError:
        return shutil.which("uv")


def _preferences(installed: Mapping[str, str]) -> str:
    """A pylock of what is there: uv keeps these versions as far as they serve."""
    head = 'lock-version = "1.0"\ncreated-by = "envtool"\n'
    return head + "".join(f'\n[[packages]]\nname = "{n}"\nversion = "{v}"\n' for n, v in sorted(installed.items()))


def read_pylock(path: str, question: Question) -> tuple[Package, ...]:
    """The packages of a ``pylock.toml``, each with the file that suits the question's Python."""
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    try:
        with open(path, "rb") as file:
            content: dict[str, object] = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise ToolError(f"what uv answered can't be read: {error}", hint="update uv: `pip install -U uv`") from None
    rows = content.get("packages")
    folder = os.path.dirname(os.path.abspath(path))
    return tuple(
        _package(row, folder, question) for row in (rows if isinstance(rows, list) else []) if isinstance(row, dict)
    )


def _package(row: Mapping[str, object], folder: str, question: Question) -> Package:
    found = row.get("wheels")
    files = [file for file in found if isinstance(file, dict)] if isinstance(found, list) else []
    if not files:
        only = row.get("sdist") or row.get("archive")
        files = [only] if isinstance(only, dict) else [{}]
    names = [_filename(file) for file in files]
    place = best([name or "" for name in names], question)
    url, path, size, hashes = (files[place].get(key) for key in ("url", "path", "size", "hashes"))
    return Package(
        name=str(row.get("name")),
        version=str(row.get("version") or ""),
        url=str(url or path or "") or None,
        filename=names[place],
        sha256=str(hashes["sha256"]) if isinstance(hashes, dict) and "sha256" in hashes else None,
        size=size if isinstance(size, int) else None,
        direct=_direct(row, folder),
    )


def _filename(file: Mapping[str, object]) -> str | None:
    address = str(file.get("url") or file.get("path") or "")
    if file.get("name") or not address:
        return str(file["name"]) if file.get("name") else None
    return unquote(urlsplit(address).path).replace("\\", "/").rpartition("/")[2]


def _direct(row: Mapping[str, object], folder: str) -> str | None:
    """The line for what comes from no index: a folder, an address, a repository."""
    name, kinds = row.get("name"), [row.get(kind) for kind in ("directory", "archive", "vcs")]
    directory, archive, vcs = (kind if isinstance(kind, dict) else None for kind in kinds)
    if directory is not None:
        path = os.path.normpath(os.path.join(folder, str(directory.get("path"))))
        return f"-e {path}" if directory.get("editable") else f"{name} @ {_file_url(path)}"
    if archive is not None:
        place = archive.get("url") or _file_url(os.path.normpath(os.path.join(folder, str(archive.get("path")))))
        return f"{name} @ {place}"
    if vcs is not None:
        inside = f"#subdirectory={vcs['subdirectory']}" if vcs.get("subdirectory") else ""
        return f"{name} @ {vcs.get('type', 'git')}+{vcs.get('url')}@{vcs.get('commit-id')}{inside}"
    return None


def _file_url(path: str) -> str:
    """A path as an address, on any system."""
    from pathlib import Path

    return Path(path).as_uri()
