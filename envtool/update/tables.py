"""The catalog's files as tables of rows that can be changed, and written as TOML again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from envtool.catalog import FILES, Catalog

Row = dict[str, object]


def text_of(row: Row, field: str) -> str:
    """A field as text, "" where it is missing."""
    value = row.get(field)
    return value if isinstance(value, str) else ""


def words_of(row: Row, field: str) -> list[str]:
    """A field that is a list of words in one text."""
    return text_of(row, field).split()


class Tables:
    """A copy of a catalog to work on. Only files that were changed lose their comments."""

    def __init__(self, catalog: Catalog) -> None:
        self._texts = {name: catalog.text(name) for name in FILES}
        self._files: dict[str, Row] = {}

    def file(self, name: str) -> Row:
        """The content of one file, to change."""
        if name not in self._files:
            self._files[name] = parsed(self._texts[name])
        return self._files[name]

    def rows(self, file: str, table: str) -> list[Row]:
        """The rows of a table, to change."""
        rows = self.file(file).setdefault(table, [])
        assert isinstance(rows, list)  # the catalog has been parsed before
        return rows

    def forget(self, file: str, table: str, field: str, word: str, **matching: str) -> None:
        """Take a word out of the rows that match, and away with rows that have none left."""
        rows = self.rows(file, table)
        for row in rows:
            if word in words_of(row, field) and all(row.get(key) == value for key, value in matching.items()):
                row[field] = " ".join(other for other in words_of(row, field) if other != word)
        rows[:] = [row for row in rows if row.get(field) != "" or field not in row]

    def texts(self) -> dict[str, str]:
        """The text of every file; one in which nothing was changed keeps its own."""
        found = {}
        for name, text in self._texts.items():
            content = self._files.get(name)
            kept = content is None or content == parsed(text)
            found[name] = text if kept else dumps(content or {})
        return found


def parsed(text: str) -> Row:
    """TOML as a dictionary."""
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    content: Row = tomllib.loads(text)
    return content


def dumps(content: Mapping[str, object]) -> str:
    """Rows as TOML: values first, then tables, then lists of rows."""
    lines = ["# Written by `envtool catalog update`."]
    plain = {k: v for k, v in content.items() if not isinstance(v, dict) and not _is_rows(v)}
    lines += [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in content.items():
        if isinstance(value, dict):
            lines += ["", f"[{_key(key)}]", *(f"{_key(name)} = {_value(entry)}" for name, entry in value.items())]
    for key, value in content.items():
        if isinstance(value, list) and _is_rows(value):
            for row in value:
                lines += ["", f"[[{_key(key)}]]", *(f"{_key(name)} = {_value(entry)}" for name, entry in row.items())]
    return "\n".join(lines) + "\n"


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _value(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, Iterable):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    raise TypeError(f"no TOML for {type(value).__name__}")
