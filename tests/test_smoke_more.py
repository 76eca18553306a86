"""What the smoke tests decide without torch: words, variables, excuses; tables of cases."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import envtool

CHILDREN = str(Path(envtool.__file__).parent / "smoke" / "children")
NAMES = ("device", "rehearsal", "data", "precision", "compile", "export", "parallel", "cost")


@pytest.fixture(scope="module", autouse=True)
def children():
    """The folder is importable while these tests run, as it is where they are meant to run."""
    before = set(sys.modules)
    sys.path.insert(0, CHILDREN)
    yield
    sys.path.remove(CHILDREN)
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(CHILDREN):
            del sys.modules[name]


@pytest.fixture
def family():
    import importlib

    return lambda name: importlib.import_module("family_" + name)


# ── every test ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_a_test_says_what_it_proves_and_what_to_do(family, name):
    for test in family(name).TESTS:
        assert test.code.startswith(name + "-") and test.family == name
        assert test.sentence.endswith(".") and test.mend.endswith((".", "`")), test.code
        assert len(test.sentence) < 120 and len(test.mend) < 160, test.code


def test_quick_tests_are_the_ones_that_are_done_at_once(family):
    quick = {test.code for name in NAMES for test in family(name).TESTS if test.quick}
    assert quick == {"precision-bfloat16", "export-checkpoint", "export-map-location"}


# ── device ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "forced", "device", "wanted"),
    [
        (3e-7, {}, "cuda:0", None),
        (9e-5, {}, "mps", None),
        (6e-4, {"NVIDIA_TF32_OVERRIDE": "1"}, "cuda:0", "cuda:0 agrees to 3 digits only"),
        (6e-4, {"NVIDIA_TF32_OVERRIDE": "0"}, "cuda:0", "fail"),
        (6e-4, {}, "cuda:0", "fail"),
        (6e-4, {"NVIDIA_TF32_OVERRIDE": "1"}, "xpu:0", "fail"),
        (2e-2, {"NVIDIA_TF32_OVERRIDE": "1"}, "cuda:0", "fail"),
        (float("inf"), {}, "cuda:0", "fail"),
    ],
)
def test_how_far_a_device_may_be_off(family, monkeypatch, error, forced, device, wanted):
    import harness

    for name in ("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in forced.items():
        monkeypatch.setenv(name, value)
    if wanted == "fail":
        with pytest.raises(harness.Failure, match=f"on {device} is off by .* 1e-04 is allowed"):
            family("device").judge(device, "the scores", error)
    else:
        said = family("device").judge(device, "the scores", error)
        assert said is None if wanted is None else said.startswith(wanted)


def test_tf32_is_off_inside_and_as_it_was_after(family):
    matmul, cudnn = SimpleNamespace(allow_tf32=False), SimpleNamespace(allow_tf32=True)
    torch = SimpleNamespace(backends=SimpleNamespace(cuda=SimpleNamespace(matmul=matmul), cudnn=cudnn))
    with family("device").FullPrecision(torch):
        assert not cudnn.allow_tf32
    assert cudnn.allow_tf32 and not matmul.allow_tf32


def test_memory_is_asked_where_the_device_has_it(family):
    mps = SimpleNamespace(current_allocated_memory=lambda: 5, driver_allocated_memory=lambda: 9)
    xpu = SimpleNamespace(memory_allocated=lambda device: 1, memory_reserved=lambda device: 2)
    torch = SimpleNamespace(mps=mps, xpu=xpu, __version__="2.8.0")
    assert family("device").memory(torch, "mps") == (5, 9)
    assert family("device").memory(torch, "xpu:1") == (1, 2)


@pytest.mark.parametrize(("asked", "wanted"), [("cpu", []), ("auto", ["cuda:0"]), ("cuda", ["cuda:0"])])
def test_who_asks_for_the_cpu_is_not_shown_the_gpu(tmp_path, asked, wanted):
    """In a process of its own: the worker takes over the streams when it is imported."""
    import subprocess

    program = f"""import sys
sys.path.insert(0, {CHILDREN!r})
import devices, worker
session = worker.Session({asked!r}, {str(tmp_path)!r})
session.survey, session.cores = devices.Survey(), 2
session.survey.usable["cuda"] = ["cuda:0"]
session.device, session.why_not = devices.choose({asked!r}, session.survey)
worker.say({{"found": session.context().accelerators}})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"found": wanted}


# ── compile and export ───────────────────────────────────────────────────────────────────────────

# Lines as torch 2.0 to 2.6 raise them.
REFUSALS = (
    "Python 3.11+ not yet supported for torch.compile",
    "Dynamo is not supported on Python 3.12+",
    "Windows not yet supported for torch.compile",
    "torch.compile is not supported on Python 3.14+",
)


@pytest.mark.parametrize("text", REFUSALS)
def test_torch_may_refuse_this_python(family, text):
    assert family("compile").refused(RuntimeError(text))
    assert "2.3.1" in str(family("export").unsupported(SimpleNamespace(__version__="2.3.1"), RuntimeError(text)))


@pytest.mark.parametrize("text", ["Unsupported: call_function args", "Python object has no attribute", ""])
def test_another_error_is_no_excuse(family, text):
    assert not family("compile").refused(RuntimeError(text))
    assert family("compile").excuse(RuntimeError(text)) is None
    assert family("export").unsupported(SimpleNamespace(__version__="2.3.1"), RuntimeError(text)) is None


@pytest.mark.parametrize(
    ("platform", "words"), [("linux", "apt install g++"), ("darwin", "xcode-select"), ("win32", "Build Tools")]
)
def test_each_system_gets_its_compiler(family, monkeypatch, tmp_path, platform, words):
    import harness

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(harness.Skip, match="there is no C") as caught:
        family("compile").need_tools(SimpleNamespace(device="cpu", evidence={}))
    assert words in str(caught.value)


def test_missing_headers_excuse_only_where_they_are_missing(family, monkeypatch):
    compiling = family("compile")
    error = RuntimeError("CppCompileError: fatal error: Python.h: No such file or directory")
    monkeypatch.setattr(compiling, "has_headers", lambda: True)
    assert compiling.excuse(error) is None
    monkeypatch.setattr(compiling, "has_headers", lambda: False)
    assert "headers" in str(compiling.excuse(error))


# ── data ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_bus_error_is_found_in_the_cause(family):
    try:
        try:
            raise RuntimeError("DataLoader worker (pid 9) is killed by signal: Bus error. ")
        except RuntimeError as inner:
            raise RuntimeError("DataLoader worker (pid(s) 9) exited unexpectedly") from inner
    except RuntimeError as error:
        assert "too little shared memory (/dev/shm)" in str(family("data").said_by_workers(error))
    other = family("data").said_by_workers(OSError("Too many open files"))
    assert "shared memory" not in str(other) and "OSError: Too many open files" in str(other)


def test_a_system_without_the_folder_has_no_room_to_report(family, monkeypatch):
    monkeypatch.setattr(family("data"), "SHARED", "/no/such/folder")
    assert family("data").room() is None


# ── parallel ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("platform", "wanted", "unwanted"),
    [
        ("linux", {"GLOO_SOCKET_IFNAME": "lo"}, "USE_LIBUV"),
        ("darwin", {"GLOO_SOCKET_IFNAME": "lo0"}, "USE_LIBUV"),
        ("win32", {"USE_LIBUV": "0"}, "GLOO_SOCKET_IFNAME"),
    ],
)
def test_processes_meet_on_loopback(family, platform, wanted, unwanted):
    found = family("parallel").environment(platform, {"PATH": "/bin"})
    assert wanted.items() <= found.items() and unwanted not in found
    assert found["PATH"] == "/bin" and found["OMP_NUM_THREADS"] == "1"


def test_what_the_user_set_for_gloo_is_kept_and_a_foreign_job_is_not(family):
    job = {"RANK": "3", "WORLD_SIZE": "64", "MASTER_ADDR": "node7", "PET_NNODES": "8", "TORCHELASTIC_RUN_ID": "1"}
    mine = {"GLOO_SOCKET_IFNAME": "ib0", "HOME": "/home/me", "OMP_NUM_THREADS": "8"}
    found = family("parallel").environment("linux", {**job, **mine})
    assert not set(job) & set(found)
    assert found["GLOO_SOCKET_IFNAME"] == "ib0" and found["HOME"] == "/home/me" and found["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "it said nothing"),
        (
            "W1123 warnings\n[rank1]: RuntimeError: Connection refused\nE1123 failed\nChildFailedError: x",
            "[rank1]: RuntimeError: Connection refused",
        ),
        ("Fatal Python error: Segmentation fault\n\nCurrent thread", "Fatal Python error: Segmentation fault"),
        ("terminate called after throwing\n  what():  [gloo] connect", "what():  [gloo] connect"),
        (
            "/usr/bin/python: No module named torch.distributed.run",
            "/usr/bin/python: No module named torch.distributed.run",
        ),
    ],
)
def test_the_line_that_says_why(family, text, wanted):
    assert family("parallel").cause(text) == wanted


def test_torchrun_is_that_of_this_interpreter(family):
    line = family("parallel").command(2, 4711, "script.py", ["gloo", "/folder", "60"])
    assert line[:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert line[-4:] == ["script.py", "gloo", "/folder", "60"]
    assert "--nproc_per_node=2" in line and "--master_port=4711" in line and "--master_addr=127.0.0.1" in line


@pytest.mark.slow
def test_a_process_ends_with_its_starter():
    """The guard of each process of torchrun: an agent that is killed can't end them."""
    import os
    import subprocess
    import time

    if os.name == "nt":
        pytest.skip("there the time limit alone ends them")
    guard = f"import sys; sys.path.insert(0, {CHILDREN!r}); import distributed_script as d, os; parent = os.getppid(); print(os.getpid(), flush=True)"
    starter = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {guard + '; d.leave_with(parent, 60)'!r}],"
        " start_new_session=True); import time; time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(pid, 9)
    pytest.fail("it was still there after 10 seconds")


# ── cost ─────────────────────────────────────────────────────────────────────────────────────────


def test_pythons_part_is_the_step_and_the_optimizer(family):
    cost = family("cost")
    assert not cost.marked_as_operator(cost.STEP) and not cost.marked_as_operator("Optimizer.step#SGD.step")
    assert all(
        map(cost.marked_as_operator, ("aten::mm", "AddmmBackward0", "detach", "torch::autograd::AccumulateGrad"))
    )
