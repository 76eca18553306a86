"""Tensors are NumPy's arrays on any device."""

from harness import Failure, Skip, Test, expect

REPAIR = "The installation computes wrongly. Install torch anew: `envtool doctor` has the line. If it stays, report it."
BRIDGE = (
    "torch and NumPy don't fit each other: torch before 2.3 needs NumPy below 2. `envtool doctor` has the line that "
    "installs one that does."
)


def equal(found, wanted, what):
    expect(found == wanted, "%s gives %s in place of %s" % (what, found, wanted))


def refused(work, kind, words, what):
    """``work`` must raise ``kind`` with one of the words: the sentence says that it is refused."""
    try:
        work()
    except kind as error:
        said = str(error)
        expect(any(word in said for word in words), "%s is refused for another reason: %s" % (what, said[:200]))
        return said.partition("\n")[0]
    raise Failure("%s is not refused" % what)


def numpy_of(context):
    try:
        import numpy
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        raise Skip("numpy is not installed") from None
    context.evidence["numpy"] = str(numpy.__version__)
    return numpy


def arithmetic(context):
    torch = context.torch
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]], device=context.device)
    b = torch.tensor([[5.0, 6.0], [7.0, 8.0]], device=context.device)
    equal((a + b).tolist(), [[6.0, 8.0], [10.0, 12.0]], "a + b")
    equal((a - b).tolist(), [[-4.0, -4.0], [-4.0, -4.0]], "a - b")
    equal((a * b).tolist(), [[5.0, 12.0], [21.0, 32.0]], "a * b")
    equal((b / a).tolist()[0], [5.0, 3.0], "b / a")
    equal((a @ b).tolist(), [[19.0, 22.0], [43.0, 50.0]], "a @ b")
    equal((a**2).tolist(), [[1.0, 4.0], [9.0, 16.0]], "a ** 2")
    equal(a.t().tolist(), [[1.0, 3.0], [2.0, 4.0]], "a.t()")
    equal([a.sum().item(), a.mean().item(), a.max().item()], [10.0, 2.5, 4.0], "sum, mean and max")
    equal(a.sum(dim=0).tolist(), [4.0, 6.0], "a.sum(dim=0)")
    equal((a > 2).tolist(), [[False, False], [True, True]], "a > 2")


def as_in_numpy(context):
    """One program, run by both: the functions have the same names and give the same numbers."""
    numpy, torch = numpy_of(context), context.torch

    def program(library, x):
        rows = library.stack([x, x * 2, library.exp(-x)])
        middle = library.where(rows > 1, rows, library.sqrt(library.abs(rows)))
        return library.cumsum(middle, 1).reshape(-1)[::2].tolist()

    wanted = program(numpy, numpy.arange(4.0))
    found = program(torch, torch.arange(4.0, dtype=torch.float64))
    worst = max(abs(one - two) for one, two in zip(found, wanted))
    expect(len(found) == len(wanted) and worst < 1e-12, "torch gives %s and NumPy %s" % (found, wanted))


def broadcasting(context):
    torch = context.torch
    column = torch.tensor([[10], [20], [30]], device=context.device)
    row = torch.tensor([1, 2], device=context.device)
    equal((column + row).tolist(), [[11, 12], [21, 22], [31, 32]], "a column of 3 plus a row of 2")
    equal(tuple((torch.zeros(4, 1, 3) + torch.zeros(5, 1)).shape), (4, 5, 3), "the shape of (4,1,3) + (5,1)")
    words = refused(
        lambda: torch.zeros(3, device=context.device) + torch.zeros(2, device=context.device),
        RuntimeError,
        ("must match", "size of tensor"),
        "adding 3 numbers to 2",
    )
    return "shapes that don't fit are refused: %s" % words[:60]


def slices(context):
    torch = context.torch
    x = torch.arange(12, device=context.device).reshape(3, 4)
    equal(x[1].tolist(), [4, 5, 6, 7], "x[1]")
    equal(x[-1, ::2].tolist(), [8, 10], "x[-1, ::2]")
    equal(x[..., 1].tolist(), [1, 5, 9], "x[..., 1]")
    equal(x[x % 5 == 0].tolist(), [0, 5, 10], "x[x % 5 == 0]")
    equal(x[[0, 2], [1, 3]].tolist(), [1, 11], "x[[0, 2], [1, 3]]")
    x[:, 1:3] = 0
    equal(x.tolist(), [[0, 0, 0, 3], [4, 0, 0, 7], [8, 0, 0, 11]], "x after x[:, 1:3] = 0")


def views(context):
    torch = context.torch
    x = torch.zeros(6, device=context.device)
    part, form, copy = x[1:3], x.reshape(2, 3), x.clone()
    part[0] = 7.0
    equal(form.tolist(), [[0.0, 7.0, 0.0], [0.0, 0.0, 0.0]], "a view, after a slice was written to,")
    equal(copy.tolist(), [0.0] * 6, "a clone, after the original was written to,")


def dtypes(context):
    torch = context.torch
    ones = torch.ones(2, dtype=torch.int64, device=context.device)
    equal(str(torch.tensor([1, 2]).dtype), "torch.int64", "the dtype of whole numbers")
    equal(str(torch.tensor([1.0]).dtype), "torch.float32", "the dtype of fractions")
    equal(str((ones + 0.5).dtype), "torch.float32", "the dtype of int64 + 0.5")
    equal(str((ones / 2).dtype), "torch.float32", "the dtype of int64 / 2")
    equal((torch.tensor([7, -7], device=context.device) // 2).tolist(), [3, -4], "[7, -7] // 2")
    equal(str((ones.to(torch.float16) + ones.float()).dtype), "torch.float32", "the dtype of float16 + float32")
    equal((torch.tensor([200], dtype=torch.uint8, device=context.device) + 100).tolist(), [44], "200 + 100 in uint8")
    equal(torch.tensor([1.9, -1.9], device=context.device).to(torch.int32).tolist(), [1, -1], "[1.9, -1.9] as int32")
    big = torch.tensor([2**24 + 1], device=context.device)
    equal(int(big.float().long().item()), 2**24, "2**24 + 1 through float32")


def numpy_bridge(context):
    numpy, torch = numpy_of(context), context.torch
    array = numpy.array([1.0, 2.0, 3.0])
    tensor = torch.from_numpy(array)
    array[0] = 10.0
    equal(tensor.tolist(), [10.0, 2.0, 3.0], "torch.from_numpy, after the array was written to,")
    tensor[1] = 20.0
    equal(array.tolist(), [10.0, 20.0, 3.0], "the array, after its tensor was written to,")
    back = tensor.numpy()
    tensor[2] = 30.0
    equal(back.tolist(), [10.0, 20.0, 30.0], "tensor.numpy(), after the tensor was written to,")
    equal(torch.tensor(array).dtype, torch.float64, "the dtype of NumPy's numbers")
    copy = torch.tensor(array)
    array[0] = 0.0
    equal(copy.tolist(), [10.0, 20.0, 30.0], "torch.tensor, which copies,")


def graph_refuses_numpy(context):
    numpy_of(context)
    torch = context.torch
    x = torch.ones(2, requires_grad=True)
    words = refused((x * 2).numpy, RuntimeError, ("requires grad",), ".numpy() of a tensor in a graph")
    equal((x * 2).detach().numpy().tolist(), [2.0, 2.0], ".detach().numpy()")
    return words[:75]


TESTS = (
    Test(
        code="arithmetic",
        family="tensors",
        sentence="Tensors calculate like arrays: element by element, and @ multiplies matrices.",
        mend=REPAIR,
        run=arithmetic,
        quick=True,
    ),
    Test(
        code="like-numpy",
        family="tensors",
        sentence="A program written for NumPy's functions gives the same numbers with torch's.",
        mend=BRIDGE,
        run=as_in_numpy,
        quick=True,
    ),
    Test(
        code="broadcasting",
        family="tensors",
        sentence="A shape of one is stretched to fit, and shapes that don't fit are refused.",
        mend=REPAIR,
        run=broadcasting,
        quick=True,
    ),
    Test(
        code="slices",
        family="tensors",
        sentence="Tensors are cut and written to by slices, masks and lists of indices.",
        mend=REPAIR,
        run=slices,
        quick=True,
    ),
    Test(
        code="views",
        family="tensors",
        sentence="A slice is a view of the same memory, and a clone is not.",
        mend=REPAIR,
        run=views,
        quick=True,
    ),
    Test(
        code="dtypes",
        family="tensors",
        sentence="Every tensor has one dtype, and mixing two gives the one that can hold both.",
        mend=REPAIR,
        run=dtypes,
        quick=True,
    ),
    Test(
        code="numpy-bridge",
        family="tensors",
        sentence="A tensor and its NumPy array share their memory, both ways.",
        mend=BRIDGE,
        run=numpy_bridge,
        quick=True,
    ),
    Test(
        code="graph-refuses-numpy",
        family="tensors",
        sentence="A tensor that is part of a graph refuses .numpy(), and .detach() lets it go.",
        mend=BRIDGE,
        run=graph_refuses_numpy,
        quick=True,
    ),
)
