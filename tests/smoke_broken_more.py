"""How each test of the families device, rehearsal, data and precision is made to fail, and what it then says.

There is no GPU on most machines that run this: ``fake_gpu`` makes torch believe in a device ``cuda:0`` that computes on
the CPU and counts its memory, so that the device family's own reasoning is run, too.
"""

import gc
import os
import signal
import types

# ── device ───────────────────────────────────────────────────────────────────────────────────────

FAKE = "cuda:0"
HELD = []  # what a leak keeps


class Allocator:
    """The memory of the fake device: every tensor that has been made on it and is still there."""

    def __init__(self):
        self.cached = 0

    def allocated(self, *device):
        found = {}
        for tensor in [thing for thing in gc.get_objects() if issubclass(type(thing), self.tensor)]:
            for taken in (tensor, tensor.grad if tensor.is_leaf else None):
                if taken is not None:
                    found[taken.data_ptr()] = taken.numel() * taken.element_size()
        self.cached = max(self.cached, sum(found.values()))
        return sum(found.values())

    def reserved(self, *device):
        self.allocated()
        return self.cached

    def empty_cache(self):
        self.cached = 0
        self.allocated()


def elsewhere(real):
    """The function with the fake device taken for the CPU."""

    def called(*args, **kwargs):
        args = tuple("cpu" if isinstance(value, str) and value == FAKE else value for value in args)
        if kwargs.get("device") == FAKE:
            kwargs["device"] = "cpu"
        return real(*args, **kwargs)

    return called


def fake_gpu(torch, context):
    import family_device

    family_device.SIZE = 128
    context.accelerators = [FAKE]
    for owner, name in ((torch.nn.Module, "to"), (torch.Tensor, "to"), (torch, "ones"), (torch.nn, "Linear")):
        setattr(owner, name, elsewhere(getattr(owner, name)))
    allocator = Allocator()
    allocator.tensor = torch.Tensor
    torch.cuda.synchronize = lambda *device: None
    torch.cuda.memory_allocated, torch.cuda.memory_reserved = allocator.allocated, allocator.reserved
    torch.cuda.empty_cache = allocator.empty_cache


def on_fake_gpu(*breakages):
    def breaks(torch, context):
        fake_gpu(torch, context)
        for breakage in breakages:
            breakage(torch, context)

    return breaks


def later_calls(name, after, change):
    """``torch.nn.functional.NAME`` with its result changed from a call on: the earlier ones are the CPU's."""

    def breaks(torch, context):
        real, calls = getattr(torch.nn.functional, name), []

        def called(*args, **kwargs):
            calls.append(1)
            found = real(*args, **kwargs)
            return change(found) if len(calls) > after else found

        setattr(torch.nn.functional, name, called)

    return breaks


def tf32_forced(torch, context):
    os.environ["NVIDIA_TF32_OVERRIDE"] = "1"


def wrong_gradients(torch, context):
    """The third backward pass, which is the device's, gives a gradient that is twice as large."""
    real, calls = torch.Tensor.backward, []

    def backward(self, *args, **kwargs):
        calls.append(1)
        real(self * 2 if len(calls) > 2 else self, *args, **kwargs)

    torch.Tensor.backward = backward


def real_second_device(torch, context):
    """A device that torch does refuse to mix with the CPU: meta."""
    real = torch.ones
    torch.ones = lambda *args, **kwargs: real(*args, **dict(kwargs, device="meta" if "device" in kwargs else "cpu"))
    linear = torch.nn.Linear
    torch.nn.Linear = lambda *args, device: linear(*args, device="meta")


def leak(torch, context):
    real = torch.ones
    torch.ones = lambda *args, **kwargs: (HELD.append(real(*args, **kwargs)), HELD[-1])[1]


def keeps_the_cache(torch, context):
    torch.cuda.empty_cache = lambda: None


def blind(torch, context):
    torch.cuda.memory_allocated = lambda *device: 0


def mute(torch, context):
    del torch.cuda.memory_allocated


def no_counting(torch, context):
    os.environ["PYTORCH_NO_CUDA_MEMORY_CACHING"] = "1"


def wrong_product(torch, context):
    real = torch.Tensor.__matmul__
    torch.Tensor.__matmul__ = lambda self, other: real(self, other) + 1


# ── rehearsal ────────────────────────────────────────────────────────────────────────────────────


def functional(name, change):
    return later_calls(name, 0, change)


def last_layer(change):
    return later_calls("linear", 1, change)


def loss_on_the_cpu(torch, context):
    torch.nn.functional.cross_entropy = lambda *args: torch.zeros((), requires_grad=True)


def no_backward(torch, context):
    torch.Tensor.backward = lambda self: None


def numbers_on_meta(torch, context):
    torch.Tensor.tolist = lambda self: [0.0]


def no_dispatch_mode(torch, context):
    from torch.utils._python_dispatch import TorchDispatchMode

    TorchDispatchMode.__enter__ = lambda self: self
    TorchDispatchMode.__exit__ = lambda self, *error: None


# ── data ─────────────────────────────────────────────────────────────────────────────────────────


def sampler(order):
    def breaks(torch, context):
        torch.utils.data.RandomSampler.__iter__ = lambda self: iter(order(torch, len(self.data_source)))

    return breaks


def in_order(torch, count):
    return range(count)


def unseeded(torch, count):
    return sorted(range(count), key=lambda number: os.urandom(4))


def workers_lose_a_batch(torch, context):
    real = torch.utils.data.DataLoader.__iter__

    def short(self):
        found = real(self)
        if self.num_workers:
            next(found)
        return found

    torch.utils.data.DataLoader.__iter__ = short


def workers_get_another_seed(torch, context):
    real = torch.utils.data.DataLoader.__iter__

    def other(self):
        if self.num_workers:
            self.generator.manual_seed(8)
        return real(self)

    torch.utils.data.DataLoader.__iter__ = other


def in_workers(family_data, happens):
    """What befalls the workers when they are asked for data."""
    pid = os.getpid()
    for dataset in (family_data.Numbers, family_data.Images):

        def get(self, index, real=dataset.__getitem__):
            if os.getpid() != pid:
                happens()
            return real(self, index)

        dataset.__getitem__ = get


def dying_worker(torch, context):
    import family_data

    in_workers(family_data, lambda: os.kill(os.getpid(), signal.SIGBUS))


def failing_worker(torch, context):
    import family_data

    def fail():
        raise OSError("Too many open files")

    in_workers(family_data, fail)


def worker_seeds(seed):
    """What the worker calls to seed itself."""

    def breaks(torch, context):
        real, pid = torch.manual_seed, os.getpid()
        torch.manual_seed = lambda value: real(value if os.getpid() == pid else seed())

    return breaks


def small_shared_memory(torch, context):
    os.statvfs = lambda path: types.SimpleNamespace(f_frsize=1 << 20, f_blocks=64, f_bavail=60)


def shared_memory_fills_up(torch, context):
    """Room enough when it is measured, and none when the workers want it."""
    rooms = [1000, 5]
    os.statvfs = lambda path: types.SimpleNamespace(f_frsize=1 << 20, f_blocks=1000, f_bavail=rooms.pop(0))
    failing_worker(torch, context)


def private_memory(torch, context):
    torch.Tensor.is_shared = lambda self: False


def other_numbers(torch, context):
    real = torch.full
    torch.full = lambda shape, value: real(shape, value + 1)


# ── precision ────────────────────────────────────────────────────────────────────────────────────


def autocast(**changed):
    def breaks(torch, context):
        real = torch.autocast.__init__
        torch.autocast.__init__ = lambda self, kind, **kwargs: real(self, kind, **dict(kwargs, **changed))

    return breaks


def on_the_cpu(torch, context):
    context.accelerators = ["cpu"]


def both(*breakages):
    def breaks(torch, context):
        for breakage in breakages:
            breakage(torch, context)

    return breaks


def gradients_stay_scaled(torch, context):
    torch.amp.GradScaler.unscale_ = lambda self, optimizer: None


def no_float16(torch, context):
    def refuse(self, kind, dtype=None, enabled=True):
        if dtype == torch.float16 and enabled:
            raise RuntimeError("User specified an unsupported autocast dtype; supported is bfloat16")

    torch.autocast.__init__ = refuse
    torch.autocast.__enter__ = lambda self: self
    torch.autocast.__exit__ = lambda self, *error: None


# ── the table ────────────────────────────────────────────────────────────────────────────────────


def off(found):
    return found * 1.5


def slightly_off(found):
    return found * 1.001


def not_a_number(found):
    return found * float("nan")


HALF = ("too little shared memory (/dev/shm): DataLoader worker", "fail")

BROKEN = {
    "device-forward": [
        (fake_gpu, "the CPU and cuda:0 agree on the forward pass", "pass"),
        (on_fake_gpu(later_calls("linear", 4, off)), "the scores on cuda:0 is off by 0.5"),
        (on_fake_gpu(later_calls("linear", 4, not_a_number)), "the scores on cuda:0 is off by inf"),
        (on_fake_gpu(later_calls("linear", 2, off)), "the scores on cpu is off by 0.5"),
        (on_fake_gpu(later_calls("linear", 5, slightly_off)), "off by 0.001 of its size; 1e-04 is allowed"),
        (on_fake_gpu(later_calls("linear", 5, slightly_off), tf32_forced), "NVIDIA_TF32_OVERRIDE forces", "pass"),
    ],
    "device-backward": [
        (fake_gpu, "the CPU and cuda:0 agree on every gradient", "pass"),
        (on_fake_gpu(wrong_gradients), "the gradient of"),
        (on_fake_gpu(wrong_gradients), "on cuda:0 is off by 1 "),
    ],
    "device-two-devices": [
        (on_fake_gpu(real_second_device), "sums and layers with tensors on two devices are refused", "pass"),
        (fake_gpu, "a sum of tensors on cpu and on cuda:0 went through"),
    ],
    "device-memory": [
        (fake_gpu, "came back", "pass"),
        (on_fake_gpu(leak), "MiB in tensors stay taken on cuda:0"),
        (on_fake_gpu(keeps_the_cache), "held by the allocator stay taken on cuda:0"),
        (on_fake_gpu(blind), "64 MiB were taken on cuda:0, and the allocator did not see it"),
        (on_fake_gpu(mute), "can't say how much memory of cuda:0 is taken", "skip"),
        (on_fake_gpu(no_counting), "PYTORCH_NO_CUDA_MEMORY_CACHING is set", "skip"),
    ],
    "device-factor": [
        (fake_gpu, "times as fast as the CPU on a product of 128 x 128", "pass"),
        (on_fake_gpu(wrong_product), "the product on cuda:0 has an element 129.0 that should be 128"),
    ],
    "rehearsal-passes": [
        (last_layer(lambda found: found[:, :5]), "the network gave the shape (4, 5), not 4 x 10"),
        (loss_on_the_cpu, "the loss is on cpu, not on meta"),
        (no_backward, "0.weight has no gradient after backward() on meta"),
    ],
    "rehearsal-needs-no-memory": [
        (functional("linear", lambda found: found[:1]), "the layer gave the shape (1, 1048576)"),
        (numbers_on_meta, "a tensor on meta gave numbers"),
    ],
    "rehearsal-finds-the-forgotten-move": [
        (no_dispatch_mode, "did not notice that a factor of a product stayed on the CPU"),
    ],
    "data-order": [
        (sampler(in_order), "shuffle=True left the numbers in their order"),
        (sampler(unseeded), "gave two orders"),
        (workers_lose_a_batch, "one epoch with workers gave 56 numbers, not each of 64 once"),
        (workers_get_another_seed, "another order with 2 workers than without"),
        (dying_worker, *HALF),
        (failing_worker, "a DataLoader with 2 workers fails: OSError"),
        (worker_seeds(lambda: int.from_bytes(os.urandom(4), "big")), "other random numbers in the second run"),
        (worker_seeds(lambda: 3), "drew the same random numbers: 32 different ones of 64"),
    ],
    "data-shared-memory": [
        (small_shared_memory, "/dev/shm has 60 MiB free of 64; 2 workers with batches of 64 images need 147"),
        (dying_worker, *HALF),
        (failing_worker, "a DataLoader with 2 workers fails: OSError"),
        (workers_lose_a_batch, "4 batches were sent and 3 came"),
        (shared_memory_fills_up, "/dev/shm has become too small: 5 MiB free, and 0 batches came of 4"),
        (private_memory, "batch 0 did not come through shared memory"),
        (other_numbers, "batch 0 came with other numbers"),
    ],
    "precision-bfloat16": [
        (autocast(enabled=False), "computed in torch.float32, not in bfloat16"),
        (autocast(enabled=True), "without autocast cpu computes in torch.bfloat16"),
        (later_calls("linear", 2, off), "bfloat16 on cpu is off by"),
        (later_calls("linear", 2, not_a_number), "bfloat16 on cpu is off by inf"),
    ],
    "precision-float16": [
        (on_the_cpu, "agrees with float32", "pass"),
        (both(on_the_cpu, gradients_stay_scaled), "float16 on cpu is off by 1e+03"),
        (both(on_the_cpu, no_float16), "has no float16 autocast on cpu", "skip"),
    ],
}
