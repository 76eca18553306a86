"""`doctor --smoke`: a line, verdicts and a next step on the screen, in JSON, in JUnit and in HTML; nothing without it."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import builders
import pytest
import smoke_breakage
import smoke_broken_first
import smoke_broken_more
import smoke_broken_rest
from jsonschema import Draft202012Validator
from smoke_stand_ins import runner, stub

from envtool.checks import ALL, run
from envtool.cli.app import main
from envtool.cli.doctor import _junit
from envtool.data import FOLDER
from envtool.diagnosis import Diagnosis
from envtool.environment import NOT_IMPORTED, BrokenEnvironment
from envtool.examination import with_smoke_tests
from envtool.machine import Absent, Found, Unknown
from envtool.report import html
from envtool.report.json import doctor_to_json
from envtool.report.smoke import smoke_to_json
from envtool.report.text import Style, render
from envtool.smoke import tests as all_tests
from envtool.smoke.events import Asked, report_of
from envtool.verdicts import Status

ROWS = [
    {"code": code, "family": "made", "sentence": f"{code} is so.", "mend": f"Mend {code}."}
    for code in ("torch", "nms", "loop")
]


def report(**ended):
    events = [{"event": "hello", "tests": ROWS}, {"event": "device", "device": "cpu"}]
    for row in ROWS:
        status, message = ended.get(row["code"], ("pass", "shown"))
        events.append({"event": "end", "code": row["code"], "status": status, "message": message, "seconds": 0.5})
    return report_of([*events, {"event": "done", "seconds": 1.5}], Asked("python", "auto", True), "exit code 0")


def diagnosis(smoke=None):
    evidence = builders.evidence()
    return Diagnosis(evidence.machine, evidence.environment, evidence.imports, run(ALL, evidence), smoke=smoke)


def validate(name, document):
    schema = json.loads((Path(FOLDER) / "schemas" / f"{name}-1.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(json.loads(json.dumps(document)))


def test_the_healthy_builder_is_healthy():
    assert diagnosis().status is Status.PASS


def test_without_it_nothing_is_said():
    found = diagnosis()
    assert "Smoke" not in render(found, Style()) and "smoke" not in doctor_to_json(found)
    assert "Smoke" not in html.render(found)


def test_all_is_well():
    found = diagnosis(Found(report()))
    text = render(found, Style())
    assert "ok    Smoke    3 smoke tests passed, on cpu, in 1.5 s\n" in text
    assert "checks and 3 smoke tests passed." in text.splitlines()[-1]
    assert doctor_to_json(found)["smoke"] == smoke_to_json(report())
    assert "3 smoke tests passed" in html.render(found) and "smoke-nms" in html.render(found)
    assert '<testcase classname="envtool doctor" name="smoke-nms" time="0.500">' in _junit(found)


def test_a_failure_is_the_doctors_failure():
    found = diagnosis(Found(report(nms=("fail", "no such operator"))))
    text = render(found, Style())
    assert found.status is Status.FAIL
    assert "FAIL  Smoke    1 of 3 smoke tests failed: smoke-nms" in text
    assert "FAIL  smoke-nms\n      no such operator\n" in text
    assert text.endswith("Next (why: envtool explain smoke-nms):\n\nMend nms.\n")
    document = doctor_to_json(found)
    assert (document["status"], document["next_step"], document["next_step_code"]) == ("fail", "Mend nms.", "smoke-nms")
    assert not [verdict for verdict in document["verdicts"] if verdict["code"].startswith("smoke-")]
    assert "no such operator" in html.render(found) and "<failure" in _junit(found)


def test_the_checks_mend_comes_first():
    found = diagnosis(Found(report(nms=("fail", "x"))))
    worse = replace(found.verdicts[0], status=Status.FAIL, hint="pip install torch", code="first")
    assert replace(found, verdicts=(worse, *found.verdicts[1:])).next_step.code == "first"


def test_what_could_not_be_run_is_no_pass():
    for smoke, status, words in (
        (Absent("torch does not import"), Status.PASS, "not run: torch does not import"),
        (Unknown("the smoke tests do not start"), Status.WARN, "not run: the smoke tests do not start"),
    ):
        found = diagnosis(smoke)
        assert found.status is status and f"--    Smoke    {words}" in render(found, Style())
        assert list(doctor_to_json(found)["smoke"].values()) == [smoke.reason]
        validate("smoke", smoke_to_json(report()))


def test_where_there_is_no_torch_nothing_is_started(monkeypatch):
    monkeypatch.setattr("envtool.smoke.run", lambda *a, **k: pytest.fail("it was started"))
    broken = BrokenEnvironment("/x/bin/python", "--python", "dangling", "no such file", "/usr/bin")
    assert with_smoke_tests(replace(diagnosis(), environment=broken)).smoke == Absent("Python does not start")
    failed = builders.report(builders.stage("torch", "error", message="no"))
    found = with_smoke_tests(replace(diagnosis(), imports=failed))
    assert found.smoke == Absent("torch does not import")


def test_a_python_that_does_not_start_is_unknown():
    gone = replace(builders.environment(), executable="/no/such/folder/python")
    found = with_smoke_tests(replace(diagnosis(), imports=NOT_IMPORTED, environment=gone))
    assert isinstance(found.smoke, Unknown) and "does not start" in found.smoke.reason


def test_the_command(tmp_path, monkeypatch, capsys):
    tests = "def shown(context): pass\ndef slow(context): pass\nTESTS = (made(shown, quick=True), made(slow))\n"
    folder = runner(tmp_path, tests)
    monkeypatch.setattr("envtool.smoke.runner.folder", lambda: str(folder))
    monkeypatch.setenv("PYTHONPATH", str(stub(tmp_path)))
    monkeypatch.chdir(tmp_path)
    main(["doctor", "--smoke", "--no-import", "--json", "--python", sys.executable, "--junit", "out.xml"])
    document = json.loads(capsys.readouterr().out)
    assert [v["code"] for v in document["smoke"]["verdicts"]] == ["smoke-torch", "smoke-device", "smoke-shown"]
    assert document["smoke"]["quick"] is True and document["smoke"]["status"] == "pass"
    assert 'name="smoke-shown"' in (tmp_path / "out.xml").read_text(encoding="utf-8")


def test_a_recorded_machine_can_not_be_tested(capsys):
    assert main(["doctor", "--smoke", "--machine", "x.json"]) == 2
    assert "--smoke can't be used with --machine" in capsys.readouterr().err


# ── every test has a page ────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def listed():
    return all_tests(sys.executable)


def test_the_codes_are_names_and_none_is_a_checks(listed):
    codes = [test.code for test in listed]
    assert len(set(codes)) == len(codes) > 20
    assert all(code == code.lower().strip("-") and code.replace("-", "").isalnum() for code in codes)
    assert not {f"smoke-{code}" for code in codes} & {check.code for check in ALL}
    assert not set(codes) & {test.family for test in listed} - {"device"}, "--only must know which is meant"


def test_every_test_is_shown_to_fail(listed):
    tables = (smoke_broken_first.BROKEN, smoke_broken_more.BROKEN, smoke_broken_rest.BROKEN)
    shown = [*smoke_breakage.ASIDE, *(code for table in tables for code in table)]
    assert sorted(shown) == sorted(test.code for test in listed)
    rows = [row for table in tables for row in table.values()]
    assert all(rows), "a test without a breakage"


def test_sentences_and_mends_are_sentences(listed):
    for test in listed:
        for words in (test.sentence, test.mend):
            assert words[-1] in ".?" and len(words) > 15 and "  " not in words, (test.code, words)


def test_every_verdict_has_its_heading(listed):
    page = (Path(__file__).resolve().parent.parent / "docs" / "reference" / "smoke-tests.md").read_text(
        encoding="utf-8"
    )
    for test in listed:
        assert f"\n### smoke-{test.code}\n" in page
