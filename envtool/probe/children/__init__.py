"""Scripts that a target interpreter runs, never imported here; and how it is told to run them."""

from __future__ import annotations

import os.path

# The interpreter's own loader keeps the script's compiled form beside it, which saves half of its time. The text is a
# syntax error to a shell, so that a shell that is named by mistake does nothing.
BOOT = """exec((lambda s: s.modules["_frozen_importlib_external"]
.SourceFileLoader("envtool", s.argv[1]).get_code("envtool")
if "_frozen_importlib_external" in s.modules else open(s.argv[1]).read())(__import__("sys")))"""


def child_file(name: str) -> str:
    """Where a child's script lies: the first argument of ``BOOT``."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
