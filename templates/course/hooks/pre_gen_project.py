"""Refuses a name that is no folder everywhere, before anything is written."""

import re
import sys

PROJECT = r"""{{ cookiecutter.project }}"""

if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*", PROJECT):
    sys.exit(f"project: {PROJECT!r} is no name for a course; use letters, digits and hyphens: deep-learning")
