"""The packages that an envtool.toml names: requirements of pip and match specs of conda."""

from __future__ import annotations

import re

from envtool.course.forms import Misfit, near, shown, text, without_secrets
from envtool.course.imported import package_of_import
from envtool.course.ranges import can_be_met
from envtool.errors import UsageError
from envtool.spec import FAMILY, read


def torch_requirement(value: object) -> str:
    """A requirement of torch or one of its companions."""
    from packaging.requirements import Requirement

    found = pip_requirement(value, "torch>=2.6")
    name = Requirement(found).name
    if name.lower() not in FAMILY:
        if name.lower() == "pytorch":
            raise Misfit(f'{shown(found)}: PyPI\'s name is torch; write it as in "torch>=2.6"')
        raise Misfit(f"{shown(found)} is not {', '.join(FAMILY)}; {near(name, FAMILY, 'it belongs in packages')}")
    try:
        wanted = read((found,), None)
    except UsageError as error:
        raise Misfit(error.message) from None
    if wanted.variant is not None:
        instead = f'variants = ["cpu", "{wanted.variant}"]'
        raise Misfit(f"{shown(found)} names a variant; leave +{wanted.variant} out and write {instead}")
    return found


def shared_requirement(value: object) -> str:
    """A requirement by a name that conda and PyPI share: a name and versions."""
    from packaging.requirements import Requirement

    found = pip_requirement(value)
    requirement = Requirement(found)
    if requirement.url or requirement.marker or requirement.extras:
        raise Misfit(f"{shown(found)}: only a name and versions stand here; [pip] packages takes it as it is")
    return found


def pip_requirement(value: object, example: str = "tqdm>=4.66") -> str:
    """A requirement as pip takes it, but for a path of this machine."""
    from packaging.requirements import InvalidRequirement, Requirement

    found = text(value, example)
    without_secrets(found)
    try:
        requirement = Requirement(found)
    except InvalidRequirement:
        conda = re.fullmatch(r"([A-Za-z0-9._-]+)\s*=?\s*([0-9]+(?:\.[0-9]+)*)(\.?\*)?", found)
        meant = f"{conda[1]}=={conda[2]}.*" if conda else example
        raise Misfit(f'{shown(found)} is not a requirement; write it as in "{meant}"') from None
    if requirement.url and not re.match(r"(git\+)?https?://", requirement.url):
        raise Misfit(f"{shown(found)}: other machines can't reach that address; it begins with https://")
    package = package_of_import(requirement.name)
    if package is not None and not requirement.url:
        raise Misfit(f"{shown(found)} is what is imported; the package is called {package}")
    _satisfiable(found, requirement.specifier)
    return found if requirement.url or requirement.marker else _squeezed(found)


def _satisfiable(found: str, specifier: object) -> None:
    from packaging.specifiers import SpecifierSet

    if isinstance(specifier, SpecifierSet) and not can_be_met(specifier):
        raise Misfit(f"no version can be {shown(found)}: its parts contradict each other")


def conda_requirement(value: object) -> str:
    """A match spec of conda: a name, then versions and a build."""
    found = text(value, "cmake>=3.28")
    without_secrets(found)
    words = r"(?:[A-Za-z0-9._/-]+::)?[A-Za-z0-9_][A-Za-z0-9._-]*(?:\s*[=<>!~][=<>!~0-9A-Za-z.,|*_+ -]*)?"
    if not re.fullmatch(words, found):
        raise Misfit(f'{shown(found)} is not a package of conda; write it as in "cmake>=3.28"')
    return found


def pip_name(value: object) -> str:
    """PyPI's name of a package."""
    found = text(value, "opencv-python")
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", found):
        raise Misfit(f'{shown(found)} is not a name on PyPI; write it as in "opencv-python", without versions')
    return found


def _squeezed(found: str) -> str:
    return re.sub(r"\s+", "", found)
