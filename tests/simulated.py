"""A machine described in a few words, which answers every question of the Host protocol. What isn't described is absent.

Files, links and device files form one tree, so that ``names``, ``real`` and ``stat`` can't contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from envtool.errors import ToolError
from envtool.machine import Absent, Found, Reading, Unknown
from envtool.probe.child import Child, Completed
from envtool.probe.recording import ReplayedChild
from envtool.verdicts import Json

GONE = Absent("no such file")
Program = Callable[[Sequence[str]], Reading[Completed]]


@dataclass
class Tree:
    """A file system. ``entries`` holds, for each path, a text, bytes, a Link, a status, or None for a folder."""

    windows: bool = False
    entries: dict[str, object] = field(default_factory=dict)

    def key(self, path: str) -> str:
        """One spelling for each path: Windows takes both separators and any case."""
        plain = path.replace("\\", "/") if self.windows else path
        plain = plain.rstrip("/") or "/"
        return plain.lower() if self.windows else plain

    def put(self, path: str, entry: object) -> None:
        """Add an entry and the folders that hold it."""
        key = self.key(path)
        self.entries[key] = entry
        while "/" in key.strip("/"):
            key = key.rpartition("/")[0]
            self.entries.setdefault(key, None)

    def resolve(self, path: str) -> str | None:
        """The path with every link resolved, None where it leads nowhere."""
        key = self.key(path)
        for _ in range(20):
            link = next((p for p in self._parents(key) if isinstance(self.entries.get(p), Link)), None)
            if link is None:
                return key if key in self.entries else None
            target = self.entries[link]
            assert isinstance(target, Link)
            to = target.to if target.to.startswith("/") else f"{link.rpartition('/')[0]}/{target.to}"
            key = _normal(to) + key[len(link) :]
        return None

    @staticmethod
    def _parents(key: str) -> Iterable[str]:
        parts = key.split("/")
        return ("/".join(parts[:count]) for count in range(1, len(parts) + 1))

    def inside(self, path: str) -> list[str] | None:
        """The names in a folder, None where it is none."""
        key = self.resolve(path)
        if key is None or self.entries[key] is not None:
            return None
        start = key.rstrip("/") + "/"
        return sorted({p[len(start) :].split("/")[0] for p in self.entries if p.startswith(start) and p != start})


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


@dataclass(frozen=True)
class Link:
    """A symbolic link, as it is written."""

    to: str


@dataclass(frozen=True)
class Refused:
    """A file that this user may not read."""

    reason: str = "permission denied"


@dataclass
class SimulatedHost:
    """A described machine. ``programs``: name on PATH to path. ``children``: question to what the program says."""

    fact: dict[str, Json]
    tree: Tree
    variables: dict[str, str] = field(default_factory=dict)
    programs: dict[str, str] = field(default_factory=dict)
    disks: dict[str, tuple[int, int]] = field(default_factory=dict)
    keys: dict[str, dict[str, Json]] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)
    children: dict[str, Program] = field(default_factory=dict)

    def facts(self) -> Mapping[str, Json]:
        return self.fact

    def env(self, name: str) -> str | None:
        return self.variables.get(name)

    def _entry(self, path: str) -> object:
        key = self.tree.resolve(path)
        return GONE if key is None else self.tree.entries[key]

    def read(self, path: str) -> Reading[str]:
        data = self.read_bytes(path)
        return Found(data.value.decode("utf-8", "replace")) if isinstance(data, Found) else data

    def read_bytes(self, path: str) -> Reading[bytes]:
        match self._entry(path):
            case str(text):
                return Found(text.encode())
            case bytes(data):
                return Found(data)
            case Refused(reason):
                return Unknown(reason)
            case None:
                return Unknown("Is a directory")
            case _:
                return GONE

    def names(self, path: str) -> Reading[tuple[str, ...]]:
        names = self.tree.inside(path)
        return GONE if names is None else Found(tuple(names))

    def link(self, path: str) -> Reading[str]:
        entry = self.tree.entries.get(self.tree.key(path), GONE)
        if isinstance(entry, Link):
            return Found(entry.to)
        return GONE if entry is GONE else Unknown("Invalid argument")

    def real(self, path: str) -> Reading[str]:
        key = self.tree.resolve(path)
        return GONE if key is None else Found(path.replace("/", "\\") if self.tree.windows else key)

    def stat(self, path: str) -> Reading[Mapping[str, Json]]:
        entry = self._entry(path)
        if entry is GONE:
            return GONE
        status: dict[str, Json] = {"mode": "0644", "uid": 0, "group": "root", "readable": True, "writable": False}
        status["kind"] = "dir" if entry is None else "file"
        if entry is None or "/bin/" in path:
            status["mode"] = "0755"
        if isinstance(entry, dict):
            status |= {"kind": "char", "mode": "0666", "writable": True} | entry
        return Found(status)

    def disk(self, path: str) -> Reading[tuple[int, int]]:
        key = self.tree.key(path)
        places = [place for place in self.disks if key.startswith(self.tree.key(place))]
        return Found(self.disks[max(places, key=len)]) if places else GONE

    def which(self, name: str) -> Reading[str]:
        return Found(self.programs[name]) if name in self.programs else Absent(f"no {name} on PATH")

    def loadable(self, library: str) -> Reading[str]:
        problem = f"{library}: cannot open shared object file: No such file or directory"
        return Found(library) if library in self.libraries else Absent(problem)

    def registry(self, key: str) -> Reading[Mapping[str, Json]]:
        if not self.tree.windows:
            return Absent("only Windows has a registry")
        return Found(self.keys[key]) if key in self.keys else GONE

    def registry_keys(self, key: str) -> Reading[tuple[str, ...]]:
        if not self.tree.windows:
            return Absent("only Windows has a registry")
        below = [other[len(key) + 1 :].split("\\")[0] for other in self.keys if other.startswith(key + "\\")]
        return Found(tuple(dict.fromkeys(below))) if below or key in self.keys else GONE

    def start(
        self,
        question: str,
        argv: Sequence[str],
        *,
        timeout: float,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Child:
        program = self.children.get(question)
        try:
            return ReplayedChild(program(argv) if program else Absent(f"{argv[0]}: no such file"))
        except Exception as error:  # a probe takes other exceptions for its own fault and hides them
            raise ToolError(f"the described program {question!r} broke: {error!r}") from error

    def stop(self) -> None:
        """Nothing runs here."""
