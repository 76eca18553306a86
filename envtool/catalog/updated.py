"""The catalog that `envtool catalog update` wrote: one file in the user's data directory, whole or not there.

It holds the text of every catalog file, so that it is swapped in one rename and read by the same code as the one that
came with envtool. Without such a file, looking for it costs one failed open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envtool.fact import Fact

SCHEMA = "envtool.catalog-data/1"  # another number: rows that this envtool can't read
LARGEST = 16 * 1024 * 1024


@dataclass(frozen=True, eq=False, repr=False)
class Updated(Fact):
    """An updated catalog: the day of its update, and the text of each file."""

    date: str
    texts: Mapping[str, str]


def dumps(updated: Updated) -> str:
    """The content of that file."""
    import json

    document = {"schema": SCHEMA, "date": updated.date, "files": dict(updated.texts)}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def read_updated(path: str, names: tuple[str, ...]) -> Updated | str | None:
    """The updated catalog; None without one; where it can't be used, why."""
    try:
        with open(path, encoding="utf-8") as file:
            import json

            document = json.loads(file.read(LARGEST))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    except (ValueError, RecursionError):
        return f"{path}: is not JSON, or is damaged"
    return _checked(path, document, names)


def _checked(path: str, document: object, names: tuple[str, ...]) -> Updated | str:
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return f"{path}: was written by another version of envtool"
    date, files = document.get("date"), document.get("files")
    if not isinstance(date, str) or not isinstance(files, dict):
        return f"{path}: has no date or no files"
    if set(files) != set(names) or not all(isinstance(text, str) for text in files.values()):
        return f"{path}: holds other files than this envtool reads"
    return Updated(date, files)
