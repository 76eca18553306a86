"""Gradients are right, and autograd refuses what would make them wrong."""

from family_tensors import refused
from harness import Test, expect

PRECISE = {"atol": 1e-7, "rtol": 1e-5}  # in float64 a difference quotient is good to nine digits
SLOW_START = 60.0  # the first use of some torches loads sympy and the compiler, from a disk that may be far away
REPAIR = "Gradients of this installation can't be trusted. Install torch anew: `envtool doctor` has the line."


def equal(found, wanted, what):
    expect(found == wanted, "%s is %s in place of %s" % (what, found, wanted))


def neuron(context):
    """a = relu(w x + b), once with z > 0 and once with z < 0, and the derivatives by hand."""
    torch = context.torch
    for w, b, gradients in ((2.0, 1.0, [3.0, 1.0, 2.0]), (2.0, -8.0, [0.0, 0.0, 0.0])):
        leaves = [torch.tensor(value, device=context.device, requires_grad=True) for value in (w, b, 3.0)]
        a = torch.relu(leaves[0] * leaves[2] + leaves[1])
        equal(a.item(), max(w * 3.0 + b, 0.0), "relu(%g * 3 + %g)" % (w, b))
        a.backward()
        equal([leaf.grad.item() for leaf in leaves], gradients, "the gradient of relu(%g * 3 + %g) to w, b, x" % (w, b))


def small_net(context):
    """A smooth net in float64, and its inputs: parameters are inputs too, so that every gradient is checked."""
    torch = context.torch
    device = "cpu" if context.device == "mps" else context.device  # MPS has no float64
    make = torch.Generator().manual_seed(3)

    def numbers(*shape):
        return torch.randn(*shape, generator=make, dtype=torch.float64).to(device).requires_grad_()

    def net(x, w, b, v):
        return torch.nn.functional.softplus(torch.tanh(x @ w + b) @ v)

    return net, (numbers(3, 2), numbers(2, 4), numbers(4), numbers(4, 1))


def first_order(context):
    net, inputs = small_net(context)
    context.torch.autograd.gradcheck(net, inputs, **PRECISE)
    return "analytic and numeric gradients agree"


def second_order(context):
    net, inputs = small_net(context)
    context.torch.autograd.gradgradcheck(net, inputs, **PRECISE)
    return "analytic and numeric second derivatives agree"


def accumulation(context):
    torch = context.torch
    x = torch.tensor([1.0, 2.0], device=context.device, requires_grad=True)
    (x * 3).sum().backward()
    (x * 4).sum().backward()
    equal(x.grad.tolist(), [7.0, 7.0], "x.grad after two backward passes")
    optimizer = torch.optim.SGD([x], lr=0.1)
    optimizer.zero_grad()
    equal(x.grad is None or x.grad.tolist() == [0.0, 0.0], True, "x.grad being gone after zero_grad()")
    (x * 5).sum().backward()
    equal(x.grad.tolist(), [5.0, 5.0], "x.grad after zero_grad() and one backward pass")


def second_backward(context):
    torch = context.torch
    x = torch.tensor(3.0, device=context.device, requires_grad=True)
    kept = x * x
    kept.backward(retain_graph=True)
    kept.backward()
    equal(x.grad.item(), 12.0, "x.grad after two passes with retain_graph")
    gone = x * x
    gone.backward()
    words = refused(gone.backward, RuntimeError, ("second time",), "a second backward pass")
    return words[:75]


def in_place(context):
    torch = context.torch
    x = torch.tensor([1.0, 2.0], device=context.device, requires_grad=True)
    refused(lambda: x.add_(1.0), RuntimeError, ("in-place operation",), "changing a leaf in place")
    y = x.exp()
    y.mul_(2.0)  # exp needs its own result for the way back
    words = refused(lambda: y.sum().backward(), RuntimeError, ("modified by an inplace",), "a changed intermediate")
    with torch.no_grad():
        x.sub_(1.0)
    equal(x.tolist(), [0.0, 1.0], "a leaf that was changed under no_grad")
    return words[:75]


TESTS = (
    Test(
        code="neuron",
        family="autograd",
        sentence="autograd differentiates a = relu(wx + b) as the chain rule does by hand.",
        mend=REPAIR,
        run=neuron,
        quick=True,
    ),
    Test(
        code="gradcheck",
        family="autograd",
        sentence="The gradient of a small net is the limit of its difference quotients.",
        mend=REPAIR,
        run=first_order,
        quick=True,
        limit=SLOW_START,
    ),
    Test(
        code="gradgradcheck",
        family="autograd",
        sentence="Gradients can be differentiated again: the second derivatives are right too.",
        mend=REPAIR,
        run=second_order,
        quick=True,
        limit=SLOW_START,
    ),
    Test(
        code="gradients-accumulate",
        family="autograd",
        sentence="backward() adds to .grad, and zero_grad() makes it start again.",
        mend=REPAIR,
        run=accumulation,
        quick=True,
        limit=SLOW_START,
    ),
    Test(
        code="second-backward",
        family="autograd",
        sentence="A graph is used up by backward(), unless retain_graph keeps it.",
        mend=REPAIR,
        run=second_backward,
        quick=True,
    ),
    Test(
        code="in-place",
        family="autograd",
        sentence="A change in place that would spoil a gradient is caught.",
        mend=REPAIR,
        run=in_place,
        quick=True,
    ),
)
