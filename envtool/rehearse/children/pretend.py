"""A GPU that isn't there: torch.cuda as a script sees it on a machine with one."""

import contextlib
import functools
import sys
import time
import types

import torch

from . import frames, judge, labels, telling

MEMORY = 16 << 30
NAME = "rehearsed accelerator"


class Properties:
    """What torch.cuda.get_device_properties() tells."""

    name = NAME
    major, minor = 8, 0
    total_memory = MEMORY
    multi_processor_count = 64
    is_integrated = False
    is_multi_gpu_board = False
    max_threads_per_multi_processor = 2048
    warp_size = 32
    regs_per_multiprocessor = 65536
    gcnArchName = ""  # noqa: N815 - its name in torch
    uuid = None


class Stream:
    """A stream on which everything is done at once."""

    def __init__(self, *args, **kwargs):
        self.device = torch.device("cuda:0")
        self.cuda_stream = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def synchronize(self):
        return None

    def wait_stream(self, stream):
        return None

    def wait_event(self, event):
        return None

    def record_event(self, event=None):
        event = event or Event()
        event.record()
        return event

    def query(self):
        return True

    def is_capturing(self):
        return False


class Event:
    """A moment, told by the clock."""

    def __init__(self, *args, **kwargs):
        self.at = None

    def record(self, stream=None):
        self.at = time.perf_counter()

    def elapsed_time(self, other):
        return 1000.0 * ((other.at or 0.0) - (self.at or 0.0))

    def synchronize(self):
        return None

    def wait(self, stream=None):
        return None

    def query(self):
        return True


class Where(contextlib.ContextDecorator):
    """torch.cuda.device() and torch.cuda.stream()."""

    def __init__(self, *args, **kwargs):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


def _nothing(*args, **kwargs):
    return None


def _zero(*args, **kwargs):
    return 0


def _set_device(device):
    labels.named(device)


def _rng_state(device="cuda"):
    return torch.get_rng_state()


def _memory_info(device=None):
    return MEMORY, MEMORY


def _memory_summary(*args, **kwargs):
    return "nothing is measured in a rehearsal"


CUDA = {
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "current_device": _zero,
    "set_device": _set_device,
    "init": _nothing,
    "_lazy_init": _nothing,
    "is_initialized": lambda: True,
    "synchronize": _nothing,
    "empty_cache": _nothing,
    "ipc_collect": _nothing,
    "manual_seed": _nothing,
    "manual_seed_all": _nothing,
    "seed": _nothing,
    "seed_all": _nothing,
    "initial_seed": _zero,
    "get_rng_state": _rng_state,
    "set_rng_state": _nothing,
    "get_rng_state_all": lambda: [torch.get_rng_state()],
    "set_rng_state_all": _nothing,
    "memory_allocated": _zero,
    "max_memory_allocated": _zero,
    "memory_reserved": _zero,
    "max_memory_reserved": _zero,
    "memory_cached": _zero,
    "reset_peak_memory_stats": _nothing,
    "reset_max_memory_allocated": _nothing,
    "reset_accumulated_memory_stats": _nothing,
    "set_per_process_memory_fraction": _nothing,
    "memory_summary": _memory_summary,
    "memory_stats": lambda *a, **k: {},
    "mem_get_info": _memory_info,
    "utilization": _zero,
    "temperature": _zero,
    "get_device_name": lambda device=None: NAME,
    "get_device_capability": lambda device=None: (8, 0),
    "get_device_properties": lambda device=None: Properties(),
    "get_arch_list": lambda: ["sm_80"],
    "is_bf16_supported": lambda *a, **k: True,
    "is_current_stream_capturing": lambda: False,
    "current_stream": lambda device=None: Stream(),
    "default_stream": lambda device=None: Stream(),
    "Stream": Stream,
    "Event": Event,
    "stream": Where,
    "device": Where,
    "device_of": Where,
}


def install():
    """Put the pretence in place."""
    _cuda()
    _accelerator()
    _generator()
    _autocast()
    _optimizers()


def _cuda():
    for name, wanted in CUDA.items():
        stand_in = _own(wanted, name) if isinstance(wanted, types.FunctionType) else wanted
        setattr(torch.cuda, name, stand_in)
        for module in (getattr(torch.cuda, "memory", None), getattr(torch.cuda, "random", None)):
            if module is not None and hasattr(module, name):
                setattr(module, name, stand_in)
    torch.backends.cudnn.is_acceptable = lambda tensor: False
    torch.backends.cudnn.is_available = lambda: True
    torch.meta = torch.cuda  # torch looks for the module of a device by its name
    for name in "Float Double Half BFloat16 Long Int Short Char Byte Bool".split():
        setattr(torch.cuda, name + "Tensor", _legacy(name + "Tensor"))
    torch.utils.checkpoint.get_device_states = lambda *args: ([], [])
    torch.nn.parallel.DataParallel.forward = _data_parallel


def _own(function, name):
    """A function for each name: torch keeps tables of its functions and wants no two names for one."""
    own = types.FunctionType(function.__code__, function.__globals__, name, function.__defaults__, function.__closure__)
    own.__kwdefaults__ = function.__kwdefaults__
    return own


def _legacy(name):
    """torch.cuda.FloatTensor and its like."""
    kind = getattr(torch, name)

    class Meta(type):
        def __instancecheck__(cls, value):
            return labels.is_accelerator(labels.label(value)) and isinstance(value, kind)

    def new(cls, *args):
        result = kind(*args)
        judge.moved("cuda:0")
        labels.put(result, "cuda:0", frames.here(), "torch.cuda." + name)
        return result

    return Meta(name, (), {"__new__": new, "__module__": "torch.cuda"})


def _data_parallel(self, *inputs, **kwargs):
    """One GPU: the inputs are moved to it, and the module is called."""

    def there(value):
        if isinstance(value, torch.Tensor):
            return value.to("cuda")
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return type(value)(there(one) for one in value)
        return {name: there(one) for name, one in value.items()} if isinstance(value, dict) else value

    telling.limit("data-parallel", frames.place_here())
    return self.module(*there(inputs), **there(kwargs))


def _accelerator():
    module = getattr(torch, "accelerator", None)
    if module is None:
        return
    device = torch.device("cuda")
    for name, stand_in in {
        "is_available": lambda: True,
        "current_accelerator": lambda check_available=False: device,
        "device_count": lambda: 1,
        "current_device_index": _zero,
        "current_device_idx": _zero,
        "set_device_index": _nothing,
        "set_device_idx": _nothing,
        "synchronize": _nothing,
        "empty_cache": _nothing,
        "memory_allocated": _zero,
        "max_memory_allocated": _zero,
        "memory_reserved": _zero,
        "max_memory_reserved": _zero,
        "reset_peak_memory_stats": _nothing,
        "current_stream": lambda device=None: Stream(),
        "get_memory_info": _memory_info,
    }.items():
        if hasattr(module, name):
            setattr(module, name, _own(stand_in, name))


def _generator():
    original = torch.Generator

    class Generator(original):
        """A generator for the accelerator draws from the CPU's."""

        def __new__(cls, device="cpu"):
            made = original.__new__(cls, "cpu")
            made.rehearsed = labels.named(device) or labels.CPU
            return made

        @property
        def device(self):
            return torch.device(self.rehearsed)

    try:
        Generator()
    except TypeError:
        return
    torch.Generator = Generator


def _autocast():
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2] if part.isdigit())
    half = torch.float16 if version >= (2, 4) else torch.bfloat16
    cls = torch.amp.autocast_mode.autocast
    original = cls.__init__

    @functools.wraps(original)
    def started(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        if device_type != "cpu":
            telling.limit("autocast", frames.place_here())
            device_type = "cpu"
            dtype = half if dtype in (None, torch.float16) else dtype
        original(self, device_type, dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)

    cls.__init__ = started


def _optimizers():
    """Fused kernels where this torch has none for the CPU; and a count of what the optimizers work on."""
    for name in ("_get_fused_kernels_supported_devices", "_get_foreach_kernels_supported_devices"):
        for module in list(sys.modules.values()):
            ask = getattr(module, name, None) if getattr(module, "__name__", "").startswith("torch.") else None
            if ask is not None and "fused" in name:
                setattr(module, name, functools.partial(_and_meta, ask))
    for cls, kernel in (
        ("Adam", "_fused_adam_"),
        ("AdamW", "_fused_adamw_"),
        ("SGD", "_fused_sgd_"),
        ("Adagrad", "_fused_adagrad_"),
    ):
        if not _has_cpu_kernel(kernel):
            _without_fused(getattr(torch.optim, cls))


def _and_meta(ask):
    return list(ask()) + ["meta"]


def _has_cpu_kernel(name):
    try:
        return torch._C._dispatch_has_kernel_for_dispatch_key("aten::" + name, "CPU")
    except RuntimeError:
        return False


def _without_fused(cls):
    original = cls.__init__

    @functools.wraps(original)
    def started(self, *args, **kwargs):
        if kwargs.get("fused"):
            telling.limit("fused", frames.place_here())
            kwargs["fused"] = None
        original(self, *args, **kwargs)

    cls.__init__ = started
