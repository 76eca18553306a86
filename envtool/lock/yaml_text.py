"""YAML as lockfiles need it, written fast and always alike: block style, and quotes only where a reader could err."""

from __future__ import annotations

import re
from functools import lru_cache

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.,+=<>!*|()\[\]@~^$&;:#% -]*")
_HASH = re.compile(r"[0-9a-f]{32,64}")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"])


@lru_cache(maxsize=65536)
def scalar(text: str) -> str:
    """A string that YAML 1.1 and 1.2 read back as that string."""
    if _HASH.fullmatch(text) and re.search("[a-df]", text):
        return text
    if _PLAIN.fullmatch(text) and ": " not in text and " #" not in text and not text.endswith((" ", ":")):
        if text.lower() not in _WORDS:
            return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    """As a double-quoted YAML string has it; JSON's pairs of surrogates would be two characters there."""
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def sequence(key: str, values: tuple[str, ...] | list[str], indent: str = "") -> list[str]:
    """``key:`` and one line for each value; nothing for no values."""
    return [f"{indent}{key}:", *(f"{indent}- {scalar(value)}" for value in values)] if values else []
