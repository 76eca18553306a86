"""Rows of a catalog file. What is wrong with one is a UsageError that names the file, the row and the field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from envtool.errors import UsageError
from envtool.versions import numbers

T = TypeVar("T")


class Row:
    """One row. Each field is asked for by its type; ``done`` finds the fields that nobody asked for."""

    def __init__(self, where: str, fields: Mapping[str, object]) -> None:
        self.where = where
        self._fields = fields
        self._asked = {"source", "verified", "note"}

    def error(self, field: str, problem: str, hint: str | None = None) -> UsageError:
        """A complaint about one field of this row."""
        return UsageError(f"{self.where}.{field}: {problem}", hint=hint)

    def _get(self, field: str) -> object:
        self._asked.add(field)
        return self._fields.get(field)

    def text(self, field: str) -> str:
        """A field that must be there."""
        value = self._get(field)
        if not isinstance(value, str) or not value:
            raise self.error(field, "missing" if value in {None, ""} else f"{value!r} is not a text")
        return value

    def optional(self, field: str) -> str | None:
        """A text, None where the field is missing."""
        return self.text(field) if field in self._fields else None

    def words(self, field: str, *, needed: bool = True) -> tuple[str, ...]:
        """A list written as words in one text; empty where it is missing and not needed."""
        value = self._get(field)
        if value is None and not needed:
            return ()
        if not isinstance(value, str):
            raise self.error(field, "missing" if value is None else f"{value!r} is not a text")
        words = tuple(value.split())
        if needed and not words:
            raise self.error(field, "is empty")
        return words

    def names(self, field: str) -> tuple[str, ...]:
        """A list of names that may hold spaces."""
        value = self._get(field)
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise self.error(field, "missing" if value is None else "is not a list of texts")
        return tuple(value)

    def flag(self, field: str) -> bool:
        """True or false; it must be there."""
        value = self._get(field)
        if not isinstance(value, bool):
            raise self.error(field, "missing" if value is None else f"{value!r} is neither true nor false")
        return value

    def table(self, field: str) -> dict[str, str]:
        """A table of texts; empty where it is missing."""
        value = self._get(field)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
            raise self.error(field, "is not a table of texts")
        return value

    def version(self, field: str, text: str) -> tuple[int, ...]:
        """``text`` of that field as numbers."""
        if not text.replace(".", "").isdecimal():
            raise self.error(field, f"{text!r} is not a version", "use digits and dots, as in '580.65.06'")
        return numbers(text)

    def capability(self, field: str, text: str) -> tuple[int, int]:
        """``text`` of that field as a compute capability."""
        parts = self.version(field, text)
        if len(parts) != 2:
            raise self.error(field, f"{text!r} is not a compute capability", "write it as in '8.6'")
        return parts[0], parts[1]

    def capabilities(self, field: str, *, needed: bool = True) -> tuple[tuple[int, int], ...]:
        """Compute capabilities written as words in one text."""
        return tuple(self.capability(field, word) for word in self.words(field, needed=needed))

    def sources(self) -> tuple[str, ...]:
        """The sources that the row names."""
        return self.words("source")

    def done(self) -> None:
        """Complain about a field that nothing reads: it is misspelt."""
        for field in self._fields:
            if field not in self._asked:
                raise self.error(field, "no such field here")


class File:
    """A catalog file: tables of rows, by name."""

    def __init__(self, name: str, text: str) -> None:
        try:
            import tomllib
        except ModuleNotFoundError:  # Python 3.10
            import tomli as tomllib
        self.name = name
        try:
            self.content: Mapping[str, object] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{name}: not TOML: {error}") from None

    def rows(self, table: str) -> Iterator[Row]:
        """The rows of one table; none where the file has no such table."""
        rows = self.content.get(table, [])
        if not isinstance(rows, list):
            raise UsageError(f"{self.name}, {table}: is not a list of rows", hint=f"write [[{table}]]")
        for index, fields in enumerate(rows):
            where = f"{self.name}, {table}[{index}]"
            if not isinstance(fields, dict):
                raise UsageError(f"{where}: is not a row", hint=f"write [[{table}]]")
            yield Row(where, fields)

    def each(self, table: str, make: Callable[[Row], T]) -> list[T]:
        """``make`` of every row, with a complaint about fields that it didn't read."""
        made = []
        for row in self.rows(table):
            made.append(make(row))
            row.done()
        return made
