"""Several processes on this machine, started as a user starts them: by torchrun of this interpreter.

The rendezvous and the collectives stay on the loopback interface, so that a hostname without an address, a VPN or a
firewall does not decide about one machine; what the user has set for gloo is kept. torchrun gets a port that was free.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

from harness import Failure, Skip, Test, expect

LIMIT = 150.0  # of a test
WAIT = 120.0  # after so many seconds its processes are ended
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "distributed_script.py")
# What a job of Slurm, Kubernetes or another torchrun has set would be taken for ours.
FOREIGN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "GROUP_RANK")
CACHE = {}  # the results of one start serve two tests


def environment(platform, inherited):
    """The variables of torchrun: those of the user without a foreign job's, and loopback where none is named."""
    kept = {
        name: value
        for name, value in inherited.items()
        if name not in FOREIGN and not name.startswith(("PET_", "TORCHELASTIC_"))
    }
    kept.update(OMP_NUM_THREADS="1", PYTHONFAULTHANDLER="1")
    if platform == "win32":
        kept.setdefault("USE_LIBUV", "0")  # the wheels of torch 2.4 to 2.6 are built without it and ask for it
    else:
        kept.setdefault("GLOO_SOCKET_IFNAME", "lo0" if platform == "darwin" else "lo")
    return kept


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def command(processes, port, script, arguments):
    run = [sys.executable, "-m", "torch.distributed.run", "--nnodes=1", "--nproc_per_node=%d" % processes]
    return run + ["--master_addr=127.0.0.1", "--master_port=%d" % port, script] + arguments


def end(process):
    """End torchrun, which ends its processes when it is asked politely."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start(backend, processes, folder, limit):
    """Run torchrun; its exit status (None: it was ended after the limit) and what it said."""
    path = os.path.join(folder, "said-by-torchrun.txt")
    with open(path, "wb") as said:
        process = subprocess.Popen(
            command(processes, free_port(), SCRIPT, [backend, folder, str(limit)]),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment(sys.platform, os.environ),
            cwd=folder,
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                end(process)
    with open(path, "rb") as said:
        return status, said.read().decode("utf-8", "replace")


def cause(text):
    """The line of the output that says why: the last error of a process, not torchrun's account of it."""
    lines = [line.strip() for line in text.splitlines()]
    signs = ("Error: ", "Fatal Python error", "what():")
    errors = [line for line in lines if any(sign in line for sign in signs)]
    own = [line for line in errors if "ChildFailedError" not in line]
    return (own or [line for line in lines if line] or ["it said nothing"])[0][:300]


def results(backend, processes, folder, limit):
    """What each process has written, by rank; a start that lost its port to another program is repeated."""
    for turn in (1, 2):
        status, text = start(backend, processes, folder, limit)
        if status != 0 and turn == 1 and ("EADDRINUSE" in text or "address already in use" in text.lower()):
            continue
        break
    found = []
    for rank in range(processes):
        path = os.path.join(folder, "rank-%d.json" % rank)
        if os.path.exists(path):
            with open(path) as file:
                found.append(json.load(file))
    if status != 0 or len(found) < processes:
        how = "was ended after %d s" % limit if status is None else "ended with status %d" % status
        raise Failure(
            "torchrun with %d processes (%s) %s, and %d of them finished: %s"
            % (processes, backend, how, len(found), cause(text))
        )
    return found


def once(context, backend, processes):
    """One start a process for both tests; the results, and how long it took."""
    key = backend, processes
    if key not in CACHE:
        started = time.perf_counter()
        CACHE[key] = results(backend, processes, context.folder, WAIT)
        context.evidence["seconds_of_the_start"] = round(time.perf_counter() - started, 1)
    return CACHE[key]


def judge_sums(found):
    wanted = float(2 ** len(found) - 1)  # each process gave a power of two
    for result in found:
        expect(
            result["sum"] == [wanted] * 4,
            "all-reduce gave process %d %s instead of %g" % (result["rank"], result["sum"][0], wanted),
        )


def judge_gradients(torch, found):
    """Every process must hold the gradients that one process gets from the whole batch."""
    import distributed_script

    with torch.random.fork_rng(devices=[]):
        wanted = distributed_script.gradients(torch, *distributed_script.network(torch))
    for result in found:
        for index, (values, right) in enumerate(zip(result["gradients"], wanted)):
            apart = max(abs(a - b) for a, b in zip(values, right))
            expect(
                apart < 1e-9,
                "the gradient of parameter %d in process %d is %.2g off that of one process"
                % (index, result["rank"], apart),
            )


def need(torch, backend):
    if not torch.distributed.is_available():
        raise Skip("torch %s was built without torch.distributed" % torch.__version__)
    known = getattr(torch.distributed, "is_%s_available" % backend, None)
    if known is not None and not known():
        raise Skip("torch %s was built without %s" % (torch.__version__, backend))


def all_reduce(context):
    need(context.torch, "gloo")
    judge_sums(once(context, "gloo", 2))
    return "two processes found each other and their sum"


def ddp(context):
    need(context.torch, "gloo")
    judge_gradients(context.torch, once(context, "gloo", 2))
    return "two processes with half of the batch each have the gradients of the whole batch"


def nccl(context):
    torch = context.torch
    count = torch.cuda.device_count() if torch.version.cuda or torch.version.hip else 0
    if not any(name.startswith("cuda") for name in context.accelerators) or count < 2:
        raise Skip("it takes two GPUs of NVIDIA or AMD; there %s" % ("is one" if count == 1 else "are %d" % count))
    need(torch, "nccl")
    size = next(size for size in (8, 4, 2) if size <= count)  # the batch of eight is shared out evenly
    found = once(context, "nccl", size)
    judge_sums(found)
    judge_gradients(torch, found)
    context.evidence["gpus"] = size
    return "%d GPUs have the same sum and gradients" % size


MEND = "One process is enough for most courses. Else look at the firewall of this machine and at GLOO_SOCKET_IFNAME."
TESTS = (
    Test(
        code="parallel-all-reduce",
        family="parallel",
        sentence="Processes that torchrun starts find each other and add up their tensors.",
        mend=MEND,
        run=all_reduce,
        limit=LIMIT,
    ),
    Test(
        code="parallel-ddp",
        family="parallel",
        sentence="Data-parallel training gives the gradients of the whole batch.",
        mend=MEND,
        run=ddp,
        limit=LIMIT,
    ),
    Test(
        code="parallel-nccl",
        family="parallel",
        sentence="Several GPUs train one model, a process for each.",
        mend="Set NCCL_DEBUG=INFO and read its first warning; NCCL_P2P_DISABLE=1 avoids a broken link.",
        run=nccl,
        limit=LIMIT,
        fresh=True,
    ),
)
