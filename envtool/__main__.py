"""``python -m envtool``."""

import sys

# `-m` puts the working directory first on the path, where a student's random.py would stand in for Python's.
if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]

from envtool.cli.app import console

console()
