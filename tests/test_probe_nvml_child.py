"""What the child reads besides NVML: the kernel log and /proc."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

from envtool.probe import nvidia


@pytest.fixture(scope="session")
def child() -> ModuleType:
    path = Path(nvidia.__file__).parent / "children" / "nvml.py"
    spec = importlib.util.spec_from_file_location("nvml_child", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_newest_xid_of_each_gpu(child, tmp_path):
    log = tmp_path / "kmsg"
    log.write_text(
        "6,1,100,-;NVRM: loading NVIDIA UNIX x86_64 Kernel Module  550.54.14\n"
        "4,2,200,-;NVRM: Xid (PCI:0000:01:00): 31, pid=811, name=python, Ch 00000008\n"
        "4,3,300,-;NVRM: Xid (PCI:0000:C1:00): 48, pid='<unknown>', DBE\n"
        "4,4,400,-;NVRM: Xid (PCI:0000:01:00): 79, pid=811, GPU has fallen off the bus.\n"
        "4,5,500,-;NVRM: Xid (0000:02:00): 13, Graphics Exception\n"
    )
    assert child.xids(str(log)) == {"0000:01:00": 79, "0000:c1:00": 48, "0000:02:00": 13}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_an_empty_kernel_log_does_not_block(child, tmp_path):
    fifo = tmp_path / "kmsg"
    os.mkfifo(fifo)
    keep_open = os.open(fifo, os.O_RDWR)
    try:
        assert child.xids(str(fifo)) == {}
    finally:
        os.close(keep_open)


def test_a_kernel_log_that_may_not_be_read(child, tmp_path):
    told: list[dict[str, object]] = []
    child.tell_xids(str(tmp_path / "none"), lambda **event: told.append(event))
    assert told == [{"step": "xids", "answer": {"error": "No such file or directory"}}]


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with one process, 42, that is ours."""
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/pid").symlink_to("pid:[4026531836]")
    (tmp_path / "proc/42/fd").mkdir(parents=True)
    (tmp_path / "proc/42/cmdline").write_bytes(b"/opt/bin/python3\0-u\0/home/me/train.py\0--token\0s3cret\0")
    (tmp_path / "proc/42/fd/0").symlink_to("/dev/null")
    return tmp_path / "proc"


@pytest.mark.skipif(os.name != "posix", reason="/proc is Linux's")
def test_a_process_is_named_without_its_arguments(child, proc):
    assert child.process_details(42, str(proc)) == {"mine": True, "command": "python3 train.py"}
    assert child.process_details(43, str(proc)) == {}


@pytest.mark.skipif(os.name != "posix", reason="/proc is Linux's")
def test_in_a_container_a_number_may_be_another_process(child, proc):
    (proc / "self/ns/pid").unlink()
    (proc / "self/ns/pid").symlink_to("pid:[4026532840]")
    assert child.process_details(42, str(proc)) == {}
    (proc / "42/fd/7").symlink_to("/dev/nvidia0")
    assert child.process_details(42, str(proc)) == {"mine": True, "command": "python3 train.py"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((b"python", b"-m", b"torch.distributed.run", b"--nproc", b"8"), "python -m torch.distributed.run"),
        ((b"/usr/lib/xorg/Xorg", b":0"), "Xorg"),
        ((b"python3.12",), "python3.12"),
        ((), None),
    ],
)
def test_commands(child, words, said):
    assert child.command(b"\0".join(words)) == said


def test_pynvmls_mismatch_is_no_library_mismatch(child):
    pynvml = child.load_pynvml(nvidia.nvidias_pynvml())

    def raising(module):
        raise module.NVMLLibraryMismatchError("Unversioned function called")

    assert child.ask(pynvml, raising)["code"] == 13
