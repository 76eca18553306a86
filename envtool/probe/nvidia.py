"""NVIDIA: what needs no library is read first, then NVML is asked in a child process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from envtool.machine import Absent, Found, Nvidia, PciCard, Reading, Unknown
from envtool.probe.host import Child, Host
from envtool.probe.nvidia_signs import Signs, linux_signs, windows_signs
from envtool.probe.nvml_answer import NvmlAnswer, parse

NVML_LIMIT = 10.0  # seconds: eight GPUs that nothing keeps awake take several to answer


def start(
    host: Host, cards: Reading[tuple[PciCard, ...]], *, wsl: bool, timeout: float = NVML_LIMIT
) -> Callable[[], Nvidia]:
    """Read the signs, start the child where there are any, and go on; calling the result waits for NVML."""
    system = str(host.facts().get("sys_platform"))
    if system == "darwin":
        return lambda: _none_here("macOS has no NVIDIA driver")
    # Before NVML: as root the library makes the device files that it misses.
    signs = windows_signs(host, cards) if system == "win32" else linux_signs(host, cards, wsl)
    # The loader may know the library from elsewhere (ld.so.cache). To ask it in our own process would run the
    # library's code here, where a broken one takes us along; so where anything else speaks of NVIDIA the child asks.
    if not signs.nvml_files and (system == "win32" or not signs.seen()):
        nvidia = _without_nvml(signs, wsl=wsl)
        return lambda: nvidia
    child = _ask_nvml(host, signs, timeout)
    return lambda: _with_nvml(signs, parse(child.result(), timeout), wsl=wsl)


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


def _ask_nvml(host: Host, signs: Signs, limit: float) -> Child:
    import json

    request = {
        "pynvml": nvidias_pynvml(),
        "libraries": list(signs.nvml_files),
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


def _without_nvml(signs: Signs, *, wsl: bool) -> Nvidia:
    missing = Absent("NVIDIA's library NVML is not installed")
    seen = signs.seen()
    if seen:
        state, status = "library-not-found", "unknown"
        reason = f"there is {_list(seen)}, but NVIDIA's library NVML is not installed"
        driver: Reading[str] = Unknown(reason)
    else:
        state, status, reason = "not-asked", "absent", _nothing(signs, wsl)
        driver = Absent(reason)
    return _nvidia(
        signs,
        NvmlAnswer(
            ready=False,
            state=state,
            error=None,
            message=None,
            reason=reason,
            library=missing,
            library_version=missing,
            driver=driver,
            cuda_driver=driver,
            gpus=(),
            seconds=None,
        ),
        (status, reason),
    )


def _nothing(signs: Signs, wsl: bool) -> str:
    if wsl:
        return "Windows passes no NVIDIA driver on to WSL"
    if signs.cards_unread is not None:
        return f"no NVIDIA driver, library or device file (the PCI bus can't be read: {signs.cards_unread})"
    return "no NVIDIA card, driver or library"


def _with_nvml(signs: Signs, answer: NvmlAnswer, *, wsl: bool) -> Nvidia:
    return _nvidia(signs, answer, _status(signs, answer, wsl=wsl))


def _status(signs: Signs, answer: NvmlAnswer, *, wsl: bool) -> tuple[str, str | None]:
    """Found only on NVML's word; absent only where nothing but a library speaks for NVIDIA."""
    if answer.ready and (answer.gpus or isinstance(answer.driver, Found)):
        if answer.gpus or answer.reason is not None:
            return "found", answer.reason
        return "found", "the driver answers, but shows no GPU"
    reason = answer.reason or "NVML started, but told nothing"
    seen = signs.seen()
    if seen:
        return "unknown", f"there is {_list(seen)}, but: {reason}"
    # Only where the bus was read: in WSL and behind an unreadable bus a card would not be seen.
    if answer.state in ("driver-not-loaded", "library-not-found") and signs.cards_unread is None and not wsl:
        return "absent", f"no NVIDIA card or driver, only NVIDIA's library: {reason}"
    return "unknown", reason


def _list(words: tuple[str, ...]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _nvidia(signs: Signs, answer: NvmlAnswer, standing: tuple[str, str | None]) -> Nvidia:
    status, reason = standing
    absent = Absent(reason or "") if status == "absent" else None
    return Nvidia(
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
        kernel_module=signs.kernel_module,
        open_kernel_module=signs.open_kernel_module,
        libcuda=signs.libcuda,
        libcuda_path=signs.libcuda_path,
        cards=signs.cards,
        nodes=signs.nodes,
        visible_devices=signs.visible_devices,
        device_order=signs.device_order,
        module_loaded=signs.module_loaded,
        nouveau_loaded=signs.nouveau_loaded,
        seconds=answer.seconds,
    )
