"""How each test of the families import, tensors, autograd, graph and training is made to fail, and what it then says."""

import importlib.machinery
import sys
import types

# ── import ───────────────────────────────────────────────────────────────────────────────────────


def package(name, **contents):
    """A package that is there, with these contents."""
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, origin="/nowhere/%s/__init__.py" % name)
    module.__file__, module.__version__ = module.__spec__.origin, "9.9"
    module.__dict__.update(contents)
    sys.modules[name] = module


class Broken:
    """Raises what a package raises that was compiled for another torch."""

    def __init__(self, text):
        self.text = text

    def __call__(self, *args, **kwargs):
        raise RuntimeError(self.text)


def torchvision_without_operators(torch, context):
    package("torchvision", ops=types.SimpleNamespace(nms=Broken("operator torchvision::nms does not exist")))


def torchvision_that_keeps_all(torch, context):
    package("torchvision", ops=types.SimpleNamespace(nms=lambda boxes, scores, limit: torch.arange(3)))


def deaf_torchaudio(torch, context):
    silent = types.SimpleNamespace(Spectrogram=lambda **kw: lambda wave: torch.zeros(33, 4))
    package("torchaudio", transforms=silent)


def other_torchaudio(torch, context):
    package("torchaudio", transforms=types.SimpleNamespace(Spectrogram=Broken("undefined symbol: _ZN3c10")))


def pytorch_module(torch, context):
    package("pytorch")


def pytorch_distribution(torch, context):
    from importlib import metadata

    real = metadata.version
    metadata.version = lambda name: "1.0.2" if name == "pytorch" else real(name)


def sitecustomize(source):
    """Every further Python of this environment begins with this."""

    def breaks(torch, context):
        import os

        with open(os.path.join(context.folder, "sitecustomize.py"), "w") as file:
            file.write(source)
        os.environ["PYTHONPATH"] = context.folder

    return breaks


def matrix_product(torch, context):
    def wrong(one, two):
        found = real(one, two)
        found[0] += 1  # a whole row: for a scalar the number itself
        return found

    real = torch.Tensor.__matmul__
    calls = []
    torch.Tensor.__matmul__ = lambda one, two: (
        calls.append(1),
        wrong(one, two) if len(calls) == 1 else real(one, two),
    )[1]


def broken_cuda(torch, context):
    context.broken = {"cuda": "RuntimeError: CUDA driver initialization failed"}


def tensor_stays(torch, context):
    context.device = "meta"
    torch.Tensor.to = lambda self, device: self


# ── tensors ──────────────────────────────────────────────────────────────────────────────────────


def method(name, wrong):
    """A method of the tensor that is given its real self and the arguments."""

    def breaks(torch, context):
        real = getattr(torch.Tensor, name)
        setattr(torch.Tensor, name, lambda *args, **kwargs: wrong(real, *args, **kwargs))

    return breaks


def function(name, wrong):
    def breaks(torch, context):
        real = getattr(torch, name)
        setattr(torch, name, lambda *args, **kwargs: wrong(real, *args, **kwargs))

    return breaks


def swallow(real, self, other):
    """Shapes that don't fit are no error: the shorter one is enough."""
    try:
        return real(self, other)
    except RuntimeError:
        return self


def copied(real, self, *args):
    return real(self, *args).clone()


def unchecked_numpy(real, self):
    return real(self.detach())


def old_numpy(real, *args):
    raise RuntimeError("Numpy is not available")


# ── autograd and graph ───────────────────────────────────────────────────────────────────────────


def generous_relu(torch, context):
    torch.relu = lambda x: x * (x > 0).float() + 0.01 * (x - x.detach())


def backward(wrong):
    def breaks(torch, context):
        real = torch.Tensor.backward
        torch.Tensor.backward = lambda self, *args, **kwargs: wrong(torch, real, self, *args, **kwargs)

    return breaks


def backward_once(torch, real, self, *args, **kwargs):
    try:
        real(self, *args, **kwargs)
    except RuntimeError:
        pass


def wrong_tanh(torch, context):
    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.detach().cosh().reciprocal() * x.detach().sinh()

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return gradient / x.cosh() ** 2 * 1.001  # one in a thousand

    torch.tanh = Tanh.apply


def tanh_without_second(torch, context):
    """The gradient is right and a constant: its own derivative is lost."""

    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            with torch.no_grad():
                return x.sinh() / x.cosh()

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return gradient * (1 / x.cosh() ** 2).detach()

    torch.tanh = Tanh.apply


def forgets(torch, real, self, *args, **kwargs):
    """Every backward pass starts from nothing."""
    leaf = self
    for node in walk(self.grad_fn):
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            leaf.grad = None
    real(self, *args, **kwargs)


def walk(node):
    if node is not None:
        yield node
        for below, _ in node.next_functions:
            for inner in walk(below):
                yield inner


def no_retaining(torch, real, self, retain_graph=None, **kwargs):
    real(self, **kwargs)


def zero_grad_idle(torch, context):
    torch.optim.Optimizer.zero_grad = lambda self, set_to_none=True: None


def in_place_unseen(torch, context):
    torch.Tensor.mul_ = lambda self, number: self.data.copy_(self.data * number)


def leaf_unguarded(torch, context):
    def add_(self, number):
        self.data += number
        return self

    torch.Tensor.add_ = add_


def frozen_graph(torch, context):
    """A graph that was taken down once: the loop turns as it did for the first number."""
    real, turns = torch.Tensor.__lt__, []

    def less(self, other):
        found = bool(real(self, other))
        turns.append(found)
        return found if False not in turns[:-1] else (len(turns) - turns.index(False) - 1) % 3 != 0

    torch.Tensor.__lt__ = less


class Nothing:
    """A context manager that does nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


def attribute(name, value):
    def breaks(torch, context):
        setattr(torch, name, value)

    return breaks


def everything_off(torch, context):
    torch.set_grad_enabled(False)


def idle(torch, context):
    """Inference mode that is only no_grad."""
    torch.inference_mode = torch.no_grad


def sticky(torch, context):
    """A no_grad that is never taken back."""

    class Sticky:
        def __enter__(self):
            torch.set_grad_enabled(False)

        def __exit__(self, *error):
            return False

    torch.no_grad = Sticky


# ── training ─────────────────────────────────────────────────────────────────────────────────────


def idle_step(torch, context):
    torch.optim.Adam.step = lambda self, closure=None: None


def uphill(torch, context):
    real = torch.optim.Adam.step

    def step(self, closure=None):
        for group in self.param_groups:
            for one in group["params"]:
                one.grad.neg_()
        return real(self)

    torch.optim.Adam.step = step


def deaf_seed(torch, context):
    torch.manual_seed = lambda seed: None


def one_seed(torch, context):
    real = torch.manual_seed
    torch.manual_seed = lambda seed: real(0)


def own_dice(torch, context):
    import random

    torch.rand = lambda count, device=None: torch.tensor([random.random() for _ in range(count)])


def seed_of_one_number(torch, context):
    torch.rand = lambda count, device=None: torch.ones(count)


def determinism_idle(torch, context):
    torch.use_deterministic_algorithms = lambda mode: None


def determinism_for_show(torch, context):
    torch.use_deterministic_algorithms = lambda mode: None
    torch.are_deterministic_algorithms_enabled = lambda: True


def trembling_sum(torch, context):
    real, calls = torch.Tensor.index_add_, []

    def index_add_(self, *args):
        calls.append(1)
        return real(self, *args) + 1e-2 * len(calls)

    torch.Tensor.index_add_ = index_add_


BROKEN = {
    "device": [
        (matrix_product, "a matrix product on cpu is wrong"),
        (tensor_stays, "a tensor sent to meta is on cpu"),
        (broken_cuda, "built for CUDA and can't use it", "warn"),
    ],
    "torchvision": [
        (torchvision_without_operators, "operator torchvision::nms does not exist"),
        (torchvision_that_keeps_all, "nms on cpu keeps the boxes [0, 1, 2]"),
    ],
    "torchaudio": [
        (deaf_torchaudio, "the loudest bands are [0, 0, 0, 0]"),
        (other_torchaudio, "undefined symbol"),
    ],
    "pytorch-is-not-torch": [
        (pytorch_module, "`import pytorch` finds /nowhere/pytorch"),
        (pytorch_distribution, "a distribution called pytorch (1.0.2) is installed"),
    ],
    "ends-well": [
        (sitecustomize("import atexit, os; atexit.register(os.abort)"), "did its work and then ended with -6"),
        (sitecustomize("import sys; sys.modules['torch'] = None"), "does not get to its end: ModuleNotFoundError"),
    ],
    "arithmetic": [
        (method("__add__", lambda real, a, b: real(a, b) * 2), "a + b gives"),
        (method("__matmul__", lambda real, a, b: a * b), "a @ b gives"),
        (method("sum", lambda real, a, **kw: real(a, **kw) + 1), "sum, mean and max gives"),
    ],
    "like-numpy": [
        (function("exp", lambda real, x: real(x) * 1.0001), "torch gives"),
        (function("stack", lambda real, rows: real(rows).flip(0)), "torch gives"),
    ],
    "broadcasting": [
        (method("__add__", swallow), "adding 3 numbers to 2 is not refused"),
        (method("__add__", lambda real, a, b: real(a, b).t() if a.dim() == 2 else real(a, b)), "a row of 2 gives"),
    ],
    "slices": [
        (
            method(
                "__getitem__",
                lambda real, x, key: real(x, -1 if key == 1 else key) if type(key) is int else real(x, key),
            ),
            "x[1] gives",
        ),
        (method("__setitem__", lambda real, x, key, value: None), "x after x[:, 1:3] = 0 gives"),
    ],
    "views": [
        (method("__getitem__", copied), "a view, after a slice was written to, gives"),
        (method("clone", lambda real, x: x), "a clone, after the original was written to, gives"),
    ],
    "dtypes": [
        (method("__truediv__", lambda real, a, b: a // b), "the dtype of int64 / 2 gives torch.int64"),
        (method("__add__", lambda real, a, b: real(a, b).double()), "the dtype of int64 + 0.5 gives torch.float64"),
    ],
    "numpy-bridge": [
        (function("from_numpy", lambda real, array: real(array.copy())), "torch.from_numpy, after the array was"),
        (function("from_numpy", old_numpy), "Numpy is not available"),
        (method("numpy", lambda real, x: real(x).copy()), "tensor.numpy(), after the tensor was written to, gives"),
    ],
    "graph-refuses-numpy": [
        (method("numpy", unchecked_numpy), ".numpy() of a tensor in a graph is not refused"),
        (method("numpy", old_numpy), "is refused for another reason: Numpy is not available"),
    ],
    "neuron": [
        (generous_relu, "the gradient of relu(2 * 3 + 1) to w, b, x is"),
        (function("relu", lambda real, x: x), "relu(2 * 3 + -8) is -2.0"),
    ],
    "gradcheck": [(wrong_tanh, "GradcheckError: Jacobian mismatch")],
    "gradgradcheck": [(tanh_without_second, "GradcheckError: ")],
    "gradients-accumulate": [
        (backward(forgets), "x.grad after two backward passes is [4.0, 4.0]"),
        (zero_grad_idle, "x.grad being gone after zero_grad() is False"),
    ],
    "second-backward": [
        (backward(backward_once), "a second backward pass is not refused"),
        (backward(no_retaining), "second time"),
    ],
    "in-place": [
        (in_place_unseen, "a changed intermediate is not refused"),
        (leaf_unguarded, "changing a leaf in place is not refused"),
    ],
    "dynamic-graph": [(frozen_graph, "the gradient at 0.7 is 4")],
    "no-grad": [
        (attribute("no_grad", Nothing), "under no_grad 5 tensors are saved"),
        (everything_off, "autograd saves nothing for a net that needs a gradient"),
        (sticky, "after no_grad 0 tensors are saved"),
    ],
    "inference-mode": [
        (attribute("inference_mode", Nothing), "under inference_mode 5 tensors are saved"),
        (idle, "a tensor made under inference_mode doesn't know it"),
    ],
    "detach": [
        (method("detach", lambda real, x: x), "a detached tensor requires a gradient"),
        (method("detach", lambda real, x: real(x).clone()), "detach() copies"),
    ],
    "learns": [
        (idle_step, "after 300 steps the loss went from"),
        (uphill, "after 300 steps the loss went from"),
    ],
    "same-seed": [
        (deaf_seed, "the same seed gave the losses"),
        (one_seed, "another seed gave the same losses"),
        (own_dice, "torch.rand on cpu does not follow its seed"),
        (seed_of_one_number, "the mean of 1000 random numbers is 1"),
    ],
    "deterministic": [
        (determinism_idle, "use_deterministic_algorithms(True) has no effect"),
        (determinism_for_show, "put_, which has no deterministic form, is not refused"),
        (trembling_sum, "index_add_ gave different sums"),
    ],
}
