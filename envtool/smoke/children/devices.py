"""Which devices this torch can use, and why it can't use the others. Loaded when torch has been imported."""

import os
import re

KINDS = ("cuda", "xpu", "mps")  # in the order in which "auto" looks for one
NAMES = {"cuda": "CUDA", "xpu": "XPU", "mps": "MPS"}
# What torch says where there is no such device. Anything else is a device that is there and does not work.
NO_GPU = re.compile(
    "Found no NVIDIA driver|No (CUDA|HIP) GPUs are available|no (CUDA|ROCm)-capable device|"
    "No XPU devices are available|not compiled with (CUDA|XPU)|Torch not compiled"
)


class Survey:
    """``usable`` names the devices of each kind; ``absent`` and ``broken`` say why there are none of a kind."""

    def __init__(self):
        self.usable, self.absent, self.broken = {}, {}, {}

    def accelerators(self):
        return [name for kind in KINDS for name in self.usable.get(kind, ())]

    def reasons(self):
        return dict(self.absent, **self.broken)


def survey(torch):
    """Ask for each kind in turn."""
    found = Survey()
    for kind in KINDS:
        names, built = ASK[kind](torch)
        if names:
            found.usable[kind] = names
        elif not built:
            found.absent[kind] = "this torch (%s) is built without %s" % (torch.__version__, NAMES[kind])
        else:
            said = complaint(torch, kind)
            (found.absent if NO_GPU.search(said) else found.broken)[kind] = said
    return found


def complaint(torch, kind):
    """Why the kind is not available, in torch's own words: is_available() keeps them to itself."""
    try:
        torch.zeros(1, device=kind)
    except Exception as error:
        first = (str(error).strip().split("\n") or [""])[0]
        return "%s: %s" % (type(error).__name__, first[:400])
    return "%s.is_available() is false, and yet a tensor can be made there" % kind


def cuda(torch):
    built = bool(getattr(torch.version, "cuda", None) or getattr(torch.version, "hip", None))
    count = torch.cuda.device_count() if built and torch.cuda.is_available() else 0
    return ["cuda:%d" % index for index in range(count)], built


def xpu(torch):
    built = hasattr(torch, "xpu") and (bool(getattr(torch.version, "xpu", None)) or "+xpu" in torch.__version__)
    count = torch.xpu.device_count() if built and torch.xpu.is_available() else 0
    return ["xpu:%d" % index for index in range(count)], built


def mps(torch):
    backend = getattr(torch.backends, "mps", None)
    built = backend is not None and backend.is_built()
    return (["mps"] if built and backend.is_available() else []), built


ASK = {"cuda": cuda, "xpu": xpu, "mps": mps}


def choose(asked, found):
    """The device under test, and why it can't be one."""
    if asked == "auto":
        return next((kind for kind in KINDS if kind in found.usable), "cpu"), None
    if asked == "cpu" or asked in found.usable:
        return asked, None
    return asked, found.reasons().get(asked, "no such device")


def model(torch, device):
    """The device's name as its maker gives it, None where torch doesn't know one."""
    if device in ("cuda", "xpu"):
        return str(getattr(torch, device).get_device_properties(0).name)
    return None


def cores():
    """How many cores this process may use: those it is bound to, or a container's share of them, if that is less."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    share = quota()
    return max(1, min(count, -(-share[0] // share[1]))) if share else count


def quota():
    """The control group's share of the processors, as microseconds in each period; None where there is no limit."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            limit, period = file.read().split()
            return None if limit == "max" else (int(limit), int(period))
    except (OSError, ValueError):
        pass
    try:
        with open("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") as one, open("/sys/fs/cgroup/cpu/cpu.cfs_period_us") as two:
            limit, period = int(one.read()), int(two.read())
            return (limit, period) if limit > 0 and period > 0 else None
    except (OSError, ValueError):
        return None
