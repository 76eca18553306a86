"""One GPU, from what NVML answered about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from envtool.machine import Absent, Found, Gpu, GpuProcess, Reading, Unknown
from envtool.probe.nvml_codes import GPU_LOST, RESET_REQUIRED, meaning_of
from envtool.probe.nvml_lines import MOST_GPUS, Answer, Said, answer_in, code_in, number_of, own_words, read, words_of
from envtool.verdicts import Json

MIB = 1 << 20

T = TypeVar("T")


def read_gpus(said: Said, ending: str | None) -> tuple[Gpu, ...]:
    """Every GPU that was counted or spoken of; ``ending`` says how the child ended where that was too early."""
    counted = (answer_in(said.steps.get("count")) or {}).get("value")
    count = min(counted, MOST_GPUS) if isinstance(counted, int) and not isinstance(counted, bool) else 0
    indices = sorted(set(said.gpus) | set(range(count)))
    return tuple(_gpu(said, index, ending) for index in indices)


def _gpu(said: Said, index: int, ending: str | None) -> Gpu:
    facts = said.gpus.get(index, {})
    code, error = _trouble(facts)
    if error is None:
        error = _silence(said, index, ending)
    missing = error or ending or "NVML was not asked"

    def fact(name: str, decode: Callable[[Json], T]) -> Reading[T]:
        return read(facts.get(name), decode, missing)

    address = fact("pci", _address)
    mig = fact("mig", _switch)
    return Gpu(
        index=index,
        name=fact("name", words_of),
        uuid=fact("uuid", words_of),
        pci_bus_id=address,
        compute_capability=fact("compute_capability", _capability),
        memory_mib=fact("memory", _mib("total")),
        memory_used_mib=fact("memory", _mib("used")),
        processes=fact("processes", _processes),
        utilization_percent=fact("utilization", number_of),
        mig=mig,
        mig_instances=Absent("MIG is off") if mig == Found(False) else fact("mig_instances", _uuids),
        compute_mode=fact("compute_mode", _mode),
        persistence=fact("persistence", _switch),
        ecc=fact("ecc", _switch),
        ecc_uncorrected=fact("ecc_uncorrected", number_of),
        row_remap_pending=fact("remapped_rows", _row(2)),
        row_remap_failed=fact("remapped_rows", _row(3)),
        retired_pages_pending=fact("retired_pages_pending", _switch),
        xid=_xid(said, address, ending),
        error_code=code,
        error=error,
    )


def _trouble(facts: Mapping[str, Answer]) -> tuple[int | None, str | None]:
    """The return code that speaks for the whole GPU: its handle's, or "lost" and "reset" wherever they come."""
    handle = facts.get("handle")
    code = code_in(handle)
    if code is None and (words := own_words(handle)) is not None:
        return None, words
    whole = [c for c in map(code_in, facts.values()) if c in (GPU_LOST, RESET_REQUIRED)]
    if code is None and whole:
        code = whole[0]
    return (code, meaning_of(code, own_words(handle))) if code is not None else (None, None)


def _silence(said: Said, index: int, ending: str | None) -> str | None:
    """A GPU that was asked and did not answer before the others were done, or was never reached."""
    asked = said.asked.get(index)
    if asked is None and index not in said.gpus:
        return ending or "NVML was not asked for this GPU"
    if asked is not None and asked not in said.gpus.get(index, {}):
        return ending or f"the GPU gave no answer in time (question: {asked})"
    return None


def _xid(said: Said, address: Reading[str], ending: str | None) -> Reading[int]:
    if not isinstance(address, Found):
        return Unknown("the GPU's PCI address is not known")
    answer = answer_in(said.steps.get("xids"))
    if answer is None:
        return Unknown(ending or "the kernel log was not read")
    found = answer.get("value")
    if not isinstance(found, dict):
        return Unknown(f"the kernel log can't be read: {own_words(answer) or 'no reason given'}")
    number = found.get(address.value.rpartition(".")[0])
    if isinstance(number, int) and not isinstance(number, bool):
        return Found(number)
    return Absent("no Xid in what the kernel log still holds")


# ── values ────────────────────────────────────────────────────────────────────────────────────────


def _switch(value: Json) -> bool:
    if value not in (0, 1) or isinstance(value, float):
        raise ValueError("0 or 1 is needed")
    return bool(value)


def _capability(value: Json) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("two numbers are needed")
    return number_of(value[0]), number_of(value[1])


def _address(value: Json) -> str:
    """NVML's ``00000000:01:00.0`` as sysfs writes it, ``0000:01:00.0``."""
    found = re.fullmatch(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-9a-f])", words_of(value).lower())
    if found is None:
        raise ValueError("no PCI address")
    domain, bus, device, function = found.groups()
    return f"{int(domain, 16):04x}:{bus}:{device}.{function}"


def _mode(value: Json) -> str:
    modes = ("default", "exclusive-thread", "prohibited", "exclusive-process")
    return modes[number_of(value)] if number_of(value) < len(modes) else f"mode {number_of(value)}"


def _mib(key: str) -> Callable[[Json], int]:
    def decode(value: Json) -> int:
        if not isinstance(value, dict):
            raise ValueError("an object is needed")
        return number_of(value[key]) // MIB

    return decode


def _uuids(value: Json) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("a list is needed")
    return tuple(words_of(item) for item in value)


def _row(position: int) -> Callable[[Json], bool]:
    def decode(value: Json) -> bool:
        if not isinstance(value, list) or len(value) != 4:
            raise ValueError("four numbers are needed")
        return number_of(value[position]) > 0

    return decode


def _processes(value: Json) -> tuple[GpuProcess, ...]:
    if not isinstance(value, list):
        raise ValueError("a list is needed")
    return tuple(_process(item) for item in value)


def _process(value: Json) -> GpuProcess:
    if not isinstance(value, dict):
        raise ValueError("an object is needed")
    memory, command, mine = value.get("memory"), value.get("command"), value.get("mine")
    return GpuProcess(
        pid=number_of(value["pid"]),
        memory_mib=None if memory is None else number_of(memory) // MIB,
        command=command if isinstance(command, str) else None,
        mine=mine if isinstance(mine, bool) else None,
    )
