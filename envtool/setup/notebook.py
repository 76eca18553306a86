"""A notebook as text: its cells, its JSON, and values that can't break out of either. Pure."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import quote, urlsplit

from envtool.fact import Fact, dataclass

HELPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "children", "notebook_cell.py")
_MARKDOWN = re.compile(r"([\\`*_\[\]|~$#])")


@dataclass(frozen=True, eq=False, repr=False)
class Cell(Fact):
    """One cell; ``hidden``: its code is folded away, since nobody needs to read it."""

    kind: Literal["markdown", "code"]
    source: str
    hidden: bool = False


def notebook(cells: Sequence[Cell], metadata: Mapping[str, object]) -> str:
    """The .ipynb, in the form that nbformat writes; a cell's id is its place."""
    document = {
        "cells": [_cell(number, cell) for number, cell in enumerate(cells, 1)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            **metadata,
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _cell(number: int, cell: Cell) -> dict[str, object]:
    lines = cell.source.rstrip("\n").splitlines(keepends=True)
    found: dict[str, object] = {"cell_type": cell.kind, "id": f"cell-{number:02d}", "metadata": {}, "source": lines}
    if cell.kind == "code":
        found |= {"execution_count": None, "outputs": []}
    if cell.hidden:  # as JupyterLab, Colab and Kaggle each say it
        found["metadata"] = {"jupyter": {"source_hidden": True}, "cellView": "form", "_kg_hide-input": True}
    return found


def helper() -> str:
    """The code that the other cells use."""
    with open(HELPER, encoding="utf-8") as file:
        return file.read()


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def literal(value: object, indent: int = 0) -> str:
    """A Python literal of texts, numbers, None, lists and tables, in ASCII alone: nothing in it ends it early."""
    if isinstance(value, str):
        plain = value.isascii() and value.isprintable() and not set(value) & set('"\\')
        return f'"{value}"' if plain else ascii(value)
    inner = " " * (indent + 4)
    if isinstance(value, Mapping):
        rows = [f"{inner}{literal(str(key))}: {literal(item, indent + 4)},\n" for key, item in value.items()]
        return "{\n" + "".join(rows) + " " * indent + "}" if rows else "{}"
    if isinstance(value, (list, tuple)):
        flat = f"[{', '.join(literal(item) for item in value)}]"
        if len(flat) + indent <= 88 and "\n" not in flat:
            return flat
        return "[\n" + "".join(f"{inner}{literal(item, indent + 4)},\n" for item in value) + " " * indent + "]"
    return ascii(value)


def one_line(text: str) -> str:
    """A text as one line that can be shown and written: no control characters, no halves of characters."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(shown.encode("utf-8", "replace").decode().split())


def markdown(text: str) -> str:
    """A text in Markdown that stands for itself: no formatting, no HTML, no formula."""
    escaped = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", escaped)


def link(word: str, address: str) -> str:
    """A link in Markdown; the word alone where the address is none of the web's."""
    try:
        parts = urlsplit(one_line(address))
    except ValueError:
        return markdown(word)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return markdown(word)
    return f"[{markdown(word)}]({quote(parts.geturl(), safe=':/?#@!&=+,;%~')})"


def fenced(text: str) -> str:
    """Lines to paste. A fence is longer than any in the text."""
    longest = max((len(found) for found in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
