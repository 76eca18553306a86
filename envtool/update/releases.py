"""Merges releases: a new torch with what imports with it, new companions, and those that were yanked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from envtool.catalog import COMPANIONS, Catalog
from envtool.fact import Fact
from envtool.machine import Found
from envtool.update.survey import Seen, Survey
from envtool.update.tables import Row, Tables, text_of, words_of
from envtool.versions import numbers

Say = Callable[[str], None]
EVERY_LATER = "9999"  # a version that a specifier without an upper bound allows


@dataclass(frozen=True, eq=False, repr=False)
class Companion(Fact):
    """A torchvision or torchaudio that is new: the torch versions that it names, "" for any."""

    package: str
    version: str
    torch: str
    date: str | None

    @property
    def open_ended(self) -> bool:
        """Does it go with every later torch?"""
        return _allows(self.torch, EVERY_LATER)

    def goes_with(self, torch: str) -> bool:
        """Does its metadata allow this torch?"""
        return _allows(self.torch, torch)


def _allows(specifier: str, version: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifier).contains(version, prereleases=True)


def new_versions(survey: Survey, catalog: Catalog, package: str) -> list[Seen]:
    """The releases on the package index that the catalog doesn't have, oldest first."""
    known = {version for name, version, _ in catalog.wheels if name == package}
    fresh = [s for s in survey.pypi.get(package, {}).values() if s.version not in known and not s.yanked]
    return sorted(fresh, key=lambda seen: numbers(seen.version))


def yanked(survey: Survey, catalog: Catalog) -> list[Seen]:
    """The releases of the catalog that the package index now tells not to use."""
    known = {key[:2] for key in catalog.wheels}
    return [s for seen in survey.pypi.values() for s in seen.values() if s.yanked and (s.package, s.version) in known]


def drop(tables: Tables, package: str, version: str) -> None:
    """Take a release out of every table."""
    tables.forget("wheels", "wheels", "versions", version, package=package)
    tables.forget("wheels", "requires", "versions", version, package=package)
    if package != "torch":
        for table in ("companion", "open_ended"):
            tables.forget("releases", table, "versions", version, package=package)
        for row in tables.rows("releases", "release"):
            if version in words_of(row, package):
                row[package] = " ".join(other for other in words_of(row, package) if other != version)
                if not row[package]:
                    row["lacks"] = {**_table(row, "lacks"), package: f"{package} {version} was yanked"}
        return
    rows = tables.rows("releases", "release")
    rows[:] = [row for row in rows if row.get("torch") != version]
    for file, table in (("builds", "builds"), ("kernels", "kernels"), ("kernels", "unknown")):
        tables.forget(file, table, "torch", version)


def _table(row: Row, field: str) -> dict[str, object]:
    value = row.get(field)
    return dict(value) if isinstance(value, dict) else {}


def companions_of(survey: Survey, catalog: Catalog, say: Say) -> list[Companion]:
    """The new companions of which it is known what torch they go with."""
    torches = {release.torch for release in catalog.releases} | set(survey.pypi.get("torch", {}))
    found = []
    for seen in (s for package in COMPANIONS for s in new_versions(survey, catalog, package)):
        told = next(iter(seen.needs.values()), None)
        what = f"{seen.package} {seen.version}"
        if not isinstance(told, Found):
            say(f"{what} is left out: which torch it needs is not known{f' ({told.reason})' if told else ''}")
        elif told.value.torch is None and seen.version not in torches:
            say(f"{what} is left out: its metadata name no torch")
        else:
            # without a word on torch it goes with the release of its own number and, by the rules, with later ones
            torch = f">={seen.version}" if told.value.torch is None else told.value.torch
            found.append(Companion(seen.package, seen.version, torch, seen.date))
    return found


def add_release(tables: Tables, seen: Seen, fresh: Iterable[Companion], today: str, sources: tuple[str, str]) -> None:
    """A row for a new torch. What an index doesn't tell, NumPy 2, is carried over from the newest release."""
    rows = tables.rows("releases", "release")
    newest = max(rows, key=lambda row: numbers(text_of(row, "torch")))
    fits = {p: _companions_for(tables, seen.version, p, fresh) for p in COMPANIONS}
    pypi = {platform: told.value.variant for platform, told in seen.needs.items()
            if isinstance(told, Found) and told.value.variant != "cpu"}  # fmt: skip
    lacks = {p: f"none on the package index goes with it, as of {today}" for p, found in fits.items() if not found}
    row: Row = {"torch": seen.version, "date": seen.date or today}
    row |= {package: " ".join(found) for package, found in fits.items() if found}
    row |= {"pypi": pypi, **({"lacks": lacks} if lacks else {}), "numpy2": text_of(newest, "numpy2")}
    rows.append({**row, "source": " ".join(sources)})


def unread_needs(seen: Seen) -> str | None:
    """Why it isn't known what PyPI's build of a torch is for; None where it is."""
    missing = [told.reason for told in seen.needs.values() if not isinstance(told, Found)]
    return missing[0] if missing else None


def _companions_for(tables: Tables, torch: str, package: str, fresh: Iterable[Companion]) -> list[str]:
    """Those made for this very torch first, then those that go with every later one; newer ones first."""
    new = [one for one in fresh if one.package == package and one.goes_with(torch)]
    exact = [one.version for one in new if not one.open_ended]
    wide = [one.version for one in new if one.open_ended]
    for row in tables.rows("releases", "open_ended"):
        if text_of(row, "package") == package and numbers(text_of(row, "torch_from")) <= numbers(torch):
            wide += words_of(row, "versions")
    return [*sorted(exact, key=numbers, reverse=True), *sorted(dict.fromkeys(wide), key=numbers, reverse=True)]


def add_companion(tables: Tables, one: Companion, sources: tuple[str, str], say: Say) -> None:
    """A companion for the releases that are there, and what PyPI's wheel of it was built for."""
    releases = tables.rows("releases", "release")
    matching = [row for row in releases if one.goes_with(text_of(row, "torch"))]
    if not matching:
        say(f"{one.package} {one.version} is left out: the catalog has no torch {one.torch or 'at all'}")
        drop(tables, one.package, one.version)
        return
    for row in matching:
        if one.version not in words_of(row, one.package):
            row[one.package] = " ".join([*words_of(row, one.package), one.version])
            lacks = {key: value for key, value in _table(row, "lacks").items() if key != one.package}
            row.pop("lacks", None)
            row.update({"lacks": lacks} if lacks else {})
    if one.open_ended:
        first = min((text_of(row, "torch") for row in matching), key=numbers)
        tables.rows("releases", "open_ended").append(
            {"package": one.package, "versions": one.version, "torch_from": first, "source": sources[0]}
        )
    pypi, source = _built_for(matching, one, sources)
    if one.open_ended:
        say(f"{one.package} {one.version} names no build of torch; taken to be made for the newest torch of its day")
    tables.rows("releases", "companion").append(
        {"package": one.package, "versions": one.version, "pypi": pypi, "source": source}
    )


def _built_for(matching: list[Row], one: Companion, sources: tuple[str, str]) -> tuple[Mapping[str, object], str]:
    """By the torch that it pins; else by the newest torch on the day of its upload, which is carried over."""
    earlier = [row for row in matching if one.date is None or text_of(row, "date") <= one.date] or matching
    row = max(earlier, key=lambda r: numbers(text_of(r, "torch")))
    return _table(row, "pypi"), sources[0] if not one.open_ended else " ".join(sources)
