"""Compare envtool, uv and light-the-torch on described machines, against one package index on loopback."""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from compare import tools  # noqa: E402
from compare.index import Loopback  # noqa: E402
from compare.judge import BROKEN, Answer, Judge, Rows, Verdict  # noqa: E402
from compare.machines import MACHINES, Described  # noqa: E402
from compare.page import NOT_RUN, Row, differing, page, summary, table  # noqa: E402
from compare.wheels import shelf  # noqa: E402

from envtool.catalog import load  # noqa: E402

PAGE = os.path.join(os.path.dirname(HERE), "docs", "explanation", "compared-with-other-pickers.md")
DATA = os.path.join(os.path.dirname(HERE), "envtool", "data")


def compare(machines: Sequence[Described], uv: str, ltt: str | None, *, unverified: bool = False) -> list[Row]:
    """Every tool on every machine, judged."""
    rows = Rows.read(DATA)
    judge = Judge(rows, unverified=unverified)
    folder = tempfile.mkdtemp(prefix="compare-pickers-")
    try:
        with Loopback(shelf(load(), unverified=unverified), folder) as loopback:
            bench = tools.Bench(loopback, folder, rows, uv, ltt)
            with ThreadPoolExecutor(max_workers=2) as pool:
                return list(pool.map(lambda machine: _row(bench, judge, machine), machines))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _row(bench: tools.Bench, judge: Judge, machine: Described) -> Row:
    answers = {"envtool": tools.envtool(bench, machine), "uv": tools.uv(bench, machine)}
    answers["light-the-torch"] = tools.light_the_torch(bench, machine) if bench.ltt else Answer(how=NOT_RUN)
    verdicts = {name: _verdict(judge, machine, answer) for name, answer in answers.items()}
    return Row(machine, judge.best(machine), answers, verdicts)


def _verdict(judge: Judge, machine: Described, answer: Answer) -> Verdict:
    if answer.how.startswith(NOT_RUN):
        return Verdict(NOT_RUN, answer.how)
    return judge.verdict(machine, answer)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 where envtool's own answer is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page in docs/explanation")
    parser.add_argument("--only", action="append", default=[], metavar="KEY", help="only these rows, such as B10")
    parser.add_argument("--uv", default=shutil.which("uv"), help="the uv to run")
    parser.add_argument("--ltt-python", help="a Python that has light-the-torch; else one is made")
    options = parser.parse_args(arguments)
    machines = [m for m in MACHINES if not options.only or m.key in options.only]
    if not machines:
        parser.error(f"no such row; there are {', '.join(m.key for m in MACHINES)}")
    if not options.uv:
        parser.error("uv is not on the path; name it with --uv")
    if os.path.exists("/sys/module/nvidia/version"):
        parser.error("this machine has an NVIDIA driver, which uv would ask before the described one")
    with tempfile.TemporaryDirectory(prefix="ltt-") as folder:
        ltt, problem = (options.ltt_python, "") if options.ltt_python else tools.make_ltt(folder)
        note = f"light-the-torch could not be run: {problem}" if ltt is None else ""
        sure = compare(machines, options.uv, ltt)
        print(summary(sure), table(sure), note, sep="\n\n")
        if options.write:
            planned = compare(machines, options.uv, ltt, unverified=True)
            print(summary(planned), differing(sure, planned), sep="\n\n")
            _write(sure, planned, options.uv, ltt, note)
    return int(any(row.verdicts["envtool"].word == BROKEN for row in sure))


def _write(sure: list[Row], planned: list[Row], uv: str, ltt: str | None, note: str) -> None:
    versions = tools.versions(uv, ltt)
    today = datetime.date.today().isoformat()
    with open(PAGE, "w", encoding="utf-8", newline="\n") as file:
        file.write(page(sure, planned, versions, today, load().date, note))


if __name__ == "__main__":
    raise SystemExit(main())
