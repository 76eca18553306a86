"""Imports point one way: noun modules are pure, and nothing reaches back up."""

import ast
import functools
import sys
from pathlib import Path

import envtool

ROOT = Path(envtool.__file__).parent

# A layer may import from itself where `itself` is true, and from the layers below it.
LAYERS = [
    ("errors", "fact", "versions", "shell", "extras"),
    ("machine",),
    ("environment", "verdicts"),
    ("smoke_report",),
    ("data", "document_values", "spec"),
    ("catalog", "contrast", "course", "diagnosis", "drift", "machine_document", "mending", "redaction", "target"),
    ("plan",),
    ("commands", "conda_commands", "artefacts"),
    ("checks", "plan_document", "symptoms"),
    ("write",),
    ("probe", "report", "install", "lock", "scaffold", "setup", "smoke", "device", "rehearse", "update"),
    ("examination",),
    ("cli",),
    ("__main__", "notebook"),
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
PURE = {name for names in LAYERS[:9] for name in names} - {"data"}
# What a pure module has no business with.
WORLD = {"subprocess", "socket", "urllib", "shutil", "ctypes", "tempfile", "platform", "threading", "signal", "pynvml"}


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).parts
        if parts[0] == "_carried" or "children" in parts:
            continue
        yield path, parts[0].removesuffix(".py")


@functools.cache
def nodes_of(path):
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported(path):
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
            if node.module == "envtool":
                for alias in node.names:
                    yield f"envtool.{alias.name}"


def test_every_module_has_a_layer():
    unknown = {name for _, name in modules()} - set(RANK) - {"__init__"}
    assert not unknown, f"give these a place in LAYERS: {unknown}"


def test_imports_point_down():
    wrong = []
    for path, name in modules():
        for module in imported(path):
            parts = module.split(".")
            if parts[0] != "envtool" or len(parts) < 2 or name == "__init__":
                continue
            target = parts[1]
            if target in RANK and target != name and RANK[target] >= RANK[name]:
                same_noun_layer = RANK[target] == RANK[name] and RANK[name] < 6
                if not same_noun_layer:
                    wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_pure_modules_leave_the_world_alone():
    wrong = []
    for path, name in modules():
        if name in PURE:
            wrong += [f"{path.relative_to(ROOT)}: {m}" for m in imported(path) if m.split(".")[0] in WORLD]
    assert not wrong, "\n".join(wrong)


def test_nobody_imports_torch():
    wrong = [str(path) for path, _ in modules() for m in imported(path) if m.split(".")[0].startswith("torch")]
    assert not wrong


def test_only_write_opens_files_for_writing():
    wrong = []
    for path, name in modules():
        for node in nodes_of(path):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open" and name != "write":
                modes = [a.value for a in node.args[1:2] if isinstance(a, ast.Constant)]
                if any(set("wax+") & set(str(mode)) for mode in modes):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, wrong


def test_files_stay_small():
    long = {}
    for path, _ in modules():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > 420:
            long[str(path.relative_to(ROOT))] = lines
    assert not long, long


def test_the_tests_run_against_the_wheel_when_asked():
    import os

    if os.environ.get("ENVTOOL_TEST_WHEEL"):
        checkout = Path(__file__).resolve().parent.parent
        inside = ROOT.resolve().is_relative_to(checkout / "envtool")
        assert not inside, f"envtool is imported from the checkout: {ROOT}"
        assert (ROOT / "_carried" / "templates").is_dir()
        assert (ROOT / "_carried" / "lockfiles").is_dir()


def test_this_python_is_supported():
    assert sys.version_info >= (3, 10)


def test_every_frozen_dataclass_compares_by_its_fields():
    """Without eq=False it would pay for its own equality at every start; without Fact it would have none."""
    wrong = []
    for path, _ in modules():
        for node in nodes_of(path):
            if not isinstance(node, ast.ClassDef):
                continue
            frozen = [d for d in node.decorator_list if "frozen=True" in ast.unparse(d)]
            if frozen and (
                "eq=False" not in ast.unparse(frozen[0]) or "Fact" not in [ast.unparse(b) for b in node.bases]
            ):
                wrong.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert not wrong, "\n".join(wrong)


def test_facts_are_equal_by_class_and_fields():
    from envtool.machine import Absent, Found, Unknown

    assert Found(1) == Found(1) and hash(Found(1)) == hash(Found(1))
    assert Found(1) != Found(2) and Absent("x") != Unknown("x")
    assert repr(Found("x")) == "Found(value='x')"
