"""An envtool.toml from what a course has already: environment.yml, requirements.txt or pyproject.toml."""

from __future__ import annotations

import re

from envtool.catalog import Catalog
from envtool.course import Course
from envtool.course.laws import contradictions, known_variants
from envtool.course.parse import parse
from envtool.course.text import to_toml
from envtool.course.values import in_ascii
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.scaffold.carried import Carried
from envtool.scaffold.from_pip import Read
from envtool.scaffold.package_names import package_names

FORMS = "environment.yml, requirements.txt or pyproject.toml"


@dataclass(frozen=True, eq=False, repr=False)
class Draft(Fact):
    """The course, the text of its envtool.toml, and what was left out or taken otherwise, each with the reason."""

    course: Course
    text: str
    notes: tuple[tuple[str, str], ...]
    assumed: tuple[str, ...]  # packages of which it is assumed that conda and PyPI call them the same
    wrong: tuple[tuple[str, str], ...]  # by key, what can exist on no machine


def draft(
    path: str, read: Read, catalog: Catalog, *, name: str | None = None, folder: str = "", schema: str | None = None
) -> Draft:
    """What an existing file says. ``read`` gives the text of a file; ``folder``: where it lies, by name."""
    carried = Carried(package_names(), catalog)
    file = re.split(r"[/\\]", path)[-1]
    base = file.lower()
    if base.endswith((".yml", ".yaml")):
        from envtool.scaffold.from_conda import environment, load

        environment(load(read(path), path), path, carried, read)
    elif base == "pyproject.toml":
        from envtool.scaffold.from_pip import pyproject

        pyproject(_toml(read(path), path), carried)
    elif base.endswith((".txt", ".in")):
        from envtool.scaffold.from_conda import is_listing, listing
        from envtool.scaffold.from_pip import requirements_file

        text = read(path)
        if is_listing(text):
            listing(text, path, carried)
        else:
            requirements_file(path, carried, read)
    else:
        raise UsageError(f"{path}: that kind of file can't be read", hint=f"name an {FORMS}")
    carried.keep_variants(frozenset(known_variants(catalog)))
    if "torch" not in carried.torch:
        carried.note("torch", "the file doesn't name it; it was added")
    course = carried.course(name if name is not None else _name(carried.name or folder))
    text = to_toml(course, schema=schema, remarks=(f"Made from {file}.",))
    course = parse(text, "envtool.toml")
    wrong = tuple(contradictions(course, catalog))
    return Draft(course, text, tuple(carried.notes), tuple(dict.fromkeys(carried.assumed)), wrong)


def _name(text: str) -> str:
    """The nearest name that an envtool.toml may bear."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", in_ascii(text)).strip("-._")[:64].strip("-._")
    return plain or "course"


def _toml(text: str, path: str) -> dict[str, object]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    try:
        document: dict[str, object] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {error}", hint="mend that line") from None
    tool = document.get("tool")
    if isinstance(tool, dict) and "envtool" in tool:
        raise UsageError(f"{path} has a [tool.envtool] already", hint="it serves as it is; `envtool pick` reads it")
    return document
