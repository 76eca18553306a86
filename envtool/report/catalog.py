"""The catalog for people, and the documents of `envtool catalog`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from envtool.catalog import COMPANIONS, Catalog, Release
from envtool.catalog.builds import Build, Wheel
from envtool.catalog.difference import Change
from envtool.report.text import WIDEST, Style, hanging
from envtool.verdicts import Json
from envtool.versions import dotted

SHOWN = 5  # releases on the first screen
ORIGINS = {"packaged": "as it came with envtool", "updated": "as `envtool catalog update` wrote it"}
Judged = list[tuple[str, str, list[str]]]


def _width(style: Style) -> int:
    return min(max(style.width, 40), WIDEST)


def _head(catalog: Catalog) -> str:
    found = catalog.releases
    return (
        f"Catalog of {catalog.date}, {ORIGINS[catalog.origin]}: "
        f"{len(found)} releases, torch {found[-1].torch} to {found[0].torch}"
    )


def _line(lead: str, text: str, style: Style) -> str:
    return hanging(f"  {lead:<16}", text, _width(style))


def platforms(catalog: Catalog) -> tuple[str, ...]:
    """Every platform that has a wheel of torch."""
    return tuple(sorted({platform for package, _, platform in catalog.wheels if package == "torch"}))


def builds_of(catalog: Catalog, torch: str, platform: str) -> tuple[Build, ...]:
    """The builds of one release on a platform, PyPI's first."""
    return tuple(build for build in catalog.builds(platform) if build.torch == torch)


# ── show ─────────────────────────────────────────────────────────────────────────────────────────


def render(catalog: Catalog, style: Style, *, everything: bool = False) -> str:
    """Releases, newest first: what imports with each, the Pythons, and the builds by platform."""
    shown = catalog.releases if everything else catalog.releases[:SHOWN]
    blocks = [hanging("", _head(catalog), _width(style)), *(_release(catalog, release, style) for release in shown)]
    notes = ["A ? marks a build that nobody has seen on its index.", _drivers(catalog)]
    if catalog.problem:
        notes.insert(0, f"Not in use: {catalog.problem}.")
    if len(shown) < len(catalog.releases):
        notes.append("`envtool catalog show --all` lists every release, `--torch VERSION` tells all of one.")
    return "\n\n".join([*blocks, "\n".join(hanging("", note, _width(style)) for note in notes)]) + "\n"


def _drivers(catalog: Catalog) -> str:
    floors = {cuda: catalog.driver_floor(f"cu{cuda}0", "linux") for cuda in (11, 12, 13)}
    told = ", ".join(f"CUDA {cuda} {floor}" for cuda, floor in floors.items() if floor)
    return f"NVIDIA drivers needed on Linux: {told}."


def _release(catalog: Catalog, release: Release, style: Style) -> str:
    lines = [style.paint(f"torch {release.torch}", "1") + f"   {release.date}"]
    lines.append(_line("with", "; ".join(_companions(release)), style))
    for platform in platforms(catalog):
        builds = builds_of(catalog, release.torch, platform)
        if builds:
            lines.append(_line(platform, _places(builds), style))
    conda = _on_conda_forge(catalog, release.torch)
    if conda:
        lines.append(_line("conda-forge", conda, style))
    return "\n".join(lines)


def _on_conda_forge(catalog: Catalog, torch: str) -> str:
    """The builds on conda-forge, by subdir; "" for a release that it has none of."""
    from envtool.catalog.conda import read_rows

    found: dict[str, list[str]] = {}
    for row in read_rows(catalog).torches:
        name = f"{row.variant}{'' if row.verified else '?'}"
        if torch in row.torch and name not in found.setdefault(row.subdir, []):
            found[row.subdir].append(name)
    return "; ".join(f"{subdir} {' '.join(sorted(names))}" for subdir, names in sorted(found.items()) if names)


def _companions(release: Release) -> Iterator[str]:
    for package in COMPANIONS:
        versions = release.companions.of(package)
        yield f"{package} {' or '.join(versions)}" if versions else f"no {package}: {release.lacks.get(package, '?')}"


def _places(builds: Sequence[Build]) -> str:
    own = [build.variant for build in builds if build.source == "pypi"]
    index = [f"{build.variant}{'' if build.verified else '?'}" for build in builds if build.source != "pypi"]
    parts = [f"PyPI {own[0]}"] if own else []
    parts += [f"index {' '.join(index)}"] if index else []
    return f"{'; '.join(parts)}; {_pythons(builds[0].wheel)}"


def _pythons(wheel: Wheel) -> str:
    names = [_python(abi) for abi in wheel.pythons]
    return f"Python {' '.join(names)}"


def _python(abi: str) -> str:
    """ "cp313t" as "3.13t"."""
    return f"3.{abi[3:]}" if abi.startswith("cp3") else abi


def render_release(catalog: Catalog, torch: str, style: Style) -> str:
    """All that is known of one release, and what is not."""
    release = catalog.release(torch)
    assert release is not None  # the command has asked
    numpy = ", ".join(sorted(release.numpy2)) or "no system"
    lines = [_release(catalog, release, style), _line("NumPy 2", f"works on {numpy}", style)]
    for platform in platforms(catalog):
        for build in builds_of(catalog, release.torch, platform):
            where = build.index_url or "PyPI"
            lines += ["", hanging(f"{platform}, {build.variant}   ", where, _width(style))]
            lines += [_line(lead, text, style) for lead, text in _details(build)]
    lines += ["", "Sources", *(hanging("  ", text, _width(style)) for text in _sources(catalog, release.torch))]
    doubts = list(_doubts(catalog, release.torch))
    lines += ["", "Not verified", *(hanging("  ", text, _width(style)) for text in doubts or ["nothing"])]
    return "\n".join(lines) + "\n"


def _details(build: Build) -> Iterator[tuple[str, str]]:
    yield "Pythons", " ".join(_python(abi) for abi in build.wheel.pythons)
    floors = sorted({floor for floor in build.wheel.floors.values() if floor})
    if floors:
        system = "macOS" if build.platform.startswith("macos") else "glibc"
        yield system, " or ".join(f"{dotted(floor)} or newer" for floor in floors)
    if build.wheel.requires_python:
        yield "Requires-Python", build.wheel.requires_python
    if build.kind == "cuda":
        kernels = build.kernels
        yield (
            "code for",
            build.compiled_for + (f"; PTX {_capabilities(kernels.ptx)}" if kernels and kernels.ptx else ""),
        )
        yield "driver", ", ".join(f"{os} {floor}" for os, floor in build.driver_floors.items()) or "not known"
    if build.kind == "rocm":
        yield "code for", " ".join(sorted(build.gfx)) if build.gfx else "not known"
    for package, wheels in build.companions.items():
        fitting = [f"{wheel.version}{'' if wheel.verified else '?'}" for wheel in wheels if not wheel.problem]
        reasons = [wheel.problem for wheel in wheels if wheel.problem]
        yield package, " or ".join(fitting) or (reasons[0] if reasons else "none")


def _capabilities(found: Iterable[tuple[int, int]]) -> str:
    return ", ".join(dotted(capability) for capability in found)


_NAMED = (("releases", "release", "torch"), ("wheels", "wheels", "versions"), ("builds", "builds", "torch"),
          ("kernels", "kernels", "torch"), ("kernels", "unknown", "torch"))  # fmt: skip


def _rows(catalog: Catalog, torch: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a row tells of a torch, and its sources."""
    for file, table, field in _NAMED:
        for row in catalog.file(file).rows(table):
            if torch in row.words(field) and (file != "wheels" or row.text("package") == "torch"):
                by_variant = file in {"builds", "kernels"}
                place = f"{row.text('variant')} on {row.text('platform')}" if by_variant else ""
                what = {"release": "the release", "wheels": "its wheels", "builds": "the build",
                        "kernels": "the code of", "unknown": "the code of"}[table]  # fmt: skip
                yield f"{what} {place}".strip(), row.sources()


def _sources(catalog: Catalog, torch: str) -> list[str]:
    described = catalog.file("sources").content
    told: dict[str, list[str]] = {}
    for what, sources in _rows(catalog, torch):
        for source in sources:
            told.setdefault(source, []).append(what)
    lines = []
    for source, whats in told.items():
        entry = described.get(source)
        title, date = (entry.get("title"), entry.get("date")) if isinstance(entry, dict) else (source, "?")
        few = list(dict.fromkeys(whats))
        shown = ", ".join(few[:3]) + (f" and {len(few) - 3} more" if len(few) > 3 else "")
        lines.append(f"{title} ({date}): {shown}")
    return lines


def _doubts(catalog: Catalog, torch: str) -> Iterator[str]:
    for platform in platforms(catalog):
        for build in builds_of(catalog, torch, platform):
            what = f"{build.variant} on {platform}"
            if not build.verified:
                yield f"{what}: planned or likely; nobody has seen it on its index"
            for package, wheels in build.companions.items():
                unseen = [wheel.version for wheel in wheels if not wheel.verified and build.verified]
                if unseen:
                    yield f"{what}: {package} {' or '.join(unseen)} has not been seen on that index"
            if (build.kind == "cuda" and build.source != "pypi") or (
                build.kind == "cuda" and not _twin(catalog, build)
            ):
                if build.kernels is None:
                    yield f"{what}: which GPUs it has code for is not known, so no plan takes it for a GPU"
                elif not build.kernels.verified:
                    yield f"{what}: which GPUs it has code for is taken over from a neighbour"


def _twin(catalog: Catalog, build: Build) -> bool:
    """Is the same variant on the PyTorch index too, and so told already?"""
    return any(
        b.variant == build.variant and b.source != "pypi" for b in builds_of(catalog, build.torch, build.platform)
    )


# ── verify and update ────────────────────────────────────────────────────────────────────────────


def render_verified(catalog: Catalog, judged: Judged, laws: int) -> str:
    """One line for each breach, or one that all laws hold."""
    breaches = [f"{law}: {breach}" for law, _, found in judged for breach in found]
    if catalog.problem:
        breaches.append(f"the update is not in use: {catalog.problem}")
    end = f"{len(breaches)} broken" if breaches else f"all {laws} laws hold"
    return "\n".join([*breaches, f"{_head(catalog)}: {end}"]) + "\n"


def render_update(
    changes: Sequence[Change], notes: Sequence[str], path: str | None, *, unread: bool, check: bool
) -> str:
    """A line for each change, the notes, and what was done."""
    lines = [*(str(change) for change in changes), *(f"note: {note}" for note in notes)]
    if not changes:
        lines.append("What could be read agrees with the catalog." if unread else "The catalog is up to date.")
    elif check:
        lines.append(f"{len(changes)} changes; nothing was written.")
    else:
        lines.append(f"{len(changes)} changes, written to {path}")
    return "\n".join(lines) + "\n"


# ── documents ────────────────────────────────────────────────────────────────────────────────────


def to_json(catalog: Catalog, torch: str | None) -> dict[str, Json]:
    """The document of `catalog show`; of one release where ``torch`` is named."""
    wanted = catalog.release(torch) if torch is not None else None
    releases = [wanted] if wanted is not None else list(catalog.releases)
    return {
        "schema": "envtool.catalog/1",
        "date": catalog.date,
        "digest": catalog.digest,
        "origin": catalog.origin,
        "problem": catalog.problem,
        "releases": [_release_json(catalog, release) for release in releases],
    }


def _release_json(catalog: Catalog, release: Release) -> dict[str, Json]:
    builds = [build for platform in platforms(catalog) for build in builds_of(catalog, release.torch, platform)]
    lists: dict[str, Json] = {package: list(release.companions.of(package)) for package in COMPANIONS}
    return {"torch": release.torch, "date": release.date, **lists, "lacks": dict(release.lacks),
            "numpy2": _list(sorted(release.numpy2)), "builds": [_build_json(build) for build in builds]}  # fmt: skip


def _list(texts: Iterable[str]) -> list[Json]:
    return [*texts]


def _build_json(build: Build) -> dict[str, Json]:
    kernels = build.kernels
    companions: dict[str, Json] = {
        package: [{"version": wheel.version, "verified": wheel.verified, "problem": wheel.problem} for wheel in wheels]
        for package, wheels in build.companions.items()
    }
    return {
        "variant": build.variant,
        "platform": build.platform,
        "source": build.source,
        "index_url": build.index_url,
        "verified": build.verified,
        "pythons": list(build.wheel.pythons),
        "requires_python": build.wheel.requires_python,
        "floors": {abi: dotted(floor) for abi, floor in build.wheel.floors.items() if floor},
        "driver": dict(build.driver_floors),
        "compute_capabilities": [dotted(code) for code in kernels.sm] if kernels else None,
        "ptx": [dotted(code) for code in kernels.ptx] if kernels else None,
        "code_verified": kernels.verified if kernels else None,
        "gfx": _list(sorted(build.gfx)) if build.gfx is not None else None,
        "companions": companions,
    }


def verified_to_json(catalog: Catalog, judged: Judged) -> dict[str, Json]:
    """The document of `catalog verify`."""
    laws: list[Json] = [{"law": law, "says": says, "breaches": list(found)} for law, says, found in judged]
    return {"schema": "envtool.catalog-verify/1", "date": catalog.date, "digest": catalog.digest,
            "origin": catalog.origin, "problem": catalog.problem, "laws": laws}  # fmt: skip


def update_to_json(
    changes: Sequence[Change],
    notes: Sequence[str],
    unread: Sequence[str],
    date: str,
    path: str | None,
    removed: str | None = None,
) -> dict[str, Json]:
    """The document of `catalog update`; ``written`` is null where nothing was."""
    listed: list[Json] = [{"kind": c.kind, "what": c.what, "old": c.old, "new": c.new} for c in changes]
    return {"schema": "envtool.catalog-update/1", "date": date, "written": path, "removed": removed, "changes": listed,
            "notes": list(notes), "unread": list(unread)}  # fmt: skip
