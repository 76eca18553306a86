"""Refuses names that can't be imported, before anything is written."""

import keyword
import re
import sys

PROJECT = r"""{{ cookiecutter.project }}"""
PACKAGE = r"""{{ cookiecutter.package }}"""

if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*", PROJECT):
    sys.exit(f"project: {PROJECT!r} is no name for a project; use letters, digits and hyphens: first-project")
if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", PACKAGE):
    sys.exit(f"package: {PACKAGE!r} is no name for a package; use small letters, digits and _: first_project")
taken = {*getattr(sys, "stdlib_module_names", ()), "torch", "numpy", "lightning", "tests"}
if keyword.iskeyword(PACKAGE) or PACKAGE in taken:
    sys.exit(f"package: {PACKAGE!r} would hide something else that is called so; try {PACKAGE}_project")
