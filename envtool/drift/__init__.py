"""What was locked, and what of it is installed: facts for the checks of `envtool check`. Pure."""

from __future__ import annotations

from functools import cached_property

from envtool.fact import Fact, dataclass
from envtool.machine import NOT_ASKED, Found, Reading

CONDA, PIP = "conda", "pip"
KINDS = ("conda-lock", "pixi.lock", "@EXPLICIT", "pylock", "requirements")  # of lockfiles


@dataclass(frozen=True, eq=False, repr=False)
class Pin(Fact):
    """One locked package. ``hashes``: "sha256:…" and "md5:…" of the files that will do, none where none is told."""

    name: str  # of pip's packages: normalised
    version: str
    manager: str  # CONDA or PIP: who is to bring it
    build: str = ""  # conda's build text
    url: str = ""
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Locked(Fact):
    """A lockfile, as far as it concerns one environment: its pins for that platform and one variant."""

    path: str
    shown: str  # the path, as one would type it here
    kind: str  # one of KINDS
    manager: str  # CONDA or PIP: what installs it
    pins: tuple[Pin, ...]
    subdir: str | None = None  # None: for any platform
    variant: str | None = None
    python: str = ""  # a version specifier; "" where the file tells none
    options: tuple[str, ...] = ()  # of pip: --index-url and the like
    several: bool = False  # the file holds other variants for this platform, too

    @cached_property
    def by_name(self) -> dict[tuple[str, str], Pin]:
        """The pins by manager and name."""
        return {(pin.manager, pin.name): pin for pin in self.pins}

    def pin(self, name: str) -> Pin | None:
        """The pin of that name, whoever brings it."""
        return self.by_name.get((CONDA, name)) or self.by_name.get((PIP, name))

    @property
    def torch(self) -> Pin | None:
        """The pin of PyTorch: pip's torch or conda's pytorch."""
        return self.by_name.get((PIP, "torch")) or self.by_name.get((CONDA, "pytorch"))

    @property
    def words(self) -> str:
        """The lockfile in words: "lockfiles/pylock.cpu.toml (cpu on linux-64)"."""
        place = " on ".join(part for part in (self.variant, self.subdir) if part)
        return f"{self.shown} ({place})" if place else self.shown


@dataclass(frozen=True, eq=False, repr=False)
class Held(Fact):
    """One installed package, by its record: conda's, or the metadata that any installer leaves."""

    name: str
    version: str
    manager: str  # who brought it
    build: str = ""
    hashes: tuple[str, ...] = ()  # as Pin.hashes, where the record keeps one
    brings: tuple[str, ...] = ()  # of a conda package: the distributions in it
    editable: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Unusable(Fact):
    """Why no lockfile can be held against the environment. ``kind``: "kind" (another tool's) or "target" (another
    platform's). ``named``: it was asked for by name, so that this is a fault and not an open question."""

    kind: str
    message: str
    hint: str
    command: bool = False
    named: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Term(Fact):
    """The days for which the environment is to last, as "2027-03-31"; ``pythons``: the month in which each ends."""

    today: str
    until: str
    pythons: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Drift(Fact):
    """All that `envtool check` looks at beside the doctor's evidence.

    ``stale`` and ``edited``: Found(()) is fresh and untouched; Absent: the files tell nothing of it; Unknown: it could
    not be told here. ``lost``: packages and the first of their files that is missing.
    """

    locked: Locked | None = None
    unusable: Unusable | None = None
    conda: tuple[Held, ...] = ()
    pip: tuple[Held, ...] = ()
    stale: Reading[tuple[str, ...]] = NOT_ASKED
    edited: Reading[tuple[str, ...]] = NOT_ASKED
    edited_source: str | None = None  # the file that all others are made from, where that one was changed
    pythons: tuple[str, ...] = ()  # that envtool's lockfiles are for: "3.12"
    lost: tuple[tuple[str, str], ...] = ()
    strict: bool = False
    own: frozenset[str] = frozenset()  # envtool and what it needs, where it runs in this environment
    term: Term | None = None
    most_devices: int | None = None
    devices: Reading[tuple[str, ...]] = NOT_ASKED  # the lines that name one, "train.py:3: …"

    @cached_property
    def conda_by_name(self) -> dict[str, Held]:
        """conda's records."""
        return {held.name: held for held in self.conda}

    @cached_property
    def pip_by_name(self) -> dict[str, Held]:
        """The distributions, the one that is imported first; conda's Python packages are among them."""
        return {held.name: held for held in reversed(self.pip)}

    @property
    def changes(self) -> tuple[str, ...]:
        """What in the spec is not as it was locked; nothing where that can't be told."""
        return self.stale.value if isinstance(self.stale, Found) else ()
