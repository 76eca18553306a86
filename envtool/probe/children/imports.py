"""Run by the target interpreter as it would run a script: import the packages and compute with them, stage by stage.

Nothing is imported before its stage but what any start of Python has loaded or built in. Each stage says when it
begins and how it ends, at once, so that what was said stays said when the process dies. Python 3.6 and newer.
"""

import os
import sys
import time

MARKER = "\nenvtool-import:%s:" % "".join("%02x" % byte for byte in bytearray(os.urandom(8)))
OUT = os.dup(1)  # an imported package may close or replace the stream
BOXES = [[0.0, 0.0, 10.0, 10.0], [1.0, 1.0, 11.0, 11.0], [20.0, 20.0, 30.0, 30.0]]

WARNINGS = []
LOADED = {}  # the modules that were imported, by name


def quoted(text):
    out = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            out.append("\\" + char)
        elif 32 <= code < 127:
            out.append(char)
        elif code < 0x10000:
            out.append("\\u%04x" % code)
        else:
            code -= 0x10000
            out.append("\\u%04x\\u%04x" % (0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF)))
    return '"' + "".join(out) + '"'


def json(value):
    if isinstance(value, dict):
        return "{" + ",".join(quoted(key) + ":" + json(value[key]) for key in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(json(item) for item in value) + "]"
    return "%.4f" % value if isinstance(value, float) else quoted(str(value))


def say(message):
    data = (MARKER + json(message) + "\n").encode("ascii")
    while data:
        data = data[os.write(OUT, data) :]


def source_line(path, number):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace").split("\n")[number - 1].strip()
    except (OSError, IndexError):
        return ""


def last_lines(error, text):
    """The end of the traceback, made by hand: the module that prints it may be what is broken."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith("<") and code.co_filename != run.__code__.co_filename:
            frames.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    lines = []
    for path, number, name in frames[-2:]:
        lines.append('File "%s", line %d, in %s' % (path, number, name))
        lines.append("  " + source_line(path, number))
    return lines + ["%s: %s" % (type(error).__name__, line) if not i else line for i, line in enumerate(text[-4:])]


def run(name, work):
    """One stage; true where it is done and the next one may build on it."""
    say({"begin": name})
    details, started, ended = {}, time.perf_counter(), {"end": name}
    try:
        ended["outcome"] = work(details) or "ok"
    except BaseException as error:  # SystemExit too: what a package raises on import must not end the others' turn
        try:
            text = str(error)
        except Exception:
            text = ""
        lines = text.strip().split("\n")
        ended.update(outcome="error", type=type(error).__name__, message=lines[0], text=text[-4000:])
        ended["lines"] = last_lines(error, lines)[-5:]
    ended["seconds"] = time.perf_counter() - started
    if WARNINGS:
        details["warnings"] = "\n".join(WARNINGS)
        del WARNINGS[:]
    ended["details"] = {key: str(details[key]) for key in details if details[key] is not None}
    say(ended)
    return ended["outcome"] == "ok"


def spec_of(name):
    """Where a module would come from, without importing it or anything else."""
    for finder in list(sys.meta_path):
        find = getattr(finder, "find_spec", None)
        spec = find(name, None) if find is not None else None
        if spec is not None:
            return spec
    return None


def installed(name):
    """Is there a package of that name? A bare folder counts for torch alone: it hides that torch is missing."""
    try:
        spec = spec_of(name)
    except Exception:
        return True  # the import will say what is wrong with it
    return spec is not None and (name == "torch" or spec.origin not in (None, "namespace"))


def note(module, details):
    where = getattr(module, "__file__", None)
    details["file"] = where or next(iter(getattr(module, "__path__", [])), None)
    details["version"] = module.__version__


def equal(found, wanted):
    if found != wanted:
        raise ArithmeticError("the result is %r, and %r was expected" % (found, wanted))


# -- the stages ------------------------------------------------------------------------------------


def warned(message, category, filename, lineno, file=None, line=None):
    WARNINGS.append("%s: %s" % (category.__name__, str(message).strip().replace("\n", " ")[:600]))


def import_torch(details):
    import warnings

    warnings.showwarning = warned
    import torch

    note(torch, details)
    LOADED["torch"] = torch
    for key in ("cuda", "hip", "xpu"):
        details[key] = getattr(torch.version, key, None)
    flags = getattr(getattr(torch, "_C", None), "_cuda_getArchFlags", None)
    details["arch_list"] = flags() if flags is not None else None


def import_torchvision(details):
    import torchvision

    note(torchvision, details)
    torch = LOADED["torch"]
    kept = torchvision.ops.nms(torch.tensor(BOXES), torch.tensor([0.9, 0.8, 0.7]), 0.5)
    equal(kept.tolist(), [0, 2])


def import_torchaudio(details):
    import torchaudio

    note(torchaudio, details)
    found = torchaudio.functional.DB_to_amplitude(LOADED["torch"].tensor([10.0, 20.0]), 1.0, 1.0)
    equal([round(value, 3) for value in found.tolist()], [10.0, 100.0])


def numpy_bridge(details):
    import numpy

    note(numpy, details)
    torch = LOADED["torch"]
    equal(torch.from_numpy(numpy.array([1.0, 2.0])).tolist(), [1.0, 2.0])
    equal(torch.tensor([3.0, 4.0]).numpy().tolist(), [3.0, 4.0])


def cpu(details):
    torch = LOADED["torch"]
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    total = (x @ x).sum()
    total.backward()
    equal(total.item(), 54.0)
    equal(x.grad.tolist(), [[7.0, 11.0], [9.0, 13.0]])


def product_on(device):
    """A matrix product whose numbers are whole and small: exact in any precision that a GPU multiplies in."""
    torch = LOADED["torch"]
    x = (torch.arange(1024) % 7).reshape(32, 32).float()
    equal((x.to(device) @ x.t().to(device)).cpu().tolist(), (x @ x.t()).tolist())


def cuda_starts(details):
    torch = LOADED["torch"]
    available = torch.cuda.is_available()
    details["is_available"] = available
    details["device_count"] = torch.cuda.device_count()
    if not available:
        torch.zeros(1, device="cuda")  # says why, which is_available() keeps to itself


def cuda_device(index):
    def work(details):
        torch = LOADED["torch"]
        properties = torch.cuda.get_device_properties(index)
        details["name"] = properties.name
        details["capability"] = "%d.%d" % (properties.major, properties.minor)
        details["memory_mib"] = properties.total_memory >> 20
        details["gfx"] = getattr(properties, "gcnArchName", None) if torch.version.hip else None
        product_on("cuda:%d" % index)

    return work


def mps(details):
    details["mps_available"] = LOADED["torch"].backends.mps.is_available()
    if not LOADED["torch"].backends.mps.is_available():
        return "absent"
    product_on("mps")
    return "ok"


def xpu(details):
    torch = LOADED["torch"]
    details["xpu_available"] = torch.xpu.is_available()
    if not torch.xpu.is_available():
        return "absent"
    details["name"] = torch.xpu.get_device_properties(0).name
    product_on("xpu")
    return "ok"


def accelerators():
    torch = LOADED["torch"]
    version = torch.version
    if getattr(version, "cuda", None) or getattr(version, "hip", None):
        if run("cuda", cuda_starts):
            for index in range(torch.cuda.device_count()):
                run("cuda:%d" % index, cuda_device(index))
    if hasattr(torch.backends, "mps") and torch.backends.mps.is_built():
        run("mps", mps)
    if getattr(version, "xpu", None) or "+xpu" in torch.__version__:
        run("xpu", xpu)


def main():
    say({"hello": "%d.%d.%d" % sys.version_info[:3]})
    works = False
    if installed("torch"):
        works = run("torch", import_torch)
    else:
        say({"end": "torch", "outcome": "not-installed"})
    stages = (
        ("torchvision", "torchvision", import_torchvision),
        ("torchaudio", "torchaudio", import_torchaudio),
        ("numpy-bridge", "numpy", numpy_bridge),
        ("cpu", None, cpu),
    )
    for name, package, work in stages:
        if package is not None and not installed(package):
            say({"end": name, "outcome": "not-installed"})
        elif works:
            run(name, work)
        else:
            say({"end": name, "outcome": "not-reached"})
    if works:
        accelerators()
    say({"done": "yes"})


main()
