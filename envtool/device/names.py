"""The words: which texts are the name of a device, and which variables hold one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

FAMILIES = ("cpu", "cuda", "mps", "xpu", "hip", "hpu", "npu", "xla", "ipu", "mtia", "privateuseone")
# Lightning's accelerators and the old scripts' `--device gpu`: a device where the variable says so, else a word.
LOOSE = ("gpu", "tpu")
INDEX = r"(?:\d+|%[dsi]|\{[^{}]*\})"
DEVICE = re.compile(rf"(?:{'|'.join(FAMILIES)})(?::{INDEX})?")
INDEXED = re.compile(rf"(?:{'|'.join(FAMILIES)}):{INDEX}?")
OPEN = re.compile(rf"(?:{'|'.join(FAMILIES)}):?")  # what stands in front of the index in f"cuda:{rank}"
TENSOR_TYPE = re.compile(r"torch\.(?:cuda|mps|xpu|hpu)\.\w*Tensor")
VISIBLE = re.compile(r"(?:CUDA|HIP|ROCR|GPU|ASCEND|HABANA)_(?:RT_)?VISIBLE_(?:DEVICES|MODULES)")
# Text without any of these holds no device, whatever else it holds; what can't be parsed then needs no parsing.
WORTH_PARSING = re.compile(
    rf"cuda|CUDA|(?<![a-zA-Z])(?:{'|'.join((*FAMILIES, *LOOSE))})s?(?![a-zA-Z])"
    r"|[Dd]ev(?:ice)?(?![a-z])|[Dd]evices|DEVICE|accelerator|map_loc|VISIBLE_|[\"']auto[\"']|\.to\(\s*-?\d"
)

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_HOLDER = re.compile(r"(?:^|_)(?:dev|devices?|accelerator|map_location|map_loc)\d*(?:_|$)")


def is_holder(name: str) -> bool:
    """Whether a variable, attribute, option or key of this name holds a device: ``device``, ``--map-location``."""
    plain = _HUMP.sub("_", name).lower().strip("-").replace("-", "_").replace(".", "_")
    return _HOLDER.search(plain) is not None


def is_switch(name: str) -> bool:
    """Whether a variable of this name may say "auto" and mean a device by it."""
    return is_holder(name) and not re.search(r"map|accelerator", name, re.IGNORECASE)


def is_device(text: str, *, loose: bool = False) -> bool:
    """Whether the text is a device's name; ``loose``: the words that are one beside a holder's name only."""
    return DEVICE.fullmatch(text) is not None or (loose and text in LOOSE)


def is_indexed(node: ast.expr) -> bool:
    """``"cuda:1"``, ``f"cuda:{rank}"``, ``"cuda:%d" % rank``: a device wherever it stands."""
    match node:
        case ast.Constant(value=str(text)):
            return INDEXED.fullmatch(text) is not None and not text.endswith(":")
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), ast.FormattedValue()]):
            return INDEXED.fullmatch(text) is not None
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Add()):
            return INDEXED.fullmatch(text) is not None
    return False


def text_of(node: ast.expr | None) -> str | None:
    """The text of a string in the source, and nothing for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def number_of(node: ast.expr | None) -> int | None:
    """The whole number in the source: ``0``, ``-1``; True is none."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = number_of(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    return None


def last_name(node: ast.expr) -> str:
    """``c`` of ``a.b.c`` and of ``a["c"]``; "" where there is no name."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
    return ""


def dotted(node: ast.expr, aliases: dict[str, str]) -> str:
    """``torch.cuda.Stream`` for ``th.cuda.Stream`` after ``import torch as th``; "" for what is no dotted name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    parts.append(aliases.get(node.id, node.id))
    return ".".join(reversed(parts))


def imported_names(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """What an import binds: the name in this file, and the dotted name behind it."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            if alias.asname:
                yield alias.asname, alias.name
        elif node.module and not node.level:
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"
