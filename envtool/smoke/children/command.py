"""The command line of the runner by itself: text, JSON or a line of JSON for each event, and exit codes."""

import argparse
import json
import sys
import textwrap
import time

import families
import supervisor

TIMEOUT = 300.0
DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")
MARKS = {"pass": "ok", "skip": "--", "warn": "warn", "fail": "FAIL", "unknown": "?"}
SEVERITY = ("fail", "warn", "unknown", "pass", "skip")
CODE = "smoke-"


def options(arguments):
    parser = argparse.ArgumentParser(prog="smoke", description="Smoke tests of PyTorch in the Python that runs this.")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="the device under test; auto: the best one")
    parser.add_argument("--quick", action="store_true", help="only those tests that take no time")
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="a test or a family; repeatable")
    parser.add_argument("--list", action="store_true", help="list the tests and run none")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--events", action="store_true", help="a line of JSON for each thing that happens")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, metavar="SECONDS", help="for the whole run")
    return parser.parse_args(arguments)


def chosen(tests, quick, only):
    """The tests that are asked for, and a complaint. torch and the device come first in any run."""
    wanted = set()
    for name in only:
        plain = name[len(CODE) :] if name.startswith(CODE) else name
        found = [test.code for test in tests if plain in (test.code, test.family)]
        if not found:
            names = ", ".join(dict.fromkeys(test.family for test in tests))
            return [], "there is no test and no family called %r; the families are %s" % (name, names)
        wanted.update(found)
    kept = [
        test
        for test in tests
        if test.code in ("torch", "device") or ((not only or test.code in wanted) and (test.quick or not quick))
    ]
    return kept, None


class Report:
    """What was told of a run."""

    def __init__(self, tests):
        self.tests = tests
        self.ended = {}
        self.device = {}
        self.torch = None
        self.started = time.monotonic()

    def take(self, event):
        if event["event"] == "end":
            self.ended[event["code"]] = event
            if event["code"] == "torch":
                self.torch = (event.get("evidence") or {}).get("version")
        elif event["event"] == "device":
            self.device = event

    def verdicts(self):
        return [verdict(test, self.ended[test.code]) for test in self.tests if test.code in self.ended]

    def status(self):
        found = {one["status"] for one in self.verdicts()}
        return "fail" if "fail" in found else "warn" if found & {"warn", "unknown"} else "pass"

    def next_step(self):
        for status in ("fail", "warn"):
            for one in self.verdicts():
                if one["status"] == status:
                    return one["hint"]
        return None

    def document(self):
        return {
            "schema": "envtool.smoke/1",
            "status": self.status(),
            "python": sys.executable,
            "torch": self.torch,
            "device": self.device.get("device"),
            "device_name": self.device.get("name"),
            "seconds": round(time.monotonic() - self.started, 3),
            "verdicts": self.verdicts(),
            "next_step": self.next_step(),
        }


def verdict(test, event):
    bad = event["status"] in ("fail", "warn")
    evidence = dict(event.get("evidence") or {})
    if event.get("lines"):
        evidence["lines"] = event["lines"]
    return {
        "code": CODE + test.code,
        "title": test.sentence,
        "family": test.family,
        "status": event["status"],
        "message": event.get("message") or test.sentence,
        "hint": (event.get("mend") or test.mend) if bad else None,
        "seconds": None if event.get("seconds") is None else round(event["seconds"], 4),
        "evidence": evidence,
    }


# ── text ─────────────────────────────────────────────────────────────────────────────────────────


def hanging(lead, text):
    lines = textwrap.wrap(text, 80 - len(lead), break_long_words=False, break_on_hyphens=False) or [""]
    return lead + ("\n" + " " * len(lead)).join(lines)


def family_lines(verdicts):
    rows, left_out = [], {}
    for family in dict.fromkeys(one["family"] for one in verdicts):
        mine = [one for one in verdicts if one["family"] == family]
        found = [one["status"] for one in mine]
        reasons = {one["message"] for one in mine}
        if found.count("skip") == len(mine) and len(reasons) == 1 and len(mine) > 1:
            left_out.setdefault(reasons.pop(), []).append(family)
            continue
        worst = next(status for status in SEVERITY if status in found)
        words = {"pass": "passed", "skip": "skipped", "fail": "failed", "warn": "with a warning", "unknown": "not run"}
        parts = ["%d %s" % (found.count(status), words[status]) for status in SEVERITY if status in found]
        seconds = sum(one["seconds"] or 0.0 for one in mine)
        rows.append("%-5s %-10s %-32s %6.1f s" % (MARKS[worst], family, ", ".join(parts), seconds))
    rows += [hanging("--    ", "%s: skipped, %s" % (", ".join(names), why)) for why, names in left_out.items()]
    return "\n".join(rows)


def why_the_cpu(reasons):
    """What is in the way of an accelerator that this torch is built for."""
    return "".join("; %s: %s" % (kind, why) for kind, why in reasons.items() if "is built without" not in why)


def text(report):
    document = report.document()
    verdicts = document["verdicts"]
    device = " ".join(part for part in (document["device"], document["device_name"]) if part) or "none was reached"
    if document["device"] == "cpu":
        device += why_the_cpu(report.device.get("reasons") or {})
    torch = document["torch"] or "does not import"
    head = "Python   %s\nPyTorch  %s\n%s" % (document["python"], torch, hanging("Device   ", device))
    blocks = [head, family_lines(verdicts)]
    for one in verdicts:
        if one["status"] in ("fail", "warn"):
            lines = ["%-5s %s" % (MARKS[one["status"]], one["code"]), hanging(" " * 6, one["title"])]
            lines.append(hanging(" " * 6, one["message"]))
            lines.append(hanging("      Mend: ", one["hint"]))
            blocks.append("\n".join(lines))
    counts = {status: sum(one["status"] == status for one in verdicts) for status in SEVERITY}
    said = "%d smoke tests passed, %d skipped, in %.1f s." % (counts["pass"], counts["skip"], document["seconds"])
    if document["status"] == "fail":
        said = "%d of %d smoke tests failed." % (counts["fail"], len(verdicts))
    blocks.append(said)
    return "\n\n".join(blocks) + "\n"


def listing(tests):
    rows = []
    for test in tests:
        rows.append(hanging("%-10s %-22s " % (test.family, test.code), test.sentence))
    return "\n".join(rows) + "\n"


def described(tests):
    keys = ("code", "family", "sentence", "mend", "quick", "limit", "fresh")
    return [{key: getattr(test, key) for key in keys} for test in tests]


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def write(words):
    stream = sys.stdout
    stream.write(words.encode(stream.encoding or "ascii", "replace").decode(stream.encoding or "ascii", "replace"))
    stream.flush()


def progress(test):
    if sys.stderr.isatty():
        sys.stderr.write("\r%-60s\r" % (test + " ..." if test else ""))
        sys.stderr.flush()


def main(arguments):
    asked = options(arguments)
    tests = families.tests()
    kept, complaint = chosen(tests, asked.quick, asked.only)
    if complaint:
        sys.stderr.write("error: %s\n" % complaint)
        return 2
    if asked.list:
        rows = described(kept)
        document = {"event": "tests", "tests": rows} if asked.events else rows
        write(json.dumps(document) + "\n" if asked.json or asked.events else listing(kept))
        return 0
    return run(kept, asked)


def run(tests, asked):
    supervisor.listen_for_the_end()
    report = Report(tests)

    def tell(event):
        report.take(event)
        if asked.events:
            write(json.dumps(event) + "\n")
        elif event["event"] == "begin":
            progress(event["code"])

    if asked.events:
        write(json.dumps({"event": "hello", "python": sys.executable, "tests": described(tests)}) + "\n")
    try:
        good = supervisor.Run(tests, asked.device, asked.timeout, tell).go()
    except supervisor.Interrupted:
        sys.stderr.write("error: interrupted\n")
        return 130
    except BrokenPipeError:  # nobody listens any more
        return 130
    except OSError as error:  # no room for a folder, or for a process
        sys.stderr.write("error: the tests can't be run: %s\n" % error)
        return 4
    if asked.events:
        write(json.dumps({"event": "done", "seconds": time.monotonic() - report.started}) + "\n")
    else:
        progress(None)
        write(json.dumps(report.document(), indent=2) + "\n" if asked.json else text(report))
    return 0 if good else 1
