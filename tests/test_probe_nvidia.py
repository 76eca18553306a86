"""The NVIDIA probe against a real library: a stub of NVML in C, loaded by the real pynvml."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import nvml_stub_build as stub
import pytest

from envtool.machine import Absent, Found, GpuProcess, Nvidia, PciCard, Reading, Unknown
from envtool.probe import nvidia
from envtool.probe.host import LiveHost
from envtool.probe.nvml_codes import meaning_of, state_of
from envtool.probe.recording import RecordedHost, RecordingHost

CODES = (*range(1, 31), 31, 77, 999)  # 31 and 77: numbers that nobody has told us of
CARD = PciCard("0000:01:00.0", "10de", "1eb8", "0302", Found("Tesla T4"), Found("nvidia"))
CARDS: Reading[tuple[PciCard, ...]] = Found((CARD,))
NO_CARDS: Reading[tuple[PciCard, ...]] = Found(())

needs_stub = pytest.mark.skipif(stub.why_not() is not None, reason=str(stub.why_not()))


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    built: dict[tuple[str, ...], Path] = {}

    def library(*missing: str) -> Path:
        if missing not in built:
            built[missing] = stub.build(tmp_path_factory.mktemp("nvml"), missing=missing)
        return built[missing]

    return library


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The root of a machine that shows nothing of NVIDIA."""
    for folder in ("dev", "sys/module", "proc"):
        (tmp_path / "tree" / folder).mkdir(parents=True)
    return tmp_path / "tree"


@pytest.fixture
def start(tree: Path, tmp_path: Path, libraries: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    """Start the probe with a scenario; the stub is what the loader finds as libnvidia-ml.so.1."""

    def begin(*parts, missing: tuple[str, ...] = (), cards=CARDS, timeout: float = 10.0) -> Callable[[], Nvidia]:
        number = len(list(tmp_path.glob("scenario-*")))
        monkeypatch.setenv(stub.SCENARIO, str(stub.write(tmp_path / f"scenario-{number}", *parts)))
        monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries(*missing).parent))
        return nvidia.start(LiveHost(str(tree)), cards, wsl=False, timeout=timeout)

    return begin


@pytest.fixture
def ask(start):
    return lambda *parts, **options: start(*parts, **options)()


# ── healthy machines ─────────────────────────────────────────────────────────────────────────────


@needs_stub
def test_every_fact_of_a_healthy_gpu(ask):
    here = ask(stub.machine(), {"gpu.0.rows": "0 0 0 0"})
    assert (here.status, here.reason) == ("found", None)
    assert (here.nvml_state, here.nvml_error, here.nvml_message) == ("ok", None, None)
    assert (here.driver, here.cuda_driver) == (Found("550.54.14"), Found("12.4"))
    assert here.nvml_library == Found("libnvidia-ml.so.1")
    assert here.nvml_library_version == Found("550.54.14")
    assert here.cards == (CARD,)
    assert here.seconds is not None and 0 <= here.seconds < 10
    (gpu,) = here.gpus
    assert (gpu.name, gpu.compute_capability) == (Found("Tesla T4"), Found((7, 5)))
    assert gpu.uuid == Found("GPU-00000000-0000-0000-0000-000000000000")
    assert gpu.pci_bus_id == Found("0000:01:00.0")
    assert (gpu.memory_mib, gpu.memory_used_mib) == (Found(15360), Found(1024))
    assert gpu.processes == Found(())
    assert gpu.utilization_percent == Found(7)
    assert isinstance(gpu.mig, Absent) and isinstance(gpu.mig_instances, Absent)  # a T4 has no MIG
    assert (gpu.compute_mode, gpu.persistence) == (Found("default"), Found(True))
    assert (gpu.ecc, gpu.ecc_uncorrected) == (Found(True), Found(0))
    assert (gpu.row_remap_pending, gpu.row_remap_failed) == (Found(False), Found(False))
    assert gpu.retired_pages_pending == Found(False)
    assert not isinstance(gpu.xid, Found)
    assert (gpu.error_code, gpu.error) == (None, None)


@needs_stub
def test_a_gpu_in_trouble_says_so(ask):
    trouble = {
        "gpu.0.compute_mode": 2,
        "gpu.0.persistence": 0,
        "gpu.0.ecc_uncorrected": 3,
        "gpu.0.rows": "1 2 1 1",
        "gpu.0.pages_pending": 1,
    }
    (gpu,) = ask(stub.machine(), trouble).gpus
    assert (gpu.compute_mode, gpu.persistence) == (Found("prohibited"), Found(False))
    assert (gpu.row_remap_pending, gpu.row_remap_failed) == (Found(True), Found(True))
    assert (gpu.retired_pages_pending, gpu.ecc_uncorrected) == (Found(True), Found(3))


@needs_stub
def test_processes_are_counted_once(ask):
    own = os.getpid()
    (gpu,) = ask(stub.machine(), {"gpu.0.processes": f"{own}:100 4194301:?", "gpu.0.graphics": f"{own}:140"}).gpus
    assert isinstance(gpu.processes, Found)
    assert [(p.pid, p.memory_mib) for p in gpu.processes.value] == [(own, 140), (4194301, None)]
    assert gpu.processes.value[1] == GpuProcess(4194301, None)


@needs_stub
def test_mig_instances_are_named(ask):
    mig = {
        "gpu.0.mig": 1,
        "gpu.0.mig.max": 7,
        "gpu.0.mig.0.uuid": "MIG-a",
        "gpu.0.mig.2.uuid": "MIG-b",
        "gpu.0.mig.5.uuid": "MIG-c",
    }
    (gpu,) = ask(stub.machine(), mig).gpus
    assert gpu.mig == Found(True)
    assert gpu.mig_instances == Found(("MIG-a", "MIG-b", "MIG-c"))
    assert isinstance(gpu.utilization_percent, Absent)  # NVML refuses it with MIG on


@needs_stub
@pytest.mark.parametrize(("mig", "instances"), [(1, Found(())), (0, Absent("MIG is off"))])
def test_mig_without_instances_is_not_mig_off(ask, mig, instances):
    (gpu,) = ask(stub.machine(), {"gpu.0.mig": mig, "gpu.0.mig.max": 7}).gpus
    assert (gpu.mig, gpu.mig_instances) == (Found(bool(mig)), instances)


@needs_stub
def test_a_driver_without_gpus(ask):
    here = ask(stub.machine(gpus=0))
    assert (here.status, here.reason) == ("found", "the driver answers, but shows no GPU")
    assert (here.nvml_state, here.gpus, here.driver) == ("ok", (), Found("550.54.14"))


@needs_stub
@pytest.mark.parametrize(("number", "version"), [(12040, "12.4"), (13020, "13.2"), (11080, "11.8"), (13010, "13.1")])
def test_cuda_versions(ask, number, version):
    assert ask(stub.machine(gpus=0, cuda=number)).cuda_driver == Found(version)


# ── every return code ────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@needs_stub
def test_every_code_at_the_start(start):
    waiting = {code: start(stub.machine(), {"init": code}) for code in CODES}
    for code, result in waiting.items():
        here = result()
        assert here.nvml_error == code
        assert here.nvml_state == state_of(code)
        assert here.status == "unknown"  # there is a card
        assert here.reason is not None and meaning_of(code, f"stub error {code}") in here.reason
        assert here.nvml_message
        assert (here.gpus, here.nvml_library_version) == ((), Found("550.54.14"))
        assert isinstance(here.driver, Unknown) and isinstance(here.cuda_driver, Unknown)


@needs_stub
def test_every_code_of_one_gpu_beside_healthy_ones(ask):
    broken = {f"gpu.{2 * place + 1}.handle": code for place, code in enumerate(CODES)}
    here = ask(stub.machine(gpus=2 * len(CODES)), broken)
    assert (here.status, here.nvml_state, len(here.gpus)) == ("found", "ok", 2 * len(CODES))
    for place, code in enumerate(CODES):
        healthy, lost = here.gpus[2 * place], here.gpus[2 * place + 1]
        assert (healthy.name, healthy.error_code) == (Found("Tesla T4"), None)
        assert lost.error_code == code
        assert lost.error == meaning_of(code, f"stub error {code}")
        assert lost.name == Unknown(lost.error)


@needs_stub
def test_every_code_of_one_question(ask):
    refused = {f"gpu.{place}.nvmlDeviceGetPersistenceMode": code for place, code in enumerate(CODES)}
    here = ask(stub.machine(gpus=len(CODES)), refused)
    for gpu, code in zip(here.gpus, CODES, strict=True):
        meaning = meaning_of(code, f"stub error {code}")
        assert gpu.persistence == (Absent(meaning) if code == 3 else Unknown(meaning))
        assert gpu.name == Found("Tesla T4")
        # "lost" and "reset" speak for the whole GPU, wherever they come up
        assert gpu.error_code == (code if code in (15, 16) else None)


@needs_stub
@pytest.mark.parametrize("code", [4, 15, 999])
def test_a_refused_count_is_nvmls_state(ask, code):
    here = ask(stub.machine(), {"nvmlDeviceGetCount_v2": code})
    assert (here.status, here.nvml_state, here.nvml_error) == ("found", state_of(code), code)
    assert (here.driver, here.gpus) == (Found("550.54.14"), ())
    assert here.reason == meaning_of(code)


def test_no_two_codes_mean_the_same():
    meanings = [meaning_of(code) for code in CODES]
    assert len(set(meanings)) == len(CODES)
    assert meaning_of(77, "Quantum Flux") == "Quantum Flux (NVML error 77)"


@needs_stub
def test_library_mismatch_keeps_both_versions(ask, tree):
    (tree / "proc/driver/nvidia").mkdir(parents=True)
    (tree / "proc/driver/nvidia/version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"
    )
    here = ask(stub.machine(), {"init": 18})
    assert (here.nvml_state, here.nvml_error) == ("library-mismatch", 18)
    assert (here.kernel_module, here.nvml_library_version) == (Found("535.183.01"), Found("550.54.14"))
    assert here.open_kernel_module == Found(False)


# ── old drivers ──────────────────────────────────────────────────────────────────────────────────


@needs_stub
def test_a_driver_older_than_pynvml_still_tells_its_gpus(ask):
    here = ask(stub.machine(driver="390.157"), missing=stub.SINCE_396)
    assert (here.nvml_state, here.nvml_error) == ("function-not-found", 13)
    assert (here.status, here.driver) == ("found", Found("390.157"))
    assert isinstance(here.cuda_driver, Unknown)
    (gpu,) = here.gpus
    assert (gpu.name, gpu.compute_capability) == (Found("Tesla T4"), Found((7, 5)))
    # memory comes from the older call, which counts the driver's own share as used
    assert (gpu.memory_mib, gpu.memory_used_mib) == (Found(15360), Found(1536))
    for reading in (gpu.pci_bus_id, gpu.processes, gpu.mig, gpu.row_remap_pending):
        assert reading == Unknown(meaning_of(13))
    assert gpu.error_code is None


@needs_stub
def test_nothing_to_start_at_all(ask):
    here = ask(stub.machine(), missing=("nvmlInitWithFlags", "nvmlInit_v2", "nvmlInit"))
    assert (here.status, here.nvml_state, here.gpus) == ("unknown", "function-not-found", ())


@needs_stub
def test_process_calls_older_than_510(ask):
    here = ask(stub.machine(), {"gpu.0.processes": "4194301:5"}, missing=("nvmlDeviceGetComputeRunningProcesses_v3",))
    assert here.gpus[0].processes == Found((GpuProcess(4194301, 5),))
    assert here.nvml_state == "ok"


@needs_stub
@pytest.mark.parametrize(
    "fault", [{"nvmlSystemGetCudaDriverVersion_v2": 12}, {"nvmlSystemGetCudaDriverVersion_v2": 13}]
)
def test_the_older_cuda_question_is_asked_next(ask, fault):
    assert ask(stub.machine(), fault).cuda_driver == Found("12.4")


# ── hanging, crashing, printing ──────────────────────────────────────────────────────────────────


@pytest.mark.slow
@needs_stub
def test_a_hang_at_the_start_is_cut_off(ask):
    here = ask(stub.machine(), {"init": "hang"}, timeout=0.8)
    assert (here.status, here.nvml_state, here.nvml_error) == ("unknown", "timeout", None)
    assert here.nvml_message == "NVML gave no answer within 0.8 s (question: init)"
    assert here.cards == (CARD,)
    assert here.driver == Unknown(here.nvml_message)


@pytest.mark.slow
@needs_stub
def test_a_gpu_that_hangs_hides_nothing_else(ask):
    here = ask(stub.machine(gpus=4), {"gpu.1.nvmlDeviceGetUUID": "hang"}, timeout=2.0)
    assert (here.status, here.nvml_state, here.driver) == ("found", "ok", Found("550.54.14"))
    assert [gpu.name for gpu in here.gpus] == [Found("Tesla T4")] * 4
    assert here.gpus[1].error == "the GPU gave no answer in time (question: uuid)"
    assert here.gpus[1].memory_mib == Unknown(here.gpus[1].error)
    for index in (0, 2, 3):
        assert here.gpus[index].error is None
        assert here.gpus[index].utilization_percent == Found(7)


@needs_stub
@pytest.mark.parametrize(("how", "words"), [("crash", "killed by SIGSEGV"), ("abort", "SIGABRT"), ("exit", "code 3")])
def test_a_crash_at_the_start(ask, how, words):
    here = ask(stub.machine(), {"init": how})
    assert (here.status, here.nvml_state, here.nvml_error) == ("unknown", "crashed", None)
    assert words in here.nvml_message
    assert words in here.reason


@needs_stub
def test_a_crash_in_the_middle_keeps_what_came_before(ask):
    here = ask(stub.machine(gpus=3), {"gpu.1.nvmlDeviceGetUUID": "crash"})
    assert (here.status, here.nvml_state, here.driver) == ("found", "crashed", Found("550.54.14"))
    assert here.nvml_message == "the program that asks NVML was killed by SIGSEGV (question: uuid of GPU 1)"
    first, second, third = here.gpus
    assert (first.error, first.uuid) == (None, Found("GPU-00000000-0000-0000-0000-000000000000"))
    assert (second.name, second.uuid) == (Found("Tesla T4"), Unknown(here.nvml_message))
    assert (third.error, third.name) == (here.nvml_message, Unknown(here.nvml_message))


@needs_stub
def test_rubbish_on_stdout_is_no_answer(ask):
    plain = ask(stub.machine(gpus=2))
    noisy = ask(stub.machine(gpus=2), {"print": 'envtool-nvml/1 {"step": "driver", "answer": {"value": "6.6.6"}}'})
    assert noisy.driver == plain.driver
    assert [gpu.uuid for gpu in noisy.gpus] == [gpu.uuid for gpu in plain.gpus]


@needs_stub
def test_strange_bytes_in_a_name(ask):
    (gpu,) = ask(stub.machine(), {"gpu.0.name": "Tesla \udcff"}).gpus
    assert gpu.name == Unknown(
        "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 6: invalid start byte"
    )
    assert gpu.uuid == Found("GPU-00000000-0000-0000-0000-000000000000")


# ── where the library is ─────────────────────────────────────────────────────────────────────────


def nvml_is_really_here() -> bool:
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


no_real_driver = pytest.mark.skipif(nvml_is_really_here(), reason="a real NVIDIA driver is installed here")


@needs_stub
@no_real_driver
def test_a_library_that_the_loader_does_not_find_is_loaded_by_path(tree, tmp_path, monkeypatch):
    library = stub.build(tree / "usr/lib/wsl/lib", version="1")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.setenv(stub.SCENARIO, str(stub.write(tmp_path / "scenario", stub.machine(driver="566.36"))))
    (tree / "dev/dxg").touch()
    here = nvidia.start(LiveHost(str(tree)), NO_CARDS, wsl=True)()
    assert (here.status, here.driver) == ("found", Found("566.36"))  # Windows' number, as it is
    assert here.nvml_library == Found(str(library))
    assert here.nvml_library_version == Found("566.36")  # from NVML's own version
    assert isinstance(here.nodes, Found) and [node.path for node in here.nodes.value] == ["/dev/dxg"]


@needs_stub
@no_real_driver
def test_a_library_that_cant_be_loaded(tree, monkeypatch):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    (tree / "usr/lib64").mkdir(parents=True)
    (tree / "usr/lib64/libnvidia-ml.so.1").write_text("not a library")
    here = nvidia.start(LiveHost(str(tree)), CARDS, wsl=False)()
    assert (here.status, here.nvml_state, here.nvml_error) == ("unknown", "library-not-found", 12)
    assert here.nvml_message is not None and "libnvidia-ml.so.1" in here.nvml_message


@needs_stub
@no_real_driver
def test_a_card_without_any_library(tree, monkeypatch):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    here = nvidia.start(LiveHost(str(tree)), CARDS, wsl=False)()
    assert (here.status, here.nvml_state, here.nvml_error) == ("unknown", "library-not-found", 12)
    assert here.reason is not None and here.reason.startswith("there is an NVIDIA card on the PCI bus, but: ")
    assert isinstance(here.nvml_library, Absent)


@needs_stub
@pytest.mark.parametrize(("code", "status"), [(9, "absent"), (999, "unknown"), (18, "unknown")])
def test_a_library_alone_is_no_gpu(tree, tmp_path, libraries, monkeypatch, code, status):
    scenario = stub.write(tmp_path / "scenario", stub.machine(), {"init": code})
    monkeypatch.setenv(stub.SCENARIO, str(scenario))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries().parent))
    (tree / "usr/lib64").mkdir(parents=True)
    (tree / "usr/lib64/libnvidia-ml.so.1").symlink_to(libraries())
    here = nvidia.start(LiveHost(str(tree)), NO_CARDS, wsl=False)()
    assert (here.status, here.nvml_error) == (status, code)
    assert isinstance(here.driver, Absent if status == "absent" else Unknown)


@needs_stub
@pytest.mark.parametrize(("cards", "wsl"), [(Unknown("permission denied"), False), (NO_CARDS, True)])
def test_a_library_alone_is_unknown_where_no_card_could_be_seen(tree, tmp_path, libraries, monkeypatch, cards, wsl):
    monkeypatch.setenv(stub.SCENARIO, str(stub.write(tmp_path / "scenario", stub.machine(), {"init": 9})))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries().parent))
    (tree / "usr/lib64").mkdir(parents=True)
    (tree / "usr/lib64/libnvidia-ml.so.1").symlink_to(libraries())
    here = nvidia.start(LiveHost(str(tree)), cards, wsl=wsl)()
    assert (here.status, here.reason) == ("unknown", meaning_of(9))


def test_a_folder_named_pynvml_does_not_hide_nvidias_file(tmp_path, monkeypatch):
    real = nvidia.nvidias_pynvml()
    assert os.path.basename(real) == "pynvml.py" and os.path.isfile(real)
    (tmp_path / "pynvml").mkdir()
    (tmp_path / "pynvml" / "__init__.py").write_text("raise SystemExit('not NVIDIA')")
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    assert nvidia.nvidias_pynvml() == real  # from the files of the distribution nvidia-ml-py
    (tmp_path / "pynvml.py").write_text("")
    assert nvidia.nvidias_pynvml() == str(tmp_path / "pynvml.py")


@needs_stub
def test_without_pynvml_the_state_is_other(ask, monkeypatch):
    monkeypatch.setattr(nvidia, "nvidias_pynvml", lambda: "")
    here = ask(stub.machine())
    assert (here.status, here.nvml_state) == ("unknown", "other")
    assert "pynvml can't be loaded" in (here.reason or "")


# ── replay ───────────────────────────────────────────────────────────────────────────────────────


@needs_stub
def test_a_recorded_machine_gives_the_same_facts(tree, tmp_path, libraries, monkeypatch):
    monkeypatch.setenv(stub.SCENARIO, str(stub.write(tmp_path / "scenario", stub.machine(2), {"gpu.1.handle": 15})))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries().parent))
    host = RecordingHost(LiveHost(str(tree)))
    live = nvidia.start(host, CARDS, wsl=False)()
    recording = json.loads(json.dumps(host.recording.answers))
    host.recording.answers = recording
    assert nvidia.start(RecordedHost(host.recording, strict=True), CARDS, wsl=False)() == live
