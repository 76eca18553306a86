"""Merges builds: what the PyTorch index has, and what is known of the code in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from envtool.catalog import COMPANIONS, Catalog, parse
from envtool.update.survey import Seen
from envtool.update.tables import Row, Tables, text_of, words_of
from envtool.update.wheels import expanded, known_pythons, wheel_rows
from envtool.versions import cuda_of, numbers

Pages = Mapping[str, Mapping[str, Seen]]  # by package and version
Say = Callable[[str], None]
INDEX_ONLY = "windows_arm64"  # the one platform that PyPI never has


def merge_builds(tables: Tables, indexes: Mapping[str, Pages], source: str, say: Say) -> None:
    """Bring the builds of every variant that was read up to date."""
    catalog = parse(tables.texts())
    pythons = known_pythons(catalog, ())
    strange: set[str] = set()
    for variant, pages in sorted(indexes.items()):
        for torch, seen in sorted(pages.get("torch", {}).items(), key=lambda pair: numbers(pair[0])):
            if catalog.release(torch) is None:
                continue
            for platform, floors in sorted(expanded_untold(seen, pythons).items()):
                if platform == INDEX_ONLY:
                    _index_wheels(tables, catalog, pages, (variant, torch, platform), source)
                elif catalog.wheel("torch", torch, platform) is None or platform.startswith("macos"):
                    strange |= {platform} - {"macos_arm64", "macos_x86_64"}
                    continue
                _merge_build(tables, catalog, pages, (variant, platform, torch), floors, source)
    if strange:
        say(f"left aside on the PyTorch index: builds for {', '.join(sorted(strange))} that PyPI does not have")


def expanded_untold(seen: Seen, pythons: frozenset[str]) -> dict[str, dict[str, tuple[int, ...]]]:
    """The Pythons by platform, also where the floor is not told."""
    told = expanded(seen.floors, pythons)
    for platform, by_abi in seen.floors.items():
        for abi, floor in by_abi.items():
            if not floor and not abi.endswith("+"):
                told.setdefault(platform, {}).setdefault(abi, floor)
    return told


def _index_wheels(tables: Tables, catalog: Catalog, pages: Pages, place: tuple[str, str, str], source: str) -> None:
    """PyPI doesn't show the wheels of this platform, so the PyTorch index does."""
    variant, torch, platform = place
    if variant != "cpu":
        return
    release = catalog.release(torch)
    assert release is not None
    versions = [("torch", torch), *((p, v) for p in COMPANIONS for v in release.companions.of(p))]
    for package, version in versions:
        seen = pages.get(package, {}).get(version)
        known = any(text_of(row, "package") == package and version in words_of(row, "versions")
                    and "win_arm64" in words_of(row, "tags") for row in tables.rows("wheels", "wheels"))  # fmt: skip
        if seen is not None and platform in seen.floors and not known:
            rows = wheel_rows(package, version, {platform: seen.floors[platform]}, source)
            tables.rows("wheels", "wheels").extend(rows)


def _merge_build(
    tables: Tables,
    catalog: Catalog,
    pages: Pages,
    key: tuple[str, str, str],
    floors: Mapping[str, tuple[int, ...]],
    source: str,
) -> None:
    variant, platform, torch = key
    new = _row(catalog, pages, key, floors)
    rows = tables.rows("builds", "builds")
    old = next((row for row in rows if (row.get("variant"), row.get("platform")) == (variant, platform)
                and torch in words_of(row, "torch")), None)  # fmt: skip
    if old is not None:
        if old.get("verified") is True:  # what was once seen there stays; only what nobody had seen may appear
            left = [word for word in words_of(old, "unseen") if _still_unseen(word, pages, catalog, torch, platform)]
            if left == words_of(old, "unseen"):
                return
            new = {k: v for k, v in old.items() if k != "unseen"} | ({"unseen": " ".join(left)} if left else {})
        tables.forget("builds", "builds", "torch", torch, variant=variant, platform=platform)
    rows.append({**new, "variant": variant, "platform": platform, "torch": torch, "verified": True, "source": source})


def _row(catalog: Catalog, pages: Pages, key: tuple[str, str, str], floors: Mapping[str, tuple[int, ...]]) -> Row:
    _, platform, torch = key
    row: Row = {}
    plain = [p for p in ("torch", *COMPANIONS) if (s := _first(catalog, pages, p, torch)) and not s.local.get(platform)]
    unseen = [word for package in COMPANIONS for word in _unseen(catalog, pages, package, torch, platform)]
    wheel = catalog.wheel("torch", torch, platform)
    told = [floor for floor in floors.values() if floor]
    if plain:
        row["plain"] = " ".join(plain)
    if unseen:
        row["unseen"] = " ".join(unseen)
    if wheel is not None and platform.startswith("linux") and told:
        if min(told) > min(wheel.floors.values()):
            row["glibc"] = ".".join(str(n) for n in min(told))
    missing = sorted(set(wheel.floors) - set(floors)) if wheel is not None else []
    if missing and "py3" not in floors:
        row["without_python"] = " ".join(missing)
    return row


def _first(catalog: Catalog, pages: Pages, package: str, torch: str) -> Seen | None:
    release = catalog.release(torch)
    versions = (torch,) if package == "torch" else release.companions.of(package) if release else ()
    return next((pages[package][v] for v in versions if v in pages.get(package, {})), None)


def _unseen(catalog: Catalog, pages: Pages, package: str, torch: str, platform: str) -> list[str]:
    """The package where none of its versions is on the index, else the versions that aren't."""
    release = catalog.release(torch)
    versions = release.companions.of(package) if release else ()
    absent = [v for v in versions if not _is_there(pages, package, v, platform)]
    if len(absent) == len(versions):
        return [package]
    return [f"{package}=={version}" for version in absent]


def _is_there(pages: Pages, package: str, version: str, platform: str) -> bool:
    seen = pages.get(package, {}).get(version)
    return seen is not None and platform in seen.floors


def _still_unseen(word: str, pages: Pages, catalog: Catalog, torch: str, platform: str) -> bool:
    package, _, version = word.partition("==")
    if version:
        return not _is_there(pages, package, version, platform)
    return package in _unseen(catalog, pages, package, torch, platform)


# ── code and drivers ─────────────────────────────────────────────────────────────────────────────


def carry_kernels(tables: Tables, source: str) -> bool:
    """Code and drivers of CUDA builds that nothing tells of: carried over, or told to be unknown. True if carried."""
    catalog = parse(tables.texts())
    carried = False
    for platform in sorted({key[2] for key in catalog.wheels}):
        for build in catalog.builds(platform):
            if build.kind != "cuda":
                continue
            key = (build.variant, platform, build.torch)
            if build.kernels is None and key not in catalog.kernels_unknown:
                carried = _carry(tables, key, source) or carried
            _family(tables, catalog, build.variant, source)
    return carried


def _carry(tables: Tables, key: tuple[str, str, str], source: str) -> bool:
    variant, platform, torch = key
    rows = [row for row in tables.rows("kernels", "kernels")
            if (row.get("variant"), row.get("platform")) == (variant, platform)]  # fmt: skip
    place: Row = {"variant": variant, "platform": platform, "torch": torch}
    told = tables.rows("kernels", "kernels") + tables.rows("kernels", "unknown")
    if any(row.items() >= place.items() for row in told):
        return False
    if not rows:
        tables.rows("kernels", "unknown").append({**place, "source": source.split(maxsplit=1)[0]})
        return False
    newest = max(rows, key=lambda row: max(numbers(version) for version in words_of(row, "torch")))
    tables.rows("kernels", "kernels").append({**newest, **place, "verified": False, "source": source})
    return True


def _family(tables: Tables, catalog: Catalog, variant: str, source: str) -> None:
    major = str((cuda_of(variant) or (0, 0))[0])
    known = catalog.driver_floor(variant, "linux") or int(major) in catalog.families_unknown
    if not known and all(row.get("cuda") != major for row in tables.rows("drivers", "unknown")):
        tables.rows("drivers", "unknown").append({"cuda": major, "source": source.split(maxsplit=1)[0]})
