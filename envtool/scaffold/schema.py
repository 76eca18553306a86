"""The JSON Schema of envtool.toml, beside the file: editors complete and check it by that."""

from __future__ import annotations

import os

from envtool.data import FOLDER

SCHEMA = ".envtool.schema.json"  # hidden: it is there for editors


def schema_text() -> str:
    """The schema that envtool carries."""
    with open(os.path.join(FOLDER, "schemas", "envtool-toml.schema.json"), encoding="utf-8") as file:
        return file.read()


def put_beside(folder: str) -> None:
    """Give a folder's envtool.toml its schema, and the first line that leads there."""
    from envtool.write import write_texts

    path = os.path.join(folder, "envtool.toml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    write_texts({path: f"#:schema ./{SCHEMA}\n{text}", os.path.join(folder, SCHEMA): schema_text()})
