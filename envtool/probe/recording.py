"""A machine in a file: record the answers of a live host, and give them again on any other machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from envtool.errors import EnvtoolError, UsageError
from envtool.fact import Fact
from envtool.machine import Absent, Found, Reading, Unknown
from envtool.probe.child import Child, Completed
from envtool.probe.host import Host
from envtool.verdicts import Json

RECORDING_SCHEMA = "envtool.recording/1"

T = TypeVar("T")


@dataclass
class Recording:
    """Questions with their answers: ``answers[kind][question]`` is JSON."""

    answers: dict[str, dict[str, Json]] = field(default_factory=dict)

    def keep(self, kind: str, question: str, answer: Json) -> None:
        """Keep the answer to one question; a later answer replaces it."""
        self.answers.setdefault(kind, {})[question] = answer


def reading_to_json(reading: Reading[T], encode: Callable[[T], Json]) -> Json:
    """``{"found": …}``, ``{"absent": reason}`` or ``{"unknown": reason}``."""
    match reading:
        case Found(value):
            return {"found": encode(value)}
        case Absent(reason):
            return {"absent": reason}
        case Unknown(reason):
            return {"unknown": reason}


def reading_from_json(answer: Json, decode: Callable[[Json], T]) -> Reading[T]:
    """The inverse of ``reading_to_json``; ValueError for anything else."""
    if isinstance(answer, dict) and len(answer) == 1:
        ((kind, value),) = answer.items()
        if kind == "found":
            return Found(decode(value))
        if kind == "absent":
            return Absent(str(value))
        if kind == "unknown":
            return Unknown(str(value))
    raise ValueError(f"no reading: {answer!r:.80}")


def _completed_to_json(done: Completed) -> Json:
    return {
        "returncode": done.returncode,
        "stdout": done.stdout,
        "stderr": done.stderr[-20_000:],
        "seconds": round(done.seconds, 3),
    }


def _completed_from_json(answer: Json) -> Completed:
    if not isinstance(answer, dict):
        raise ValueError("a program's answer must be an object")
    code, seconds = answer.get("returncode"), answer.get("seconds", 0.0)
    return Completed(
        code if isinstance(code, int) else None,
        str(answer.get("stdout") or ""),
        str(answer.get("stderr") or ""),
        float(seconds) if isinstance(seconds, (int, float)) else 0.0,
    )


@dataclass(frozen=True, eq=False, repr=False)
class RecordingChild(Fact):
    """Keeps the answer of a program when it is asked for."""

    child: Child
    keep: Callable[[Reading[Completed]], None]

    def result(self) -> Reading[Completed]:
        answer = self.child.result()
        self.keep(answer)
        return answer


class RecordingHost:
    """Passes every question on to another host and keeps the answers."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.recording = Recording()

    def facts(self) -> Mapping[str, Json]:
        answer = self.host.facts()
        self.recording.keep("facts", "", dict(answer))
        return answer

    def env(self, name: str) -> str | None:
        answer = self.host.env(name)
        self.recording.keep("env", name, answer)
        return answer

    def _kept(self, kind: str, question: str, answer: Reading[T], encode: Callable[[T], Json]) -> Reading[T]:
        self.recording.keep(kind, question, reading_to_json(answer, encode))
        return answer

    def read(self, path: str) -> Reading[str]:
        return self._kept("read", path, self.host.read(path), lambda text: text)

    def read_bytes(self, path: str) -> Reading[bytes]:
        return self._kept("read_bytes", path, self.host.read_bytes(path), lambda data: data.hex())

    def names(self, path: str) -> Reading[tuple[str, ...]]:
        return self._kept("names", path, self.host.names(path), list)

    def link(self, path: str) -> Reading[str]:
        return self._kept("link", path, self.host.link(path), lambda text: text)

    def real(self, path: str) -> Reading[str]:
        return self._kept("real", path, self.host.real(path), lambda text: text)

    def stat(self, path: str) -> Reading[Mapping[str, Json]]:
        return self._kept("stat", path, self.host.stat(path), dict)

    def disk(self, path: str) -> Reading[tuple[int, int]]:
        return self._kept("disk", path, self.host.disk(path), list)

    def which(self, name: str) -> Reading[str]:
        return self._kept("which", name, self.host.which(name), lambda text: text)

    def loadable(self, library: str) -> Reading[str]:
        return self._kept("loadable", library, self.host.loadable(library), lambda text: text)

    def registry(self, key: str) -> Reading[Mapping[str, Json]]:
        return self._kept("registry", key, self.host.registry(key), dict)

    def registry_keys(self, key: str) -> Reading[tuple[str, ...]]:
        return self._kept("registry_keys", key, self.host.registry_keys(key), list)

    def start(
        self,
        question: str,
        argv: Sequence[str],
        *,
        timeout: float,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Child:
        child = self.host.start(question, argv, timeout=timeout, cwd=cwd, env=env)
        # A program may be started and never waited for; a strict replay starts it again.
        self.recording.keep("start", question, {"unknown": "nobody waited for its answer"})

        def keep(answer: Reading[Completed]) -> None:
            self.recording.keep("start", question, reading_to_json(answer, _completed_to_json))

        return RecordingChild(child, keep)

    def stop(self) -> None:
        self.host.stop()


class UnrecordedQuestionError(EnvtoolError):
    """A strict replay met a question that the recording does not answer."""


@dataclass(frozen=True, eq=False, repr=False)
class ReplayedChild(Fact):
    """A program that ended long ago, elsewhere."""

    answer: Reading[Completed]

    def result(self) -> Reading[Completed]:
        return self.answer


class RecordedHost:
    """A machine that was recorded. An unrecorded question is Unknown, or fails where ``strict``."""

    def __init__(self, recording: Recording, *, strict: bool = False) -> None:
        self.recording = recording
        self.strict = strict

    def _answer(self, kind: str, question: str) -> Json:
        return self.recording.answers.get(kind, {}).get(question, {"unknown": "not in the recording"})

    def _check(self, kind: str, question: str) -> bool:
        known = question in self.recording.answers.get(kind, {})
        if not known and self.strict:
            raise UnrecordedQuestionError(
                f"the recording has no answer to {kind} {question!r}",
                hint="record the machine again with `envtool doctor --record FILE`",
            )
        return known

    def _ask(self, kind: str, question: str, decode: Callable[[Json], T]) -> Reading[T]:
        self._check(kind, question)
        try:
            return reading_from_json(self._answer(kind, question), decode)
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(
                f"the recording's answer to {kind} {question!r} can't be read: {error}",
                hint="record the machine again with `envtool doctor --record FILE`",
            ) from None

    def facts(self) -> Mapping[str, Json]:
        answer = self.recording.answers.get("facts", {}).get("")
        if not isinstance(answer, dict):
            raise UsageError("the recording lacks the machine's facts", hint="record the machine again")
        return answer

    def env(self, name: str) -> str | None:
        self._check("env", name)
        value = self.recording.answers.get("env", {}).get(name)
        return value if isinstance(value, str) else None

    def read(self, path: str) -> Reading[str]:
        return self._ask("read", path, str)

    def read_bytes(self, path: str) -> Reading[bytes]:
        return self._ask("read_bytes", path, lambda answer: bytes.fromhex(str(answer)))

    def names(self, path: str) -> Reading[tuple[str, ...]]:
        return self._ask("names", path, _strings)

    def link(self, path: str) -> Reading[str]:
        return self._ask("link", path, str)

    def real(self, path: str) -> Reading[str]:
        return self._ask("real", path, str)

    def stat(self, path: str) -> Reading[Mapping[str, Json]]:
        return self._ask("stat", path, _object)

    def disk(self, path: str) -> Reading[tuple[int, int]]:
        return self._ask("disk", path, _pair)

    def which(self, name: str) -> Reading[str]:
        return self._ask("which", name, str)

    def loadable(self, library: str) -> Reading[str]:
        return self._ask("loadable", library, str)

    def registry(self, key: str) -> Reading[Mapping[str, Json]]:
        return self._ask("registry", key, _object)

    def registry_keys(self, key: str) -> Reading[tuple[str, ...]]:
        return self._ask("registry_keys", key, _strings)

    def start(
        self,
        question: str,
        argv: Sequence[str],
        *,
        timeout: float,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Child:
        return ReplayedChild(self._ask("start", question, _completed_from_json))

    def stop(self) -> None:
        """Nothing runs in a recording."""


def _strings(answer: Json) -> tuple[str, ...]:
    if not isinstance(answer, list):
        raise ValueError("a list of names is needed")
    return tuple(str(item) for item in answer)


def _object(answer: Json) -> Mapping[str, Json]:
    if not isinstance(answer, dict):
        raise ValueError("an object is needed")
    return answer


def _pair(answer: Json) -> tuple[int, int]:
    if not isinstance(answer, list) or len(answer) != 2:
        raise ValueError("two numbers are needed")
    first, second = answer
    if not isinstance(first, int) or not isinstance(second, int):
        raise ValueError("two numbers are needed")
    return first, second


# ── the file ─────────────────────────────────────────────────────────────────────────────────────


def recording_to_json(recording: Recording, *, made_by: str, date: str) -> dict[str, Json]:
    """The recording as a document; sorted, so that two recordings can be compared line by line."""
    answers: dict[str, Json] = {
        kind: {question: recording.answers[kind][question] for question in sorted(recording.answers[kind])}
        for kind in sorted(recording.answers)
    }
    return {"schema": RECORDING_SCHEMA, "made_by": made_by, "date": date, "answers": answers}


def recording_from_json(document: Json) -> Recording:
    """Read a recording document; UsageError where it is none."""
    if not isinstance(document, dict) or document.get("schema") != RECORDING_SCHEMA:
        raise UsageError(
            f"not a recorded machine: the schema {RECORDING_SCHEMA!r} was expected",
            hint="make one with `envtool doctor --record FILE`",
        )
    answers = document.get("answers")
    if not isinstance(answers, dict) or not all(isinstance(value, dict) for value in answers.values()):
        raise UsageError("the recording holds no answers", hint="make one with `envtool doctor --record FILE`")
    return Recording({kind: dict(value) for kind, value in answers.items() if isinstance(value, dict)})
