"""Asks NVIDIA's management library everything, in a process of its own, through NVIDIA's module pynvml.

Run as ``python -I -S nvml.py REQUEST``; REQUEST is a JSON object: ``pynvml`` (path of NVIDIA's pynvml.py),
``libraries`` (paths to try where the loader doesn't find the library by name), ``limit`` (seconds after which the
caller cuts us off), ``kmsg`` (the kernel log) and ``proc``.

Every answer is a line of its own, written at once: what was answered before a crash or a hang is not lost.
A line is the marker and a JSON object. Each question about a GPU is announced ("ask") before it is put, so that
the last line tells where NVML got stuck.
"""

import importlib.util
import json
import os
import re
import sys
import threading
import time

MARKER = "envtool-nvml/1 "
INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # the kernel's PROC_PID_INIT_INO: not a container's
KERNEL_LOG_SECONDS = 0.5

FUNCTION_NOT_FOUND = 13
LIBRARY_NOT_FOUND = 12


class Teller(object):
    """Writes answers to what was standard output when we started."""

    def __init__(self):
        # The library may print: what it says goes to stderr, and only our lines to stdout.
        self.out = os.dup(1)
        os.dup2(2, 1)
        self.lock = threading.Lock()

    def __call__(self, **answer):
        line = "\n" + MARKER + json.dumps(answer) + "\n"
        with self.lock:
            os.write(self.out, line.encode("ascii"))


def load_pynvml(path):
    spec = importlib.util.spec_from_file_location("pynvml", path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file: %r" % path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["pynvml"] = module  # it looks itself up while it is loaded
    spec.loader.exec_module(module)
    return module


def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def words(error):
    try:
        return text(str(error))[:300]
    except Exception:
        return type(error).__name__


def ask(pynvml, question, *arguments):
    """{"value": ...}, {"code": NVML's return code, "words": ...} or {"error": ...} for anything else."""
    try:
        return {"value": question(pynvml, *arguments)}
    except pynvml.NVMLError as error:
        return {"code": int(error.value), "words": words(error)}
    except AttributeError as error:  # a pynvml that is older than the question
        return {"code": FUNCTION_NOT_FOUND, "words": words(error)}
    except Exception as error:
        # pynvml's NVMLLibraryMismatchError is no NVMLError. It says that a function is missing from the library,
        # and nothing of a library that doesn't match the driver.
        if type(error).__name__ == "NVMLLibraryMismatchError":
            return {"code": FUNCTION_NOT_FOUND, "words": words(error)}
        return {"error": "%s: %s" % (type(error).__name__, words(error))}


# -- start ----------------------------------------------------------------------------------------


def start_by_path(pynvml, libraries):
    """Load the library by path where the loader does not find its name, and start it."""
    import ctypes

    problem = "no path is known"
    for path in libraries:
        try:
            pynvml.nvmlLib = ctypes.CDLL(path)
        except OSError as error:
            problem = words(error)
            continue
        return path, ask(pynvml, lambda p: p.nvmlInit())
    return None, {"code": LIBRARY_NOT_FOUND, "words": problem}


def start_old(pynvml):
    """Start a library without nvmlInitWithFlags, as drivers before 396 have it. None where it won't."""
    for name in ("nvmlInit_v2", "nvmlInit"):
        function = getattr(pynvml.nvmlLib, name, None)
        if function is not None and function() == 0:
            return name
    return None


def loaded_from():
    """The file that the library was loaded from: its name holds the version."""
    try:
        with open("/proc/self/maps") as maps:
            for line in maps:
                if "libnvidia-ml.so" in line:
                    return line[line.index("/") :].rstrip("\n")
    except (OSError, ValueError):
        pass
    return None


def start(pynvml, request, tell):
    """Is NVML ready for questions?"""
    tell(ask="init")
    path, answer = None, ask(pynvml, lambda p: p.nvmlInit())
    loader = None
    if answer.get("code") == LIBRARY_NOT_FOUND and pynvml.nvmlLib is None:
        path, by_path = start_by_path(pynvml, request["libraries"])
        if path is None:
            loader = by_path["words"]
        else:
            answer = by_path
    ready = "value" in answer
    old = None
    if answer.get("code") == FUNCTION_NOT_FOUND:
        old = start_old(pynvml)
        ready = old is not None
    name = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"
    tell(step="library", name=name, path=path, file=loaded_from(), loader=loader)
    tell(step="init", answer=answer, old=old, ready=ready)
    if pynvml.nvmlLib is not None:
        # Answers without a start too, so a library that doesn't match its driver still names itself.
        tell(step="nvml-version", answer=ask(pynvml, lambda p: text(p.nvmlSystemGetNVMLVersion())))
    return ready


def cuda_version(pynvml):
    # _v2 asks libcuda and gives 12 where that is missing; the older call then tells what the driver would speak.
    answer = ask(pynvml, lambda p: int(p.nvmlSystemGetCudaDriverVersion_v2()))
    if answer.get("code") in (FUNCTION_NOT_FOUND, LIBRARY_NOT_FOUND):
        return ask(pynvml, lambda p: int(p.nvmlSystemGetCudaDriverVersion()))
    return answer


# -- one GPU --------------------------------------------------------------------------------------


def memory(pynvml, handle):
    # Version 2 does not count what the driver keeps for itself as used; old drivers lack it.
    try:
        info = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    except (pynvml.NVMLError, AttributeError, TypeError):
        info = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return {"total": int(info.total), "used": int(info.used)}


def pci(pynvml, handle):
    info = pynvml.nvmlDeviceGetPciInfo(handle)
    return text(info.busId) or text(info.busIdLegacy)


def mig_instances(pynvml, handle):
    if not pynvml.nvmlDeviceGetMigMode(handle)[0]:
        return []
    uuids = []
    for slot in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            instance = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, slot)
        except pynvml.NVMLError as error:
            if error.value in (pynvml.NVML_ERROR_NOT_FOUND, pynvml.NVML_ERROR_INVALID_ARGUMENT):
                continue  # an empty slot
            raise
        uuids.append(text(pynvml.nvmlDeviceGetUUID(instance)))
    return uuids


def running(pynvml, handle, kind):
    # By version: the plain name is _v3 in pynvml and raises NVMLLibraryMismatchError before driver 510.
    for version in ("_v3", "_v2"):
        try:
            return getattr(pynvml, "nvmlDeviceGet" + kind + "RunningProcesses" + version)(handle)
        except AttributeError:
            continue
        except pynvml.NVMLError as error:
            if error.value != FUNCTION_NOT_FOUND:
                raise
    raise pynvml.NVMLError(FUNCTION_NOT_FOUND)


def drawing(pynvml, handle):
    try:
        return running(pynvml, handle, "Graphics")
    except pynvml.NVMLError:  # a share of the answer, which the processes that compute don't depend on
        return []


def processes(pynvml, handle, proc):
    """Every process once, whether it computes, draws or does both; a share in two MIG instances is added up."""
    shares = {}
    for process in list(running(pynvml, handle, "Compute")) + list(drawing(pynvml, handle)):
        key = (int(process.pid), getattr(process, "gpuInstanceId", None), getattr(process, "computeInstanceId", None))
        used = process.usedGpuMemory
        if key not in shares or (used is not None and used > (shares[key] or 0)):
            shares[key] = used
    totals = {}
    for (pid, _, _), used in sorted(shares.items(), key=lambda item: item[0][0]):
        known = totals.get(pid)
        totals[pid] = used if known is None else known + (used or 0)
    return [dict(process_details(pid, proc), pid=pid, memory=used) for pid, used in totals.items()]


def process_details(pid, proc="/proc"):
    """The process's command and whether it is ours, as far as /proc may be believed."""
    folder = os.path.join(proc, str(pid))
    try:
        if not same_process(folder, proc):
            return {}
        mine = os.stat(folder).st_uid == os.getuid()
        with open(os.path.join(folder, "cmdline"), "rb") as file:
            return {"mine": mine, "command": command(file.read(4096))}
    except (OSError, AttributeError):
        return {}


def same_process(folder, proc):
    """NVML may number processes as the host does. Inside a container that number can be another process's."""
    if os.readlink(os.path.join(proc, "self", "ns", "pid")) == INITIAL_PID_NAMESPACE:
        return True
    files = os.path.join(folder, "fd")
    return any(os.readlink(os.path.join(files, name)).startswith("/dev/nvidia") for name in os.listdir(files))


def command(cmdline):
    """The program and, for Python, its script: the further arguments may hold secrets."""
    parts = [text(part) for part in cmdline.split(b"\0") if part]
    if not parts:
        return None
    said = [os.path.basename(parts[0])]
    if said[0].startswith("python"):
        if parts[1:2] == ["-m"]:
            said += parts[1:3]
        else:
            said += [os.path.basename(part) for part in parts[1:] if not part.startswith("-")][:1]
    return " ".join(said)[:120]


GPU_QUESTIONS = (
    ("name", lambda p, h: text(p.nvmlDeviceGetName(h))),
    ("uuid", lambda p, h: text(p.nvmlDeviceGetUUID(h))),
    ("pci", pci),
    ("compute_capability", lambda p, h: list(p.nvmlDeviceGetCudaComputeCapability(h))),
    ("memory", memory),
    ("mig", lambda p, h: int(p.nvmlDeviceGetMigMode(h)[0])),
    ("mig_instances", mig_instances),
    ("compute_mode", lambda p, h: int(p.nvmlDeviceGetComputeMode(h))),
    ("persistence", lambda p, h: int(p.nvmlDeviceGetPersistenceMode(h))),
    ("ecc", lambda p, h: int(p.nvmlDeviceGetEccMode(h)[0])),
    ("ecc_uncorrected", lambda p, h: int(p.nvmlDeviceGetTotalEccErrors(h, 1, 0))),  # uncorrected, volatile
    ("remapped_rows", lambda p, h: [int(number) for number in p.nvmlDeviceGetRemappedRows(h)]),
    ("retired_pages_pending", lambda p, h: int(p.nvmlDeviceGetRetiredPagesPendingStatus(h))),
    ("utilization", lambda p, h: int(p.nvmlDeviceGetUtilizationRates(h).gpu)),
)


def ask_gpu(pynvml, index, proc, tell):
    tell(gpu=index, ask="handle")
    held = ask(pynvml, lambda p: p.nvmlDeviceGetHandleByIndex(index))
    if "value" not in held:
        tell(gpu=index, fact="handle", answer=held)
        return
    tell(gpu=index, fact="handle", answer={"value": index})
    questions = GPU_QUESTIONS + (("processes", lambda p, h: processes(p, h, proc)),)
    for fact, question in questions:
        tell(gpu=index, ask=fact)
        tell(gpu=index, fact=fact, answer=ask(pynvml, question, held["value"]))


def ask_gpus(pynvml, request, tell, deadline):
    """One thread a GPU: a GPU that does not answer is left behind after a while, and the next one is asked."""
    tell(ask="count")
    count = ask(pynvml, lambda p: int(p.nvmlDeviceGetCount()))
    tell(step="count", answer=count)
    patience = request["limit"] / 5.0
    threads = []
    for index in range(min(count.get("value", 0), 256)):
        thread = threading.Thread(target=ask_gpu, args=(pynvml, index, request["proc"], tell))
        thread.daemon = True
        thread.start()
        thread.join(max(0.0, min(patience, deadline - time.monotonic())))
        threads.append(thread)
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return count.get("value", 0)


# -- the kernel log -------------------------------------------------------------------------------

XID = re.compile(r"NVRM: Xid \((?:PCI:)?([0-9a-fA-F:.]+)\): (\d+)")


def xids(path):
    """The newest Xid of every PCI address in the kernel log: {"0000:01:00": 79}. OSError where it may not be read."""
    # Not blocking: without that, the read at the end of the log waits for the next message.
    log = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    newest = {}
    end = time.monotonic() + KERNEL_LOG_SECONDS
    try:
        while time.monotonic() < end:
            try:
                record = os.read(log, 8192)
            except BlockingIOError:
                break
            except BrokenPipeError:  # the record was overwritten meanwhile: the next read goes on after it
                continue
            if not record:
                break
            for address, number in XID.findall(record.decode("utf-8", "replace")):
                newest[address.lower()] = int(number)
    finally:
        os.close(log)
    return newest


def tell_xids(path, tell):
    try:
        tell(step="xids", answer={"value": xids(path)})
    except OSError as error:
        tell(step="xids", answer={"error": error.strerror or words(error)})
    except AttributeError:  # Windows has no O_NONBLOCK and no such log
        tell(step="xids", answer={"error": "there is no kernel log on this system"})


# -- all of it ------------------------------------------------------------------------------------


def main(request, tell):
    tell(ask="pynvml")
    try:
        pynvml = load_pynvml(request["pynvml"])
    except Exception as error:
        tell(step="pynvml", answer={"error": "%s: %s" % (type(error).__name__, words(error))})
        return
    began = time.monotonic()
    # The rest of the limit is for the kernel log and for our own end.
    deadline = began + request["limit"] * 0.8
    if start(pynvml, request, tell):
        tell(ask="driver")
        tell(step="driver", answer=ask(pynvml, lambda p: text(p.nvmlSystemGetDriverVersion())))
        tell(ask="cuda")
        tell(step="cuda", answer=cuda_version(pynvml))
        if ask_gpus(pynvml, request, tell, deadline):
            tell_xids(request["kmsg"], tell)
    tell(step="end", seconds=round(time.monotonic() - began, 3))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Teller())
    # No shutdown and no clean-up: the driver takes everything back when we end, and neither a thread that waits for
    # a dead GPU nor the library's own end may hold us up.
    os._exit(0)
