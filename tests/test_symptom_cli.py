"""`envtool doctor --symptom` and `envtool explain` as a user and as a script see them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from envtool.cli.app import main
from envtool.data import FOLDER
from envtool.report.failures import own_pages
from envtool.report.symptom import Answer, Judged, Outcome, render, to_json
from envtool.report.text import Style
from envtool.symptoms import Candidate, failures
from envtool.verdicts import Status, failed, passed, skipped, unknown, warned

MACHINES = Path(__file__).parent / "machines"
NMS = "RuntimeError: operator torchvision::nms does not exist"


class Bytes(io.TextIOWrapper):
    def __init__(self, data):
        super().__init__(io.BytesIO(data), encoding="utf-8")


@pytest.fixture
def envtool(capsys, monkeypatch):
    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", Bytes(stdin))
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def on(machine, symptom, *more):
    return ("doctor", "--machine", MACHINES / f"{machine}.json", "--no-spec", "--symptom", symptom, *more)


# ── what a student sees ──────────────────────────────────────────────────────────────────────────


def test_a_cause_that_is_seen_here_ends_in_its_fix(envtool):
    code, out, err = envtool(
        *on("driver-library-mismatch", "Failed to initialize NVML: Driver/library version mismatch")
    )
    assert code == 1 and err == ""
    assert "1  driver-library-mismatch" in out and "confirmed here" in out
    assert "Do not reinstall PyTorch" in out
    assert "envtool explain driver-library-mismatch" in " ".join(out.split())
    assert out.rstrip().endswith("sudo reboot") or "restart" in out.splitlines()[-1]


def test_the_machine_is_believed_before_the_message(envtool):
    """torch blames the driver's age; the machine knows better, and the check of that age waits."""
    words = "The NVIDIA driver on your system is too old (found version 12040)"
    code, out, _ = envtool(*on("driver-library-mismatch", words))
    assert code == 1
    assert "1  driver-library-mismatch" in out and "2  driver-too-old-for-wheel" in out and "can't be seen" in out
    assert out.endswith("sudo reboot\n")
    code, out, _ = envtool(*on("no-permission", words))
    assert code == 1 and "1  dev-nvidia-permission" in out
    code, out, _ = envtool(*on("gtx1060-driver-470", words))
    assert code == 1 and "1  driver-too-old-for-wheel" in out


@pytest.mark.parametrize(
    ("machine", "text", "code"),
    [
        ("slurm-without-gres", "RuntimeError: No CUDA GPUs are available", "slurm-no-gres"),
        ("h100-mig-empty", "RuntimeError: No CUDA GPUs are available", "mig-no-instances"),
        ("docker-without-gpus", "RuntimeError: No CUDA GPUs are available", "container-without-gpus"),
        ("wsl2-library-path", "Found no NVIDIA driver on your system", "wsl-lib-path"),
        ("amd-cpu-torch", "Found no NVIDIA driver on your system", "rocm-wheel-missing"),
        ("optimus-nouveau", "NVIDIA-SMI has failed because it couldn't communicate", "nouveau-loaded"),
        ("windows-rtx4060", ">>> torch.cuda.is_available()\nFalse", "cpu-wheel-on-gpu-box"),
        ("random-py", "in <module>\n    import torch\nImportError: x.so: undefined symbol: foo", "stdlib-shadow"),
        ("rtx5090-torch-2.6", "no kernel image is available for execution on the device", "sm-not-in-wheel"),
        ("server-8xv100-cu130", "no kernel image is available for execution on the device", "gpu-dropped"),
    ],
)
def test_the_machine_tells_which_of_many_causes_it_is(envtool, machine, text, code):
    status, out, _ = envtool(*on(machine, text))
    assert f"\n1  {code}" in out and out.count("confirmed here") == 1
    assert status in (0, 1)


def test_a_cause_that_is_not_here(envtool):
    code, out, _ = envtool(*on("server-8xv100", NMS))
    assert code == 0
    assert "not here" in out and "If the text comes from another machine" in " ".join(out.split())


def test_a_cause_that_nothing_looks_for(envtool):
    code, out, _ = envtool(*on("laptop-cpu", "Cannot convert a MPS Tensor to float64 dtype"))
    assert code == 0
    assert "can't be seen" in out and "Proof:" in out and "dtype=torch.float32" in out


def test_three_at_most_and_what_is_confirmed_comes_first(envtool):
    code, out, _ = envtool(*on("cuda-visible-devices-empty", "RuntimeError: No CUDA GPUs are available"))
    assert code == 1
    assert "1  cvd-empty" in out and "3  " in out and "4  " not in out


def test_an_unknown_text_gets_the_whole_doctor(envtool):
    code, out, err = envtool(*on("laptop-cpu", "hello world"))
    assert code == 0
    assert "No failure that envtool knows" in err and "All is well" in out


def test_hints_alone_are_no_answer(envtool):
    """An undefined symbol may come from anywhere; the whole doctor finds where it came from here."""
    code, out, err = envtool(*on("conda-and-pip", "ImportError: x.so: undefined symbol: foo"))
    assert code == 1 and "No failure that envtool knows" in err and "conda-plus-pip" in out


def test_a_file_that_was_meant(envtool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.log").write_text(NMS, encoding="utf-16")
    assert "--symptom @run.log" in envtool(*on("laptop-cpu", "run.log"))[2]
    assert "torchvision-mismatch" in envtool(*on("laptop-cpu", "@run.log"))[1]


def test_a_log_on_standard_input(envtool):
    log = b"\x00\xff\x1b[2J\n" + NMS.encode() + b"\n" * 100 + b"epoch 1\n" * 90_000
    code, out, err = envtool(*on("laptop-cpu", "-"), stdin=log)
    assert code == 0 and err == ""
    assert "torchvision-mismatch" in out and "characters the beginning, the end" in " ".join(out.split())


# ── what a script sees ───────────────────────────────────────────────────────────────────────────


def document(text):
    found = json.loads(text)
    schemas = {
        name: json.loads((Path(FOLDER) / "schemas" / name).read_text()) for name in ("doctor-1.json", "machine-1.json")
    }
    registry = Registry().with_resources((name, Resource.from_contents(schema)) for name, schema in schemas.items())
    Draft202012Validator(schemas["doctor-1.json"], registry=registry).validate(found)
    return found


def test_the_document_has_candidates_and_only_their_verdicts(envtool):
    code, out, _ = envtool(*on("driver-library-mismatch", "Driver/library version mismatch", "--json"))
    found = document(out)
    assert code == 1 and found["status"] == "fail"
    (one,) = found["symptom"]["candidates"]
    assert (one["code"], one["outcome"], one["who"]) == ("driver-library-mismatch", "confirmed", "sudo")
    assert one["matched"] and one["message"] and one["url"].startswith("docs/reference/checks.md#")
    assert found["next_step_code"] == "driver-library-mismatch"
    assert 1 <= len(found["verdicts"]) < 10
    assert "absent" in found["imports"], "nothing here needs torch to be imported"


def test_what_could_not_be_seen_is_no_pass(envtool):
    found = document(envtool(*on("laptop-cpu", "Cannot convert a MPS Tensor to float64 dtype", "--json"))[1])
    (one,) = found["symptom"]["candidates"]
    assert found["status"] == "warn" and one["outcome"] == "unseen" and one["check"] is None and one["no_check"]
    assert one["url"] == "docs/reference/failures.md#mps-float64"


def test_an_unknown_text_in_the_document(envtool):
    code, out, _ = envtool(*on("laptop-cpu", "hello world", "--json"))
    found = document(out)
    assert code == 0 and found["symptom"]["candidates"] == [] and len(found["verdicts"]) > 50


def test_junit_holds_the_checks_that_were_run(envtool, tmp_path):
    envtool(*on("driver-library-mismatch", "Driver/library version mismatch", "--junit", tmp_path / "x.xml"))
    assert "driver-library-mismatch" in (tmp_path / "x.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--symptom", "@no-such-file"), "cannot read no-such-file"),
        (("--symptom", ""), "no text"),
        (("--symptom", " \n"), "no text"),
        (("--symptom", "x", "--smoke"), "--smoke can't be used"),
        (("--symptom", "x", "--html", "x.html"), "--html can't be used"),
        (("--symptom", "x", "--record", "x.json"), "--record can't be used"),
        (("--symptom", "-", "--machine", "-"), "standard input"),
    ],
)
def test_what_can_not_be_asked(envtool, arguments, words):
    code, out, err = envtool("doctor", "--no-import", *arguments)
    assert code == 2 and out == "" and words in err
    code, out, _ = envtool("doctor", "--no-import", "--json", *arguments)
    assert code == 2 and words in json.loads(out)["error"]["message"]


# ── every failure on the screen ──────────────────────────────────────────────────────────────────


def answers():
    from test_report_html import mismatch

    diagnosis = mismatch()
    verdicts = (None, failed("it is so", hint="do this", command=True), warned("nearly", hint="do that"))
    others = (passed("all is well"), skipped("does not arise"), unknown("nobody knows"))
    for number, failure in enumerate(failures().values()):
        verdict = (*verdicts, *others)[number % 6]
        one = Judged(Candidate(failure, 6.0, ("the words\x1b[31m of it " * (number % 9 + 1),)), verdict)
        yield one, Answer((one,), diagnosis, 10, 10)


def test_every_failure_fits_the_screen():
    for number, (one, answer) in enumerate(answers()):
        for style in (Style(), Style(width=40, unicode=False), Style(colour=True)):
            text = render(answer, style)
            assert one.code in text and "\x1b[31m of" not in text
            assert style.unicode or text.isascii(), one.code
            plain = text if not style.colour else ""
            step = answer.next_step
            for line in plain.splitlines():
                assert len(line) <= 80 or (step and line == step.text), line
        if number % 20 == 0:
            document(json.dumps(to_json(answer)))


def test_three_way_truth():
    told = {one.verdict.status if one.verdict else None: one.outcome for one, _ in answers()}
    assert told == {
        None: Outcome.UNSEEN,
        Status.FAIL: Outcome.CONFIRMED,
        Status.WARN: Outcome.CONFIRMED,
        Status.PASS: Outcome.NOT_HERE,
        Status.SKIP: Outcome.UNSEEN,
        Status.UNKNOWN: Outcome.UNSEEN,
    }


# ── explain ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_explain_has_a_page_for_every_failure(envtool):
    for code, failure in failures().items():
        status, out, err = envtool("explain", code.upper())
        assert status == 0 and err == "" and out.startswith((f"{code}: ", f"{code}\n"))
        shown = " ".join(out.split())
        for head in ("What you see", "What it means", "How to mend it", "Who can mend it", "What proves it", "Sources"):
            assert head in shown, (code, head)
        assert ("What not to do" in shown) == (failure.avoid is not None)
        assert all(len(line) <= 80 or " " not in line.strip() for line in out.splitlines()), code


def test_explain_in_json_and_in_a_list(envtool):
    found = json.loads(envtool("explain", "proxy", "--json")[1])
    assert found["schema"] == "envtool.explanation/1" and found["failure"]["who"] == "you"
    assert json.loads(envtool("explain", "torch-import", "--json")[1])["failure"] is None
    listed = json.loads(envtool("explain", "--json")[1])
    assert {row["code"] for row in listed["failures"]} == set(own_pages())
    assert "Known failures without a check" in envtool("explain")[1]


def test_explain_names_the_nearest(envtool):
    code, _, err = envtool("explain", "mps-float46")
    assert code == 2 and "envtool explain mps-float64" in err


# ── for real ─────────────────────────────────────────────────────────────────────────────────────


def run(*arguments, cwd=None):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run(
        [sys.executable, "-m", "envtool", *arguments],
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        env=env,
        timeout=60,
    )


def test_a_shadowing_file_is_found_by_the_message_that_it_causes(tmp_path):
    (tmp_path / "random.py").write_text("x = 1\n", encoding="utf-8")
    cause = subprocess.run(
        [sys.executable, "-c", "from random import Random"], capture_output=True, encoding="utf-8", cwd=tmp_path
    )
    assert "cannot import name 'Random'" in cause.stderr
    done = run(
        "doctor", "--no-import", "--no-spec", "--python", sys.executable, "--symptom", cause.stderr, cwd=tmp_path
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1  stdlib-shadow" in done.stdout and "confirmed here" in done.stdout and "random.py" in done.stdout


def test_a_plain_doctor_does_not_pay_for_it():
    program = (
        "import sys; from envtool.cli.app import main;"
        f"main(['doctor', '--no-spec', '--machine', {str(MACHINES / 'laptop-cpu.json')!r}]);"
        "print([name for name in sys.modules if 'symptom' in name])"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", env=env, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


@pytest.mark.slow
def test_a_healthy_torch_shows_nothing_of_a_text_from_elsewhere():
    python = os.environ.get("ENVTOOL_TORCH_PYTHON")
    if not python:
        pytest.skip("ENVTOOL_TORCH_PYTHON names no Python with torch")
    done = run("doctor", "--no-spec", "--python", python, "--symptom", "undefined symbol: iJIT_NotifyEvent", "--json")
    found = document(done.stdout)
    assert done.returncode == 0 and found["symptom"]["candidates"][0]["outcome"] == "not-here"
    assert "found" in found["imports"], "this one is told by the import"
