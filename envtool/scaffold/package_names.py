"""The table of names on conda and PyPI, data/conda_names.toml, read."""

from __future__ import annotations

from functools import cache

from envtool.course.belongings import plain_name
from envtool.data import read_table
from envtool.fact import Fact, dataclass


@dataclass(frozen=True, eq=False, repr=False)
class PackageNames(Fact):
    """All names are normalised, but for those to write."""

    to_pypi: tuple[tuple[str, str], ...]  # conda's name, PyPI's
    to_conda: tuple[tuple[str, str], ...]  # the other way
    conda_only: frozenset[str]
    needless: frozenset[str]
    with_torch: frozenset[str]
    with_torch_starts: tuple[str, ...]
    library_starts: tuple[str, ...]

    def pypi(self, conda: str) -> str | None:
        """PyPI's name of a conda package that is called otherwise there."""
        return next((there for here, there in self.to_pypi if plain_name(here) == plain_name(conda)), None)

    def conda(self, pypi: str) -> str | None:
        """Conda's name of a PyPI package that is called otherwise there."""
        return next((there for here, there in self.to_conda if plain_name(here) == plain_name(pypi)), None)

    def comes_with_torch(self, name: str) -> bool:
        """Does a build of torch bring it, or stand in its place?"""
        return plain_name(name) in self.with_torch or name.lower().startswith(self.with_torch_starts)


@cache
def package_names() -> PackageNames:
    """The table that envtool carries."""
    table = read_table("conda_names.toml")
    needless = table["needless"]
    return PackageNames(
        to_pypi=tuple((row["conda"], row["pypi"]) for row in table["renamed"]),
        to_conda=tuple((row["pypi"], row["conda"]) for row in table["renamed"] if not row.get("one-way")),
        conda_only=frozenset(map(plain_name, table["conda-only"]["names"])),
        needless=frozenset(map(plain_name, needless["names"])),
        with_torch=frozenset(map(plain_name, needless["with-torch"])),
        with_torch_starts=tuple(needless["with-torch-starts"]),
        library_starts=tuple(needless["library-starts"]),
    )
