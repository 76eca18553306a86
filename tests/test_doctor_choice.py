"""`envtool doctor --list`, `--only`, `--skip`, and what goes with what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envtool.checks import ALL, of_course
from envtool.cli.app import main
from envtool.cli.doctor_choice import select, with_needs
from envtool.examination import examine
from envtool.probe.recording import RecordedHost, recording_from_json
from envtool.verdicts import Status

MACHINES = Path(__file__).parent / "machines"


def machine(name: str) -> str:
    return str(MACHINES / f"{name}.json")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["doctor", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


class Counting(RecordedHost):
    """A recorded machine that remembers which programs were started."""

    def __init__(self, name: str) -> None:
        text = Path(machine(name)).read_text(encoding="utf-8")
        super().__init__(recording_from_json(json.loads(text)))
        self.started: list[str] = []

    def start(self, question, argv, **more):
        self.started.append(question)
        return super().start(question, argv, **more)


# ── the list ─────────────────────────────────────────────────────────────────────────────────────


def test_the_list_names_every_check_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--list")
    assert code == 0 and not err
    for check in (*ALL, *of_course()):
        assert any(line.split(maxsplit=1) == [check.code, check.title] for line in out.splitlines()), check.code
    assert "Lockfile" not in out


def test_the_list_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--list", "--json", "--only", "gpu", "--skip", "gpu-lost")
    rows = json.loads(out)["checks"]
    assert code == 0 and {row["group"] for row in rows} == {"GPU"}
    assert [row["code"] for row in rows] == [c.code for c in ALL if c.group == "GPU" and c.code != "gpu-lost"]
    assert all(set(row) == {"code", "title", "group", "needs", "url"} for row in rows)


# ── names ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("--only", "glibc-too-odl"), "no such check", "did you mean `--only glibc-too-old`?"),
        (("--skip", "sytem"), "no such check", "did you mean `--skip system`?"),
        (("--only", "qqqqqq"), "no such check", "`envtool doctor --list`"),
        (("--only", "lock-stale"), "`envtool check` has it", "--list"),
        (("--only", "spec-torch", "--no-spec"), "goes by an envtool.toml", "--spec FILE"),
        (("--only", "musl", "--skip", "System"), "no check is left", "--list"),
        (("--list", "--skip", "qqqqqq"), "no such check", "--list"),
    ],
)
def test_a_wrong_name_is_exit_2_with_the_nearest(capsys, arguments, message, hint) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2 and not out
    assert message in err and hint in err


def test_names_are_those_of_checks_or_groups_in_any_case() -> None:
    chosen = select(("MUSL", "Driver"), (), course=False)
    assert chosen is not None
    assert chosen.shown == {"musl"} | {c.code for c in ALL if c.group == "Driver"}
    everything_else = select((), ("musl",), course=False)
    assert everything_else is not None and everything_else.shown == {c.code for c in ALL} - {"musl"}


def test_all_that_is_needed_runs_too() -> None:
    by_code = {check.code: check for check in ALL}
    for check in ALL:
        wanted = with_needs([check.code], ALL)
        assert check.code in wanted
        assert all(set(by_code[code].needs) <= wanted for code in wanted)
        chosen = select((check.code,), (), course=False)
        assert chosen is not None and {c.code for c in chosen.run} == wanted and chosen.shown == {check.code}


# ── what is run, and what is said ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    ["driver-library-mismatch", *(pytest.param(n, marks=pytest.mark.slow) for n in ("random-py", "windows-rtx4060"))],
)
def test_a_selection_says_what_the_whole_doctor_says(name: str) -> None:
    whole = {v.code: v for v in examine(Counting(name)).verdicts}
    for check in ALL:
        part = examine(Counting(name), selection=select((check.code,), (), course=False))
        assert part.partial
        assert {v.code: v for v in part.verdicts}.items() <= whole.items()
        assert check.code in {v.code for v in part.verdicts}
        others = [v for v in part.verdicts if v.code != check.code]
        assert all(v.status is Status.FAIL for v in others)  # the failure that this one waits for


def test_a_check_that_waits_for_a_failure_shows_that_failure() -> None:
    whole = examine(Counting("venv-dangling"))
    waiting = next(v for v in whole.verdicts if v.message == "not checked, because of venv-broken")
    part = examine(Counting("venv-dangling"), selection=select((waiting.code,), (), course=False))
    assert [v.code for v in part.verdicts] == ["venv-broken", waiting.code]
    assert part.status is Status.FAIL
    without = examine(Counting("venv-dangling"), selection=select((waiting.code,), ("venv-broken",), course=False))
    assert [v.code for v in without.verdicts] == [waiting.code]


def test_torch_is_imported_only_for_a_check_that_looks_at_it() -> None:
    for code, wanted in (("musl", False), ("Driver", False), ("torch-import", True), ("glibcxx", True)):
        host = Counting("laptop-cpu")
        examine(host, selection=select((code,), (), course=False))
        assert ("import" in host.started) is wanted, code
    host = Counting("laptop-cpu")
    examine(host, selection=select(("torch-import",), (), course=False), do_import=False)
    assert "import" not in host.started


def test_only_shows_its_check_though_it_passed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--machine", machine("laptop-cpu"), "--only", "musl")
    assert code == 0 and "musl: " in out and "System" in out and "Driver" not in out


def test_skip_hides_a_failure_and_says_that_it_is_not_all(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--machine", machine("random-py"), "--json")
    failed = [v["code"] for v in json.loads(out)["verdicts"] if v["status"] == "fail"]
    assert code == 1 and failed and "partial" not in json.loads(out)
    skips = [word for name in failed for word in ("--skip", name)]
    code, out, _ = run(capsys, "--machine", machine("random-py"), "--json", *skips)
    document = json.loads(out)
    assert code == 0 and document["partial"] is True
    assert not set(failed) & {v["code"] for v in document["verdicts"]}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--symptom", "x", "--only", "musl"),
        ("--symptom", "x", "--report", "r"),
        ("--symptom", "x", "--fix"),
        ("--machine", "m.json", "--fix"),
        ("--fix", "--json"),
        ("--redact", "--record", "r"),
        ("--report", "-"),
    ],
)
def test_what_does_not_go_together_is_exit_2(capsys, arguments) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2 and err.startswith("error: ")
    assert ("envtool.error/1" in out) is ("--json" in arguments)
