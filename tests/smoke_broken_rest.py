"""How each test of the families compile, export, parallel and cost is made to fail, and what it then says."""

import json
import os
import pickle
import sys
import types

from smoke_broken_more import both, on_the_cpu

# ── compile ──────────────────────────────────────────────────────────────────────────────────────


def compiles_to(make):
    def breaks(torch, context):
        torch.compile = make

    return breaks


def raising(error):
    """A function that compiles well and fails when it is called, as inductor does."""

    def make(function, **options):
        def called(*args):
            raise error

        return called

    return make


def refusing(text):
    def make(function, **options):
        raise RuntimeError(text)

    return make


def nested(cause):
    error = RuntimeError("backend='inductor' raised:")
    error.inner_exception = cause
    return error


def one_more(function, **options):
    return lambda *args: function(*args) + 1


def no_compiler(torch, context):
    import shutil

    os.environ.pop("CXX", None)
    shutil.which = lambda name: None


def no_headers(torch, context):
    import family_compile

    family_compile.has_headers = lambda: False
    torch.compile = raising(RuntimeError("fatal error: Python.h: No such file or directory"))


def no_compile(torch, context):
    del torch.compile


# ── export ───────────────────────────────────────────────────────────────────────────────────────


class OnePlus:
    """An exported program that computes something else."""

    def __init__(self, real):
        self.real = real

    def module(self):
        called = self.real.module() if hasattr(self.real, "module") else self.real
        return lambda x: called(x) + 1


def wrong_export(torch, context):
    from torch import export

    real, save = export.export, export.save
    export.export = lambda *args, **kwargs: OnePlus(real(*args, **kwargs))
    export.save = lambda program, path: save(program.real, path)


def wrong_load(torch, context):
    from torch import export

    load = export.load
    export.load = lambda path: OnePlus(load(path))


def refuses_this_python(torch, context):
    from torch import export

    def refuse(*args, **kwargs):
        raise RuntimeError("Dynamo is not supported on Python 3.12+")

    export.export = refuse


def no_export(torch, context):
    sys.modules["torch.export"] = None


def script_gives(value):
    def breaks(torch, context):
        torch.jit.load = lambda path: value

    return breaks


def no_script(torch, context):
    del torch.jit.script


def loading(change):
    def breaks(torch, context):
        real = torch.load
        torch.load = lambda path, **kwargs: change(real, path, **kwargs)

    return breaks


def changed_weights(real, path, **kwargs):
    state = real(path, **kwargs)
    if "model" in state:
        state["model"]["0.weight"] += 1
    return state


def trusting(real, path, **kwargs):
    return real(path, **dict(kwargs, weights_only=False))


def refusing_all(real, path, **kwargs):
    raise pickle.UnpicklingError("Weights only load failed. Unsupported global: torch._utils._rebuild_tensor_v2")


def too_old(real, path, **kwargs):
    raise TypeError("'weights_only' is an invalid keyword argument for Unpickler()")


def staying(real, path, **kwargs):
    return real(path, **dict(kwargs, map_location="cpu"))


def other_shapes(real, path, **kwargs):
    return {name: value[:1] for name, value in real(path, **kwargs).items()}


def other_numbers_back(real, path, **kwargs):
    return {name: value + 1 for name, value in real(path, **kwargs).items()}


# ── parallel ─────────────────────────────────────────────────────────────────────────────────────

STAND_IN = """
import json, sys
backend, folder, limit, processes, gradients, change = sys.argv[1:]
for rank in range(int(processes)):
    result = {"rank": rank, "sum": [float(2 ** int(processes) - 1)] * 4, "gradients": json.loads(gradients)}
    if rank == int(processes) - 1:
        exec(change)
    with open("%s/rank-%d.json" % (folder, rank), "w") as file:
        json.dump(result, file)
"""


def torchrun_gives(change):
    """In place of torchrun: a program that writes what its processes would have written, changed for the last."""

    def breaks(torch, context):
        import distributed_script
        import family_parallel

        gradients = json.dumps(distributed_script.gradients(torch, *distributed_script.network(torch)))

        def command(processes, port, script, arguments):
            return [sys.executable, "-c", STAND_IN] + arguments + [str(processes), gradients, change]

        family_parallel.command = command

    return breaks


def torchrun_is(code, wait=60):
    def breaks(torch, context):
        import family_parallel

        family_parallel.WAIT = wait
        family_parallel.command = lambda *ignored: [sys.executable, "-c", code]

    return breaks


def script_with(before):
    """The real torchrun and the real script, with torch.distributed broken in each process."""

    def breaks(torch, context):
        import family_parallel

        with open(family_parallel.SCRIPT) as file:
            text = file.read()
        family_parallel.SCRIPT = os.path.join(context.folder, "broken_script.py")
        with open(family_parallel.SCRIPT, "w") as file:
            file.write(before + text)

    return breaks


def no_distributed(torch, context):
    torch.distributed.is_available = lambda: False


def no_gloo(torch, context):
    torch.distributed.is_gloo_available = lambda: False


def two_gpus(change):
    def breaks(torch, context):
        context.accelerators = ["cuda:0", "cuda:1"]
        torch.version.cuda = "12.6"
        torch.cuda.device_count = lambda: 2
        torch.distributed.is_nccl_available = lambda: True
        torchrun_gives(change)(torch, context)

    return breaks


def one_gpu(torch, context):
    context.accelerators = ["cuda:0"]
    torch.version.cuda = "12.6"
    torch.cuda.device_count = lambda: 1


NO_ALL_REDUCE = "import torch.distributed as d\nd.all_reduce = lambda value: None\n"
NO_DDP = "import torch\ntorch.nn.parallel.DistributedDataParallel = lambda model: model\n"
OFF = "result['gradients'][2][0] += 1e-3"
SAYS = "import sys; sys.exit('RuntimeError: [gloo] no interface has this name\\nChildFailedError: it failed')"
FULL_PORT = """
import os, sys
path = os.path.join(os.getcwd(), "second")
text = "ValueError: the second start failed, too" if os.path.exists(path) else "Address already in use"
open(path, "w").close()
sys.exit(text)
"""


# ── cost ─────────────────────────────────────────────────────────────────────────────────────────


def slow_python(torch, context):
    real = torch.optim.SGD.zero_grad

    def counting(self, *args, **kwargs):
        sum(range(2000000))
        real(self, *args, **kwargs)

    torch.optim.SGD.zero_grad = counting


def profiler_gives(*events):
    """A profiler that recorded just these: name, total time, own time."""

    def breaks(torch, context):
        import torch.profiler

        found = [types.SimpleNamespace(key=e[0], cpu_time_total=e[1], self_cpu_time_total=e[2]) for e in events]
        torch.profiler.profile.key_averages = lambda self: found

    return breaks


STEP = "envtool-training-step"


def threads(count):
    def breaks(torch, context):
        torch.get_num_threads = lambda: count

    return breaks


def eight_cores_one_thread(torch, context):
    context.cores = 8
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


BROKEN = {
    "compile-eager": [
        (compiles_to(lambda function, **options: function), "captured 0 operations of the function"),
        (compiles_to(one_more), "the result of the compiled function is"),
        (compiles_to(refusing("Dynamo is not supported on Python 3.13+")), "not supported on Python 3.13+", "skip"),
        (compiles_to(refusing("Windows not yet supported for torch.compile")), "Windows not yet", "skip"),
        (compiles_to(refusing("Unexpected key")), "RuntimeError: Unexpected key"),
        (no_compile, "has no torch.compile", "skip"),
    ],
    "compile-inductor": [
        (no_compiler, "there is no C++ compiler; install one", "skip"),
        (compiles_to(lambda function, **options: function), "generated no code"),
        (compiles_to(one_more), "the result of the compiled function is"),
        (no_headers, "the headers of this Python are missing", "skip"),
        (
            compiles_to(raising(nested(ModuleNotFoundError("no", name="setuptools.x")))),
            "needs the package setuptools",
            "skip",
        ),
        (
            compiles_to(raising(nested(ModuleNotFoundError("lost", name="torch.x")))),
            "inductor fails: ModuleNotFoundError",
        ),
        (compiles_to(raising(nested(OSError("no space left")))), "inductor fails: OSError: no space left"),
        (compiles_to(raising(RuntimeError("Cannot find a working triton installation"))), "triton is missing", "skip"),
        (compiles_to(raising(RuntimeError("GPU too old to be supported by the triton"))), "too old for triton", "skip"),
        (compiles_to(raising(RuntimeError("InvalidCxxCompiler: g++"))), "no C++ compiler that works", "skip"),
    ],
    "export-program": [
        (wrong_export, "the exported program gives another result than the model on 4 rows"),
        (wrong_load, "the loaded program gives another result than the model on 4 rows"),
        (refuses_this_python, "not supported on Python 3.12+", "skip"),
        (no_export, "has no torch.export", "skip"),
    ],
    "export-torchscript": [
        (script_gives(lambda x: (x, 99)), "the script took 99 turns of its loop for 0.5, and should take 0"),
        (script_gives(lambda x: (x + 1, 0)), "the script gave 1.5 for 0.5"),
        (no_script, "has no TorchScript any more", "skip"),
    ],
    "export-checkpoint": [
        (loading(changed_weights), "is another after saving, loading and going on"),
        (loading(trusting), "ran a function that was hidden in a checkpoint"),
        (loading(refusing_all), "weights_only refuses a checkpoint of tensors"),
        (loading(too_old), "doesn't know weights_only", "skip"),
    ],
    "export-map-location": [
        (on_the_cpu, "a checkpoint went from the CPU to cpu and back", "pass"),
        (loading(staying), "0.weight was loaded to cpu, not to meta"),
        (loading(other_shapes), "0.weight was loaded to meta in another shape"),
        (both(on_the_cpu, loading(other_numbers_back)), "0.weight came back from cpu with other numbers"),
    ],
    "parallel-all-reduce": [
        (torchrun_gives("pass"), "two processes found each other", "pass"),
        (torchrun_gives("result['sum'] = [1.0] * 4"), "all-reduce gave process 1 1.0 instead of 3"),
        (script_with(NO_ALL_REDUCE), "all-reduce gave process 0 1.0 instead of 3"),
        (torchrun_is(SAYS), "status 1, and 0 of them finished: RuntimeError: [gloo] no interface has this name"),
        (torchrun_is("import time; time.sleep(60)", 1), "was ended after 1 s, and 0 of them finished: it said nothing"),
        (torchrun_is("import os; os.abort()"), "ended with status -6, and 0 of them finished: Fatal Python error"),
        (torchrun_is(FULL_PORT), "0 of them finished: ValueError: the second start failed, too"),
        (no_distributed, "was built without torch.distributed", "skip"),
        (no_gloo, "was built without gloo", "skip"),
    ],
    "parallel-ddp": [
        (torchrun_gives("pass"), "gradients of the whole batch", "pass"),
        (torchrun_gives(OFF), "the gradient of parameter 2 in process 1 is 0.001 off that of one process"),
        (script_with(NO_DDP), "the gradient of parameter 0 in process 0 is"),
        (no_distributed, "was built without torch.distributed", "skip"),
    ],
    "parallel-nccl": [
        (two_gpus("pass"), "2 GPUs have the same sum and gradients", "pass"),
        (two_gpus("result['sum'] = [2.0] * 4"), "all-reduce gave process 1 2.0 instead of 3"),
        (two_gpus(OFF), "the gradient of parameter 2 in process 1 is 0.001 off"),
        (one_gpu, "it takes two GPUs of NVIDIA or AMD; there is one", "skip"),
    ],
    "cost-python": [
        (slow_python, "of a step of a 784-512-512-10 net, batches of 128, which is nearly all matrix products"),
        (profiler_gives(), "the profiler recorded no training step"),
        (profiler_gives((STEP, 100.0, 100.0)), "the profiler recorded no operator of a training step"),
        (profiler_gives((STEP, 100.0, 10.0), ("aten::mm", 900.0, 900.0)), "not a share"),
    ],
    "cost-threads": [
        (threads(64), "torch takes 64 threads, and this process may use", "warn"),
        (threads(0), "torch.get_num_threads() is 0"),
        (eight_cores_one_thread, "torch takes 1 thread of 8 cores (OMP_NUM_THREADS is 1)", "pass"),
    ],
}
