#!/usr/bin/env python3
"""Write envtool/data/colab.toml from a clone of github.com/googlecolab/backend-info.

    git clone https://github.com/googlecolab/backend-info
    python scripts/read_colab_versions.py backend-info

The newest commit is the runtime that a notebook gets; the README names the commits of the past runtimes that a
notebook may be held to.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from urllib.parse import unquote

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.path.join(ROOT, "envtool", "data", "colab.toml")
REPOSITORY = "https://github.com/googlecolab/backend-info"
PAST = re.compile(r"^### (\d{4}\.\d{2})$.*?/tree/([0-9a-f]{40})", re.MULTILINE | re.DOTALL)
HEAD = """\
# What Colab's runtimes hold, as Google publishes it: Python and its packages, on a runtime with a GPU.
# "latest" is what a notebook gets; the others are the past versions that a notebook can be held to.
# Colab may be a day or two behind the repository. Made by scripts/read_colab_versions.py; `envtool setup colab
# --colab-versions FILE` goes by another file of this form, or by what `pip freeze` prints on Colab.
"""


def git(clone: str, *words: str) -> str:
    done = subprocess.run(["git", "-C", clone, *words], capture_output=True, encoding="utf-8", check=True)
    return done.stdout


def first(clone: str, commit: str, names: tuple[str, ...]) -> tuple[str, str]:
    """The first of these files that the commit has: its name and its text."""
    there = git(clone, "ls-tree", "--name-only", commit).split()
    name = next(name for name in names if name in there)
    return name, git(clone, "show", f"{commit}:{name}")


def packages(text: str) -> list[str]:
    """Each package as "name==version"; of an address, the version that the wheel's name has."""
    found = []
    for line in text.splitlines():
        pinned = re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)", line)
        wheel = re.fullmatch(
            r"([A-Za-z0-9._-]+) @ \S*/[A-Za-z0-9._]+-([^-/]+?)(?:-[^/]*\.whl|\.tar\.gz)(?:#\S*)?", line
        )
        match = pinned or wheel
        if match:
            found.append(f"{match[1]}=={unquote(match[2])}")
        elif line and not line.startswith("#"):
            print(f"left out: {line}", file=sys.stderr)
    return sorted(found, key=str.lower)


def runtime(clone: str, name: str, commit: str) -> str:
    file, freeze = first(clone, commit, ("pip-freeze.gpu.txt", "pip-freeze.txt"))
    _, system = first(clone, commit, ("os-info-gpu.txt", "os-info.txt"))
    python = re.search(r"^Python (\d+\.\d+\.\d+)$", system, re.MULTILINE)
    assert python, f"{commit}: no Python"
    date = git(clone, "show", "--no-patch", "--format=%cs", commit).strip()
    lines = "\n".join(packages(freeze))
    return (
        f"\n[[runtime]]\nname = '{name}'\ndate = '{date}'\nsource = '{REPOSITORY}/blob/{commit}/{file}'\n"
        f"python = '{python[1]}'\npackages = '''\n{lines}\n'''\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clone", help="a clone of googlecolab/backend-info")
    clone = parser.parse_args().clone
    newest = git(clone, "rev-parse", "HEAD").strip()
    past = PAST.findall(git(clone, "show", "HEAD:README.md"))
    texts = [runtime(clone, name, commit) for name, commit in (("latest", newest), *past)]
    with open(TARGET, "w", encoding="utf-8", newline="\n") as file:
        file.write(HEAD + "".join(texts))
    print(f"{len(texts)} runtimes: latest, {', '.join(name for name, _ in past)}")


if __name__ == "__main__":
    main()
