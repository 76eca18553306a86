"""Writes tests/machines/*.json and their screens: `python tests/make_machines.py [--check] [NAME ...]`.

Each described machine is asked by the real doctor, and what it asked and heard becomes the recording. With --check
nothing is written; the exit code is 1 where a committed file is out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import machine_healthy  # noqa: E402
import machine_healthy_more  # noqa: E402
import machine_hosted  # noqa: E402
import machine_list  # noqa: E402
import nvml_stub_build  # noqa: E402

from envtool.diagnosis import Diagnosis  # noqa: E402
from envtool.examination import examine  # noqa: E402
from envtool.probe.recording import (  # noqa: E402
    RecordedHost,
    RecordingHost,
    recording_from_json,
    recording_to_json,
)
from envtool.report.text import Style, render  # noqa: E402

MACHINES = HERE / "machines"
SCREENS = MACHINES / "screens"
ALL = machine_list.ALL | machine_healthy.ALL | machine_healthy_more.ALL | machine_hosted.ALL
DATE = "2026-11-23T00:00:00Z"


def recording_of(name: str) -> str:
    """The recording of a described machine, as the text of its file."""
    host = RecordingHost(ALL[name]().host)
    examine(host)
    document = recording_to_json(host.recording, made_by="tests/make_machines.py", date=DATE)
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    leaked = [word for word in (str(HERE.parent), sys.prefix, tempfile.gettempdir() + "/tmp") if word in text]
    if leaked:
        raise RuntimeError(f"{name}: the recording names places of this machine: {leaked}")
    return text


def diagnosis_of(recording: str) -> Diagnosis:
    """What the doctor finds on the recorded machine."""
    return examine(RecordedHost(recording_from_json(json.loads(recording)), strict=True))


def screen_of(recording: str) -> str:
    """What the doctor shows there, in 80 columns without colour."""
    return render(diagnosis_of(recording), Style())


def outputs(names: list[str]) -> Iterator[tuple[Path, str]]:
    """Every file with the text that it should have."""
    for name in names:
        recording = recording_of(name)
        yield MACHINES / f"{name}.json", recording
        yield SCREENS / f"{name}.txt", screen_of(recording)


def main(argv: list[str] | None = None) -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is out of date")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these machines")
    given = parser.parse_args(argv)
    why_not = nvml_stub_build.why_not()
    if why_not:
        print(f"the recordings can't be made here: {why_not}", file=sys.stderr)
        return 4
    SCREENS.mkdir(parents=True, exist_ok=True)
    stale = 0
    for path, text in outputs(given.names or list(ALL)):
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        print(f"{path.relative_to(HERE.parent)}: {'out of date' if given.check else 'written'}")
        if not given.check:
            path.write_text(text, encoding="utf-8")
    return 1 if given.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
