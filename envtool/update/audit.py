"""What the metadata of known releases say against the catalog. A person decides who is right; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator

from envtool.catalog import Catalog
from envtool.machine import Found
from envtool.update.metadata import Needs
from envtool.update.survey import Seen, Survey


def disagreements(catalog: Catalog, survey: Survey) -> tuple[str, ...]:
    """One line each; none where metadata and catalog agree, or where no metadata of known releases were read."""
    known = {key[:2] for key in catalog.wheels}
    return tuple(
        line
        for by_version in survey.pypi.values()
        for seen in by_version.values()
        if (seen.package, seen.version) in known
        for platform, told in seen.needs.items()
        if isinstance(told, Found)
        for line in _against(catalog, seen, platform, told.value)
    )


def _against(catalog: Catalog, seen: Seen, platform: str, needs: Needs) -> Iterator[str]:
    from packaging.specifiers import SpecifierSet

    if seen.package == "torch":
        variant = catalog.pypi_variant("torch", seen.version, platform)
        if variant != needs.variant:
            yield f"torch {seen.version} on {platform}: the index says {needs.variant}, the catalog {variant}"
        return
    if needs.torch is None:
        return
    for release in catalog.releases:
        named = seen.version in release.companions.of(seen.package)
        if named != SpecifierSet(needs.torch).contains(release.torch):
            does = "does" if named else "does not"
            yield (
                f"{seen.package} {seen.version} asks for torch {needs.torch}; "
                f"the catalog {does} name it for torch {release.torch}"
            )
