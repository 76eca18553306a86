"""CUDA's rules as a table: operation, its tensors, and which of them CUDA refuses."""

import importlib.util
import sys
import types
from pathlib import Path

import pytest

CHILDREN = Path(__file__).resolve().parent.parent / "envtool" / "rehearse" / "children"
_spec = importlib.util.spec_from_file_location("rehearse_rules", CHILDREN / "rules.py")
rules = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(rules)
CPU, GPU, OPEN = "cpu", "cuda:0", "undecided"


class Tensor:
    def __init__(self, dims):
        self.dims = dims

    def dim(self):
        return self.dims


def operands(*described):
    made = []
    for text in described:
        argument, dims, label, *rest = text.split()
        position = int(rest[0]) if rest and rest[0].isdigit() else None
        made.append(
            rules.Operand(argument, Tensor(int(dims)), {"c": CPU, "g": GPU, "?": OPEN}[label], "w" in rest, position)
        )
    return made


def refused(name, *described):
    found = rules.refused(name, operands(*described), lambda label: label not in (CPU, OPEN), CPU)
    return [operand.argument for operand in found]


# What stands in the table of docs/explanation/how-the-rehearsal-works.md. c: CPU, g: GPU, ?: made by torch itself.
CASES = [
    # arithmetic: a CPU number without dimensions may be an input, never what is written to
    ("add", ["self 2 g", "other 0 c"], []),
    ("add", ["self 0 c", "other 2 g"], []),
    ("add", ["self 0 c", "other 0 g"], []),
    ("add", ["self 2 g", "other 1 c"], ["other"]),
    ("add", ["self 0 c w", "other 0 g"], ["self"]),
    ("add", ["self 2 g w", "other 0 c"], []),
    ("add", ["self 2 c", "other 2 c"], []),
    ("add", ["self 2 g", "other 2 ?"], []),
    ("eq", ["self 1 g", "other 1 c"], ["other"]),
    ("mse_loss", ["self 2 g", "target 2 c"], ["target"]),
    ("clamp", ["self 2 g", "min 0 c"], ["min"]),
    # everything else wants all of its tensors on one device
    ("mm", ["self 2 g", "mat2 2 c"], ["mat2"]),
    ("addmm", ["self 1 c", "mat1 2 g", "mat2 2 c"], ["self", "mat2"]),
    ("mv", ["self 2 g", "vec 0 c"], ["vec"]),
    ("cat", ["tensors 2 g 0", "tensors 2 c 1"], ["tensors"]),
    ("nll_loss_forward", ["self 2 g", "target 1 c"], ["target"]),
    ("embedding", ["weight 2 g", "indices 1 c"], ["indices"]),
    ("gather", ["self 2 g", "index 2 c"], ["index"]),
    ("index_select", ["self 2 g", "index 1 c"], ["index"]),
    ("equal", ["self 1 g", "other 1 c"], ["other"]),
    # copies are what crosses
    ("copy", ["self 2 g w", "src 2 c"], []),
    ("copy", ["self 2 c w", "src 2 g"], []),
    ("_to_copy", ["self 2 g"], []),
    # indices may stay on the CPU, a GPU's indices can't reach a CPU tensor
    ("index", ["self 2 g", "indices 1 c 0"], []),
    ("index", ["self 2 c", "indices 1 g 0"], ["indices"]),
    ("index_put", ["self 2 g w", "indices 1 c 0", "values 0 c"], []),
    ("index_put", ["self 2 g w", "indices 1 g 0", "values 1 c"], ["values"]),
    ("index_put", ["self 2 c w", "indices 1 c 0", "values 1 g"], ["self"]),
    ("index_put", ["self 2 c w", "indices 1 c 0", "values 0 g"], []),
    # a value that is read
    ("masked_fill", ["self 2 g", "mask 2 g", "value 0 c"], []),
    ("masked_fill", ["self 2 g", "mask 2 c", "value 0 c"], ["mask"]),
    ("fill", ["self 2 g w", "value 0 c"], []),
    ("where", ["condition 2 g", "self 0 c", "other 0 c"], []),
    ("where", ["condition 2 c", "self 2 g", "other 2 g"], ["condition"]),
    # lengths belong on the CPU
    ("_pack_padded_sequence", ["input 3 g", "lengths 1 c"], []),
    ("_pack_padded_sequence", ["input 3 g", "lengths 1 g"], ["lengths"]),
    ("_pad_packed_sequence", ["data 2 g", "batch_sizes 1 c"], []),
    ("_ctc_loss", ["log_probs 3 g", "targets 2 c", "input_lengths 1 c"], []),
    # lists: element by element
    ("_foreach_add", ["self 2 g 0 w", "self 2 g 1 w", "other 2 g 0", "other 2 c 1"], ["other"]),
    ("_foreach_mul", ["self 2 g 0 w", "other 0 c"], []),
    ("_foreach_add", ["self 0 c 0 w", "other 0 c"], []),
    ("_fused_adam", ["self 2 g 0 w", "grads 2 g 0", "state_steps 0 c 0"], []),
    ("_fused_adam", ["self 2 g 0 w", "exp_avgs 2 c 0"], ["exp_avgs"]),
    # on the CPU alone nothing is refused
    ("mm", ["self 2 c", "mat2 2 c"], []),
    ("_pack_padded_sequence", ["input 3 c", "lengths 1 c"], []),
]


@pytest.mark.parametrize(("name", "described", "wrong"), CASES)
def test_the_table(name, described, wrong):
    assert refused(name, *described) == wrong


@pytest.mark.parametrize(
    "name", sorted(rules.ONE_SCALAR | rules.ANY_SCALARS | {"mm", "index", "masked_fill", "_foreach_add", "new_op"})
)
def test_on_one_device_nothing_is_refused(name):
    for label in "cg?":
        assert refused(name, f"self 2 {label}", f"other 1 {label}", f"value 0 {label}") == []


@pytest.mark.parametrize(
    ("version", "name", "described", "wrong"),
    [
        ((2, 5), "lerp", ["self 1 g", "end 1 g", "weight 0 c"], ["weight"]),
        ((2, 6), "lerp", ["self 1 g", "end 1 g", "weight 0 c"], []),
        ((2, 13), "lerp", ["self 1 g", "end 0 c", "weight 0 c"], ["end"]),
        ((2, 6), "addcmul", ["self 1 g", "tensor1 1 g", "tensor2 0 c"], ["tensor2"]),
        ((2, 7), "addcmul", ["self 1 g", "tensor1 1 g", "tensor2 0 c"], []),
        ((2, 13), "addcdiv", ["self 1 g", "tensor1 1 g", "tensor2 0 c"], ["tensor2"]),
    ],
)
def test_what_changed_with_a_release(monkeypatch, version, name, described, wrong):
    monkeypatch.setattr(rules, "version", version)
    assert refused(name, *described) == wrong


class Func:
    def __init__(self, name):
        self._schema = type("Schema", (), {"name": name})


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("aten::add", "add"),
        ("aten::add_", "add"),
        ("aten::__and__", "__and__"),
        ("aten::_foreach_add_", "_foreach_add"),
        ("torchvision::nms", "nms"),
    ],
)
def test_an_operation_in_place_has_the_rule_of_the_other(name, base):
    assert rules.base_name(Func(name)) == base


# ── comparisons with CUDA's name, which go the other way where the device is called meta ─────────


@pytest.fixture(scope="module")
def branches():
    """The child's file by itself: what it imports from its folder needs torch."""
    package = types.ModuleType("rehearse_children")
    package.__path__ = []
    for name in ("frames", "labels", "telling"):
        setattr(package, name, types.ModuleType(f"rehearse_children.{name}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "rehearse_children", package)
        spec = importlib.util.spec_from_file_location("rehearse_children.branches", CHILDREN / "branches.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.mark.parametrize(
    "line",
    [
        "if DEVICE == 'cuda': pass",
        "amp = 'cuda' != device.type",
        "loader = make(pin_memory=x.device.type == 'cuda')",
        "if 'cuda' in str(device): pass",
        "if kind in ('mps', 'cuda'): pass",
        "if str(device).startswith('cuda'): pass",
        "while name == 'cuda:0': pass",
        "match kind:\n    case 'cuda': pass",
    ],
)
def test_a_question_for_cuda_by_its_name_is_seen(branches, line):
    assert branches.first_line(f"import torch\nx = 1\n{line}\n".encode()) == 3 + line.count("\n")


@pytest.mark.parametrize(
    "line",
    [
        "x = torch.ones(3).to('cuda')",
        "if torch.cuda.is_available(): pass",
        "if x.is_cuda: pass",
        "if name == 'cuda is fine': pass",
        "print('cuda', DEVICE == 'cpu')",
        "# if DEVICE == 'cuda'",
        "def cuda(:",
    ],
)
def test_other_words_are_no_question(branches, line):
    assert branches.first_line(f"x = 1\n{line}\n".encode()) is None
