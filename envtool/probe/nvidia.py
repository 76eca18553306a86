"""NVIDIA: what needs no library is read first, then NVML is asked in a child process."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from envtool.machine import Absent, Found, Nvidia, PciCard, Reading, Unknown
from envtool.probe.child import Child
from envtool.probe.host import Host
from envtool.probe.nvidia_signs import linux_signs, nvml_files, seen, windows_signs

if TYPE_CHECKING:
    from envtool.probe.nvml_answer import NvmlAnswer

NVML_LIMIT = 10.0  # seconds: eight GPUs that nothing keeps awake take several to answer


def start(
    host: Host, cards: Reading[tuple[PciCard, ...]], *, wsl: bool, timeout: float = NVML_LIMIT
) -> Callable[[], Nvidia]:
    """Read the signs, start the child where there are any, and go on; calling the result waits for NVML."""
    system = str(host.facts().get("sys_platform"))
    if system == "darwin":
        return lambda: _none_here("macOS has no NVIDIA driver")
    windows = system == "win32"
    # Before NVML: as root the library makes the device files that it misses.
    signs = windows_signs(host, cards) if windows else linux_signs(host, cards, wsl)
    files = nvml_files(host, windows=windows)
    unseen = _why_unseen(cards, wsl)
    # The loader may know the library from elsewhere (ld.so.cache). To ask it in our own process would run the
    # library's code here, where a broken one takes us along; so where anything else speaks of NVIDIA the child asks.
    if not files and (windows or not seen(signs)):
        nvidia = _without_nvml(signs, unseen)
        return lambda: nvidia
    child = _ask_nvml(host, files, timeout)
    return lambda: _with_nvml(signs, child, timeout, unseen)


def _why_unseen(cards: Reading[tuple[PciCard, ...]], wsl: bool) -> str | None:
    """Why a card could be here without being seen; None where the list of cards can be believed."""
    if wsl:
        return "WSL shows no cards of its own"
    return f"the PCI bus can't be read: {cards.reason}" if isinstance(cards, Unknown) else None


def _none_here(reason: str) -> Nvidia:
    absent = Absent(reason)
    return Nvidia(
        status="absent",
        reason=reason,
        nvml_library=absent,
        nvml_library_version=absent,
        driver=absent,
        cuda_driver=absent,
        kernel_module=absent,
        open_kernel_module=absent,
        libcuda=absent,
        libcuda_path=absent,
        nodes=absent,
        module_loaded=absent,
        nouveau_loaded=absent,
    )


# ── the child ────────────────────────────────────────────────────────────────────────────────────


def _ask_nvml(host: Host, files: tuple[str, ...], limit: float) -> Child:
    import json

    request = {
        "pynvml": nvidias_pynvml(),
        "libraries": list(files),
        "limit": limit,
        "kmsg": "/dev/kmsg",
        "proc": "/proc",
    }
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "children", "nvml.py")
    return host.start("nvml", [sys.executable, "-I", "-S", program, json.dumps(request)], timeout=limit)


def nvidias_pynvml() -> str:
    """The path of NVIDIA's one-file module; "" where there is none, which the child then reports.

    A folder ``pynvml`` comes from another distribution and hides NVIDIA's file beside it.
    """
    import importlib.util

    try:
        spec = importlib.util.find_spec("pynvml")
    except (ImportError, ValueError):
        spec = None
    origin = spec.origin if spec is not None else None
    if origin is not None and os.path.basename(origin) != "__init__.py":
        return origin
    beside = [os.path.dirname(os.path.dirname(origin)) + "/pynvml.py"] if origin is not None else []
    return next((path for path in [*beside, *_distribution_files()] if os.path.isfile(path)), "")


def _distribution_files() -> list[str]:
    from importlib import metadata

    try:
        files = metadata.files("nvidia-ml-py") or []
    except metadata.PackageNotFoundError:
        return []
    return [str(file.locate()) for file in files if str(file) == "pynvml.py"]


# ── all of it ────────────────────────────────────────────────────────────────────────────────────


def _without_nvml(signs: Nvidia, unseen: str | None) -> Nvidia:
    missing = Absent("NVIDIA's library NVML is not installed")
    said = seen(signs)
    if said:
        reason = f"there is {_list(said)}, but NVIDIA's library NVML is not installed"
        driver: Reading[str] = Unknown(reason)
    else:
        reason = (
            f"no NVIDIA driver, library or device file ({unseen})" if unseen else "no NVIDIA card, driver or library"
        )
        driver = Absent(reason)
    return dataclasses.replace(
        signs,
        status="unknown" if said else "absent",
        reason=reason,
        nvml_state="library-not-found" if said else "not-asked",
        nvml_library=missing,
        nvml_library_version=missing,
        driver=driver,
        cuda_driver=driver,
    )


def _with_nvml(signs: Nvidia, child: Child, limit: float, unseen: str | None) -> Nvidia:
    from envtool.probe.nvml_answer import parse  # only where there is something to parse: start-up counts

    answer = parse(child.result(), limit)
    status, reason = _status(signs, answer, unseen)
    absent = Absent(reason or "") if status == "absent" else None
    return dataclasses.replace(
        signs,
        status=status,
        reason=reason,
        nvml_state=answer.state,
        nvml_error=answer.error,
        nvml_message=answer.message,
        nvml_library=answer.library,
        nvml_library_version=answer.library_version,
        driver=absent or answer.driver,
        cuda_driver=absent or answer.cuda_driver,
        gpus=answer.gpus,
        seconds=answer.seconds,
    )


def _status(signs: Nvidia, answer: NvmlAnswer, unseen: str | None) -> tuple[str, str | None]:
    """Found only on NVML's word; absent only where nothing but a library speaks for NVIDIA."""
    if answer.ready and (answer.gpus or isinstance(answer.driver, Found)):
        if answer.gpus or answer.reason is not None:
            return "found", answer.reason
        return "found", "the driver answers, but shows no GPU"
    reason = answer.reason or "NVML started, but told nothing"
    said = seen(signs)
    if said:
        return "unknown", f"there is {_list(said)}, but: {reason}"
    if answer.state in ("driver-not-loaded", "library-not-found") and unseen is None:
        return "absent", f"no NVIDIA card or driver, only NVIDIA's library: {reason}"
    return "unknown", reason


def _list(words: tuple[str, ...]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
