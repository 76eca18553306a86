"""Hosts from the command line: this machine, this machine while it is recorded, or a recording."""

from __future__ import annotations

import contextlib
import sys

import click

from envtool import __version__
from envtool.errors import ToolError, UsageError
from envtool.machine import Machine
from envtool.probe.host import Host, LiveHost
from envtool.verdicts import Json


def read_document(path: str) -> Json:
    """The JSON in a file, or on stdin for "-"."""
    import json

    try:
        with contextlib.nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as file:
            content = file.read()
        # PowerShell's > writes UTF-16, or begins with a mark
        text = content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text file in UTF-8", hint="name a file that envtool wrote") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="check the name of the file") from None
    try:
        document: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}", hint="name a file that envtool wrote") from None
    return document


def open_host(recording: str | None, *, record: bool) -> Host:
    """The host to ask."""
    if recording is None and not record:
        return LiveHost()
    from envtool.probe.recording import RecordedHost, RecordingHost, recording_from_json

    if recording is not None:
        if record:
            raise click.UsageError("--record can't be used with --machine: it is a recording already")
        return RecordedHost(recording_from_json(read_document(recording)))
    return RecordingHost(LiveHost())


def machine_document(path: str) -> Machine | None:
    """The machine that a machine document describes, None where the file is a recording."""
    from envtool.machine_document import machine_from_json
    from envtool.probe.recording import RECORDING_SCHEMA

    document = read_document(path)
    if isinstance(document, dict) and document.get("schema") == RECORDING_SCHEMA:
        return None
    return machine_from_json(document)


def asked(host: Host, python: str | None, do_import: bool) -> tuple[str | None, bool]:
    """What to ask for: a recording is asked again what it was asked then, a recording host keeps it."""
    if isinstance(host, LiveHost):
        return python, do_import
    from envtool.probe.recording import RecordedHost, RecordingHost

    match host:
        case RecordedHost():
            then = host.recording.answers.get("asked", {})
            named = then.get("python")
            return (named if isinstance(named, str) else None), do_import and then.get("import") is not False
        case RecordingHost():
            host.recording.keep("asked", "python", python)
            host.recording.keep("asked", "import", do_import)
        case _:
            pass
    return python, do_import


def keep(host: Host, path: str) -> None:
    """Write what a recording host has heard, and say what is in it."""
    from time import gmtime, strftime

    from envtool.probe.recording import RecordingHost, recording_to_json
    from envtool.report.json import dumps
    from envtool.write import write_text

    if not isinstance(host, RecordingHost):
        raise ToolError("nothing was recorded", hint="run the command on the machine itself")
    date = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime())
    write_text(path, dumps(recording_to_json(host.recording, made_by=f"envtool {__version__}", date=date)))
    click.echo(f"recorded to {path}; it holds paths, your user name and package versions", err=True)
