#!/usr/bin/env python3
"""Read repodata of conda-forge and compare it with the rows of conda.toml.

    python scripts/read_conda_slice.py CHANNEL          what contradicts the rows, or that they agree
    python scripts/read_conda_slice.py CHANNEL --print  the builds of pytorch, torchvision and torchaudio that are there

CHANNEL is a folder with <subdir>/repodata.json or <subdir>/repodata.json.zst (needs the package zstandard). A slice
of the channel will do: what it lacks contradicts nothing, but a row that says it was seen there must be there.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROWS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "envtool", "data", "conda.toml")
SUBDIRS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
OLDEST = (2, 4)  # conda.toml begins with torch 2.4


class Record(NamedTuple):
    """One build: what its name and its dependencies say of it."""

    package: str
    version: str
    subdir: str
    variant: str
    arm: str | None
    python: str
    torch: tuple[int, ...] | None  # a companion's oldest torch; it ends with that minor version
    torch_build: str | None  # "cpu*", "cuda*", "cuda126*"
    floor: tuple[str, tuple[int, ...]] | None  # ("glibc", (2, 28))


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def repodata(channel: str, subdir: str) -> dict[str, object]:
    """A subdir's index, unpacked; empty where the channel has no such subdir."""
    path = os.path.join(channel, subdir, "repodata.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    if not os.path.exists(f"{path}.zst"):
        return {}
    import zstandard

    with open(f"{path}.zst", "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as unpacked:
        return json.loads(unpacked.read())


def records(channel: str) -> Iterator[Record]:
    for subdir in SUBDIRS:
        index = repodata(channel, subdir)
        for table in ("packages", "packages.conda"):
            for raw in (index.get(table) or {}).values():
                if raw["name"] in {"pytorch", "torchvision", "torchaudio"}:
                    yield record(raw, subdir)


def record(raw: dict, subdir: str) -> Record:
    """pytorch 2.13.0 cuda129_mkl_py312_h0509a7e_302, torchvision 0.19.1 cuda118py311hc969a9e_0."""
    variant = re.match(r"cpu|cuda\d{3}", raw["build"])
    python = re.search(r"py(\d)(\d+)", raw["build"])
    if variant is None or python is None:
        raise SystemExit(f"{raw['name']} {raw['version']}: what does the build {raw['build']!r} mean?")
    depends = raw["depends"]
    low = next((m[1] for d in depends if (m := re.match(r"pytorch >=([\d.]+)", d))), None)
    build = next((m[1] for d in depends if (m := re.match(r"pytorch \S+ (c\S+)", d))), None)
    floor = next((m for d in depends if (m := re.match(r"__(glibc|osx) >=([\d.]+)", d))), None)
    return Record(
        raw["name"], raw["version"], subdir, variant[0], "tegra" if "arm-variant * tegra" in depends else None,
        f"{python[1]}.{python[2]}", numbers(low) if low and raw["name"] != "pytorch" else None, build,
        ("macos" if floor[1] == "osx" else "glibc", numbers(floor[2])) if floor else None,
    )  # fmt: skip


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


def row_of(found: Record, rows: dict) -> list[dict]:
    """The rows that tell of a record."""
    words = {"version": found.version, "variant": found.variant, "arm": found.arm}
    if found.package == "pytorch":
        return [
            row for row in rows["pytorch"]
            if found.version in row["torch"].split() and row["subdir"] == found.subdir
            and (row["variant"], row.get("arm")) == (found.variant, found.arm)
        ]  # fmt: skip
    return [
        row for row in rows["companion"]
        if row["package"] == found.package and found.subdir in row["subdirs"].split()
        and all(row.get(name) == word for name, word in words.items())
        and any(numbers(torch)[:2] == found.torch[:2] for torch in row["torch"].split())
    ]  # fmt: skip


def contradictions(found: Record, rows: dict) -> Iterator[str]:
    """What conda.toml says otherwise about a record."""
    name = f"{found.package} {found.version} ({found.variant}, Python {found.python}, {found.subdir})"
    if (found.torch or numbers(found.version))[:2] < OLDEST:
        return
    told = row_of(found, rows)
    if len(told) != 1:
        yield f"{name}: {len(told)} rows tell of it"
        return
    (row,) = told
    if found.python not in row["python"].split():
        yield f"{name}: the row has Python {row['python']}"
    if "cf-slice" not in row["source"].split() or not row["verified"]:
        yield f"{name}: the row does not say that it was seen"
    for torch in row["torch"].split() if found.torch else ():
        if numbers(torch) < found.torch or numbers(torch)[:2] != found.torch[:2]:
            yield f"{name}: needs torch {found.torch} of that minor version; the row has {torch}"
    for variant in row.get("beside", row["variant"]).split():
        if found.torch_build and not variant.startswith(found.torch_build.rstrip("*")):
            yield f"{name}: needs a torch of {found.torch_build}, the row has it beside {variant}"


def unseen(all_records: list[Record], rows: dict) -> Iterator[str]:
    """Rows that say they were seen, of which no record is there."""
    for table, package in (("pytorch", "pytorch"), ("companion", None)):
        for row in rows[table]:
            if "cf-slice" not in row["source"].split():
                continue
            mine = [r for r in all_records if r.package == (package or row["package"]) and row in row_of(r, rows)]
            for version in row["torch"].split() if package else [row["version"]]:
                for subdir in row.get("subdir", row.get("subdirs", "")).split():
                    if not any(r.version == version and r.subdir == subdir for r in mine):
                        yield f"{package or row['package']} {version} ({row['variant']}, {subdir}) was not seen"


def floors(all_records: list[Record], rows: dict) -> Iterator[str]:
    """A row's floor is never below what every record of it asks for by itself; libraries may ask for more."""
    for row in rows["pytorch"]:
        for version in row["torch"].split():
            asked = [r.floor for r in all_records if r.package == "pytorch" and r.version == version
                     and row in row_of(r, rows) and r.floor]  # fmt: skip
            if asked:
                name, lowest = min(asked)
                if numbers(row[name]) < lowest:
                    yield f"pytorch {version} ({row['variant']}, {row['subdir']}): all records need {name} {lowest}"


def check(channel: str, path: str = ROWS) -> tuple[int, list[str]]:
    """How many records were read, and what they contradict."""
    with open(path, "rb") as file:
        rows = tomllib.load(file)
    found = list(records(channel))
    problems = [problem for one in found for problem in contradictions(one, rows)]
    return len(found), [*dict.fromkeys(problems), *unseen(found, rows), *floors(found, rows)]


def show(channel: str) -> None:
    pythons: dict[tuple, set[str]] = {}
    for r in records(channel):
        torch = f"{r.torch[0]}.{r.torch[1]}" if r.torch else ""
        pythons.setdefault((r.package, numbers(r.version), r.version, torch, r.subdir, r.variant), set()).add(r.python)
    for (package, _, version, torch, subdir, variant), seen in sorted(pythons.items()):
        beside = f" for torch {torch}" if torch else ""
        print(f"{package} {version}{beside}  {subdir}  {variant}  Python {' '.join(sorted(seen, key=numbers))}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("channel", help="folder with <subdir>/repodata.json[.zst]")
    parser.add_argument("--print", action="store_true", dest="show", help="print the builds instead of comparing")
    options = parser.parse_args()
    if options.show:
        show(options.channel)
        return 0
    count, problems = check(options.channel)
    if not count:
        problems = [f"no pytorch under {options.channel}"]
    print("\n".join(problems) or f"{count} records agree with conda.toml")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
