"""Reads what the child that asks NVML left behind: whole answers, half of them, or rubbish."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from envtool.fact import Fact
from envtool.machine import Absent, Found, Gpu, Reading, Unknown
from envtool.probe.child import Completed
from envtool.probe.nvidia_signs import version_in_name
from envtool.probe.nvml_codes import meaning_of, state_of
from envtool.probe.nvml_gpu import read_gpus
from envtool.probe.nvml_lines import Answer, Said, answer_in, code_in, hear_all, number_of, own_words, read, words_of
from envtool.verdicts import Json


@dataclass(frozen=True, eq=False, repr=False)
class NvmlAnswer(Fact):
    """What NVML said. ``ready`` is true where it started and so may be believed about GPUs."""

    ready: bool
    state: str  # one of machine.NVML_STATES
    error: int | None
    message: str | None  # NVML's own words, or how the child ended
    reason: str | None  # why NVML's answer is missing or not whole
    library: Reading[str]
    library_version: Reading[str]
    driver: Reading[str]
    cuda_driver: Reading[str]
    gpus: tuple[Gpu, ...]
    seconds: float | None


def parse(reading: Reading[Completed], limit: float) -> NvmlAnswer:
    """Whatever the child did, an answer: it never raises, and never calls NVML ready without NVML's word for it."""
    done = reading.value if isinstance(reading, Found) else None
    said = hear_all(done.stdout if done else "")
    ending = _ending(reading, said, limit)
    init = answer_in(said.steps.get("init"))
    ready = said.steps.get("init", {}).get("ready") is True
    state, error, message, reason = _state(said, ending)
    missing = reason or "NVML was not asked"
    return NvmlAnswer(
        ready=ready,
        state=state,
        error=error,
        message=message,
        reason=reason,
        library=_library(said.steps.get("library", {}), init),
        library_version=_library_version(said, missing),
        driver=read(answer_in(said.steps.get("driver")), words_of, missing),
        cuda_driver=read(answer_in(said.steps.get("cuda")), _cuda, missing),
        gpus=read_gpus(said, ending[1] if ending else None) if ready else (),
        seconds=_seconds(said, done),
    )


# ── how it ended ─────────────────────────────────────────────────────────────────────────────────


def _ending(reading: Reading[Completed], said: Said, limit: float) -> tuple[str, str] | None:
    """The state and the words for a child that did not come to its end; None where it did."""
    if not isinstance(reading, Found):
        return "other", f"the program that asks NVML did not start: {reading.reason}"
    if "end" in said.steps:
        return None
    broken = own_words(answer_in(said.steps.get("pynvml")))
    if broken is not None:
        return "other", f"NVIDIA's module pynvml can't be loaded: {broken}"
    place = _place(said)
    if reading.value.timed_out:
        return "timeout", f"NVML gave no answer within {limit:g} s{place}"
    return "crashed", f"the program that asks NVML {_death(reading.value.returncode)}{place}"


def _place(said: Said) -> str:
    for index in reversed(said.asked):
        if index is None and said.asked[index] not in said.steps:
            return f" (question: {said.asked[index]})"
        if index is not None and said.asked[index] not in said.gpus.get(index, {}):
            return f" (question: {said.asked[index]} of GPU {index})"
    return ""


def _death(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        try:
            return f"was killed by {signal.Signals(-returncode).name}"
        except ValueError:
            return f"was killed by signal {-returncode}"
    if returncode == 0xC0000005:  # Windows
        return "was killed by an access violation"
    return f"ended early with exit code {returncode}"


def _state(said: Said, ending: tuple[str, str] | None) -> tuple[str, int | None, str | None, str | None]:
    """NVML's state, return code, words, and the reason why its answer isn't whole."""
    init, count = answer_in(said.steps.get("init")), answer_in(said.steps.get("count"))
    for answer in (init, count):
        code = code_in(answer)
        if code is not None and code != 0:
            return state_of(code), code, _refusal(said, answer), meaning_of(code, own_words(answer))
    if ending is not None:
        return ending[0], None, ending[1], ending[1]
    for answer in (init, count):
        words = own_words(answer)
        if words is not None:
            return "other", None, words, f"NVML could not be asked: {words}"
    if init is None or count is None:
        return "other", None, None, "NVML's answer can't be understood"
    return "ok", None, None, None


def _refusal(said: Said, answer: Answer | None) -> str | None:
    # Where the library can't be loaded, the loader's words say more than NVML's: which file, and why.
    loader = said.steps.get("library", {}).get("loader")
    return loader if isinstance(loader, str) and loader.strip() else own_words(answer)


def _seconds(said: Said, done: Completed | None) -> float | None:
    seconds = said.steps.get("end", {}).get("seconds")
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds < 1e6:
        return float(seconds)
    return done.seconds if done else None


# ── the library ──────────────────────────────────────────────────────────────────────────────────


def _library(step: Answer, init: Answer | None) -> Reading[str]:
    path, loader = step.get("path"), step.get("loader")
    if isinstance(path, str):
        return Found(path)
    if isinstance(loader, str):
        return Absent(loader)
    if init is None:
        return Unknown("NVML was not started")
    name = step.get("name")
    return Found(name) if isinstance(name, str) else Unknown("NVML did not tell its file")


def _library_version(said: Said, missing: str) -> Reading[str]:
    file = said.steps.get("library", {}).get("file")
    version = version_in_name(file) if isinstance(file, str) else None
    if version is not None:
        return Found(version)
    # NVML puts its own major version first: "12.550.54.14".
    own = read(answer_in(said.steps.get("nvml-version")), words_of, missing)
    return Found(own.value.partition(".")[2] or own.value) if isinstance(own, Found) else own


def _cuda(value: Json) -> str:
    number = number_of(value)
    if number < 1000:
        raise ValueError("no CUDA version")
    return f"{number // 1000}.{number % 1000 // 10}"
