"""What differs between two catalogs, fact by fact; independent of the rows in which the facts are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from envtool.catalog import Catalog
from envtool.catalog.builds import Build
from envtool.fact import Fact
from envtool.versions import dotted


@dataclass(frozen=True, eq=False, repr=False)
class Change(Fact):
    """``kind``: added, changed or removed. ``what`` names the fact; None stands for no fact."""

    kind: str
    what: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        if self.kind == "changed":
            return f"changed  {self.what}: {self.old} -> {self.new}"
        return f"{self.kind:<8} {self.what}: {self.new if self.kind == 'added' else self.old}"


def differences(old: Catalog, new: Catalog) -> tuple[Change, ...]:
    """Every fact that was added, changed or removed, in the order of the new catalog."""
    before, after = dict(_facts(old)), dict(_facts(new))
    found = []
    for what in (*after, *(what for what in before if what not in after)):
        was, now = before.get(what), after.get(what)
        if was != now:
            kind = "added" if was is None else "removed" if now is None else "changed"
            found.append(Change(kind, what, was, now))
    return tuple(found)


def _facts(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """The catalog as pairs: what is told, and what is told of it."""
    for release in catalog.releases:
        words = [f"{p} {' or '.join(release.companions.of(p)) or 'none'}" for p in ("torchvision", "torchaudio")]
        pypi = ", ".join(f"{variant} on {platform}" for platform, variant in sorted(release.pypi.items()))
        words += [f"PyPI {pypi or 'cpu'}", f"NumPy 2 on {' '.join(sorted(release.numpy2)) or 'nothing'}"]
        yield f"torch {release.torch}", f"of {release.date}; {'; '.join(words)}"
    for (package, version, platform), wheel in sorted(catalog.wheels.items()):
        floors = {dotted(floor) for floor in wheel.floors.values()} - {""}
        python = f"; Python {wheel.requires_python}" if wheel.requires_python else ""
        needs = f"; needs {' or '.join(sorted(floors))}" if floors else ""
        yield f"wheels of {package} {version} for {platform}", f"{' '.join(wheel.pythons)}{needs}{python}"
    for platform in sorted({key[2] for key in catalog.wheels}):
        for build in catalog.builds(platform):
            yield from _build_facts(build, platform)


def _build_facts(build: Build, platform: str) -> Iterator[tuple[str, str]]:
    what = f"{build.torch} {build.variant} for {platform} on {build.source}"
    words = ["verified" if build.verified else "not verified", "" if build.suffixed else "plain versions"]
    words += [" ".join(build.wheel.pythons)]
    for package, wheels in build.companions.items():
        seen = [wheel.version for wheel in wheels if wheel.verified and not wheel.problem]
        words.append(f"{package} {' or '.join(seen) or 'not verified'}")
    yield f"build of torch {what}", "; ".join(word for word in words if word)
    if build.kind == "cuda":
        kernels = build.kernels
        code = (
            "not known" if kernels is None else f"{build.compiled_for}{'' if kernels.verified else ' (not verified)'}"
        )
        yield f"code of torch {what}", code
