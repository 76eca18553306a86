"""The machine document: a Machine as JSON, and back. See document_values for how readings are written."""

from __future__ import annotations

from envtool.document_values import (
    CAPABILITY,
    NUMBER,
    TEXT,
    TRUTH,
    WHOLE,
    Misfit,
    Reads,
    Value,
    each,
    nullable,
    of,
    one_of,
    shown,
)
from envtool.errors import UsageError
from envtool.machine import (
    NVML_STATES,
    Absent,
    Amd,
    AmdGpu,
    Apple,
    DeviceNode,
    Gpu,
    GpuProcess,
    HostPython,
    Intel,
    IntelGpu,
    Libc,
    Machine,
    Nvidia,
    PciCard,
    Slurm,
    Storage,
)
from envtool.verdicts import Json

SCHEMA = "envtool.machine/1"
STATUS = one_of(("found", "absent", "unknown"))


def machine_to_json(machine: Machine) -> dict[str, Json]:
    """The document of a machine: the contract's keys first; of the others, what was never asked is left out."""
    encoded = MACHINE.encode(machine)
    assert isinstance(encoded, dict)
    document: dict[str, Json] = {"schema": SCHEMA}
    for key, value in encoded.items():
        if key == "wsl":
            document |= _wsl_to_json(value, encoded.get("reasons"))
        elif key != "jetpack" or value is not None:  # a Jetson adds the key; elsewhere the reason is enough
            document[key] = value
    return document


def machine_from_json(document: Json, source: str = "the machine document") -> Machine:
    """Read a machine document; UsageError names ``source`` and the place of what is wrong."""
    try:
        if not isinstance(document, dict):
            raise Misfit("", f"{shown(document)} is not an object")
        if document.get("schema") != SCHEMA:
            raise Misfit("schema", f'{shown(document.get("schema"))} is not a machine document; write "{SCHEMA}"')
        document = _wsl_from_json(document)
        if document.get("nvidia") is None:  # Nvidia() would say that CUDA_VISIBLE_DEVICES is not set
            document = {**document, "nvidia": {}}
        machine: Machine = MACHINE.decode(document, "")
    except Misfit as misfit:
        place = f", {misfit.path}" if misfit.path else ""
        raise UsageError(
            f"{source}{place}: {misfit.problem}", hint="compare it with the output of `envtool probe --json`"
        ) from None
    return machine


# ── what is written otherwise than its attribute ─────────────────────────────────────────────────


def _wsl_to_json(version: Json, reasons: Json) -> dict[str, Json]:
    if version is not None:
        return {"wsl": True, "wsl_version": version}
    reason = reasons.get("wsl") if isinstance(reasons, dict) else None
    return {"wsl": False if isinstance(reason, dict) and "absent" in reason else None}


def _wsl_from_json(document: dict[str, Json]) -> dict[str, Json]:
    """The document with ``wsl`` as the version, which is 2 where only the fact is told: WSL 1 has no GPU to ask of."""
    wsl, version = document.get("wsl"), document.get("wsl_version")
    if wsl is not None and not isinstance(wsl, bool):
        raise Misfit("wsl", f"{shown(wsl)} is neither true nor false; the version goes into wsl_version")
    if version is not None and (isinstance(version, bool) or version not in (1, 2)):
        raise Misfit("wsl_version", f"{shown(version)} is neither 1 nor 2")
    if wsl is True:
        return {**document, "wsl": version or 2}
    reasons = document.get("reasons")
    if wsl is False and (reasons is None or (isinstance(reasons, dict) and "wsl" not in reasons)):
        return {**document, "wsl": None, "reasons": {**(reasons or {}), "wsl": {"absent": ""}}}
    return {**document, "wsl": None} if "wsl" in document else document


def _gpus_from_json(value: Json, path: str) -> tuple[Gpu, ...]:
    """NVIDIA's GPUs; one without an index has the index of its place."""
    if isinstance(value, list):
        value = [{"index": index, **item} if isinstance(item, dict) else item for index, item in enumerate(value)]
    gpus: tuple[Gpu, ...] = _GPUS.decode(value, path)
    return gpus


def _python_from_json(value: Json, path: str) -> HostPython:
    """A Python; one without an ABI is the usual build of its version."""
    if isinstance(value, dict) and value.get("abi") is None and isinstance(value.get("version"), str):
        parts = str(value["version"]).split(".")
        value = {**value, "abi": f"cp{''.join(parts[:2])}"}
    python: HostPython = _PYTHON.decode(value, path)
    return python


def _libc_from_json(value: Json, path: str) -> Libc:
    """A C library; that it is musl is worth knowing without a version, too."""
    if isinstance(value, dict) and value.get("version") is None:
        value = {key: item for key, item in value.items() if key != "version"}
        value |= {"version": ""} if value.get("name") == "musl" else {}
    libc: Libc = _LIBC.decode(value, path)
    return libc


# ── the objects ──────────────────────────────────────────────────────────────────────────────────

TOLD = Reads(TEXT)  # a text that may be left out where it was not asked for
COUNTED = Reads(WHOLE)
YES_OR_NO = Reads(TRUTH)
ALWAYS = Reads(TEXT, always=True)

_LIBC = of(Libc, {"name": TEXT, "version": Value(lambda text: text or None, TEXT.decode)})
LIBC = Value(_LIBC.encode, _libc_from_json)
STORAGE = of(Storage, {"purpose": TEXT, "path": TEXT, "free_bytes": WHOLE, "total_bytes": WHOLE})
SLURM = of(Slurm, {"job_id": nullable(TEXT), "gpus": nullable(TEXT), "partition": nullable(TEXT)})
_PYTHON = of(HostPython, {"version": TEXT, "abi": TEXT, "executable": nullable(TEXT), "bits": nullable(WHOLE)})
PYTHON = Value(_PYTHON.encode, _python_from_json)
PROCESS = of(
    GpuProcess,
    {"pid": WHOLE, "memory_mib": nullable(WHOLE), "command": nullable(TEXT), "mine": nullable(TRUTH)},
)
CARD = of(PciCard, {"address": TEXT, "vendor": TEXT, "device": TEXT, "pci_class": TEXT, "name": TOLD, "driver": TOLD})
NODE = of(
    DeviceNode,
    {"path": TEXT, "readable": TRUTH, "writable": TRUTH, "mode": nullable(TEXT), "group": nullable(TEXT)},
)
_GPUS = each(
    of(
        Gpu,
        {
            "index": WHOLE,
            "name": ALWAYS,
            "uuid": ALWAYS,
            "compute_capability": Reads(CAPABILITY, always=True),
            "memory_mib": Reads(WHOLE, always=True),
            "mig": Reads(TRUTH, always=True),
            "pci_bus_id": TOLD,
            "memory_used_mib": COUNTED,
            "processes": Reads(each(PROCESS)),
            "utilization_percent": COUNTED,
            "mig_instances": Reads(each(TEXT)),
            "compute_mode": TOLD,
            "persistence": YES_OR_NO,
            "ecc": YES_OR_NO,
            "ecc_uncorrected": COUNTED,
            "row_remap_pending": YES_OR_NO,
            "row_remap_failed": YES_OR_NO,
            "retired_pages_pending": YES_OR_NO,
            "xid": COUNTED,
            "error_code": nullable(WHOLE),
            "error": nullable(TEXT),
        },
    )
)
NVIDIA = of(
    Nvidia,
    {
        "status": STATUS,
        "reason": nullable(TEXT),
        "nvml_error": nullable(WHOLE),
        "driver": ALWAYS,
        "cuda_driver": ALWAYS,
        "gpus": Value(_GPUS.encode, _gpus_from_json),
        "nvml_state": one_of(NVML_STATES),
        "nvml_message": nullable(TEXT),
        "nvml_library": TOLD,
        "nvml_library_version": TOLD,
        "kernel_module": TOLD,
        "open_kernel_module": YES_OR_NO,
        "libcuda": TOLD,
        "libcuda_path": TOLD,
        "cuda_init": COUNTED,
        "cuda_library": TOLD,
        "cards": each(CARD, with_gaps=True),
        "nodes": Reads(each(NODE)),
        "visible_devices": TOLD,
        "device_order": TOLD,
        "module_loaded": YES_OR_NO,
        "nouveau_loaded": YES_OR_NO,
        "seconds": nullable(NUMBER),
    },
)
AMD = of(
    Amd,
    {
        "status": STATUS,
        "reason": nullable(TEXT),
        "gpus": each(of(AmdGpu, {"name": ALWAYS, "gfx": ALWAYS, "pci_address": TOLD})),
        "driver": TOLD,
        "kfd_node": Reads(NODE),
    },
)
INTEL_GPU = of(
    IntelGpu,
    {"name": ALWAYS, "device": nullable(TEXT), "xpu_supported": YES_OR_NO, "pci_address": TOLD, "driver": TOLD},
)
INTEL = of(Intel, {"status": STATUS, "reason": nullable(TEXT), "gpus": each(INTEL_GPU)})
APPLE = of(Apple, {"status": STATUS, "reason": nullable(TEXT), "chip": ALWAYS})
MACHINE = of(
    Machine,
    {
        "os": one_of(("linux", "macos", "windows")),
        "os_version": ALWAYS,
        "arch": TEXT,
        "libc": Reads(LIBC, always=True),
        "wsl": Reads(WHOLE, always=True),
        "container": Reads(TEXT, null=Absent(), always=True),
        "python": Reads(PYTHON, always=True),
        "nvidia": NVIDIA,
        "amd": AMD,
        "intel": INTEL,
        "apple": APPLE,
        "jetpack": TOLD,
        "l4t": TOLD,
        "kernel": TOLD,
        "rosetta": YES_OR_NO,
        "slurm": Reads(SLURM),
        "colab": TRUTH,
        "cpu_model": TOLD,
        "cpus": COUNTED,
        "memory_mib": COUNTED,
        "storage": each(STORAGE, with_gaps=True),
        "shared_memory": Reads(STORAGE),
        "ld_library_path": TOLD,
    },
)
