"""Can a version specifier be met by any version at all?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version


def can_be_met(specifier: SpecifierSet) -> bool:
    """False where the parts contradict each other, as in ">=3.12,<3.10".

    The borders of what a specifier allows lie at the versions that it names: if it allows anything, it allows one of
    these, or one that is a little newer or a little older.
    """
    if any(part.operator == "===" for part in specifier):  # a text, compared as it stands
        return True
    return not list(specifier) or any(specifier.contains(v, prereleases=True) for v in _candidates(specifier))


def _candidates(specifier: SpecifierSet) -> Iterator[str]:
    from packaging.version import Version

    for part in specifier:
        version = Version(part.version.removesuffix(".*"))
        yield str(version)
        yield from _newer(version)
        yield from _older(version)


def _newer(version: Version) -> Iterator[str]:
    epoch = f"{version.epoch}!" if version.epoch else ""
    release = ".".join(map(str, version.release))
    yield f"{epoch}{release}.0.0.1"  # past every post-release
    *front, last = version.release
    yield epoch + ".".join(map(str, (*front, last + 1)))  # past "!=2.6.*"
    yield epoch + ".".join(map(str, (*front, last + 1, 0, 0, 1)))


def _older(version: Version) -> Iterator[str]:
    epoch = f"{version.epoch}!" if version.epoch else ""
    numbers = list(version.release)
    for place in range(len(numbers) - 1, -1, -1):
        if numbers[place] > 0:
            yield epoch + ".".join(map(str, (*numbers[:place], numbers[place] - 1, 99999)))
            return
