"""Where the script compares with CUDA's name: on a device that is called meta, it took the other branch."""

import ast
import os
import re
import sys

from . import frames, labels, telling

_CUDA = re.compile(r"cuda(:\d+)?")
_LARGEST = 1000000  # bytes; what is longer was written by a program
_Value = getattr(ast, "MatchValue", ())  # Python 3.8 and 3.9 have no match


def tell():
    """The first such line of the user's files, if any tensor was moved to "meta"."""
    if not labels.called_meta or os.environ.get("DEVICE") != "meta":
        return
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    for file in sorted(name for name in files if isinstance(name, str) and frames.is_users(name)):
        line = first_line(_source(file))
        if line is not None:
            telling.limit("compared", frames.place(position=(file, line)))
            return


def first_line(source):
    """The first line that asks whether something is called cuda, None where none does."""
    if b"cuda" not in source:
        return None
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    lines = [node.lineno for node in ast.walk(tree) if hasattr(node, "lineno") and _asks(node)]
    return min(lines, default=None)


def _source(file):
    try:
        if os.path.getsize(file) > _LARGEST:
            return b""
        with open(file, "rb") as opened:
            return opened.read()
    except OSError:
        return b""


def _asks(node):
    if isinstance(node, ast.Compare):
        return any(_names(part) for part in [node.left] + node.comparators)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "startswith" and any(_names(argument) for argument in node.args)
    return isinstance(node, _Value) and _names(node.value)


def _names(node):
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return any(_names(part) for part in node.elts)
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and _CUDA.fullmatch(node.value) is not None
