"""The CPU against each accelerator. The comparison is with float64 on the CPU, in relative error of the whole tensor.

float32 carries 24 bits (relative rounding 6e-8); a network of three layers loses some tens of roundings, so that 1e-4
leaves a hundredfold margin for another order of summation. TensorFloat-32 carries 11 bits: 5e-4 a product. It is
switched off for the comparison, because cuDNN has it on by default; where something outside switches it back on, the
error lies between the two limits, and that is said instead of called wrong.
The activation is smooth: at the corner of a ReLU a last-bit difference would flip a whole gradient.
"""

import gc
import math
import os
import time

from harness import Failure, Skip, Test, expect

ALLOWED, REDUCED = 1e-4, 1e-2
SIZE = 2048  # of the matrix product that is timed


def accelerators(context):
    if not context.accelerators:
        raise Skip("no accelerator is under test")
    return context.accelerators


def module_of(torch, device):
    """torch.cuda, torch.mps, torch.xpu or torch.cpu: where that device's own functions are."""
    return getattr(torch, str(device).split(":")[0], None)


def synchronize(torch, device):
    """Wait for the device: what was started there is done when this returns."""
    function = getattr(module_of(torch, device), "synchronize", None)
    if function is not None:
        function(device) if str(device).startswith(("cuda", "xpu")) else function()


class FullPrecision:
    """TensorFloat-32 off, and back as it was."""

    def __init__(self, torch):
        self.places = [
            place for place in (torch.backends.cuda.matmul, torch.backends.cudnn) if hasattr(place, "allow_tf32")
        ]

    def __enter__(self):
        self.before = [place.allow_tf32 for place in self.places]
        for place in self.places:
            place.allow_tf32 = False

    def __exit__(self, *error):
        for place, value in zip(self.places, self.before):
            place.allow_tf32 = value


def network(torch):
    """The same weights at every call: a convolution, a normalisation, two products, in float64 on the CPU."""
    nn = torch.nn
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(8 * 14 * 14, 64),
            nn.LayerNorm(64),
            nn.GELU(),
            nn.Linear(64, 10),
        ).double()
        return model, torch.randn(16, 3, 16, 16, dtype=torch.float64), torch.arange(16) % 10


def results(torch, device, dtype):
    """Name and value, in float64 on the CPU, of what a forward and a backward pass give on that device."""
    model, images, labels = network(torch)
    model = model.to(dtype).to(device)
    scores = model(images.to(dtype).to(device))
    torch.nn.functional.cross_entropy(scores, labels.to(device)).backward()
    forward = {"the scores": scores.detach()}
    backward = {"the gradient of %s" % name: parameter.grad for name, parameter in model.named_parameters()}
    for values in (forward, backward):
        for name in values:
            values[name] = values[name].cpu().double()
    return forward, backward


def largest_error(found, wanted):
    errors = {}
    for name in wanted:
        error = ((found[name] - wanted[name]).norm() / wanted[name].norm()).item()
        errors[name] = float("inf") if math.isnan(error) else error
    worst = max(errors, key=errors.get)
    return worst, errors[worst]


def forced_tf32():
    names = ("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE")
    return [name for name in names if os.environ.get(name, "0") not in ("", "0")]


def judge(device, name, error):
    """None where the device agrees with the CPU; a sentence where it agrees to three digits, and it is known why."""
    if error <= ALLOWED:
        return None
    forced = forced_tf32() if str(device).startswith("cuda") else []
    if error <= REDUCED and forced:
        return "%s agrees to 3 digits only: %s forces TensorFloat-32" % (device, " and ".join(forced))
    raise Failure("%s on %s is off by %.2g of its size; %.0e is allowed" % (name, device, error, ALLOWED))


def agree(context, which, said):
    torch = context.torch
    devices = accelerators(context)
    wanted = results(torch, "cpu", torch.float64)[which]
    notes = []
    with FullPrecision(torch):
        for device in ("cpu",) + tuple(devices):
            name, error = largest_error(results(torch, device, torch.float32)[which], wanted)
            context.evidence["error on %s" % device] = float("%.2g" % error) if math.isfinite(error) else "not a number"
            notes.append(judge(device, name, error))
    notes = [note for note in notes if note]
    return "; ".join(notes) or "the CPU and %s agree on %s" % (", ".join(devices), said)


def forward(context):
    return agree(context, 0, "the forward pass")


def backward(context):
    return agree(context, 1, "every gradient")


def on_two_devices(torch, device):
    """Programs with one tensor on the CPU and one on the device, by name."""
    here, there = torch.ones(3, 3), torch.ones(3, 3, device=device)
    return (
        ("a sum", lambda: here + there),
        ("a layer", lambda: torch.nn.Linear(3, 3, device=device)(here)),
    )


def two_devices(context):
    for device in accelerators(context):
        for name, program in on_two_devices(context.torch, device):
            try:
                program()
            except RuntimeError:
                continue
            raise Failure("%s of tensors on cpu and on %s went through, and should be refused" % (name, device))
    return "sums and layers with tensors on two devices are refused"


def memory(torch, device):
    """Bytes in tensors, and bytes that the allocator holds."""
    module = module_of(torch, device)
    if hasattr(module, "memory_allocated"):
        return module.memory_allocated(device), module.memory_reserved(device)
    if hasattr(module, "current_allocated_memory"):
        return module.current_allocated_memory(), module.driver_allocated_memory()
    raise Skip("torch %s can't say how much memory of %s is taken" % (torch.__version__, device))


def settle(torch, device):
    gc.collect()
    synchronize(torch, device)
    module_of(torch, device).empty_cache()
    return memory(torch, device)


def step_in_memory(torch, device, count):
    """A forward and a backward pass over so many floats; what is taken at its height. No product: no workspace."""
    x = torch.ones(count, device=device, requires_grad=True)
    (x * x).sum().backward()
    synchronize(torch, device)
    return memory(torch, device)


def memory_comes_back(context):
    torch = context.torch
    count = 1 << 24  # 64 MiB of float32
    for device in accelerators(context):
        step_in_memory(torch, device, 1 << 10)
        before = settle(torch, device)
        during = step_in_memory(torch, device, count)
        after = settle(torch, device)
        mib = [tuple(value >> 20 for value in pair) for pair in (before, during, after)]
        context.evidence["MiB on %s" % device] = {
            name: {"allocated": pair[0], "reserved": pair[1]} for name, pair in zip(("before", "during", "after"), mib)
        }
        if os.environ.get("PYTORCH_NO_CUDA_MEMORY_CACHING"):
            raise Skip("PYTORCH_NO_CUDA_MEMORY_CACHING is set: the allocator doesn't count")
        expect(during[0] - before[0] >= 4 * count, "64 MiB were taken on %s, and the allocator did not see it" % device)
        for what, index, allowed in (("in tensors", 0, 1 << 20), ("held by the allocator", 1, count)):  # it has pools
            left = after[index] - before[index]
            expect(left < allowed, "%d MiB %s stay taken on %s after the tensors are gone" % (left >> 20, what, device))
    return "the memory of a pass came back to the allocator and to the device"


def seconds_of_product(torch, device, size):
    """The fastest of several runs, each of enough products that starting one doesn't count."""
    x = torch.ones(size, size, device=device)
    repeats = 1 if str(device) == "cpu" else 20
    best, stop = None, time.perf_counter() + 2.0
    for turn in range(6):
        synchronize(torch, device)
        started = time.perf_counter()
        for _ in range(repeats):
            y = x @ x
        synchronize(torch, device)
        seconds = (time.perf_counter() - started) / repeats
        if turn:  # the first warms up
            best = seconds if best is None else min(best, seconds)
            if time.perf_counter() > stop:
                break
    return best, y[0, 0].item()


def factor(context):
    torch = context.torch
    devices = accelerators(context)
    on_cpu, _ = seconds_of_product(torch, "cpu", SIZE)
    said = []
    context.evidence["matrix"] = SIZE
    context.evidence["seconds on cpu"] = float("%.3g" % on_cpu)
    for device in devices:
        seconds, element = seconds_of_product(torch, device, SIZE)
        expect(element == SIZE, "the product on %s has an element %r that should be %d" % (device, element, SIZE))
        context.evidence["seconds on %s" % device] = float("%.3g" % seconds)
        context.evidence["factor of %s" % device] = float("%.3g" % (on_cpu / seconds))
        said.append("%s is %.3g times as fast as the CPU" % (device, on_cpu / seconds))
    return "%s on a product of %d x %d" % (", ".join(said), SIZE, SIZE)


TESTS = (
    Test(
        code="device-forward",
        family="device",
        sentence="The same program gives the same result on the CPU and on the GPU.",
        mend="Update the GPU's driver; `envtool doctor` says whether this build carries code for this GPU.",
        run=forward,
        limit=120.0,
    ),
    Test(
        code="device-backward",
        family="device",
        sentence="The same program gives the same gradients on the CPU and on the GPU.",
        mend="Update the GPU's driver; `envtool doctor` says whether this build carries code for this GPU.",
        run=backward,
        limit=120.0,
    ),
    Test(
        code="device-two-devices",
        family="device",
        sentence="Tensors that are computed with must be on one device.",
        mend="Reinstall torch: `envtool install` repairs the environment.",
        run=two_devices,
        limit=60.0,
    ),
    Test(
        code="device-memory",
        family="device",
        sentence="A tensor's memory on the GPU comes back when nothing refers to it any more.",
        mend="Update the GPU's driver, and unset PYTORCH_CUDA_ALLOC_CONF and PYTORCH_ALLOC_CONF.",
        run=memory_comes_back,
        limit=60.0,
        fresh=True,
    ),
    Test(
        code="device-factor",
        family="device",
        sentence="A GPU multiplies matrices faster than a CPU: here is the factor.",
        mend="Run `envtool doctor`: the product itself is wrong or fails; how fast it is, is not judged.",
        run=factor,
        limit=120.0,
    ),
)
