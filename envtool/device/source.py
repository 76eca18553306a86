"""A file as the Python in it: all of a .py file, the code cells of a notebook."""

from __future__ import annotations

import codecs
import io
import json
import os
import stat
import tokenize

from envtool.fact import Fact, dataclass

LARGEST = {".py": 8 << 20, ".ipynb": 256 << 20}  # bytes; a notebook has its pictures in it


@dataclass(frozen=True, eq=False, repr=False)
class Code(Fact):
    """A file's or a cell's source. ``cell`` counts all cells of the notebook from 1; None: the whole file."""

    cell: int | None
    text: str


class UnreadableError(Exception):
    """This file, or this cell, can't be read; the text says why, in words for the screen."""


def read_bytes(path: str) -> bytes:
    """The file, unless it is no plain file or larger than anything that somebody wrote."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableError("not a plain file")
        limit = LARGEST[".ipynb" if path.endswith(".ipynb") else ".py"]
        if found.st_size > limit:
            raise UnreadableError(f"{found.st_size >> 20} MiB, larger than the {limit >> 20} MiB that are read")
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None


def encoding_of(data: bytes) -> str:
    """The encoding that a Python file declares, as Python finds it; ``utf-8-sig`` where it begins with a mark."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        undeclared = (error.msg or "").startswith("invalid or missing")
        raise UnreadableError("not UTF-8, and no other encoding is declared" if undeclared else error.msg) from None
    return encoding


def python_text(data: bytes) -> str:
    """A Python file's text with the line ends that it has."""
    encoding = encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not {encoding} at byte {error.start}") from None


def notebook_text(data: bytes) -> str:
    """A notebook's JSON text; without the mark that some editors put in front."""
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not UTF-8 at byte {error.start}") from None


def notebook_cells(text: str) -> list[Code] | None:
    """The code cells of a notebook of any version, from 1; None where its language is not Python."""
    try:
        notebook = json.loads(text, strict=False)  # a tab in a text spoils nothing
    except ValueError as error:
        raise UnreadableError(f"not JSON: {error}") from None
    except RecursionError:
        raise UnreadableError("nested too deeply") from None
    if not isinstance(notebook, dict):
        raise UnreadableError("not a notebook: no JSON object")
    if _language(notebook) not in ("", "python", "ipython", "python2", "python3", "sagemath"):
        return None
    return [
        Code(number, _source(cell))
        for number, cell in enumerate(_all_cells(notebook), start=1)
        if isinstance(cell, dict) and cell.get("cell_type") == "code" and _is_python(cell)
    ]


def _all_cells(notebook: dict[str, object]) -> list[object]:
    """Version 4 has ``cells``; versions 1 to 3 have worksheets of them."""
    cells = notebook.get("cells")
    if isinstance(cells, list):
        return cells
    sheets = notebook.get("worksheets")
    if not isinstance(sheets, list):
        raise UnreadableError("not a notebook: neither cells nor worksheets")
    return [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or []]


def _source(cell: dict[str, object]) -> str:
    """``source`` since version 4, ``input`` before; a text, or its lines."""
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def _is_python(cell: dict[str, object]) -> bool:
    """Version 3 says the language cell by cell."""
    return str(cell.get("language") or "python").lower() in ("python", "ipython")


def _language(notebook: dict[str, object]) -> str:
    metadata = notebook.get("metadata")
    if not isinstance(metadata, dict):
        return ""
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        found = metadata.get(part)
        if isinstance(found, dict) and isinstance(found.get(key), str):
            return str(found[key]).lower()
    return ""
