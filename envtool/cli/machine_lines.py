"""Machines from a file: one document, or JSON lines that are answered one by one, so that memory stays flat."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import IO

from envtool.catalog import Catalog
from envtool.course import Course
from envtool.errors import EXIT_OK, EXIT_USAGE, EnvtoolError, UsageError
from envtool.fact import Fact
from envtool.machine import Machine
from envtool.plan import NoPlan, resolve
from envtool.spec import ACCELERATORS, INSTALLERS, Request
from envtool.verdicts import Json

Line = tuple[int, bytes]  # its number and what is in it


@dataclass(frozen=True, eq=False, repr=False)
class Whole(Fact):
    """One document."""

    document: Json


@dataclass(frozen=True, eq=False, repr=False)
class Lines(Fact):
    """JSON lines, to be read once."""

    lines: Iterator[Line]


# ── which of the two ─────────────────────────────────────────────────────────────────────────────


def open_machines(path: str) -> Whole | Lines:
    """What is in a file, or on stdin for "-".

    A file named .jsonl holds lines. Else lines are known by a request beside the machine or by a second line that is
    an object too; a machine alone is a document, in one line or in many.
    """
    lines = _lines(path)
    first = next(lines, None)
    if first is None:
        raise UsageError(f"{_name(path)} is empty", hint="give it the output of `envtool probe --json`")
    document = _object(first)
    if path.endswith((".jsonl", ".ndjson")) or (document is not None and "machine" in document):
        return Lines(chain([first], lines))
    second = next(lines, None)
    if second is None:
        return Whole(document) if document is not None else Whole(_parsed(first[1], _name(path)))
    if document is not None or _object(second) is not None or not first[1].startswith(b"{"):
        return Lines(chain([first, second], lines))
    return _document_or_lines([first, second, *lines], path)


def _document_or_lines(lines: list[Line], path: str) -> Whole | Lines:
    """The first two lines are no objects of their own: a document in many lines, or lines that begin badly."""
    try:
        return Whole(_parsed(b"\n".join(text for _, text in lines), _name(path)))
    except UsageError:
        if any(_object(line) is not None for line in lines):
            return Lines(iter(lines))
        raise


def _name(path: str) -> str:
    return "stdin" if path == "-" else path


def _lines(path: str) -> Iterator[Line]:
    """The lines that hold something, numbered as an editor does."""
    try:
        with sys.stdin.buffer if path == "-" else open(path, "rb") as file:
            yield from ((number, text) for number, line in enumerate(_utf8(file), 1) if (text := line.strip()))
    except OSError as error:
        raise UsageError(f"cannot read {_name(path)}: {error.strerror}", hint="check the name of the file") from None


def _utf8(file: IO[bytes]) -> Iterator[bytes]:
    """The lines in UTF-8. PowerShell's ``>`` writes UTF-16, or begins with a mark."""
    first = file.readline()
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = (first + file.read()).decode("utf-16", "replace")
        yield from (line.encode() for line in text.split("\n"))
        return
    yield first.removeprefix(b"\xef\xbb\xbf")
    yield from file


def _parsed(text: bytes, name: str) -> Json:
    import json

    try:
        document: Json = json.loads(text)
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not a text in UTF-8", hint="name a file that envtool wrote") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not JSON: {error}", hint="give it the output of `envtool probe --json`") from None
    return document


def _object(line: Line) -> dict[str, Json] | None:
    try:
        document = _parsed(line[1], "")
    except UsageError:
        return None
    return document if isinstance(document, dict) else None


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


def answer_lines(lines: Lines, request: Request, catalog: Catalog, course: Course | None = None) -> int:
    """Write one answer for each line, in order; 2 if a line could not be understood."""
    import gc
    import json

    from envtool.report.json import error_to_json

    gc.enable()  # a command that ends soon does without; this one may go on for days
    encode = json.JSONEncoder().encode
    bad = count = 0
    for number, text in lines.lines:
        count += 1
        try:
            document = _answer(text, f"line {number}", request, catalog, course)
        except EnvtoolError as error:
            bad += 1
            at = error.message if error.message.startswith("line ") else f"line {number}: {error.message}"
            document = error_to_json(at, error.hint, error.details, error.exit_code)
        sys.stdout.write(encode(document) + "\n")
        sys.stdout.flush()  # whoever asks line by line waits for it
    if bad:
        print(f"error: {bad} of {count} lines could not be understood; their answers say why", file=sys.stderr)
    return EXIT_USAGE if bad else EXIT_OK


def _answer(text: bytes, name: str, request: Request, catalog: Catalog, course: Course | None) -> dict[str, Json]:
    from envtool.plan_document import document_of, with_whole_hint
    from envtool.target import target_text

    machine, asked = _line(_parsed(text, name), name, request)
    if course is None:
        answer = resolve(machine, asked, catalog)
    else:
        from envtool.plan.for_course import resolve_for

        answer, asked = resolve_for(machine, asked, course, catalog)
    if isinstance(answer, NoPlan) and "`envtool pick" in answer.hint:
        target = target_text(machine, catalog)
        answer = with_whole_hint(answer, machine, asked, catalog, ("--target", target)) if target else answer
    return document_of(answer, catalog)


def _line(document: Json, name: str, request: Request) -> tuple[Machine, Request]:
    from envtool.machine_document import machine_from_json

    if isinstance(document, dict) and "machine" in document:
        asked = document.get("request")
        return machine_from_json(document["machine"], name), request if asked is None else _request(
            asked, name, request
        )
    return machine_from_json(document, name), request


def _request(document: Json, name: str, otherwise: Request) -> Request:
    """A line's own request; what it doesn't tell is as on the command line."""
    if not isinstance(document, dict):
        raise UsageError(f"{name}, request: is not an object", hint='write {"packages": ["torch==2.8.0"]}')
    _no_slips(document, name)
    packages = document.get("packages")
    if packages is None:
        packages = list(otherwise.packages)
    if not isinstance(packages, list) or not all(isinstance(package, str) for package in packages):
        raise UsageError(f"{name}, request.packages: is not a list of texts", hint='write ["torch==2.8.0"]')
    unverified = document.get("include_unverified")
    if unverified is not None and not isinstance(unverified, bool):
        raise UsageError(f"{name}, request.include_unverified: is neither true nor false", hint="leave it out")
    accelerator = _word(document, "accelerator", name, ACCELERATORS) or otherwise.accelerator
    installer = _word(document, "installer", name, INSTALLERS) or otherwise.installer
    return replace(
        otherwise,
        packages=tuple(str(package) for package in packages),
        accelerator=accelerator,
        variant=_word(document, "variant", name) or otherwise.variant,
        installer=installer,
        channel=_word(document, "channel", name) or otherwise.channel,
        include_unverified=otherwise.include_unverified if unverified is None else unverified,
    )


_KEYS = ("packages", "accelerator", "variant", "installer", "channel", "include_unverified")


def _no_slips(document: dict[str, Json], name: str) -> None:
    """A key that is new to this envtool is passed over; one that is misspelt would change the answer unseen."""
    unknown = [key for key in document if key not in _KEYS]
    if unknown:
        from difflib import get_close_matches

        for key in unknown:
            near = get_close_matches(key, [k for k in _KEYS if k not in document], n=1, cutoff=0.8)
            if near:
                raise UsageError(f"{name}, request.{key}: there is no such key", hint=f"did you mean {near[0]}?")


def _word(document: dict[str, Json], key: str, name: str, words: tuple[str, ...] = ()) -> str | None:
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value or (words and value not in words):
        hint = f"one of {', '.join(words)}" if words else "write a text, or leave it out"
        raise UsageError(f"{name}, request.{key}: {str(value)[:40]!r} can't be used", hint=hint)
    return value
