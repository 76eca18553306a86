"""Compare envtool with env-doctor, cuda-doctor, ai-infradr, rigsolve and collect_env on the same broken environments."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from compare.doctors import page, rule, tools  # noqa: E402
from compare.doctors.page import Row  # noqa: E402
from compare.doctors.rooms import Builder, CannotMakeError  # noqa: E402
from compare.doctors.rule import Case, Said, Verdict  # noqa: E402

PAGE = os.path.join(os.path.dirname(HERE), "docs", "explanation", "compared-with-other-doctors.md")
DATA = os.path.join(HERE, "compare", "doctors", "cases.toml")
SAID = "said.json"


def read(path: str = DATA) -> dict[str, Any]:
    """The cases and what they are made of."""
    try:
        import tomllib
    except ImportError:  # Python 3.10
        import tomli as tomllib  # type: ignore[import-not-found,no-redef]
    with open(path, "rb") as file:
        return tomllib.load(file)


Heard = dict[str, dict[str, list[Said]]]  # by case and tool


def listen(
    cases: Sequence[Case], builder: Builder, bench: tools.Bench, chosen: Sequence[str]
) -> tuple[Heard, dict[str, str]]:
    """What the tools say of every case, and why a case could not be made."""
    heard: Heard = {}
    problems = {}
    for case in cases:
        try:
            room = builder.make(case)
        except CannotMakeError as problem:
            problems[case.key] = str(problem)
            print(f"{case.key}: not made: {problem}", file=sys.stderr)
            continue
        print(f"{case.key} ...", file=sys.stderr, flush=True)
        heard[case.key] = {tool: bench.said(tool, case, room) for tool in chosen}
        shutil.rmtree(room.folder, ignore_errors=True)
    return heard, problems


def judged(cases: Sequence[Case], heard: Heard, problems: Mapping[str, str]) -> list[Row]:
    """By the rule, in the order of the cases."""
    rows = []
    for case in cases:
        said = heard.get(case.key)
        if said is None:
            rows.append(Row(case, {}, problems.get(case.key, "it was not run")))
            continue
        control = heard.get(case.control, {})
        rows.append(Row(case, {tool: _verdict(case, tool, said[tool], control.get(tool)) for tool in tools.TOOLS}))
    return rows


def _verdict(case: Case, tool: str, tries: Sequence[Said], control: Sequence[Said] | None) -> Verdict:
    if tool in case.unjudged:
        return Verdict(rule.UNJUDGED, case.unjudged[tool])
    return rule.judge(case, tools.MANNERS[tool], tries, control[0] if control else None)


def keep(folder: str, heard: Heard, problems: Mapping[str, str], about: Mapping[str, Any]) -> None:
    """Everything that was said, for ``--again``."""
    os.makedirs(folder, exist_ok=True)
    said = {key: {tool: [asdict(one) for one in tries] for tool, tries in row.items()} for key, row in heard.items()}
    with open(os.path.join(folder, SAID), "w", encoding="utf-8") as file:
        json.dump({"about": dict(about), "said": said, "problems": dict(problems)}, file, indent=1, ensure_ascii=False)


def kept(folder: str) -> tuple[Heard, dict[str, str], dict[str, Any]]:
    """What ``keep`` wrote."""
    with open(os.path.join(folder, SAID), encoding="utf-8") as file:
        document = json.load(file)
    said = document["said"].items()
    heard = {key: {tool: [Said(**one) for one in tries] for tool, tries in row.items()} for key, row in said}
    return heard, document["problems"], document["about"]


def transcripts(folder: str, rows: Sequence[Row], heard: Heard) -> None:
    """A file for each tool and case, to be read: the verdict, the words for which it fell, and all that was said."""
    for row in rows:
        for tool, verdict in row.verdicts.items():
            with open(os.path.join(folder, f"{row.case.key}.{tool}.txt"), "w", encoding="utf-8") as file:
                file.write(f"{verdict.word}: {verdict.why}\n\n")
                for one in heard[row.case.key][tool]:
                    file.write(f"$ {one.command}\n{one.text}[exit code {one.code}]\n\n")


def bases(document: Mapping[str, Any], needed: set[str], given: Sequence[str], make: str | None) -> dict[str, str]:
    """The torch environments by name: those that are given, and those needed ones that can be made."""
    found = dict(text.split("=", 1) for text in given)
    unknown = set(found) - set(document["base"])
    if unknown:
        raise SystemExit(f"no such base: {', '.join(sorted(unknown))}; there are {', '.join(document['base'])}")
    for name, wanted in document["base"].items():
        if name in needed and name not in found and make:
            place = os.path.join(make, name)
            problem = _make_base(wanted, place)
            if problem:
                print(f"the environment `{name}` can't be made: {problem}", file=sys.stderr)
            else:
                found[name] = place
    return {name: os.path.abspath(path) for name, path in found.items()}


def _make_base(wanted: Mapping[str, Any], place: str) -> str:
    uv = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))
    if uv is None:
        return "uv is not on the path"
    python = os.path.join(place, "bin", "python")
    install = [uv, "pip", "install", "--python", python]
    steps = [[*install, *wanted.get("options", []), *wanted["packages"]]]
    steps += [[*install, *wanted["then"]]] if "then" in wanted else []
    if os.path.exists(os.path.join(place, "complete")):
        return ""
    for step in ([uv, "venv", "--clear", "--python", wanted["python"], place], *steps):
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip()[-300:]
    with open(os.path.join(place, "complete"), "w", encoding="utf-8"):
        return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 where envtool is not right about every room that could be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", action="append", default=[], metavar="NAME=PREFIX", help="a torch environment")
    parser.add_argument("--make", metavar="DIR", help="make the torch environments that are not given here, with uv")
    parser.add_argument("--peers", metavar="DIR", help="where the other tools' packages are kept between runs")
    parser.add_argument("--rooms", metavar="DIR", help="where rooms are made; best on the disk of the environments")
    parser.add_argument("--envtool", metavar="PROGRAM", help="the envtool to run; else the one beside this Python")
    parser.add_argument("--only", action="append", default=[], metavar="KEY", help="only these cases")
    parser.add_argument("--keep", metavar="DIR", help="write what each tool said, with the verdict on top")
    parser.add_argument("--again", metavar="DIR", help="run nothing: judge anew what --keep wrote")
    parser.add_argument("--tool", action="append", choices=tools.TOOLS, help="with --again: run this tool anew")
    parser.add_argument("--write", action="store_true", help="write the page in docs/explanation")
    options = parser.parse_args(arguments)
    runs = bool(options.tool or not options.again)
    if runs and (not sys.platform.startswith("linux") or os.path.exists("/sys/module/nvidia/version")):
        parser.error("the rooms are made on Linux, without an NVIDIA driver of its own")
    document = read()
    cases = rule.cases(document)
    wanted = {*options.only, *(case.control for case in cases if case.key in options.only)}
    cases = [case for case in cases if not options.only or case.key in wanted]
    if options.tool and not options.again:
        parser.error("--tool needs what --keep wrote of the other tools, by --again")
    if set(options.only) - {case.key for case in cases}:
        parser.error(f"no such case; there are {', '.join(case.key for case in rule.cases(document))}")
    own = options.envtool or os.path.join(os.path.dirname(sys.executable), "envtool")
    heard, problems, about = kept(options.again) if options.again else ({}, {}, {})
    if runs:
        about = {"date": datetime.date.today().isoformat(), "versions": tools.versions(own)}
        for key, said in _heard(options, own, cases, document, problems).items():
            heard[key] = {**heard.get(key, {}), **said}
    rows = judged(cases, heard, problems)
    folder = options.keep or options.again
    if options.keep:
        keep(options.keep, heard, problems, about)
    if folder:
        transcripts(folder, rows, heard)
    print(page.summary(rows), page.table(rows), page.not_made(rows), sep="\n\n")
    if options.write:
        with open(PAGE, "w", encoding="utf-8", newline="\n") as file:
            file.write(page.page(rows, document, about["versions"], about["date"]))
    return int(any(row.verdicts and row.verdicts[tools.ENVTOOL].word != rule.RIGHT for row in rows))


def _heard(
    options: argparse.Namespace, own: str, cases: Sequence[Case], document: Mapping[str, Any], problems: dict[str, str]
) -> Heard:
    with tempfile.TemporaryDirectory(prefix="compare-doctors-", dir=options.rooms) as folder:
        needed = {name for case in cases for name in (case.base, *case.take[:1], *case.elsewhere[:1])}
        builder = Builder(folder, bases(document, needed, options.base, options.make), document["driver"])
        bench = tools.Bench(options.peers or os.path.join(folder, "peers"), [own])
        heard, found = listen(cases, builder, bench, options.tool or tools.TOOLS)
        problems.update(found)
        return heard


if __name__ == "__main__":
    raise SystemExit(main())
