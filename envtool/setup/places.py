"""Facts about places where notebooks run, from envtool/data/notebooks.toml."""

from __future__ import annotations

from typing import Any

from envtool.course import Course
from envtool.data import read_table
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.versions import kind_of, numbers


@dataclass(frozen=True, eq=False, repr=False)
class PlaceGpu(Fact):
    """A kind of GPU that a place has."""

    name: str
    capability: tuple[int, ...]
    memory_gib: float

    def suits(self, course: Course) -> bool:
        """Does it meet the course's floors?"""
        memory, capability = course.gpu.memory_gib, course.gpu.compute_capability
        return (memory is None or self.memory_gib >= memory) and (capability is None or self.capability >= capability)


def facts(place: str) -> dict[str, Any]:
    """The table of a place."""
    table: dict[str, Any] = read_table("notebooks.toml")[place]
    return table


def gpus(place: str) -> tuple[PlaceGpu, ...]:
    """The GPUs that a place has, the cheapest first."""
    rows = facts(place)["gpu"]
    return tuple(PlaceGpu(r["name"], numbers(r["compute-capability"]), r["memory-gib"]) for r in rows)


def chosen_gpu(place: str, course: Course, named: str | None) -> str | None:
    """The GPU to ask for: the one that is named, else the cheapest that suits a course with a CUDA variant."""
    there = gpus(place)
    if named is not None:
        known = {gpu.name.lower(): gpu.name for gpu in there}
        if named.lower() in ("none", "cpu"):
            return None
        if named.lower() not in known:
            raise UsageError(f"--gpu: there is no {named!r}", hint=f"take {', '.join(known.values())} or none")
        return known[named.lower()]
    if not any(kind_of(variant) == "cuda" for variant in course.variants):
        return None
    return next((gpu.name for gpu in there if gpu.suits(course)), there[-1].name)
