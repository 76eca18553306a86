"""The only place that writes files: aside first, then renamed, so that nothing half-written is ever seen."""

from __future__ import annotations

import contextlib
import os
import secrets

from envtool.errors import ToolError


def write_text(path: str, text: str) -> None:
    """Write a whole UTF-8 file with "\\n" line ends, or leave what was there; ToolError says why it can't be done."""
    folder = os.path.dirname(os.path.abspath(path))
    aside = os.path.join(folder, f".{os.path.basename(path)}.{secrets.token_hex(4)}.tmp")
    try:
        with open(aside, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise ToolError(
            f"cannot write {path}: {error.strerror or error}",
            hint="name a file in a folder that exists, that you may write to and that has room",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(aside)
