"""The names of devices in an expression that is to become a device: ``"cuda" if … else "cpu"`` has two."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from envtool.device.names import INDEXED, OPEN, is_device, is_holder, is_indexed, last_name, number_of, text_of
from envtool.fact import Fact, dataclass

# What a literal may be replaced with: SWITCH by any name and "auto", DEVICE by what PyTorch takes,
# FAMILY by a name without an index. None: it isn't one literal that decides, so nothing can be put in its place.
SWITCH, DEVICE, FAMILY = "switch", "device", "family"
# fmt: off
# Calls that say something; and calls whose plain arguments are words, though a `device=` of theirs is a device.
SPEECH = frozenset((
    "print", "pprint", "display", "log", "debug", "info", "warning", "warn", "error", "exception", "critical", "fail",
    "skip", "skipif", "format", "title", "set_title", "xlabel", "ylabel", "legend", "annotate", "markdown",
))
WORDS = SPEECH | frozenset((
    "isinstance", "issubclass", "hasattr", "startswith", "endswith", "replace", "split", "rsplit", "partition", "strip",
    "lstrip", "rstrip", "removeprefix", "removesuffix", "find", "index", "count", "text", "write", "add_scalar",
    "add_row", "match", "search", "fullmatch", "sub", "is_available", "system",
))
LOOKUPS = frozenset(("get", "getenv", "pop", "setdefault", "getattr", "setattr", "setenv", "putenv"))
_ASKS = frozenset(("is_available", "device_count", "is_built", "is_initialized", "is_torch_cuda_available"))
# fmt: on


@dataclass(frozen=True, eq=False, repr=False)
class Context(Fact):
    """Where an expression stands: what may replace its literal, and whether "auto" and "gpu" are devices there."""

    kind: str | None = DEVICE
    auto: bool = False
    loose: bool = False

    def of_several(self) -> Context:
        """The same for a part that does not decide alone."""
        return Context(None, self.auto, self.loose)


Naming = tuple[ast.expr, str | None]


def named(node: ast.expr | None, context: Context) -> Iterator[Naming]:
    """Every part of a value that names a device, with what may replace it."""
    match node:
        case ast.Constant(value=str(text)):
            if is_device(text, loose=context.loose) or (context.auto and text == "auto"):
                yield node, context.kind
        case ast.JoinedStr() | ast.BinOp():
            yield from _named_in_text(node)
        case ast.Call():
            yield from _named_in_call(node, context)
        case ast.NamedExpr(value=value) | ast.Lambda(body=value):
            yield from named(value, context)
        case ast.BoolOp(values=values):
            for value in values:
                yield from named(value, context)
        case _:
            for part in _alternatives(node):
                yield from named(part, context.of_several())


def _alternatives(node: ast.expr | None) -> list[ast.expr]:
    """The values that an expression may have. One name in a list is one; several are a table, and none is chosen."""
    match node:
        case ast.IfExp(body=body, orelse=orelse):
            return [body, orelse]
        case ast.Subscript(value=ast.List(elts=elements) | ast.Tuple(elts=elements)):
            return elements
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            return elements if len(elements) == 1 else [element for element in elements if is_indexed(element)]
        case ast.Dict(values=[value]):  # map_location={"cuda:0": "cpu"}
            return [value]
    return []


def _named_in_text(node: ast.JoinedStr | ast.BinOp) -> Iterator[Naming]:
    """``f"cuda:{rank}"``, ``"cuda:%d" % rank``, ``f"cuda{rank}"``, ``"cuda:" + rank``."""
    whole = False
    match node:
        case ast.JoinedStr(values=[ast.Constant(value=str(text))]):
            whole = is_device(text)
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), ast.FormattedValue()]):
            whole = OPEN.fullmatch(text) is not None
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Add()):
            whole = OPEN.fullmatch(text) is not None
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()):
            if is_device(text):
                yield node.left, None
    if whole or is_indexed(node):
        yield node, None


def _named_in_call(node: ast.Call, context: Context) -> Iterator[Naming]:
    function = last_name(node.func)
    if function == "format" and isinstance(node.func, ast.Attribute):
        text = text_of(node.func.value)
        if text is not None and INDEXED.fullmatch(text):
            yield node.func.value, None
    elif function == "current_device":
        if context.kind != SWITCH:  # `device = torch.cuda.current_device()` asks; `device=…` of a call moves there
            yield node, None
    elif function == "device":
        alone = len(node.args) + len(node.keywords) == 1
        inner = Context(DEVICE if alone and context.kind else None, loose=context.loose)
        for argument in (*node.args[:1], *(k.value for k in node.keywords if k.arg == "type")):
            yield from named(argument, inner)
    elif function in LOOKUPS:
        for key, value in zip(node.args, node.args[1:], strict=False):
            if is_holder(text_of(key) or ""):
                yield from named(value, context)
    elif function not in WORDS:
        yield from _named_as_argument(node, context)


def _named_as_argument(node: ast.Call, context: Context) -> Iterator[Naming]:
    """``device = choose("cuda")``, ``device: str = Option("cuda")``, ``device: str = field(default="cuda")``."""
    for argument in node.args:
        if text_of(argument) is not None or is_indexed(argument):
            yield from named(argument, Context(context.kind))
    for keyword in node.keywords:
        if keyword.arg in ("default", "default_factory"):
            yield from named(keyword.value, context)


def asks_for_a_device(node: ast.expr) -> bool:
    """Whether a condition asks what this machine has: ``torch.cuda.is_available()``."""
    return any(isinstance(part, ast.Call) and last_name(part.func) in _ASKS for part in ast.walk(node))


def numbers_a_device(node: ast.expr) -> bool:
    """``0``, ``-1``, ``[0, 1]``, and ``0 if torch.cuda.is_available() else -1``."""
    match node:
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return bool(elements) and all(number_of(element) is not None for element in elements)
        case ast.IfExp(test=test, body=body):
            return number_of(body) is not None and asks_for_a_device(test)
    return number_of(node) is not None
