"""Compare envtool/data/pci.toml, row by row, with a copy of the PCI ID Repository.

    python scripts/check_pci_table.py /usr/share/misc/pci.ids

A distribution's copy may be older than the table: an id that it lacks is an error unless --older is given.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from envtool.data import read_table

BRANDS = {"intel", "nvidia", "amd"}
Ids = dict[tuple[str, str], str]


def read_pci_ids(path: str) -> tuple[Ids, str]:
    ids: Ids = {}
    vendor, date = "", ""
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("C "):  # the list of classes follows the last vendor
                break
            if found := re.match(r"#\s+Date:\s+(\S+)", line):
                date = found[1]
            elif found := re.match(r"([0-9a-f]{4})  ", line):
                vendor = found[1]
            elif found := re.match(r"\t([0-9a-f]{4})  (.*)", line):
                ids[vendor, found[1]] = found[2].strip()
    return ids, date


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def row_problems(family: dict[str, Any], device: str, name: str, ids: Ids, older: bool) -> list[str]:
    vendor = family["vendor"]
    listed = ids.get((vendor, device))
    if listed is None:
        return [] if older else [f"{vendor}:{device} {name!r}: the repository has no such id"]
    if "name_source" in family:
        code_name = re.search(r"\(([A-Za-z]+)", name)
        strange = code_name and not listed.lower().startswith(code_name[1].lower())
        return [f"{vendor}:{device} {name!r}: the repository says {listed!r}"] if strange else []
    missing = words(name) - BRANDS - words(listed)
    return [f"{vendor}:{device} {name!r}: {sorted(missing)} not in {listed!r}"] if missing else []


def range_problems(family: dict[str, Any], ids: Ids) -> list[str]:
    problems = []
    for text in family.get("ranges", ()):
        first, last = (int(end, 16) for end in text.split("-"))
        inside = {d: n for (v, d), n in ids.items() if v == family["vendor"] and first <= int(d, 16) <= last}
        if not inside:
            problems.append(f"{family['chip']}, {text}: the repository has no id in that range")
        problems += [
            f"{family['chip']}, {text}: {device} is {name!r}, no {family['code_name']}"
            for device, name in inside.items()
            if not name.startswith(family["code_name"])
        ]
    return problems


def main(arguments: list[str]) -> int:
    older = "--older" in arguments
    paths = [argument for argument in arguments if not argument.startswith("--")]
    if len(paths) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    ids, date = read_pci_ids(paths[0])
    table: dict[str, Any] = read_table("pci.toml")
    problems: list[str] = []
    rows = 0
    for family in table["family"]:
        problems += range_problems(family, ids)
        for device, name in family["cards"].items():
            rows += 1
            problems += row_problems(family, device, name, ids, older)
    for problem in problems:
        print(problem)
    print(f"{rows} rows, {len(problems)} problems, against the PCI ID Repository of {date}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
