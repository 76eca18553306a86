"""What is carried over into an envtool.toml so far, and what could not be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from envtool.catalog import Catalog
from envtool.course import CHANNELS, PLATFORMS, Course
from envtool.course.belongings import plain_name
from envtool.course.forms import Misfit, without_secrets
from envtool.course.ranges import can_be_met
from envtool.scaffold.package_names import PackageNames
from envtool.spec import FAMILY
from envtool.versions import kind_of


@dataclass
class Carried:
    """Filled line by line. ``notes`` are what was left out or taken otherwise, each with the reason."""

    names: PackageNames
    catalog: Catalog
    name: str | None = None
    python: str = ""
    torch: dict[str, str] = field(default_factory=dict)  # specifier by package
    shared: dict[str, str] = field(default_factory=dict)  # specifier by the name as written
    conda: dict[str, str] = field(default_factory=dict)  # match spec by name
    pip: dict[str, str] = field(default_factory=dict)  # requirement by name
    pip_names: dict[str, str] = field(default_factory=dict)
    editable: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    platforms: list[str] = field(default_factory=list)
    variants: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)  # names of which only one of conda and PyPI is known

    def note(self, what: str, why: str) -> None:
        """Tell once what was left out or taken otherwise; a password in it is not told."""
        try:
            without_secrets(what)
        except Misfit:
            what = re.sub(r"://[^/?#\s]*@", "://…@", what)
        shown = what if len(what) <= 60 else f"{what[:59]}…"
        if (shown, why) not in self.notes:
            self.notes.append((shown, why))

    # ── torch ────────────────────────────────────────────────────────────────────────────────────

    def add_torch(self, package: str, specifier: str, variant: str | None = None) -> None:
        """torch or a companion, and the variant that its version or build named."""
        local = re.fullmatch(r"={2,3}([^+,]+)\+([A-Za-z0-9.]+)", specifier)
        if local:
            specifier, variant = f"=={local[1]}", local[2]
            self.note(f"{package}+{variant}", "the build is chosen for each machine; it became a variant")
        self.torch[package] = self._merged(package, self.torch.get(package, ""), specifier)
        if variant is not None:
            self.add_variant(variant)

    def add_variant(self, name: str) -> None:
        """A variant that the file names in some way; CUDA in general where it has no name of today."""
        known = re.fullmatch(r"cpu|xpu|cuda|rocm|cu[1-9][0-9]{2}|rocm[0-9]{1,2}\.[0-9]{1,2}", name)
        if known is None:
            self.note(name, "is not a variant that can be named")
        elif name not in self.variants:
            self.variants.append(name)

    def keep_variants(self, known: frozenset[str]) -> None:
        """A variant that is on no index any more becomes its kind."""
        for index, name in enumerate(self.variants):
            if name not in known and name != kind_of(name):
                self.note(name, f"is on no index any more; it became {kind_of(name)}")
                self.variants[index] = kind_of(name)

    # ── packages ─────────────────────────────────────────────────────────────────────────────────

    def add_shared(self, name: str, specifier: str, *, pypi: str | None = None) -> None:
        """A package by conda's name, with PyPI's where that is another."""
        known = next((old for old in self.shared if plain_name(old) == plain_name(name)), name)
        self.shared[known] = self._merged(known, self.shared.get(known, ""), specifier)
        if pypi is not None and pypi != name:
            self.pip_names[known] = pypi

    def add_pip(self, name: str, requirement: str) -> None:
        """A requirement that pip alone is to read."""
        key = plain_name(name)
        if any(plain_name(shared) == key for shared in self.shared):
            self.note(requirement, "is in packages already")
        elif key in self.pip and self.pip[key] != requirement:
            self.note(requirement, f"{self.pip[key]} is kept")
        else:
            self.pip[key] = requirement

    def _merged(self, name: str, old: str, new: str) -> str:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        parts = list(dict.fromkeys(part for part in (old, new) if part))
        try:
            both = SpecifierSet(",".join(parts))
        except InvalidSpecifier:
            self.note(f"{name}{new}", "the version is none that pip could compare; it was left out")
            return old
        if not can_be_met(both):
            self.note(f"{name}{new}", f"contradicts {name}{old}, which is kept")
            return old
        return ",".join(dict.fromkeys(",".join(parts).replace(" ", "").split(","))) if parts else ""

    # ── the result ───────────────────────────────────────────────────────────────────────────────

    def course(self, name: str) -> Course:
        """The course, by that name."""
        companions = [f"{package}{self.torch[package]}" for package in FAMILY[1:] if package in self.torch]
        return Course(
            name=name,
            python=self.python,
            torch=(f"torch{self.torch.get('torch', '')}", *companions),
            packages=tuple(f"{package}{specifier}" for package, specifier in self.shared.items()),
            platforms=tuple(self.platforms) or PLATFORMS,
            variants=self._variants(),
            channels=tuple(self.channels) or CHANNELS,
            conda_packages=tuple(self.conda.values()),
            pip_packages=tuple(self.pip.values()),
            editable=tuple(self.editable),
            pip_names=tuple((key, value) for key, value in self.pip_names.items() if key in self.shared),
        )

    def _variants(self) -> tuple[str, ...]:
        if not self.variants:
            return ("cpu", "cuda")
        gpus = [variant for variant in self.variants if variant != "cpu"]
        gpus = list(dict.fromkeys(gpus))
        named = {kind_of(variant) for variant in gpus if variant not in ("cuda", "rocm", "xpu")}
        kept = [variant for variant in gpus if variant not in named]  # cu126 says more than cuda
        return ("cpu", *kept)
