"""The graph is made while the program runs, and can be left out."""

from harness import Test, expect

REPAIR = "autograd of this installation is not whole. Install torch anew: `envtool doctor` has the line."


def dynamic(context):
    """Doubled until it is at least ten: the number of turns, and so the gradient, follows from the data."""
    torch = context.torch
    for start, gradient in ((3.0, 4.0), (0.7, 16.0), (11.0, 1.0)):
        x = torch.tensor(start, device=context.device, requires_grad=True)
        y = x
        while y < 10:
            y = y * 2
        y.backward()
        found = x.grad.item()
        expect(found == gradient, "the gradient at %g is %g in place of %g" % (start, found, gradient))
    return "2, 4 and no turns of one loop"


def saved(context, work):
    """How many tensors autograd keeps for the way back while ``work`` runs, and the result."""
    kept = []

    def pack(tensor):
        kept.append(tensor.numel())
        return tensor

    with context.torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = work()
    return len(kept), result


def layers(context):
    torch = context.torch
    x = torch.ones(4, 3, device=context.device)
    w = torch.full((3, 3), 0.5, device=context.device, requires_grad=True)
    return lambda: ((x @ w).tanh() @ w).exp().sum()


def measured(context, manager, name):
    """Less is saved under ``manager`` than without: nothing, where something was."""
    work = layers(context)
    with_graph, _ = saved(context, work)
    expect(with_graph > 0, "autograd saves nothing for a net that needs a gradient")

    def without():
        with manager:
            return work()

    count, result = saved(context, without)
    context.evidence.update(saved_with_graph=with_graph, saved_without=count)
    expect(count == 0, "under %s %d tensors are saved for a backward pass" % (name, count))
    expect(not result.requires_grad, "a result under %s requires a gradient" % name)
    again, _ = saved(context, work)
    expect(again == with_graph, "after %s %d tensors are saved in place of %d" % (name, again, with_graph))
    return "%d tensors are saved for the way back, and none under %s" % (with_graph, name)


def no_grad(context):
    return measured(context, context.torch.no_grad(), "no_grad")


def inference_mode(context):
    said = measured(context, context.torch.inference_mode(), "inference_mode")
    with context.torch.inference_mode():
        made = context.torch.ones(1, device=context.device)
    expect(made.is_inference(), "a tensor made under inference_mode doesn't know it")
    return said


def detach(context):
    torch = context.torch
    x = torch.tensor([2.0], device=context.device, requires_grad=True)
    y = x * x
    cut = y.detach()
    expect(not cut.requires_grad, "a detached tensor requires a gradient")
    expect(cut.data_ptr() == y.data_ptr(), "detach() copies")
    count, _ = saved(context, lambda: cut.exp().sin())
    expect(count == 0, "%d tensors are saved behind detach()" % count)
    (y * cut).sum().backward()  # cut is a constant: 4 * 2x
    expect(x.grad.item() == 16.0, "the gradient past detach() is %g in place of 16" % x.grad.item())
    return "nothing is saved behind detach()"


TESTS = (
    Test(
        code="dynamic-graph",
        family="graph",
        sentence="The graph is dynamic: a loop that depends on the data has the right gradients.",
        mend=REPAIR,
        run=dynamic,
        quick=True,
    ),
    Test(
        code="no-grad",
        family="graph",
        sentence="Under no_grad() nothing is saved for a backward pass.",
        mend=REPAIR,
        run=no_grad,
        quick=True,
    ),
    Test(
        code="inference-mode",
        family="graph",
        sentence="Under inference_mode() nothing is saved, and its tensors stay outside of any graph.",
        mend=REPAIR,
        run=inference_mode,
        quick=True,
    ),
    Test(
        code="detach",
        family="graph",
        sentence="detach() cuts a tensor off its graph without a copy.",
        mend=REPAIR,
        run=detach,
        quick=True,
    ),
)
