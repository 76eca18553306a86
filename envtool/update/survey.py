"""Asks the indexes for all that an update needs to know. Every question may end in Unknown; none ends the survey."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from envtool.catalog import Catalog
from envtool.fact import Fact
from envtool.machine import Absent, Found, Unknown
from envtool.spec import FAMILY
from envtool.update.client import Client, attempt, side_by_side
from envtool.update.metadata import Needs, needs_of
from envtool.update.names import Floors
from envtool.update.pages import WheelFile, project_page, variants_listed
from envtool.update.settings import shown
from envtool.versions import numbers

Told = Found[Needs] | Absent | Unknown
Tell = Callable[[str], None]

MOST_NEW = 100  # releases of a package, or variants, that can be new at once

# How the reasons end where it makes no sense to ask a hundred times more.
UNREACHABLE = ("cannot be reached", "in time", "is set", "a bundle", " s", "was up")

# One wheel of each of these tells what a release needs; Macs have no CUDA, and what isn't told of one is CPU code.
METADATA_PLATFORMS = ("linux_x86_64", "linux_aarch64", "windows_x86_64")


@dataclass(frozen=True, eq=False, repr=False)
class Seen(Fact):
    """A release as an index shows it. ``local``: by platform, does its version carry the variant there?"""

    package: str
    version: str
    floors: Floors
    local: Mapping[str, bool]
    requires_python: str | None
    date: str | None
    yanked: bool
    needs: Mapping[str, Told]


@dataclass(frozen=True, eq=False, repr=False)
class Survey(Fact):
    """What was read. ``pypi``: by package; ``indexes``: by variant and package; ``unread``: what wasn't, and why."""

    pypi: Mapping[str, Mapping[str, Seen]]
    indexes: Mapping[str, Mapping[str, Mapping[str, Seen]]]
    unread: tuple[str, ...]
    index_url: str
    pytorch_url: str


def survey(client: Client, places: tuple[str, str], catalog: Catalog, *, full: bool, tell: Tell) -> Survey:
    """Ask the package index and the PyTorch index; ``full`` reads the metadata of releases already known too."""
    index_url, pytorch_url = places
    unread: list[str] = []
    tell("reading the package index")
    pypi = _pypi(client, index_url, catalog, unread, tell, full=full)
    tell("reading the PyTorch index")
    indexes = _indexes(client, pytorch_url, _variants(catalog, pypi), unread, tell)
    return Survey(pypi, indexes, tuple(unread), index_url, pytorch_url)


# ── the package index ────────────────────────────────────────────────────────────────────────────


def _pypi(
    client: Client, url: str, catalog: Catalog, unread: list[str], tell: Tell, *, full: bool
) -> dict[str, dict[str, Seen]]:
    def page(package: str) -> Found[tuple[WheelFile, ...]] | Absent | Unknown:
        return attempt(package, url, partial(project_page, client, url, package))

    found: dict[str, dict[str, Seen]] = {}
    for package, answer in zip(FAMILY, side_by_side(page, FAMILY, tell), strict=True):
        if not isinstance(answer, Found):
            unread.append(answer.reason)
        elif _too_many(catalog, package, answer.value):
            unread.append(f"{package} at {shown(url)}: lists more than {MOST_NEW} new releases, which can't be right")
        else:
            # a mirror of both indexes mixes in builds such as 2.14.1+cpu, which are not PyPI's
            found[package] = _releases(
                package, (w for w in answer.value if not w.name.local), _oldest(catalog, package)
            )
            told = _metadata(client, package, found[package], answer.value, _known(catalog, package, full=full), tell)
            found[package] = {v: _with_needs(seen, told.get(v, {})) for v, seen in found[package].items()}
    return found


def _too_many(catalog: Catalog, package: str, wheels: Iterable[WheelFile]) -> bool:
    oldest, known = _oldest(catalog, package), _known(catalog, package, full=False)
    new = {w.name.version for w in wheels if numbers(w.name.version) >= oldest and not w.name.local} - known
    return len(new) > MOST_NEW


def _oldest(catalog: Catalog, package: str) -> tuple[int, ...]:
    return min(numbers(version) for name, version, _ in catalog.wheels if name == package)


def _known(catalog: Catalog, package: str, *, full: bool) -> frozenset[str]:
    return frozenset() if full else frozenset(version for name, version, _ in catalog.wheels if name == package)


def _releases(package: str, wheels: Iterable[WheelFile], oldest: tuple[int, ...]) -> dict[str, Seen]:
    """By version; of a release that isn't yanked as a whole, only the wheels that aren't yanked count."""
    by_version: dict[str, list[WheelFile]] = {}
    for wheel in wheels:
        if numbers(wheel.name.version) >= oldest:
            by_version.setdefault(wheel.name.version, []).append(wheel)
    found = {}
    for version, all_files in by_version.items():
        files = [file for file in all_files if not file.yanked]
        requires = [file.requires_python for file in files if file.requires_python]
        dates = [file.date for file in all_files if file.date]
        floors, local = _floors(files or all_files)
        found[version] = Seen(package, version, floors, local, min(requires, default=None), min(dates, default=None),
                              not files, {})  # fmt: skip
    return found


def _floors(wheels: Iterable[WheelFile]) -> tuple[Floors, Mapping[str, bool]]:
    floors: dict[str, dict[str, tuple[int, ...]]] = {}
    local: dict[str, bool] = {}
    for wheel in wheels:
        for platform, by_abi in wheel.name.floors.items():
            local[platform] = local.get(platform, False) or wheel.name.local is not None
            for abi, floor in by_abi.items():
                known = floors.setdefault(platform, {})
                known[abi] = min(known.get(abi, floor), floor)
    return floors, local


def _metadata(
    client: Client,
    package: str,
    seen: Mapping[str, Seen],
    wheels: Iterable[WheelFile],
    known: frozenset[str],
    tell: Tell,
) -> dict[str, dict[str, Told]]:
    """By version and platform, of releases that aren't known: what one wheel of it needs there."""
    chosen: dict[tuple[str, str], WheelFile] = {}
    for wheel in wheels:
        version = wheel.name.version
        if version in known or version not in seen or seen[version].yanked or wheel.yanked:
            continue
        for platform in METADATA_PLATFORMS if package == "torch" else METADATA_PLATFORMS[:1]:
            if platform in wheel.name.floors:
                chosen.setdefault((version, platform), wheel)
    if chosen:
        tell(f"reading the metadata of {len(chosen)} wheels of {package}")

    def ask(item: tuple[tuple[str, str], WheelFile]) -> Told:
        (_, platform), wheel = item
        return attempt(wheel.filename, wheel.url, partial(needs_of, client, wheel, platform))

    found: dict[str, dict[str, Told]] = {}
    for (version, platform), told in zip(chosen, side_by_side(ask, chosen.items(), tell), strict=True):
        found.setdefault(version, {})[platform] = told
    return found


def _with_needs(seen: Seen, needs: Mapping[str, Told]) -> Seen:
    from dataclasses import replace

    return replace(seen, needs=needs)


# ── the PyTorch index ────────────────────────────────────────────────────────────────────────────


def _variants(catalog: Catalog, pypi: Mapping[str, Mapping[str, Seen]]) -> list[str]:
    """Those that the catalog knows, and those that PyPI's newest builds name."""
    known = {build.variant for platform in _platforms(catalog) for build in catalog.builds(platform)}
    for seen in pypi.get("torch", {}).values():
        known |= {told.value.variant for told in seen.needs.values() if isinstance(told, Found)}
    return sorted(known)


def _platforms(catalog: Catalog) -> set[str]:
    return {platform for _, _, platform in catalog.wheels}


def _indexes(
    client: Client, root: str, known: list[str], unread: list[str], tell: Tell
) -> dict[str, dict[str, dict[str, Seen]]]:
    listed = attempt("the list of variants", root, partial(variants_listed, client, root))
    stays = "; its builds stay as they are"
    if isinstance(listed, Unknown) and listed.reason.endswith(UNREACHABLE):
        unread.append(f"the PyTorch index at {listed.reason.partition(' at ')[2]}{stays}")
        return {}
    new = sorted(set(listed.value) - set(known)) if isinstance(listed, Found) else []
    variants = sorted({*known, *new[:MOST_NEW]})
    places = [(variant, package) for variant in variants for package in FAMILY]

    def page(place: tuple[str, str]) -> Found[tuple[WheelFile, ...]] | Absent | Unknown:
        variant, package = place
        url = f"{root.rstrip('/')}/{variant}"
        return attempt(f"{package} for {variant}", url, partial(project_page, client, url, package))

    found: dict[str, dict[str, dict[str, Seen]]] = {}
    failed: list[str] = []
    for (variant, package), answer in zip(places, side_by_side(page, places, tell), strict=True):
        if isinstance(answer, Found):
            own = [w for w in answer.value if w.name.local in {None, variant} and not w.yanked]
            found.setdefault(variant, {})[package] = _releases(package, own, (0,))
        elif isinstance(answer, Unknown):
            failed.append(answer.reason)
    if not found:
        unread.append(f"the PyTorch index at {shown(root)}: {len(places)} pages, and not one of an index{stays}")
    elif failed:
        more = f", and {len(failed) - 1} more pages of the PyTorch index" if len(failed) > 1 else ""
        unread.append(f"{failed[0]}{more}{stays}")
    return found
