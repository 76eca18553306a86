#!/usr/bin/env python3
"""How often `envtool device` is right: its answers beside lines that were read and labelled by hand.

    python scripts/measure_device_precision.py CLONES [--list]

CLONES holds a work tree of each repository, as OWNER__NAME or OWNER/NAME, at the commit in the labels. A label is
`yes` (the line names a device), `cpu` (it names the CPU only to bring a result back or to load a file there) or `no`.
The set is `tuned` where the rules were made with a look at the repository, `held-out` where it was labelled afterwards.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if ROOT not in sys.path:
    sys.path.append(ROOT)

from envtool.device import find  # noqa: E402
from envtool.device.place import Found  # noqa: E402

LABELS = os.path.join(ROOT, "tests", "device_samples", "labels.csv")
Spot = tuple[str, int | None, int]


@dataclass
class Tally:
    """One repository, or all of them. ``told``: a line labelled yes that stands in what could not be read."""

    files: int = 0
    places: int = 0
    unread: int = 0
    seconds: float = 0.0
    right: int = 0
    right_cpu: int = 0
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    silent: int = 0

    def add(self, other: Tally) -> None:
        for name in self.__dict__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def read_labels() -> dict[tuple[str, str, str], dict[Spot, str]]:
    found: dict[tuple[str, str, str], dict[Spot, str]] = {}
    with open(LABELS, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            spot = (row["path"], int(row["cell"]) if row["cell"] else None, int(row["line"]))
            assert row["label"] in ("yes", "cpu", "no"), row
            found.setdefault((row["set"], row["repository"], row["commit"]), {})[spot] = row["label"]
    return found


def folder_of(clones: str, repository: str, commit: str) -> str | None:
    for name in (repository.replace("/", "__"), repository):
        folder = os.path.join(clones, name)
        if os.path.isdir(folder):
            head = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True)
            if head.returncode == 0 and head.stdout.strip() != commit and os.path.exists(os.path.join(folder, ".git")):
                print(f"{repository}: at {head.stdout.strip()}, labelled at {commit}", file=sys.stderr)
                return None
            return folder
    print(f"{repository}: not in {clones}", file=sys.stderr)
    return None


def judge(found: Found, labels: dict[Spot, str], repository: str) -> Tally:
    tally = Tally(len(found.files), len(found.places), len(found.skipped))
    hits = {(place.file, place.cell, place.line) for place in found.places}
    unread = {(skipped.file, skipped.cell) for skipped in found.skipped}
    for spot, label in labels.items():
        where = f"{repository} {spot[0]}{f' cell {spot[1]}' if spot[1] else ''} line {spot[2]}"
        if spot in hits:
            tally.right += label == "yes"
            tally.right_cpu += label == "cpu"
            tally.wrong += [where] * (label == "no")
        elif label == "no":
            tally.silent += 1
        else:
            (tally.told if spot[:2] in unread else tally.missed).append(where)
    return tally


def row(name: str, tally: Tally) -> str:
    cells = (
        tally.files, tally.places, tally.unread, tally.right + tally.right_cpu, tally.right_cpu, len(tally.wrong),
        len(tally.missed), len(tally.told), tally.silent, f"{tally.seconds:.1f}",
    )  # fmt: skip
    return f"| {name} | " + " | ".join(map(str, cells)) + " |"


def share(part: int, whole: int) -> str:
    return f"{part} of {whole} = {100 * part / whole:.1f} %" if whole else "nothing to measure"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", metavar="CLONES")
    parser.add_argument("--list", action="store_true", help="also each line that was judged wrongly")
    options = parser.parse_args()
    sets: dict[str, Tally] = {}
    print(
        "| repository | files | places | not read | right | of them to the CPU | wrong | missed | told as unread "
        "| rightly silent | s |"
    )
    print("|---" * 11 + "|")
    clones = os.path.abspath(options.clones)
    for (name, repository, commit), labels in read_labels().items():
        folder = folder_of(clones, repository, commit)
        if folder is None:
            continue
        os.chdir(folder)
        begun = time.perf_counter()
        found = find(".")
        tally = judge(found, labels, repository)
        tally.seconds = time.perf_counter() - begun
        print(row(f"{repository} `{commit[:10]}`", tally))
        sets.setdefault(name, Tally()).add(tally)
    total = Tally()
    for name, tally in sets.items():
        print(row(f"all that are {name}", tally))
        total.add(tally)
    for name, tally in sets.items():
        right = tally.right + tally.right_cpu
        print(f"\n{name}: precision {share(right, right + len(tally.wrong))}", end="")
        print(f"; recall {share(right, right + len(tally.missed))}; told as unread: {len(tally.told)}")
    if options.list:
        for word, lines in (("wrong", total.wrong), ("missed", total.missed), ("told", total.told)):
            for line in lines:
                print(f"{word}: {line}")
    return 0 if total.right else 1


if __name__ == "__main__":
    sys.exit(main())
