"""Names that are imported, written where a package's name belongs."""

from __future__ import annotations

from functools import cache


@cache
def package_of_import(name: str) -> str | None:
    """The package that brings the module, where the module's name is no package: "scikit-learn" of "sklearn"."""
    from envtool.data import read_row

    row = read_row("imported_names.toml", name.lower())
    return str(row["package"]) if row is not None else None
