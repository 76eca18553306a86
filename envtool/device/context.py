"""What a file says elsewhere about the names in a line: imports, parameters, and which variables become devices."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.device.names import imported_names, is_holder, last_name

# fmt: off
_TORCH = frozenset((
    "torch", "torchvision", "torchaudio", "lightning", "pytorch_lightning", "transformers", "diffusers", "accelerate",
    "sentence_transformers", "fastai", "d2l", "timm", "peft",
))
# fmt: on
_TAKES_A_DEVICE = frozenset(("to", "device", "set_default_device", "Generator", "autocast"))


class Surroundings:
    """Gathered over all of a file, for a notebook over all of its cells."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}
        self.parameters: dict[str, tuple[str, ...]] = {}
        self.holders: set[str] = set()  # variables that are used as a device somewhere
        self.torch = False

    def gather(self, nodes: Iterable[ast.AST]) -> None:
        """Take in the nodes of one tree."""
        for node in nodes:
            if isinstance(node, ast.Call):
                self._uses(node)
            elif not isinstance(node, ast.stmt):
                continue
            elif isinstance(node, (ast.Import, ast.ImportFrom)):  # a tuple is asked faster than a union
                self._imports(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.parameters.setdefault(node.name, _parameters(node))
            elif isinstance(node, ast.ClassDef):
                for part in node.body:
                    if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                        self.parameters[node.name] = _parameters(part)

    def _imports(self, node: ast.Import | ast.ImportFrom) -> None:
        self.aliases.update(imported_names(node))
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        self.torch = self.torch or any(module.split(".")[0] in _TORCH for module in modules)

    def _uses(self, node: ast.Call) -> None:
        function = last_name(node.func)
        given = node.args[:1] if function in _TAKES_A_DEVICE else node.args[1:2] if function == "load" else []
        for value in (*given, *(k.value for k in node.keywords if k.arg and is_holder(k.arg))):
            if isinstance(value, ast.Name | ast.Attribute):
                self.holders.add(last_name(value))


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ...]:
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    return tuple(names[1:] if names[:1] in (["self"], ["cls"]) else names)
