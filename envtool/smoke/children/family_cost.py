"""What Python costs, and whether torch takes as many threads as it has cores.

The share is measured with torch's profiler in one thread on the CPU: a training step is marked, and the time inside of
it that belongs to no operator and no node of the autograd engine is Python's, with its optimizer and its module calls.
The profiler adds about a microsecond to an operator, so that the small model's share is rather too low.
"""

import os
import time

from harness import Skip, Test, Warn, expect

STEP = "envtool-training-step"
STEPS = 20
SMALL = {"batch": 4, "layers": (16, 16, 4)}
LARGE = {"batch": 128, "layers": (784, 512, 512, 10)}
HALF = 0.5


def described(model):
    return "a %s net, batches of %d" % ("-".join(map(str, model["layers"])), model["batch"])


def training(torch, model):
    """A function that takes one training step of that network."""
    nn = torch.nn
    widths, layers = model["layers"], []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    inputs, labels = torch.randn(model["batch"], widths[0]), torch.zeros(model["batch"], dtype=torch.long)

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(inputs), labels).backward()
        optimizer.step()

    return step


def marked_as_operator(name):
    return not (name == STEP or name.startswith("Optimizer."))


def share_of_python(torch, step):
    """Python's part of a step, and the microseconds of a step under the profiler."""
    from torch.profiler import ProfilerActivity, profile, record_function

    for _ in range(3):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(STEPS):
            with record_function(STEP):
                step()
    events = profiler.key_averages()
    whole = sum(event.cpu_time_total for event in events if event.key == STEP)
    operators = sum(event.self_cpu_time_total for event in events if marked_as_operator(event.key))
    expect(whole > 0, "the profiler recorded no training step")
    expect(operators > 0, "the profiler recorded no operator of a training step")
    return 1 - operators / whole, whole / STEPS


def python_share(context):
    torch = context.torch
    if not hasattr(torch, "profiler"):
        raise Skip("torch %s has no profiler" % torch.__version__)
    threads, shares = torch.get_num_threads(), {}
    torch.set_num_threads(1)  # threads that wait for one another would be counted as work
    try:
        for name, model in (("small", SMALL), ("large", LARGE)):
            share, microseconds = share_of_python(torch, training(torch, model))
            shares[name] = share
            context.evidence[name] = {
                "model": described(model),
                "share of Python": round(share, 3),
                "microseconds": round(microseconds),
            }
    finally:
        torch.set_num_threads(threads)
    context.evidence["method"] = "torch.profiler, 1 thread, %d steps, time outside of operators" % STEPS
    for name, share in shares.items():
        expect(0 <= share < 1, "the share of Python in the %s model's step is %.2f: not a share" % (name, share))
    expect(
        shares["large"] < HALF,
        "Python takes %d %% of a step of %s, which is nearly all matrix products"
        % (shares["large"] * 100, described(LARGE)),
    )
    return "%d %% of a step of %s; %d %% of %s" % (
        round(shares["large"] * 100),
        described(LARGE),
        round(shares["small"] * 100),
        described(SMALL),
    )


def seconds_of_product(torch, threads):
    """The fastest of a few products of 1024 x 1024 in so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x, best = torch.ones(1024, 1024), float("inf")
        for _ in range(4):
            started = time.perf_counter()
            torch.mm(x, x)
            best = min(best, time.perf_counter() - started)
        return best
    finally:
        torch.set_num_threads(before)


def threads_and_cores(context):
    torch = context.torch
    threads, cores = torch.get_num_threads(), context.cores
    context.evidence.update(threads=threads, interop_threads=torch.get_num_interop_threads(), cores=cores)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        if os.environ.get(name):
            context.evidence[name] = os.environ[name]
    expect(threads >= 1, "torch.get_num_threads() is %d" % threads)
    for count in {threads, cores}:
        seconds = seconds_of_product(torch, count)
        context.evidence["product, threads: %d" % count] = float("%.2g" % seconds)
    if threads > cores:
        raise Warn(
            "torch takes %d threads, and this process may use %d %s: `export OMP_NUM_THREADS=%d`"
            % (threads, cores, "core" if cores == 1 else "cores", cores)
        )
    if threads == 1 and cores > 2:
        return "torch takes 1 thread of %d cores (OMP_NUM_THREADS is %s)" % (
            cores,
            os.environ.get("OMP_NUM_THREADS", "not set"),
        )
    return "%d threads, %d cores" % (threads, cores)


TESTS = (
    Test(
        code="cost-python",
        family="cost",
        sentence="Python only says what to do: nearly all time of a training step is spent in compiled operators.",
        mend="Turn off what watches Python: a debugger, coverage, a profiler, torch.autograd.set_detect_anomaly.",
        run=python_share,
        limit=60.0,
    ),
    Test(
        code="cost-threads",
        family="cost",
        sentence="torch computes in as many threads as it has cores, and no more.",
        mend="Set OMP_NUM_THREADS to the cores of the job: in Slurm `export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK`.",
        run=threads_and_cores,
        limit=60.0,
    ),
)
