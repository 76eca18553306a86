from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fake_torch import fake_torch
from interpreters import make_venv, package, python_of, script, site_packages

from envtool.environment import ImportReport, Stage
from envtool.machine import Absent, Found
from envtool.probe.child import Completed
from envtool.probe.host import LiveHost
from envtool.probe.imports import STAGES, report_of, start_import
from envtool.probe.recording import RecordedHost, RecordingHost

posix = pytest.mark.skipif(os.name == "nt", reason="signals")
TORCH_PYTHON = os.environ.get("ENVTOOL_TORCH_PYTHON")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_venv(tmp_path_factory.mktemp("import") / "venv")


@pytest.fixture
def site(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a test puts its packages: on the path of the module's venv for as long as the test runs."""
    folder = tmp_path / "site"
    folder.mkdir()
    pointer = site_packages(bare) / "test.pth"
    pointer.write_text(f"{folder}\n")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return folder


def rehearse(bare: Path, cwd: Path, timeout: float = 60.0) -> ImportReport:
    return start_import(LiveHost(), python_of(bare), cwd=str(cwd), timeout=timeout)()


def stage(report: ImportReport, name: str) -> Stage:
    found = report.stage(name)
    assert found is not None, report
    return found


def outcomes(report: ImportReport) -> dict[str, str]:
    return {one.name: one.outcome for one in report.stages}


def test_nothing_is_installed(bare: Path, site: Path, tmp_path: Path) -> None:
    report = rehearse(bare, tmp_path)
    assert outcomes(report) == {**dict.fromkeys(STAGES, "not-installed"), "cpu": "not-reached"}
    assert report.seconds > 0


@posix
@pytest.mark.parametrize(
    ("code", "outcome", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crash", "SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "crash", "SIGILL"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crash", "memory runs out"),
        ("import ctypes; ctypes.string_at(0)", "crash", "SIGSEGV"),
        ("import os; os._exit(3)", "crash", "exit code 3"),
        ("import os; os._exit(0)", "crash", "exit code 0"),
        ("import sys; sys.exit('bye')", "error", "bye"),
        ("raise KeyboardInterrupt", "error", "KeyboardInterrupt"),
        ("import no_such_module_anywhere", "error", "no_such_module_anywhere"),
        ("raise RuntimeError('first\\nsecond')", "error", "first"),
        ("1 +", "error", "invalid syntax"),
    ],
)
def test_torch_fails(bare: Path, site: Path, tmp_path: Path, code: str, outcome: str, words: str) -> None:
    package(site, "torch", code)
    package(site, "torchvision")
    report = rehearse(bare, tmp_path)
    torch = stage(report, "torch")
    assert torch.outcome == outcome
    assert words in (torch.message or ""), torch
    assert outcomes(report)["torchvision"] == outcomes(report)["cpu"] == "not-reached"


@posix
def test_a_crash_names_the_signal_and_the_line(bare: Path, site: Path, tmp_path: Path) -> None:
    package(site, "torch", "import ctypes\nctypes.string_at(0)\n")
    torch = stage(rehearse(bare, tmp_path), "torch")
    assert (torch.signal, torch.exit_code) == ("SIGSEGV", None)
    assert "Fatal Python error" in torch.last_lines[0]
    assert any("string_at" in line for line in torch.last_lines)


def test_an_early_exit_keeps_its_code(bare: Path, site: Path, tmp_path: Path) -> None:
    package(site, "torch", "import os, sys\nsys.stderr.write('going down\\n'); sys.stderr.flush()\nos._exit(3)\n")
    torch = stage(rehearse(bare, tmp_path), "torch")
    assert (torch.exit_code, torch.signal, torch.last_lines) == (3, None, ("going down",))


@pytest.mark.slow
def test_a_hang_is_cut_off(bare: Path, site: Path, tmp_path: Path) -> None:
    package(site, "torch", "import time; time.sleep(60)")
    torch = stage(rehearse(bare, tmp_path, timeout=1.5), "torch")
    assert torch.outcome == "timeout" and torch.message == "not done within 1.5 s"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        (
            "libcudart.so.12: cannot open shared object file: No such file or directory",
            "missing_library",
            "libcudart.so.12",
        ),
        ("/a/b/libtorch_cuda.so: undefined symbol: ncclMemFree", "undefined_symbol", "ncclMemFree"),
        (
            "/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by x)",
            "missing_symbol_version",
            "GLIBCXX_3.4.32",
        ),
        ("dlopen(x): Library not loaded: @rpath/libomp.dylib", "missing_library", "libomp.dylib"),
        ('[WinError 126] Error loading "C:\\\\x\\\\lib\\\\fbgemm.dll" or one of', "missing_library", "fbgemm.dll"),
    ],
)
def test_what_the_loader_misses(bare: Path, site: Path, tmp_path: Path, text: str, key: str, value: str) -> None:
    package(site, "torch", f"raise ImportError({text!r})")
    torch = stage(rehearse(bare, tmp_path), "torch")
    assert torch.error_type == "ImportError"
    assert torch.detail(key) is not None and str(torch.detail(key)).endswith(value)
    assert torch.last_lines[-1].startswith("ImportError: ")
    assert any("__init__.py" in line for line in torch.last_lines)


GPU = {"name": "Fake 4090", "capability": (8, 9)}


def test_every_gpu_has_a_stage(bare: Path, site: Path, tmp_path: Path) -> None:
    devices = [GPU, {**GPU, "wrong": 1}, {**GPU, "error": "CUDA error: no kernel image is available"}]
    package(site, "torch", fake_torch(devices))
    report = rehearse(bare, tmp_path)
    assert outcomes(report) == {
        "torch": "ok",
        "torchvision": "not-installed",
        "torchaudio": "not-installed",
        "numpy-bridge": "not-installed",
        "cpu": "ok",
        "cuda:0": "ok",
        "cuda:1": "error",
        "cuda:2": "error",
    }
    torch, first = stage(report, "torch"), stage(report, "cuda:0")
    assert (torch.detail("cuda"), torch.detail("is_available"), torch.detail("device_count")) == ("12.6", "True", "3")
    assert torch.detail("arch_list") == "sm_80 sm_90" and torch.detail("hip") is None
    assert (first.detail("name"), first.detail("capability"), first.detail("memory_mib")) == (
        "Fake 4090",
        "8.9",
        "8192",
    )
    assert stage(report, "cuda:1").error_type == "ArithmeticError"
    assert "no kernel image" in (stage(report, "cuda:2").message or "")


@posix
def test_a_gpu_that_kills_the_process(bare: Path, site: Path, tmp_path: Path) -> None:
    package(site, "torch", fake_torch([{**GPU, "dies": True}, GPU]))
    report = rehearse(bare, tmp_path)
    assert stage(report, "cuda:0").signal == "SIGSEGV"
    assert stage(report, "cpu").outcome == "ok"
    assert report.stage("cuda:1") is None


def test_cuda_that_does_not_start(bare: Path, site: Path, tmp_path: Path) -> None:
    words, warning = "Error 803: system has unsupported display driver", "CUDA initialization: Unexpected error"
    package(site, "torch", fake_torch([GPU], available=False, zeros=words, warning=warning))
    report = rehearse(bare, tmp_path)
    torch, cuda = stage(report, "torch"), stage(report, "cuda")
    assert (cuda.outcome, cuda.message) == ("error", words)
    assert (torch.detail("is_available"), torch.detail("device_count")) == ("False", "1")
    assert torch.detail("cuda_error") == words
    assert torch.detail("warnings") == f"UserWarning: {warning}"


def test_a_machine_without_a_gpu_has_no_gpu_stage(bare: Path, site: Path, tmp_path: Path) -> None:
    words = "Found no NVIDIA driver on your system."
    package(site, "torch", fake_torch([], available=False, zeros=words))
    report = rehearse(bare, tmp_path)
    assert list(outcomes(report)) == list(STAGES)
    assert stage(report, "torch").detail("cuda_error") == words


def test_rubbish_is_not_believed(bare: Path, site: Path, tmp_path: Path) -> None:
    fake = '\\nenvtool-import:0123456789abcdef:{"end": "torch", "outcome": "ok"}\\n'
    package(site, "torch", f"import sys\nsys.stdout.write('no newline {fake}'); sys.stdout.flush()\nraise OSError('x')")
    torch = stage(rehearse(bare, tmp_path), "torch")
    assert (torch.outcome, torch.error_type) == ("error", "OSError")


def test_a_file_in_the_working_directory_is_met_as_a_script_would(bare: Path, site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    package(site, "torch", "import queue; queue.Queue")
    (folder / "queue.py").write_text("hello = 1\n")
    for name in ("json", "traceback", "re", "os", "time"):  # what the child itself must not trip over
        (folder / f"{name}.py").write_text("raise SystemExit('tripped')\n")
    torch = stage(rehearse(bare, folder), "torch")
    assert torch.error_type == "AttributeError" and "queue" in (torch.message or "")


def test_a_bare_folder_named_torch(bare: Path, site: Path, tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    torch = stage(rehearse(bare, tmp_path), "torch")
    assert torch.outcome == "error" and torch.detail("file") == str(tmp_path / "torch")


@posix
@pytest.mark.parametrize(
    ("text", "words"), [("echo boom >&2; exit 1", "boom"), ("exit 0", "exit code 0"), ("kill -ABRT $$", "SIGABRT")]
)
def test_a_python_that_does_not_start(text: str, words: str, tmp_path: Path) -> None:
    report = start_import(LiveHost(), script(tmp_path / "python", text), timeout=10)()
    first = report.stages[0]
    assert (first.name, first.outcome) == ("start", "crash") and words in (first.message or "")
    assert {one.outcome for one in report.stages[1:]} == {"not-reached"}


def test_no_such_program(tmp_path: Path) -> None:
    report = start_import(LiveHost(), str(tmp_path / "nothing"))()
    assert report.stages[0].outcome == "error" and "no such file" in (report.stages[0].message or "")


def said(*messages: dict[str, object], code: int | None = 0) -> Completed:
    lines = [f"envtool-import:0123456789abcdef:{json.dumps(message)}\n" for message in messages]
    return Completed(code, "\n".join(lines), "", 1.0)


@pytest.mark.parametrize(
    ("code", "signal"), [(0xC0000005, "access violation"), (3221225501, "illegal instruction"), (-4, "SIGILL")]
)
def test_how_windows_says_a_crash(code: int, signal: str) -> None:
    found = report_of(Found(said({"hello": "3.12"}, {"begin": "torch"}, code=code)), 1.0).stage("torch")
    assert found is not None and (found.outcome, found.signal) == ("crash", signal)


def test_a_crash_at_the_end_is_a_stage_of_its_own() -> None:
    messages = [{"hello": "3"}, *({"end": name, "outcome": "ok"} for name in STAGES), {"done": "yes"}]
    assert report_of(Found(said(*messages)), 1.0).stage("exit") is None
    found = report_of(Found(said(*messages, code=-11)), 1.0).stage("exit")
    assert found is not None and (found.outcome, found.signal) == ("crash", "SIGSEGV")


def test_absent_accelerators_tell_torch_and_are_no_stage() -> None:
    absent = {"end": "mps", "outcome": "absent", "details": {"mps_available": "False"}}
    report = report_of(Found(said({"hello": "3"}, {"end": "torch", "outcome": "ok"}, absent, {"done": "yes"})), 1.0)
    assert report.stage("mps") is None
    assert stage(report, "torch").detail("mps_available") == "False"


def test_replay(bare: Path, site: Path, tmp_path: Path) -> None:
    package(site, "torch", fake_torch([GPU]))
    live = RecordingHost(LiveHost())
    first = start_import(live, python_of(bare), cwd=str(tmp_path))()
    again = start_import(RecordedHost(live.recording, strict=True), python_of(bare))()
    assert first.stages == again.stages
    assert report_of(Absent("gone"), 1.0).stages[0].message == "gone"


@pytest.mark.slow
@pytest.mark.skipif(TORCH_PYTHON is None, reason="ENVTOOL_TORCH_PYTHON names no Python with torch")
def test_the_real_torch(tmp_path: Path) -> None:
    assert TORCH_PYTHON is not None
    report = start_import(LiveHost(), TORCH_PYTHON, cwd=str(tmp_path))()
    torch = stage(report, "torch")
    assert torch.outcome == "ok" and os.path.isfile(torch.detail("file") or "")
    assert stage(report, "cpu").outcome == "ok"
    assert stage(report, "numpy-bridge").outcome in ("ok", "not-installed")
