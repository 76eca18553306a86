#!/usr/bin/env python3
"""How often `envtool doctor --symptom` names the right cause, on messages whose cause is known: tests/symptoms/.

    python scripts/measure_symptoms.py [--list] [--check]

Writes the numbers into docs/explanation/symptoms.md. `--list` prints what is not named first; `--check` writes nothing
and exits 1 where the page has other numbers.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if ROOT not in sys.path:
    sys.path.append(ROOT)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from envtool.symptoms import candidates, normal  # noqa: E402

FOLDER = os.path.join(ROOT, "tests", "symptoms")
PAGE = os.path.join(ROOT, "docs", "explanation", "symptoms.md")
MARKS = re.compile(r"(<!-- measured -->\n).*(<!-- end -->\n)", re.DOTALL)
SETS = {
    "catalogue": "the catalogue's own words, one for each failure; the patterns were written with them in sight",
    "development": "public threads that the patterns were tuned with",
    "first_held_out": "public threads collected after the patterns were frozen for the first time, and tuned with then",
    "held_out": "public threads collected after they were frozen for good, never tuned with",
}
SHOWN = 3


def cases(name: str) -> list[dict[str, str]]:
    with open(os.path.join(FOLDER, f"{name}.toml"), "rb") as file:
        found: list[dict[str, str]] = tomllib.load(file)["case"]
    return found


def named(text: str) -> list[str]:
    """The codes that a person is shown, before anything is looked at."""
    return [candidate.failure.code for candidate in candidates(normal(text))[:SHOWN]]


def measured(name: str) -> tuple[Counter[str], list[str]]:
    tally: Counter[str] = Counter()
    misses = []
    for case in cases(name):
        codes = named(case["text"])
        tally["all"] += 1
        tally["first"] += codes[:1] == [case["cause"]]
        tally["shown"] += case["cause"] in codes
        tally["silent"] += not codes
        if codes[:1] != [case["cause"]]:
            misses.append(f"{name}: {case['cause']}, named {', '.join(codes) or 'nothing'} ({case.get('url', '')})")
    return tally, misses


def share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.0f} %)"


def block(tallies: dict[str, Counter[str]]) -> str:
    rows = [
        "| messages | how many | right cause first | among the three shown | nothing named |",
        "|---|---|---|---|---|",
    ]
    for name, words in SETS.items():
        t = tallies[name]
        rows.append(
            f"| {words} | {t['all']} | {share(t['first'], t['all'])} | {share(t['shown'], t['all'])} | {t['silent']} |"
        )
    return "\n" + "\n".join(rows) + "\n\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", dest="told", help="print what is not named first")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page has other numbers")
    options = parser.parse_args(arguments)
    tallies = {}
    for name in SETS:
        tallies[name], misses = measured(name)
        if options.told:
            print("\n".join(misses))
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    new = MARKS.sub(lambda match: match[1] + block(tallies) + match[2], page)
    if options.check:
        return int(new != page)
    with open(PAGE, "w", encoding="utf-8", newline="\n") as file:
        file.write(new)
    print(block(tallies).strip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
