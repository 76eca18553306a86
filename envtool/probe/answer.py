"""What a child process answered: one line of JSON behind a marker, between whatever else the process printed."""

from __future__ import annotations

from collections.abc import Mapping

from envtool.probe.child import Completed
from envtool.verdicts import Json

Answer = Mapping[str, Json]


def answers_in(stdout: str, marker: str) -> list[dict[str, Json]]:
    """Every line that is an answer; a line that is cut off or not an object is none."""
    import json

    found = []
    for line in stdout.split("\n"):
        if line.startswith(marker):
            try:
                document = json.loads(line[len(marker) :])
            except (ValueError, RecursionError):
                continue
            if isinstance(document, dict):
                found.append(document)
    return found


def shown(text: str) -> str:
    """Text that any stream can take: bytes that were no UTF-8 are written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def text_of(answer: Answer, key: str) -> str | None:
    """A text of the answer, None where there is none."""
    value = answer.get(key)
    return shown(value) if isinstance(value, str) else None


def texts_of(answer: Answer, key: str) -> tuple[str, ...]:
    """The texts of a list in the answer."""
    value = answer.get(key)
    return tuple(shown(item) for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def objects_of(answer: Answer, key: str) -> tuple[Answer, ...]:
    """The objects of a list in the answer."""
    value = answer.get(key)
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def object_of(answer: Answer, key: str) -> Answer | None:
    """An object of the answer, None where there is none."""
    value = answer.get(key)
    return value if isinstance(value, dict) else None


def lines_of(text: str) -> list[str]:
    """The lines that say something, without trailing blanks."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def last_words(done: Completed) -> str:
    """What a failing program said, in one line: Python's fatal error or exception, else how it began and ended."""
    said = lines_of(shown(done.stderr)) or lines_of(shown(done.stdout))
    if not said:
        return "it said nothing"
    fatal = next((line for line in said if line.startswith("Fatal Python error")), None)
    if fatal is None and len(said) > 1 and not any(line.startswith("Traceback (most") for line in said):
        return f"{said[0].strip()[:200]} … {said[-1].strip()[:200]}"
    return (fatal or said[-1]).strip()[:300]


def signal_name(returncode: int) -> str | None:
    """The signal behind a negative exit code (or a Windows exception's code), None where it is a plain code."""
    import signal

    if returncode < 0:
        try:
            return signal.Signals(-returncode).name
        except ValueError:
            return f"signal {-returncode}"
    return _WINDOWS.get(returncode & 0xFFFFFFFF)


_WINDOWS = {
    0xC0000005: "access violation",
    0xC000001D: "illegal instruction",
    0xC0000094: "integer division by zero",
    0xC00000FD: "stack overflow",
    0xC0000135: "a DLL was not found",
    0xC0000139: "a DLL lacks an entry point",
    0xC0000142: "a DLL failed to start",
    0xC0000374: "heap corruption",
    0xC0000409: "stack buffer overrun",
    0x80000003: "breakpoint",
    0xC000013A: "interrupted",
}


def ending(returncode: int) -> str:
    """How the program ended, in words."""
    name = signal_name(returncode)
    if name is None:
        return f"exit code {returncode}"
    return f"killed by {name}" if returncode < 0 else f"exit code {returncode:#x}: {name}"
