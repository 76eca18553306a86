"""The ``meta`` device has shapes and no numbers: a program rehearses its devices there without having a GPU.

torch itself refuses most operations on ``meta`` and another device, but by no means all: a matrix product, a
convolution and an embedding go through. A dispatch mode, which sees each operation before it runs, catches them too.
"""

from harness import Failure, Skip, Test, expect


def tensors_in(torch, values):
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            for inner in tensors_in(torch, value):
                yield inner


def watch(torch):
    """A dispatch mode that refuses an operation on two devices; a number (no dimensions) may stay on the CPU."""
    try:
        from torch.utils._python_dispatch import TorchDispatchMode
    except ImportError:
        raise Skip("torch %s has no dispatch mode" % torch.__version__)

    class OneDevice(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            found = tensors_in(torch, list(args) + list(kwargs.values()))
            devices = sorted({str(tensor.device) for tensor in found if tensor.dim()})
            if len(devices) > 1 and "copy" not in str(func):
                raise RuntimeError("%s got tensors on %s" % (func, " and ".join(devices)))
            return func(*args, **kwargs)

    return OneDevice()


def network(torch, device):
    nn = torch.nn
    with torch.device(device):
        return nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * 14 * 14, 32),
            nn.Linear(32, 10),
        )


def forward_and_backward(context):
    torch = context.torch
    model = network(torch, "meta")
    images, labels = torch.empty(4, 3, 16, 16, device="meta"), torch.empty(4, dtype=torch.long, device="meta")
    with watch(torch):
        scores = model(images)
        loss = torch.nn.functional.cross_entropy(scores, labels)
        loss.backward()
    expect(tuple(scores.shape) == (4, 10), "the network gave the shape %s, not 4 x 10" % (tuple(scores.shape),))
    expect(loss.device.type == "meta", "the loss is on %s, not on meta" % loss.device)
    for name, parameter in model.named_parameters():
        expect(parameter.grad is not None, "%s has no gradient after backward() on meta" % name)
    return "shapes and devices fit through forward and backward"


def without_memory(context):
    torch = context.torch
    layer = torch.nn.Linear(1 << 20, 1 << 20, device="meta")  # 4 TiB of float32
    found = layer(torch.empty(2, 1 << 20, device="meta"))
    expect(tuple(found.shape) == (2, 1 << 20), "the layer gave the shape %s" % (tuple(found.shape),))
    try:
        found.tolist()
    except (NotImplementedError, RuntimeError):
        return "a layer of 4 TiB was rehearsed"
    raise Failure("a tensor on meta gave numbers, though it has none")


def planted_bugs(torch):
    """Programs that forgot one move to the device, by what they forgot."""
    nn = torch.nn
    labels = torch.zeros(4, dtype=torch.long)
    return (
        ("the input of a layer", lambda: nn.Linear(3, 2, device="meta")(torch.ones(4, 3))),
        (
            "a mask made in forward",
            lambda: nn.Linear(3, 2, device="meta")(torch.empty(4, 3, device="meta")) * torch.ones(4, 2),
        ),
        ("the labels", lambda: nn.functional.cross_entropy(torch.empty(4, 5, device="meta"), labels)),
        ("a factor of a product", lambda: torch.empty(4, 3, device="meta") @ torch.ones(3, 2)),
        ("the images of a convolution", lambda: nn.Conv2d(1, 1, 3, device="meta")(torch.ones(1, 1, 5, 5))),
        ("the words of an embedding", lambda: nn.Embedding(9, 2, device="meta")(labels)),
    )


def forgotten_move(context):
    torch = context.torch
    bugs, alone = planted_bugs(torch), []
    for name, program in bugs:
        try:
            program()
            by_torch = False
        except RuntimeError:
            by_torch = True
        try:
            with watch(torch):
                program()
        except RuntimeError:
            alone += [] if by_torch else [name]
            continue
        raise Failure("the rehearsal did not notice that %s stayed on the CPU" % name)
    context.evidence["only_with_a_dispatch_mode"] = alone
    return "all %d planted bugs were caught, %d of them by torch alone" % (len(bugs), len(bugs) - len(alone))


TESTS = (
    Test(
        code="rehearsal-passes",
        family="rehearsal",
        sentence="A program can be rehearsed on the meta device: shapes and devices without numbers.",
        mend="Reinstall torch: `envtool install` repairs the environment. The meta device needs no driver.",
        run=forward_and_backward,
    ),
    Test(
        code="rehearsal-needs-no-memory",
        family="rehearsal",
        sentence="A model that is too big for the laptop can be rehearsed on it.",
        mend="Reinstall torch: `envtool install` repairs the environment. The meta device takes no memory.",
        run=without_memory,
    ),
    Test(
        code="rehearsal-finds-the-forgotten-move",
        family="rehearsal",
        sentence="A tensor that was not moved to the device is found without a GPU.",
        mend="Don't trust `envtool rehearse` with this torch: install a current one with `envtool install`.",
        run=forgotten_move,
    ),
)
