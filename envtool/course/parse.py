"""An envtool.toml, or the [tool.envtool] of a pyproject.toml, as a Course; or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from envtool.course import Course, Floors, packages, values
from envtool.course.forms import Misfit, Misfits, each, named, near, shown
from envtool.course.places import Places, too_long_a_key
from envtool.errors import UsageError

if TYPE_CHECKING:
    from envtool.catalog import Catalog

SHOWN = 20  # problems in one message
_ENOUGH = 200  # after which no more is looked for

Form = Callable[[object], object]

# Key by key: the field of the Course, and how its value is read.
TOP: dict[str, tuple[str, Form]] = {
    "name": ("name", values.name),
    "python": ("python", values.python),
    "torch": ("torch", each(packages.torch_requirement, "torch>=2.6", needed=True)),
    "packages": ("packages", each(packages.shared_requirement, "numpy")),
    "platforms": ("platforms", each(values.platform, "linux-64", needed=True)),
    "variants": ("variants", each(values.variant, "cuda", needed=True)),
    "runs-on": ("runs_on", each(values.place, "laptop", needed=True)),
    "links": ("links", named(values.link, '[links] course = "https://example.org/course"')),
}
TABLES: dict[str, dict[str, tuple[str, Form]]] = {
    "conda": {
        "channels": ("channels", each(values.channel, "conda-forge", needed=True)),
        "packages": ("conda_packages", each(packages.conda_requirement, "cmake>=3.28")),
    },
    "pip": {
        "packages": ("pip_packages", each(packages.pip_requirement, "torchinfo")),
        "editable": ("editable", each(values.folder, ".")),
        "names": ("pip_names", named(packages.pip_name, 'names = { opencv = "opencv-python" }')),
    },
    "gpu": {
        "memory-gib": ("memory_gib", values.gibibytes),
        "compute-capability": ("compute_capability", values.capability),
        "driver": ("driver", values.driver),
    },
}

_TABLES = " ".join(f"[{name}]" for name in TABLES)
KEYS_THERE_ARE = f"mend that; there may be {', '.join(TOP)}, and the tables {_TABLES}"


def parse(text: str, where: str, catalog: Catalog | None = None) -> Course:
    """The course that a text describes; UsageError names ``where``, the line and the key of all that is wrong.

    A text with a table [tool.envtool] is a pyproject.toml; what that table leaves out of name and python is taken from
    [project]. With a catalog, what can exist on no machine is refused, too.
    """
    document = _toml(text, where)
    tool = document.get("tool")
    inside = isinstance(tool, dict) and "envtool" in tool
    reader = _Reader(text, where, "tool.envtool." if inside else "")
    if isinstance(tool, dict) and inside:
        content = tool["envtool"]
        if not isinstance(content, dict):
            raise UsageError(f"{where}: tool.envtool: {shown(content)} is not a table", hint="write [tool.envtool]")
        document = _with_project(content, document.get("project"))
    return reader.course(document, catalog)


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    if too_long_a_key(text):
        raise UsageError(f"{where}: a key has more than 64 parts", hint=KEYS_THERE_ARE)
    try:
        document: dict[str, Any] = tomllib.loads(text.removeprefix("\ufeff"))
    except ValueError as error:  # a TOMLDecodeError, or a number of thousands of digits
        hint = 'mend that line; a text stands in quotes, a list in brackets: packages = ["numpy"]'
        raise UsageError(f"{where}: not TOML: {error}", hint=hint) from None
    except RecursionError:
        raise UsageError(f"{where}: not an envtool.toml: it is nested too deeply", hint=KEYS_THERE_ARE) from None
    return document


def _with_project(content: Mapping[str, object], project: object) -> dict[str, object]:
    known = project if isinstance(project, dict) else {}
    pairs = (("name", "name"), ("python", "requires-python"))
    return {key: known[there] for key, there in pairs if there in known} | dict(content)


class _Reader:
    """Reads every key, and keeps what is wrong with each."""

    def __init__(self, text: str, where: str, prefix: str) -> None:
        self.places = Places(text)
        self.where = where
        self.prefix = prefix
        self.problems: list[tuple[float, str]] = []  # with the line, to be told in its order

    def course(self, document: Mapping[str, object], catalog: Catalog | None) -> Course:
        """The whole; a UsageError if anything was wrong."""
        fields = self._table(document, TOP, "", tables=tuple(TABLES))
        for table, keys in TABLES.items():
            inner = document.get(table, {})
            if isinstance(inner, dict):
                fields |= self._table(inner, keys, f"{table}.")
            else:
                self._note(table, f"{shown(inner)} is not a table; write [{table}]")
        if "name" not in document:
            self._note("name", 'is missing; write name = "deep-learning"')
        floors = {key: fields.pop(key) for key in ("memory_gib", "compute_capability", "driver") if key in fields}
        if "packages" not in document:
            fields["packages"] = ()
        self._belongings(fields)
        if self.problems:
            raise self._error()
        course = Course(gpu=Floors(**floors), **fields)
        if catalog is not None:
            from envtool.course.laws import contradictions

            for path, problem in contradictions(course, catalog):
                if path.partition("[")[0] in document:  # a default is nobody's mistake
                    self._note(path, problem)
        if self.problems:
            raise self._error(hint="change it, or run `envtool catalog update` if it is newer than the catalog")
        return course

    def _table(
        self, content: Mapping[str, object], keys: dict[str, tuple[str, Form]], at: str, tables: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for key, value in content.items():
            if key in keys:
                field, read = keys[key]
                try:
                    fields[field] = read(value)
                except Misfit as misfit:
                    self._note(f"{at}{key}{misfit.at}", misfit.problem)
                except Misfits as misfits:
                    for one in misfits.several[: _ENOUGH + 1]:
                        self._note(f"{at}{key}{one.at}", one.problem)
            elif key not in tables:
                word = key if key.isprintable() and len(key) <= 60 else shown(key)[1:-1]
                self._note(f"{at}{word}", self._unknown(word, at, (*keys, *tables)))
            if len(self.problems) > _ENOUGH:  # no such file was meant
                break
        return fields

    def _unknown(self, key: str, at: str, keys: tuple[str, ...]) -> str:
        plain = key.replace("_", "-")
        if plain not in keys and at and plain in TOP:
            return f"there is no such key here; {plain} stands above the first [table]"
        elsewhere = [f"{table}.{inner}" for table, known in TABLES.items() for inner in known if inner == plain]
        if plain not in keys and elsewhere:
            return f"there is no such key here; did you mean {' or '.join(elsewhere)}?"
        return f"there is no such key; {near(plain, keys, 'there are ' + ', '.join(keys))}"

    def _belongings(self, fields: Mapping[str, Any]) -> None:
        """What stands in one list and should stand in another, or in two at once."""
        from envtool.course.belongings import misplaced

        for path, problem in misplaced(fields):
            self._note(path, problem)

    def _note(self, path: str, problem: str) -> None:
        line = self.places.line_of(f"{self.prefix}{path}")
        at = f"{self.where}:{line}" if line else self.where
        self.problems.append((line or float("inf"), f"{at}: {self.prefix}{path}: {problem}"))

    def _error(self, hint: str = KEYS_THERE_ARE) -> UsageError:
        told = [text for _, text in sorted(self.problems, key=lambda problem: problem[0])]
        if len(told) == 1:
            return UsageError(told[0], hint=hint)
        details = (
            told
            if len(told) <= SHOWN
            else [*told[: SHOWN - 1], "and more" if len(told) > _ENOUGH else f"and {len(told) - SHOWN + 1} more"]
        )
        count = str(len(told)) if len(told) <= _ENOUGH else f"more than {_ENOUGH}"
        return UsageError(f"{self.where}: {count} entries can't be used", hint=hint, details=tuple(details))
