"""Packages that stand in the wrong list of an envtool.toml, or in two of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from envtool.spec import FAMILY

LISTS = (("packages", "packages"), ("conda_packages", "conda.packages"), ("pip_packages", "pip.packages"))
_CONDA_TORCH = ("pytorch", "pytorch-gpu", "pytorch-cpu", "libtorch", "cpuonly", "pytorch-cuda")
_MANAGED = {
    "python": "python",  # conda's name for what the key says
    "cudatoolkit": "variants and [gpu]",
    "cuda-version": "variants and [gpu]",
}


def plain_name(text: str) -> str:
    """A requirement's or match spec's name, normalised: "Scikit_learn >=1" is "scikit-learn"."""
    found = re.match(r"(?:[^\s:]+::)?([A-Za-z0-9][A-Za-z0-9._-]*|_[A-Za-z0-9._-]+)", text.strip())
    return re.sub(r"[-_.]+", "-", found[1] if found else text).lower().strip("-")


def misplaced(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The path of each such entry, and what is wrong with it."""
    torch: set[str] = set()
    for index, text in enumerate(fields.get("torch", ())):
        name = plain_name(text)
        if name in torch:
            yield f"torch[{index}]", f"{name} is asked for twice; write both limits in one, as in 'torch>=2.6,<3'"
        torch.add(name)
    seen: dict[str, str] = {}
    for field, key in LISTS:
        for index, text in enumerate(fields.get(field, ())):
            at, name = f"{key}[{index}]", plain_name(text)
            problem = _not_here(name)
            if problem is None and name in seen:
                problem = _twice(text, name, seen[name], key)
            seen.setdefault(name, key)
            if problem is not None:
                yield at, problem
    yield from _names(fields)


def _not_here(name: str) -> str | None:
    if name in FAMILY:
        return f"{name!r} belongs in torch: the resolver chooses its build"
    if name in _CONDA_TORCH:
        return f'{name!r} is conda\'s name for a build of torch; write torch = ["torch"] and variants'
    if name in _MANAGED:
        return f"{name!r} is not listed here; write {_MANAGED[name]} instead"
    return None


def _twice(text: str, name: str, first: str, here: str) -> str:
    if first == here:
        return f"{name} is asked for twice; write its limits in one entry"
    if {first, here} == {"conda.packages", "pip.packages"}:
        return f"{name} is in conda.packages, too; write it once in packages"
    return f"{name} is in {first}, too; once is enough"


def _names(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "packages" not in fields:  # it is there, and could not be read
        return
    asked = {found[0] for text in fields["packages"] if (found := re.match(r"[A-Za-z0-9._-]+", text))}
    for name, there in fields.get("pip_names", ()):
        if name not in asked:
            yield f"pip.names.{name}", f"there is no {name!r} in packages whose name could differ"
        elif plain_name(there) in FAMILY:
            yield f"pip.names.{name}", f"{there!r} belongs in torch: the resolver chooses its build"
