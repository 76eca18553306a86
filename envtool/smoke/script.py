"""The runner as one file, for a machine that has torch and no envtool."""

from __future__ import annotations

import io
import os
import zipfile

from envtool.smoke.runner import folder

FIRST_LINE = b"#!/usr/bin/env python3\n"
_ALWAYS = (1980, 1, 1, 0, 0, 0)  # the same files give the same bytes


def archive() -> bytes:
    """A zip archive that Python runs: ``python FILE``."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        for name in sorted(os.listdir(folder())):
            if name.endswith(".py"):
                with open(os.path.join(folder(), name), "rb") as source:
                    entry = zipfile.ZipInfo(name, date_time=_ALWAYS)
                    entry.external_attr = 0o644 << 16
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    file.writestr(entry, source.read())
    return FIRST_LINE + data.getvalue()


def is_archive(path: str) -> bool:
    """Is the file one that ``archive`` made, of this version or another?"""
    try:
        with open(path, "rb") as file:
            return file.read(len(FIRST_LINE) + 2) == FIRST_LINE + b"PK"
    except OSError:
        return False
