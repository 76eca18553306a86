"""Merges what an index shows of wheels: new versions, further Pythons, other floors, Requires-Python."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.catalog import Catalog
from envtool.update.names import Floors, tag_of
from envtool.update.survey import Seen
from envtool.update.tables import Row, Tables, text_of, words_of
from envtool.versions import numbers

Key = tuple[str, str, str]  # package, version, platform


def merge_wheels(tables: Tables, catalog: Catalog, seen: Seen, source: str, pythons: frozenset[str]) -> bool:
    """Bring the wheels of one release up to date; True if that changed anything."""
    floors = expanded(seen.floors, pythons)
    known = {platform: dict(wheel.floors) for (package, version, platform), wheel in catalog.wheels.items()
             if (package, version) == (seen.package, seen.version)}  # fmt: skip
    merged: dict[str, dict[str, tuple[int, ...]]] = {
        platform: {**known.get(platform, {}), **floors.get(platform, {})} for platform in (*known, *floors)
    }
    changed = merged != known
    if changed:
        tables.forget("wheels", "wheels", "versions", seen.version, package=seen.package)
        tables.rows("wheels", "wheels").extend(wheel_rows(seen.package, seen.version, merged, source))
    return _requires(tables, seen, source) or changed


def _requires(tables: Tables, seen: Seen, source: str) -> bool:
    from packaging.specifiers import SpecifierSet

    if seen.requires_python is None:
        return False
    for row in tables.rows("wheels", "requires"):
        if text_of(row, "package") == seen.package and seen.version in words_of(row, "versions"):
            if SpecifierSet(text_of(row, "python")) == SpecifierSet(seen.requires_python):
                return False
    tables.forget("wheels", "requires", "versions", seen.version, package=seen.package)
    tables.rows("wheels", "requires").append(
        {"package": seen.package, "versions": seen.version, "python": seen.requires_python, "source": source}
    )
    return True


def expanded(floors: Floors, pythons: frozenset[str]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Floors with the stable ABI, "cp310+", as the Pythons that it serves; those without a floor are left out."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for platform, by_abi in floors.items():
        untold = platform.startswith(("linux", "macos"))
        kept = {abi: floor for abi, floor in by_abi.items() if floor or not untold}
        for abi, floor in sorted(kept.items(), key=lambda pair: not pair[0].endswith("+")):
            since = numbers(abi[3:].rstrip("+t") or "0") if abi.startswith("cp3") else (0,)
            several = {p for p in pythons if p[3:].isdecimal() and numbers(p[3:]) >= since}
            for one in several if abi.endswith("+") else {abi}:
                found.setdefault(platform, {})[one] = floor
    return found


def known_pythons(catalog: Catalog, seen: Iterable[Seen]) -> frozenset[str]:
    """Every Python ABI that any torch has a wheel for."""
    found = {abi for key, wheel in catalog.wheels.items() if key[0] == "torch" for abi in wheel.floors}
    return frozenset(found | {abi for one in seen for by_abi in one.floors.values() for abi in by_abi})


def wheel_rows(package: str, version: str, floors: Floors, source: str) -> list[Row]:
    """Rows of wheels.toml: one per set of Pythons."""
    by_tag: dict[str, set[str]] = {}
    for platform, by_abi in floors.items():
        for abi, floor in by_abi.items():
            by_tag.setdefault(tag_of(platform, floor), set()).add(abi)
    by_pythons: dict[str, list[str]] = {}
    for tag, abis in sorted(by_tag.items()):
        by_pythons.setdefault(" ".join(sorted(abis, key=_order)), []).append(tag)
    return [
        {"package": package, "versions": version, "python": pythons, "tags": " ".join(tags), "source": source}
        for pythons, tags in by_pythons.items()
    ]


def _order(abi: str) -> tuple[int, str]:
    return len(abi.rstrip("t")), abi
