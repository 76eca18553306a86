"""A network learns, and does it again."""

import os

from family_tensors import refused
from harness import Test, expect

SLOW_START = 60.0  # the first use of some torches loads sympy and the compiler, from a disk that may be far away
REPAIR = "Training with this installation can't be trusted. Install torch anew: `envtool doctor` has the line."
AGAIN = (
    "The same numbers can't be had from this installation, and no result repeated. Install torch anew: "
    "`envtool doctor` has the line. Code of your own also needs torch.manual_seed."
)


def trained(context, seed, steps):
    """The losses of a net of two layers that learns exclusive or, and its parameters."""
    torch = context.torch
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).to(context.device)
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], device=context.device)
    y = torch.tensor([[0.0], [1.0], [1.0], [0.0]], device=context.device)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        right = ((net(x) > 0.5) == (y > 0.5)).all().item()
    return losses, [p.detach().cpu().clone() for p in net.parameters()], right


def learns(context):
    losses, _, right = trained(context, 1, 300)
    context.evidence.update(first_loss=losses[0], last_loss=losses[-1])
    expect(losses[-1] < 0.01, "after 300 steps the loss went from %.3f to %.3f" % (losses[0], losses[-1]))
    expect(right, "the loss is small, and the net is wrong about exclusive or")
    return "exclusive or, learnt: the loss went from %.3f to %.5f" % (losses[0], losses[-1])


def same_seed(context):
    torch = context.torch
    runs = [trained(context, seed, 10) for seed in (7, 7, 8)]
    expect(runs[0][0] == runs[1][0], "the same seed gave the losses %s and %s" % (runs[0][0][-1], runs[1][0][-1]))
    pairs = zip(runs[0][1], runs[1][1])
    expect(all(torch.equal(one, two) for one, two in pairs), "the same seed gave other parameters")
    expect(runs[0][0] != runs[2][0], "another seed gave the same losses")
    draws = []
    for _ in range(2):
        torch.manual_seed(11)
        draws.append(torch.rand(1000, device=context.device))
    expect(torch.equal(draws[0], draws[1]), "torch.rand on %s does not follow its seed" % context.device)
    expect(0.4 < draws[0].mean().item() < 0.6, "the mean of 1000 random numbers is %g" % draws[0].mean().item())
    return "ten steps, twice, with the same numbers"


def deterministic(context):
    """Where an algorithm has no deterministic form it is refused; where it has one, runs agree bit for bit."""
    torch = context.torch
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS needs it to repeat itself
    torch.use_deterministic_algorithms(True)
    try:
        expect(torch.are_deterministic_algorithms_enabled(), "use_deterministic_algorithms(True) has no effect")
        index = torch.tensor([0, 1, 0, 1] * 250, device=context.device)
        values = torch.linspace(0.0, 1.0, 1000, device=context.device)
        sums = [torch.zeros(2, device=context.device).index_add_(0, index, values) for _ in range(3)]
        same = all(torch.equal(sums[0], one) for one in sums)
        expect(same, "index_add_ gave different sums under use_deterministic_algorithms")
        runs = [trained(context, 5, 5) for _ in range(2)]
        expect(runs[0][0] == runs[1][0], "training differs under use_deterministic_algorithms")
        words = refused(
            lambda: torch.zeros(4).put_(torch.tensor([0, 1]), torch.ones(2)),  # not every device has it
            RuntimeError,
            ("deterministic",),
            "put_, which has no deterministic form,",
        )
    finally:
        torch.use_deterministic_algorithms(False)
    return words[:75]


TESTS = (
    Test(
        code="learns",
        family="training",
        sentence="A tiny network learns: forward, loss, backward, step, and the loss goes down.",
        mend=REPAIR,
        run=learns,
        quick=True,
        limit=SLOW_START,
    ),
    Test(
        code="same-seed",
        family="training",
        sentence="The same seed gives the same numbers, and another seed others.",
        mend=AGAIN,
        run=same_seed,
        quick=True,
        limit=SLOW_START,
    ),
    Test(
        code="deterministic",
        family="training",
        sentence="Deterministic algorithms repeat themselves, and those that can't are refused.",
        mend=AGAIN,
        run=deterministic,
        quick=True,
        limit=SLOW_START,
    ),
)
