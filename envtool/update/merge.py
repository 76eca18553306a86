"""From a catalog and a survey to a new catalog, as text. Pure: nothing is asked and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from envtool.catalog import FILES, Catalog, parse
from envtool.catalog.laws import broken
from envtool.errors import EnvtoolError
from envtool.fact import Fact
from envtool.spec import FAMILY
from envtool.update.index_builds import carry_kernels, merge_builds
from envtool.update.releases import (
    add_companion,
    add_release,
    companions_of,
    drop,
    new_versions,
    unread_needs,
    yanked,
)
from envtool.update.settings import shown
from envtool.update.survey import Seen, Survey
from envtool.update.tables import Tables, words_of
from envtool.update.wheels import known_pythons, merge_wheels
from envtool.versions import dotted

CARRIED = "carried"
CARRIED_TITLE = (
    "Carried over by `envtool catalog update` from the newest known release of the same kind; an index doesn't tell"
)


@dataclass(frozen=True, eq=False, repr=False)
class Merged(Fact):
    """The text of every file, and what a person should know of how it came about."""

    texts: dict[str, str]
    notes: tuple[str, ...]


def merge(catalog: Catalog, survey: Survey, today: str) -> Merged:
    """The new catalog. A new release that would break a law is left out, the newest first, and that is said."""
    held: dict[str, str] = {}
    while True:
        merged = _merge(catalog, survey, today, held)
        breaches = breaches_of(merged.texts)
        added = [s.version for s in new_versions(survey, catalog, "torch") if s.version not in held]
        if not breaches or not added:
            return merged
        held[added[-1]] = breaches[0]


def breaches_of(texts: dict[str, str]) -> list[str]:
    """What is wrong with a catalog that is given as text."""
    try:
        judged = parse(texts)
        for platform in {key[2] for key in judged.wheels}:
            judged.builds(platform)
        return broken(judged)
    except EnvtoolError as error:
        return [error.message]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        return [f"can't be read ({type(error).__name__}: {error})"]


def _merge(catalog: Catalog, survey: Survey, today: str, held: dict[str, str]) -> Merged:
    tables, notes = Tables(catalog), [f"torch {torch} is left out: {why}" for torch, why in held.items()]
    source = f"index-{today}"
    for seen in yanked(survey, catalog):
        drop(tables, seen.package, seen.version)
        notes.append(f"{seen.package} {seen.version} was yanked")
    _packages(tables, catalog, survey, today, (held, notes))
    merge_builds(tables, survey.indexes, source, notes.append)
    carry_kernels(tables, f"{source} {CARRIED}")
    _newest_glibc(tables)
    _sources(tables, survey, today)
    texts = tables.texts()
    if any(texts[name] != catalog.text(name) for name in FILES):
        tables.file("releases")["date"] = max(today, catalog.date)
        texts = tables.texts()
    return Merged(texts, tuple(notes))


def _packages(
    tables: Tables, catalog: Catalog, survey: Survey, today: str, told: tuple[dict[str, str], list[str]]
) -> None:
    held, notes = told
    source, carried = f"index-{today}", f"index-{today} {CARRIED}"
    pythons = known_pythons(catalog, survey.pypi.get("torch", {}).values())
    companions = companions_of(survey, catalog, notes.append)
    wanted = {("torch", seen.version) for seen in _addable(survey, catalog, held, notes)}
    wanted |= {(one.package, one.version) for one in companions}
    known = {key[:2] for key in catalog.wheels}
    for package, by_version in survey.pypi.items():
        for seen in by_version.values():
            key = (package, seen.version)
            if not seen.yanked and (key in wanted or key in known):
                merge_wheels(tables, catalog, seen, source, pythons)
    for seen in new_versions(survey, catalog, "torch"):
        if ("torch", seen.version) in wanted:
            add_release(tables, seen, companions, today, (source, CARRIED))
    for one in companions:
        add_companion(tables, one, (source, carried.split()[1]), notes.append)


def _addable(survey: Survey, catalog: Catalog, held: dict[str, str], notes: list[str]) -> list[Seen]:
    """The new releases of torch of which enough is known."""
    unread = [package for package in FAMILY if package not in survey.pypi]
    found = []
    for seen in new_versions(survey, catalog, "torch"):
        why = unread_needs(seen)
        if unread:
            notes.append(f"torch {seen.version} is left out until {' and '.join(unread)} can be read")
        elif why is not None:
            notes.append(f"torch {seen.version} is left out: what PyPI's build is made for is not known ({why})")
        elif seen.version not in held:
            found.append(seen)
    return found


def _newest_glibc(tables: Tables) -> None:
    """releases.toml repeats what the newest torch asks of Linux."""
    catalog = parse(tables.texts())
    wheel = catalog.wheel("torch", catalog.releases[0].torch, "linux_x86_64")
    if wheel is not None:
        floor = dotted(min(wheel.floors.values()))
        if tables.file("releases").get("newest_glibc") != floor:
            tables.file("releases")["newest_glibc"] = floor


def _sources(tables: Tables, survey: Survey, today: str) -> None:
    """Describe the sources that rows name now, and forget those that none names any more."""
    content, used = tables.file("sources"), set(_used(tables))
    read = f"{shown(survey.index_url)} and {shown(survey.pytorch_url)}"
    told = {f"index-{today}": f"Files and metadata on {read}, by `envtool catalog update`", CARRIED: CARRIED_TITLE}
    for name, title in told.items():
        if name in used:
            content.setdefault(name, {"title": title, "date": today})
    for name in [name for name in content if name not in used]:
        del content[name]


def _used(tables: Tables) -> Iterator[str]:
    for name in FILES:
        for rows in tables.file(name).values():
            for row in rows if isinstance(rows, list) else ():
                yield from words_of(row, "source") if isinstance(row, dict) else ()
