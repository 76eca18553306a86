"""What a machine shows of NVIDIA without any of NVIDIA's code, and when that is reason enough to ask NVML."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.machine import Absent, DeviceNode, Found, PciCard, Reading, Unknown
from envtool.probe import nvidia
from envtool.probe.host import LiveHost
from envtool.probe.nvidia_signs import linux_signs, seen, version_in_name
from envtool.probe.recording import RecordedHost, Recording, RecordingHost
from envtool.verdicts import Json

CARD = PciCard("0000:01:00.0", "10de", "2684", "0300")
NO_CARDS: Reading[tuple[PciCard, ...]] = Found(())

PROPRIETARY = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\nGCC version:\n"
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs-builder@U16)  Fri\n"
JETSON = "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build  (buildbrain@mobile)\n"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("dev", "sys/module"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def put(tree: Path, path: str, text: str = "") -> None:
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(text)


def signs(tree: Path, cards: Reading[tuple[PciCard, ...]] = NO_CARDS, *, wsl: bool = False):
    return linux_signs(LiveHost(str(tree)), cards, wsl)


def test_a_machine_without_nvidia_starts_no_program(tree):
    host = RecordingHost(LiveHost(str(tree)))
    here = nvidia.start(host, NO_CARDS, wsl=False)()
    assert (here.status, here.nvml_state, here.nvml_error) == ("absent", "not-asked", None)
    assert here.reason == "no NVIDIA card, driver or library"
    assert isinstance(here.driver, Absent) and isinstance(here.cuda_driver, Absent)
    assert isinstance(here.nodes, Absent)
    assert "start" not in host.recording.answers


@pytest.mark.parametrize(
    ("cards", "wsl", "why"),
    [
        (Unknown("permission denied"), False, "the PCI bus can't be read: permission denied"),
        (NO_CARDS, True, "WSL shows no cards of its own"),
    ],
)
def test_where_no_card_could_be_seen_it_says_so(tree, cards, wsl, why):
    here = nvidia.start(LiveHost(str(tree)), cards, wsl=wsl)()
    assert here.status == "absent"
    assert why in here.reason


def test_other_vendors_cards_are_no_sign(tree):
    amd = PciCard("0000:03:00.0", "1002", "744c", "0300")
    assert nvidia.start(LiveHost(str(tree)), Found((amd,)), wsl=False)().status == "absent"
    assert signs(tree, Found((amd, CARD))).cards == (CARD,)


@pytest.mark.parametrize(
    ("text", "version", "is_open"),
    [(PROPRIETARY, "550.54.14", False), (OPEN, "570.86.15", True), (JETSON, "540.4.0", True)],
)
def test_the_kernel_module_names_itself(tree, text, version, is_open):
    put(tree, "proc/driver/nvidia/version", text)
    here = signs(tree)
    assert (here.kernel_module, here.open_kernel_module) == (Found(version), Found(is_open))
    assert seen(here) == (f"NVIDIA's kernel driver {version}",)


def test_a_version_file_in_another_form_is_unknown(tree):
    put(tree, "proc/driver/nvidia/version", "something else\n")
    assert isinstance(signs(tree).kernel_module, Unknown)


def test_modules_are_loaded_not_loaded_or_not_to_be_seen(tree):
    (tree / "sys/module/nouveau").mkdir()
    here = signs(tree)
    assert (here.module_loaded, here.nouveau_loaded) == (Found(False), Found(True))
    (tree / "sys/module/nvidia").mkdir()
    assert seen(signs(tree)) == ("NVIDIA's kernel module",)
    (tree / "sys").rename(tree / "hidden")
    assert isinstance(signs(tree).module_loaded, Unknown)


def test_only_the_device_files_that_matter(tree):
    for name in ("nvidiactl", "nvidia0", "nvidia11", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "dxg", "null"):
        put(tree, f"dev/{name}")
    (tree / "dev/nvidia0").chmod(0o640)
    here = signs(tree).nodes
    assert isinstance(here, Found)
    paths = [node.path for node in here.value]
    assert paths == ["/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidia11", "/dev/nvidiactl"]
    assert [node.mode for node in here.value if node.path == "/dev/nvidia0"] == ["0640"]


def test_dxg_counts_in_wsl_and_is_no_sign_of_nvidia(tree):
    put(tree, "dev/dxg")
    here = signs(tree, wsl=True)
    assert isinstance(here.nodes, Found) and here.nodes.value[0].path == "/dev/dxg"
    assert seen(here) == ()


def test_a_device_file_that_may_not_be_opened():
    answers: dict[str, dict[str, Json]] = {
        "stat": {
            "/dev/nvidiactl": {
                "found": {"kind": "char", "mode": "0660", "uid": 0, "group": "video", "readable": False}
            },
            "/dev/nvidia0": {"unknown": "permission denied"},
        },
        "names": {"/dev": {"found": ["nvidia0", "nvidiactl"]}},
    }
    here = linux_signs(RecordedHost(Recording(answers)), NO_CARDS, False)
    assert here.nodes == Found(
        (
            DeviceNode("/dev/nvidia0", readable=False, writable=False),
            DeviceNode("/dev/nvidiactl", readable=False, writable=False, mode="0660", group="video"),
        )
    )


# ── libcuda ──────────────────────────────────────────────────────────────────────────────────────


def test_libcudas_version_is_in_its_files_name(tree):
    put(tree, "usr/lib/x86_64-linux-gnu/libcuda.so.550.54.14")
    (tree / "usr/lib/x86_64-linux-gnu/libcuda.so.1").symlink_to("libcuda.so.550.54.14")
    here = signs(tree)
    assert here.libcuda == Found("550.54.14")
    assert here.libcuda_path == Found("/usr/lib/x86_64-linux-gnu/libcuda.so.1")


def test_ld_library_path_comes_first(tree, monkeypatch):
    put(tree, "usr/lib64/libcuda.so.1")
    put(tree, "opt/compat/libcuda.so.1")
    monkeypatch.setenv("LD_LIBRARY_PATH", ":/opt/compat/:relative")
    assert signs(tree).libcuda_path == Found("/opt/compat/libcuda.so.1")


def test_wsl_keeps_its_version_to_itself(tree):
    put(tree, "usr/lib/wsl/lib/libcuda.so.1.1")
    (tree / "usr/lib/wsl/lib/libcuda.so.1").symlink_to("libcuda.so.1.1")
    here = signs(tree, wsl=True)
    assert isinstance(here.libcuda, Unknown)
    assert here.libcuda_path == Found("/usr/lib/wsl/lib/libcuda.so.1")


def test_no_libcuda(tree):
    here = signs(tree)
    assert isinstance(here.libcuda, Absent) and isinstance(here.libcuda_path, Absent)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("/usr/lib/libcuda.so.550.54.14", "550.54.14"),
        ("libnvidia-ml.so.470.82", "470.82"),
        ("libcuda.so.1", None),
        ("libcuda.so.1.1", None),
        ("libcuda.so", None),
    ],
)
def test_versions_in_names(name, version):
    assert version_in_name(name) == version


@pytest.mark.parametrize("value", ["", "0,1", "-1"])
def test_visible_devices_set_to_nothing_is_not_unset(tree, monkeypatch, value):
    assert isinstance(signs(tree).visible_devices, Absent)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    here = signs(tree)
    assert (here.visible_devices, here.device_order) == (Found(value), Found("PCI_BUS_ID"))


# ── other systems ────────────────────────────────────────────────────────────────────────────────


def test_macos_is_asked_nothing():
    host = RecordedHost(Recording({"facts": {"": {"sys_platform": "darwin"}}}), strict=True)
    here = nvidia.start(host, Absent("macOS"), wsl=False)()
    assert (here.status, here.reason, here.nvml_state) == ("absent", "macOS has no NVIDIA driver", "not-asked")
    assert isinstance(here.driver, Absent) and isinstance(here.libcuda, Absent)


SYSTEM32 = "C:\\Windows\\System32\\"
NVSMI = "C:\\Program Files\\NVIDIA Corporation\\NVSMI\\nvml.dll"
HERE: Json = {"found": {"kind": "file", "mode": "0666", "uid": 0, "group": 0, "readable": True, "writable": False}}
NOT_HERE: Json = {"absent": "no such file"}


def windows(nvml: Json, nvsmi: Json, nvcuda: Json, lines: tuple[str, ...] = ()) -> RecordedHost:
    names = ("WINDIR", "ProgramFiles", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
    environment: dict[str, Json] = dict.fromkeys(names)
    files: dict[str, Json] = {SYSTEM32 + "nvml.dll": nvml, NVSMI: nvsmi, SYSTEM32 + "nvcuda.dll": nvcuda}
    stdout = "".join(f"\nenvtool-nvml/1 {line}\n" for line in lines)
    done: Json = {"found": {"returncode": 0, "stdout": stdout, "stderr": "", "seconds": 0.2}}
    answers = {"facts": {"": {"sys_platform": "win32"}}, "env": environment, "stat": files}
    return RecordedHost(Recording({**answers, "start": {"nvml": done}} if lines else answers), strict=True)


def test_windows_without_nvidia():
    here = nvidia.start(windows(NOT_HERE, NOT_HERE, NOT_HERE), NO_CARDS, wsl=False)()
    assert (here.status, here.nvml_state) == ("absent", "not-asked")


def test_windows_with_a_card_and_no_driver():
    here = nvidia.start(windows(NOT_HERE, NOT_HERE, NOT_HERE), Found((CARD,)), wsl=False)()
    assert (here.status, here.nvml_state) == ("unknown", "library-not-found")
    assert here.reason == "there is an NVIDIA card on the PCI bus, but NVIDIA's library NVML is not installed"


@pytest.mark.parametrize(("nvml", "nvsmi"), [(HERE, NOT_HERE), (NOT_HERE, HERE)])
def test_windows_with_a_driver(nvml, nvsmi):
    lines = (
        '{"step": "library", "name": "nvml.dll", "path": null, "file": null, "loader": null}',
        '{"step": "init", "answer": {"value": null}, "old": null, "ready": true}',
        '{"step": "nvml-version", "answer": {"value": "12.566.36"}}',
        '{"step": "driver", "answer": {"value": "566.36"}}',
        '{"step": "count", "answer": {"value": 1}}',
        '{"gpu": 0, "fact": "name", "answer": {"value": "NVIDIA GeForce RTX 4070 Laptop GPU"}}',
        '{"step": "end", "seconds": 0.1}',
    )
    here = nvidia.start(windows(nvml, nvsmi, HERE, lines), NO_CARDS, wsl=False)()
    assert (here.status, here.driver, here.nvml_library) == ("found", Found("566.36"), Found("nvml.dll"))
    assert here.nvml_library_version == Found("566.36")
    assert here.gpus[0].name == Found("NVIDIA GeForce RTX 4070 Laptop GPU")
    assert here.libcuda_path == Found(SYSTEM32 + "nvcuda.dll")
    assert isinstance(here.libcuda, Unknown)
