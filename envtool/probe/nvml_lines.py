"""The lines of the child that asks NVML, and how one answer among them becomes a reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from envtool.machine import Absent, Found, Reading, Unknown
from envtool.probe.nvml_codes import NOT_SUPPORTED, meaning_of
from envtool.verdicts import Json

MARKER = "envtool-nvml/1 "  # as in children/nvml.py
MOST_GPUS = 256

T = TypeVar("T")
Answer: TypeAlias = Mapping[str, Json]


@dataclass
class Said:
    """The child's lines in order: answers to steps, to questions about each GPU, and what was asked last."""

    steps: dict[str, Answer] = field(default_factory=dict)
    gpus: dict[int, dict[str, Answer]] = field(default_factory=dict)
    asked: dict[int | None, str] = field(default_factory=dict)  # None: a question that is about no single GPU


def hear_all(stdout: str) -> Said:
    """Every line that carries the marker and can be read; the rest is somebody else's printing."""
    import json

    said = Said()
    for line in stdout.split("\n"):
        if not line.startswith(MARKER):
            continue
        try:
            event = json.loads(line[len(MARKER) :])
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            _hear(said, event)
    return said


def _hear(said: Said, event: dict[str, Json]) -> None:
    gpu, step, fact, ask = (event.get(key) for key in ("gpu", "step", "fact", "ask"))
    index = gpu if isinstance(gpu, int) and not isinstance(gpu, bool) and 0 <= gpu < MOST_GPUS else None
    if isinstance(ask, str) and (gpu is None or index is not None):
        said.asked.pop(index, None)  # so that the last question stands last
        said.asked[index] = ask
    if index is not None and isinstance(fact, str):
        said.gpus.setdefault(index, {})[fact] = answer_in(event) or {}
    elif gpu is None and isinstance(step, str):
        said.steps[step] = event


def answer_in(event: Answer | None) -> Answer | None:
    """The answer that an event carries."""
    answer = event.get("answer") if event else None
    return answer if isinstance(answer, dict) else None


def code_in(answer: Answer | None) -> int | None:
    """NVML's return code, where the answer is a refusal."""
    code = answer.get("code") if answer else None
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def own_words(answer: Answer | None) -> str | None:
    """NVML's own words for a refusal, or the child's for anything else that went wrong."""
    words = (answer.get("words") or answer.get("error")) if answer else None
    return _clean(words) if isinstance(words, str) else None


def _clean(words: str) -> str:
    """Half a surrogate pair can come out of JSON, and would break whatever prints it."""
    return words.encode("utf-8", "replace").decode("utf-8").strip()


def read(answer: Answer | None, decode: Callable[[Json], T], missing: str) -> Reading[T]:
    """One answer as a reading; ``missing`` is the reason where there is none."""
    if answer is None:
        return Unknown(missing)
    if "value" in answer:
        try:
            return Found(decode(answer["value"]))
        except (ValueError, TypeError, KeyError):
            return Unknown(f"NVML's answer can't be understood: {answer['value']!r:.60}")
    code = code_in(answer)
    if code == NOT_SUPPORTED:
        return Absent(meaning_of(code))
    if code is not None:
        return Unknown(meaning_of(code, own_words(answer)))
    return Unknown(own_words(answer) or "NVML's answer can't be understood")


def words_of(value: Json) -> str:
    """A text that is not empty, else ValueError."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("words are needed")
    return _clean(value)


def number_of(value: Json) -> int:
    """A whole number from 0 up, else ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a number is needed")
    return value
