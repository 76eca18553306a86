"""Which of a version's wheels suits a Python: an older uv lists all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from envtool.install.order import Question
from envtool.versions import numbers


def best(filenames: Sequence[str], question: Question) -> int:
    """The place of the wheel that an installer would take; the first where none suits or there is only one."""
    if len(filenames) == 1:
        return 0
    from packaging.tags import Tag
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    ranks = _ranks(".".join(question.python_version.split(".")[:2]), question.abi, question.platform, question.macos)

    def rank(name: str) -> int:
        try:
            tags: frozenset[Tag] = parse_wheel_filename(name)[3]
        except InvalidWheelFilename:
            return len(ranks)
        return min((ranks.get(str(tag), len(ranks)) for tag in tags), default=len(ranks))

    return min(range(len(filenames)), key=lambda place: rank(filenames[place]))


@lru_cache(maxsize=4)
def _ranks(version: str, abi: str | None, platform: str | None, macos: str | None) -> dict[str, int]:
    """Every tag that suits, the best one first."""
    from packaging.tags import compatible_tags, cpython_tags

    python = numbers(version)[:2]
    platforms = list(_platforms(platform, macos))
    own = abi or f"cp{python[0]}{python[1]}"
    tags = [*cpython_tags(python, [own], platforms), *compatible_tags(python, f"cp{python[0]}{python[1]}", platforms)]
    return {str(tag): rank for rank, tag in reversed(list(enumerate(tags)))}


def _platforms(platform: str | None, macos: str | None) -> Iterator[str]:
    """Platform tags of uv's name of a platform, or of this machine."""
    from packaging.tags import mac_platforms, platform_tags

    if platform is None:
        yield from platform_tags()
        return
    arch = platform.partition("-")[0]
    glibc = re.search(r"manylinux_2_(\d+)", platform)
    if glibc:
        for minor in range(int(glibc[1]), 4, -1):
            yield f"manylinux_2_{minor}_{arch}"
            older = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}.get(minor)
            if older:
                yield f"{older}_{arch}"
        yield f"linux_{arch}"
    elif "darwin" in platform:
        first, second = (*numbers(macos or "13.0"), 0)[:2]
        yield from mac_platforms((first, second), "arm64" if arch == "aarch64" else arch)
    else:
        yield {"x86_64": "win_amd64", "aarch64": "win_arm64"}.get(arch, "win32")
