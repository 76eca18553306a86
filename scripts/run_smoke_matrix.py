"""Run the smoke tests in several interpreters and write one table: test x release.

    python scripts/run_smoke_matrix.py --write docs/explanation/smoke-results.md PYTHON...

Each PYTHON has its own torch. ``--rounds`` repeats the suite: a test that does not end the same each time is named.
Text that stands in the file before the first heading "## " is kept, so that what the numbers mean can be said by hand.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys

GENERATED = "## The table"
SHOWN = {"pass": "passes", "skip": "skipped", "warn": "warns", "fail": "**fails**", "unknown": "unknown"}


def run(python, options):
    """One run's document; None where there is none."""
    command = [sys.executable, "-m", "envtool", "smoke", "--python", python, "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        document = json.loads(done.stdout)
        failed = [verdict["code"] for verdict in document["verdicts"] if verdict["status"] == "fail"]
    except (ValueError, KeyError):
        print(f"{python}: no verdicts, exit code {done.returncode}: {done.stderr[-1000:]}", file=sys.stderr)
        return None
    print(f"torch {document['torch']}: {document['seconds']:.0f} s, failed: {failed}", file=sys.stderr, flush=True)
    return document


def rounds_of(pythons, rounds, options):
    """The documents of each interpreter; they take turns, so that a busy hour hits all of them alike."""
    found = {python: [] for python in pythons}
    for _ in range(rounds):
        for python in pythons:
            document = run(python, options)
            if document is not None:
                found[python].append(document)
    missing = [python for python in pythons if not found[python]]
    if missing:
        sys.exit("no verdicts at all from " + ", ".join(missing))
    return found


def python_version(python):
    line = "import platform; print(platform.python_version())"
    return subprocess.run([python, "-c", line], capture_output=True, text=True, check=True).stdout.strip()


class Column:
    """One interpreter: its torch, and how each test ended in every round."""

    def __init__(self, python, documents):
        self.version = python_version(python)
        self.documents = documents
        self.torch = documents[-1]["torch"]
        self.seconds = statistics.median(document["seconds"] for document in documents)
        self.verdicts = {}
        for document in documents:
            for verdict in document["verdicts"]:
                self.verdicts.setdefault(verdict["code"], []).append(verdict)

    def cell(self, code, notes):
        found = self.verdicts.get(code)
        if not found:
            return "–"
        statuses = [verdict["status"] for verdict in found]
        shown = [status for status in SHOWN if status in statuses]
        if len(shown) > 1:
            return ", ".join(f"{SHOWN[status]} {statuses.count(status)}×" for status in shown)
        if shown == ["pass"]:
            return SHOWN["pass"]
        return f"{SHOWN[shown[0]]} {notes.number(found[-1]['message'])}"

    def median(self, code):
        return statistics.median(verdict.get("seconds") or 0.0 for verdict in self.verdicts.get(code, [{}]))


class Notes:
    """Reasons, each with its number."""

    def __init__(self):
        self.texts = []

    def number(self, text):
        text = " ".join((text or "").split()).replace("|", "\\|")
        if text not in self.texts:
            self.texts.append(text)
        return f"({self.texts.index(text) + 1})"


def table(rows):
    yield "| " + " | ".join(rows[0]) + " |"
    yield "|" + "---|" * len(rows[0])
    for row in rows[1:]:
        yield "| " + " | ".join(row) + " |"


def seconds(value):
    return "under 1" if value < 1 else f"{value:.0f}"


def render(columns):
    codes = list(dict.fromkeys(code for column in columns for code in column.verdicts))
    heads = [f"torch {column.torch}, Python {column.version}" for column in columns]
    notes = Notes()
    cells = [["test", *heads]] + [[f"`{code}`", *(c.cell(code, notes) for c in columns)] for code in codes]
    slow = [code for code in codes if max(column.median(code) for column in columns) >= 1]
    times = [["test", *heads]] + [[f"`{code}`", *(seconds(c.median(code)) for c in columns)] for code in slow]
    times.append(["the whole suite", *(f"{column.seconds:.0f}" for column in columns)])
    yield GENERATED
    yield ""
    yield f"Made by `python scripts/run_smoke_matrix.py` on {datetime.date.today()}: {sys.platform}, {os.cpu_count()} cores,"
    devices = sorted({str(document["device"]) for column in columns for document in column.documents})
    rounds = sorted({len(column.documents) for column in columns})
    yield f"device {', '.join(devices)}; rounds: {' to '.join(str(count) for count in rounds)}."
    yield ""
    yield from table(cells)
    yield ""
    yield from (f"({number}) {text}  " for number, text in enumerate(notes.texts, 1))
    yield ""
    yield "## Seconds"
    yield ""
    yield "Medians, rounded; only tests that take a second somewhere. The machine was shared while they ran."
    yield ""
    yield from table(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", nargs="+")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], help="pass on to envtool smoke; can be repeated")
    parser.add_argument("--write", metavar="FILE", help="the page to write; without it, stdout")
    arguments = parser.parse_args()
    options = [part for name in arguments.only for part in ("--only", name)]
    documents = rounds_of(arguments.python, arguments.rounds, options)
    columns = [Column(python, documents[python]) for python in arguments.python]
    text = "\n".join(render(columns)) + "\n"
    if not arguments.write:
        print(text, end="")
        return
    above = "# Where the smoke tests have run\n\n"
    if os.path.exists(arguments.write):
        with open(arguments.write, encoding="utf-8") as file:
            above = file.read().split(GENERATED)[0]
    with open(arguments.write, "w", encoding="utf-8", newline="\n") as file:
        file.write(above + text)


if __name__ == "__main__":
    main()
