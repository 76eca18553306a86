"""The lines of a Python program that name a device. Nothing is run: the syntax tree is read, parents first."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator

from envtool.device.context import Surroundings
from envtool.device.names import (
    TENSOR_TYPE,
    VISIBLE,
    dotted,
    is_device,
    is_holder,
    is_indexed,
    is_switch,
    last_name,
    number_of,
    text_of,
)
from envtool.device.values import (
    DEVICE,
    FAMILY,
    LOOKUPS,
    SPEECH,
    SWITCH,
    WORDS,
    Context,
    Naming,
    asks_for_a_device,
    named,
    numbers_a_device,
)

# fmt: off
MOVES = frozenset(("cuda", "xpu", "hpu", "npu", "ipu", "mtia"))  # x.cuda()
# Functions of torch.cuda, torch.xpu, … that put something on a device or choose one. The others ask or tidy up.
PLACING = frozenset((
    "set_device", "device", "device_of", "set_stream", "stream", "Stream", "ExternalStream", "CUDAGraph", "graph",
    "make_graphed_callables", "amp.autocast", "amp.GradScaler", "amp.custom_fwd", "amp.custom_bwd",
    "amp.autocast_mode.autocast", "amp.grad_scaler.GradScaler",
))
# Functions whose first argument is a device, or a kind of device.
FAMILIES_ONLY = frozenset(("autocast", "GradScaler", "init_device_mesh", "custom_fwd", "custom_bwd"))
FIRST = FAMILIES_ONLY | {"set_default_device", "Generator", "to_empty"}
NUMBERED = frozenset(("device", "device_ids", "output_device", "devices", "gpus"))
GPU_OPTIONS = frozenset(("gpu", "gpu-id", "gpu_id", "gpu-ids", "gpu_ids"))
# fmt: on
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Reader:
    """Reads one tree. ``found``: for each line that names a device, the parts of it that do."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.found: dict[int, list[Naming]] = {}
        self._seen: set[int] = set()
        self._words: set[int] = set()  # parts of the tree whose texts are only words
        self._rules: dict[type[ast.AST], Callable[..., None]] = {
            ast.Call: self._call,
            ast.Assign: self._assign,
            ast.AnnAssign: self._annotated,
            ast.NamedExpr: self._annotated,
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.Lambda: self._defaults,
            ast.Dict: self._dict,
            ast.List: self._list,
            ast.IfExp: self._choice,
            ast.For: self._loop,
            ast.comprehension: self._loop,
            ast.Compare: self._comparison,
            ast.Attribute: self._attribute,
            ast.Constant: self._text,
            ast.JoinedStr: self._joined,
            ast.BinOp: self._indexed,
            ast.Expr: self._statement,
            ast.Raise: self._raised,
            ast.Assert: self._asserted,
            ast.Subscript: self._subscript,
            ast.MatchValue: self._pattern,
        }

    def read(self, nodes: Iterable[ast.AST]) -> None:
        """The nodes of a tree, each behind its parent."""
        rules = self._rules
        for node in nodes:
            rule = rules.get(type(node))
            if rule is not None:
                rule(node)

    # ── what was found ───────────────────────────────────────────────────────────────────────────

    def _record(self, namings: Iterable[Naming]) -> None:
        """One value counts once, at its first line that names a device, however many lines it takes."""
        new = [naming for naming in namings if id(naming[0]) not in self._seen]
        self._seen.update(id(node) for node, _ in new)
        new = [naming for naming in new if id(naming[0]) not in self._words]
        if not new:
            return
        first = min(_line(node) for node, _ in new)
        self.found.setdefault(first, []).extend(naming for naming in new if _line(naming[0]) == first)

    def _say_words(self, nodes: Iterable[ast.expr | None]) -> None:
        """What stands in a comparison or a message, with all that it is put together from; not what is called there."""
        left = [node for node in nodes if node is not None]
        while left:
            node = left.pop()
            self._words.add(id(node))
            match node:
                case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                    left += parts
                case ast.BinOp(left=one, right=other) | ast.IfExp(body=one, orelse=other):
                    left += (one, other)
                case ast.Starred(value=one):
                    left.append(one)

    # ── values that become a device by their name ────────────────────────────────────────────────

    def _assigned(self, target: ast.expr, value: ast.expr | None) -> None:
        if value is None:
            return
        if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            for one, its in zip(target.elts, value.elts, strict=False):
                self._assigned(one, its)
            return
        name = last_name(target)
        if VISIBLE.fullmatch(name):
            self._record([(value, None)])
        elif is_holder(name) or name in self.around.holders:
            self._record(named(value, _context(name, SWITCH)))
            counts = name == "device" or isinstance(value, ast.IfExp)  # `device = 0`, the first GPU
            if counts and self.around.torch and numbers_a_device(value):
                self._record([(value, None)])

    def _assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._assigned(target, node.value)

    def _annotated(self, node: ast.AnnAssign | ast.NamedExpr) -> None:
        self._assigned(node.target, node.value)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._defaults(node)
        if any(word in node.name.lower() for word in ("device", "accelerator", "gpu", "cuda")):
            for part in ast.walk(node):
                if isinstance(part, ast.Return) and part.value is not None:
                    self._record(named(part.value, Context(DEVICE)))

    def _defaults(self, node: _Function) -> None:
        arguments = [*node.args.posonlyargs, *node.args.args]
        pairs = list(zip(reversed(arguments), reversed(node.args.defaults), strict=False))
        pairs += [(a, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None]
        for argument, default in pairs:
            if is_holder(argument.arg) or argument.arg in self.around.holders:
                self._record(named(default, Context(DEVICE, loose=True)))

    def _dict(self, node: ast.Dict) -> None:
        self._say_words(node.keys)
        for key, value in zip(node.keys, node.values, strict=True):
            text = text_of(key) or ""
            if VISIBLE.fullmatch(text):
                self._record([(value, None)])
            elif is_holder(text):
                self._record(named(value, Context(DEVICE, loose=True)))

    def _list(self, node: ast.List) -> None:
        """``["--device", "cuda"]``: a command line in pieces."""
        for option, value in zip(node.elts, node.elts[1:], strict=False):
            text = text_of(option) or ""
            if text.startswith("-") and is_holder(text):
                self._record(named(value, Context(DEVICE, loose=True)))

    def _choice(self, node: ast.IfExp) -> None:
        if id(node) not in self._words and asks_for_a_device(node.test):
            self._record(named(node, Context()))

    def _loop(self, node: ast.For | ast.comprehension) -> None:
        """``for device in ("cpu", "cuda")``: one after the other."""
        if is_holder(last_name(node.target)) and isinstance(node.iter, ast.List | ast.Tuple):
            self._record(naming for element in node.iter.elts for naming in named(element, Context(None)))

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def _call(self, node: ast.Call) -> None:
        path = dotted(node.func, self.around.aliases)
        function = path.rpartition(".")[2] or last_name(node.func)
        if function in SPEECH:
            self._say_words(keyword.value for keyword in node.keywords)
        if function in WORDS:
            self._say_words(node.args)
        else:
            self._place(node, function, path)
            self._arguments(node, function, path)
            self._option(node)
        for keyword in node.keywords:
            self._keyword(keyword, function)

    def _place(self, node: ast.Call, function: str, path: str) -> None:
        """``x.cuda()`` and ``torch.cuda.set_device(0)``."""
        moved = function in MOVES and isinstance(node.func, ast.Attribute) and not path.startswith("torch.")
        other = text_of(node.args[0]) if node.args else None  # `names.xpu("Arc B580")` moves nothing
        if (moved and (other is None or is_device(other))) or is_placing(path):
            self._record([(node.func, None)])

    def _arguments(self, node: ast.Call, function: str, path: str) -> None:
        first = node.args[0] if node.args else None
        if function == "device" and id(node) not in self._words:
            self._record(named(node, Context(DEVICE)))
            if path == "torch.device" and first is not None and number_of(first) is not None:
                self._record([(first, None)])
        elif function == "to":
            for argument in node.args:
                self._record(named(argument, Context(DEVICE)))
            if first is not None and number_of(first) is not None and self.around.torch:
                self._record([(first, None)])
        elif function in FIRST:
            self._record(named(first, Context(FAMILY if function in FAMILIES_ONLY else DEVICE)))
        elif function == "load":
            for argument in node.args[1:2]:
                self._record(named(argument, Context(DEVICE)))
        self._parameters(node, function)

    def _parameters(self, node: ast.Call, function: str) -> None:
        """``train(model, "cuda")`` beside ``def train(model, device)``, and ``setattr(x, "device", "cuda")``."""
        for name, argument in zip(self.around.parameters.get(function, ()), node.args, strict=False):
            if is_holder(name) or name in self.around.holders:
                self._record(named(argument, Context(DEVICE)))
        for key, value in zip(node.args, node.args[1:], strict=False):
            text = text_of(key) or ""
            if VISIBLE.fullmatch(text) and function in ("setdefault", "setenv", "putenv", "setitem"):
                self._record([(value, None)])
            elif is_holder(text) and function in LOOKUPS:
                self._record(named(value, _context(text, SWITCH)))

    def _keyword(self, keyword: ast.keyword, function: str) -> None:
        name = keyword.arg or ""
        if VISIBLE.fullmatch(name):
            self._record([(keyword.value, None)])
        elif is_holder(name):
            kind = FAMILY if name in ("accelerator", "device_type") or function in FAMILIES_ONLY else DEVICE
            self._record(named(keyword.value, Context(kind, loose=True)))
        if name in NUMBERED and self.around.torch and _is_number_for(name, function, keyword.value):
            self._record([(keyword.value, None)])

    def _option(self, node: ast.Call) -> None:
        """``add_argument("--device", default="cuda")``."""
        names = [text for text in map(text_of, node.args) if text]
        for keyword in node.keywords:
            if keyword.arg == "default" and any(is_holder(name) for name in names):
                self._record(named(keyword.value, Context(SWITCH, auto=True, loose=True)))
            elif keyword.arg == "default" and any(name.strip("-") in GPU_OPTIONS for name in names):
                if number_of(keyword.value) is not None:
                    self._record([(keyword.value, None)])

    # ── devices wherever they stand, and words that are none ─────────────────────────────────────

    def _attribute(self, node: ast.Attribute) -> None:
        if node.attr.endswith("Tensor") and isinstance(node.ctx, ast.Load) and id(node) not in self._words:
            if TENSOR_TYPE.fullmatch(dotted(node, self.around.aliases)):
                self._record([(node, None)])

    def _text(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and id(node) not in self._words:
            if is_indexed(node) or TENSOR_TYPE.fullmatch(node.value):
                self._record([(node, DEVICE if is_device(node.value) else None)])

    def _joined(self, node: ast.JoinedStr) -> None:
        self._indexed(node)
        for part in node.values:
            self._words.add(id(part))
            if isinstance(part, ast.FormattedValue):
                self._say_words((part.value,))

    def _indexed(self, node: ast.expr) -> None:
        if is_indexed(node) and id(node) not in self._words:
            self._record([(node, None)])

    def _comparison(self, node: ast.Compare) -> None:
        """``device == "cuda:0"`` asks; ``x.cuda() == y`` moves all the same."""
        for operand in (node.left, *node.comparators):
            if isinstance(operand, ast.Call) and last_name(operand.func) == "device":
                self._say_words((operand, *operand.args))
            elif not isinstance(operand, ast.Call):
                self._say_words((operand,))

    def _statement(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant | ast.JoinedStr):
            self._say_words((node.value,))  # a docstring, or the last line of a cell

    def _raised(self, node: ast.Raise) -> None:
        if isinstance(node.exc, ast.Call):
            self._say_words(node.exc.args)

    def _asserted(self, node: ast.Assert) -> None:
        self._say_words((node.msg,))

    def _subscript(self, node: ast.Subscript) -> None:
        self._say_words((node.slice,))

    def _pattern(self, node: ast.MatchValue) -> None:
        self._say_words((node.value,))


def is_placing(path: str) -> bool:
    """Whether a dotted name is a function that puts things on a device: ``torch.cuda.set_device``."""
    parts = path.split(".", 2)
    return len(parts) == 3 and parts[0] == "torch" and parts[1] in ("cuda", "xpu", "mps", "npu") and parts[2] in PLACING


def _context(name: str, kind: str) -> Context:
    if is_switch(name):
        return Context(kind, auto=True, loose=True)
    return Context(FAMILY if "accelerator" in name.lower() else DEVICE, loose=is_holder(name))


def _is_number_for(name: str, function: str, value: ast.expr) -> bool:
    """``device=0`` and ``device_ids=[0, 1]`` name GPUs; ``devices=2`` and ``gpus=2`` say how many."""
    if name == "gpus":
        return function == "Trainer" and number_of(value) != 0 and numbers_a_device(value)
    if name == "devices":
        return isinstance(value, ast.List) and numbers_a_device(value)
    return numbers_a_device(value)


def _line(node: ast.expr) -> int:
    """Where the name stands: in ``Net(…)\\n.cuda()`` that is the line of ``.cuda``."""
    if isinstance(node, ast.Attribute):
        return node.end_lineno or node.lineno
    return node.lineno


_LEAVES = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.Name, ast.alias)


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that a rule may be for, parents first; without recursion, so that no depth is too deep."""
    level = [tree]
    while level:
        yield from level
        below: list[ast.AST] = []
        for node in level:
            for name in node._fields:
                value = getattr(node, name, None)
                for child in value if type(value) is list else (value,):
                    if isinstance(child, ast.AST) and not isinstance(child, _LEAVES):
                        below.append(child)
        level = below
