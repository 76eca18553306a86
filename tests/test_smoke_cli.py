"""The command `envtool smoke` as its users call it, with a stand-in for torch."""

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
import zipfile

import pytest
from smoke_stand_ins import runner, stub

from envtool.cli.app import COMMANDS, main

TESTS = """
def shown(context): return "it is so"
def ill(context):
    if "ILL" in os.environ: raise Failure("it is not so")
def costs(context):
    if "COSTS" in os.environ: raise Warn("it costs")
def sleeps(context):
    if "BEGUN" in os.environ:
        open(os.environ["BEGUN"], "w").write(str(os.getpid()))
        time.sleep(60)
TESTS = (made(shown, quick=True), made(ill, quick=True), made(costs), made(sleeps))
"""


@pytest.fixture
def smoke(tmp_path, monkeypatch, capsys):
    """Runs the command in this process; what it printed and its exit code."""
    folder = runner(tmp_path, TESTS)
    monkeypatch.setattr("envtool.smoke.runner.folder", lambda: str(folder))
    monkeypatch.setenv("PYTHONPATH", str(stub(tmp_path)))
    monkeypatch.chdir(tmp_path)

    def run(*arguments, python=sys.executable):
        code = main(["smoke", *(["--python", str(python)] if python else []), *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_it_is_a_command():
    assert "smoke" in COMMANDS


def test_a_healthy_environment(smoke):
    code, out, err = smoke()
    assert code == 0 and err == ""
    assert (
        " ".join(out.split()).startswith(f"Python {sys.executable} (--python) PyTorch torch 9.9.0 Device")
        and "ok    made       4 passed" in out
    )
    assert out.splitlines()[-1].startswith("All is well: 6 smoke tests passed, on cpu, in ")
    assert "\x1b" not in out


def test_a_failure_is_exit_code_1(smoke, monkeypatch):
    monkeypatch.setenv("ILL", "1")
    code, out, _ = smoke()
    assert code == 1 and "FAIL  smoke-ill" in out and "it is not so" in out
    assert out.endswith("Mend it.\n")


def test_a_warning_is_exit_code_0(smoke, monkeypatch):
    monkeypatch.setenv("COSTS", "1")
    code, out, _ = smoke()
    assert code == 0 and "warn  smoke-costs" in out and "All is well" not in out


def test_json_is_one_document_also_when_the_answer_is_bad(smoke, monkeypatch):
    for ill, wanted in ((False, 0), (True, 1)):
        if ill:
            monkeypatch.setenv("ILL", "1")
        code, out, err = smoke("--json")
        document = json.loads(out)
        assert code == wanted and err == ""
        assert document["schema"] == "envtool.smoke/1" and document["status"] == ("fail" if ill else "pass")
        assert all(verdict["seconds"] is not None for verdict in document["verdicts"])


def test_json_where_python_does_not_start(smoke, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no such thing' >&2; exit 9\n")
    broken.chmod(0o755)
    code, out, err = smoke("--json", python=broken)
    assert code == 4 and json.loads(out)["schema"] == "envtool.error/1"
    assert "the smoke tests do not start" in err and "no such thing" in err and "hint: " in err


def test_junit(smoke, tmp_path, monkeypatch):
    monkeypatch.setenv("ILL", "1")
    code, _, _ = smoke("--junit", "smoke.xml")
    suite = ET.parse(tmp_path / "smoke.xml").getroot()[0]
    assert code == 1 and (suite.get("tests"), suite.get("failures")) == ("6", "1")
    cases = {case.get("name"): case for case in suite}
    assert float(cases["smoke-shown"].get("time")) >= 0
    assert "Mend it." in cases["smoke-ill"][0].text


def test_no_room_for_temporary_files(smoke, tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    place = tmp_path / "runner" / "supervisor.py"
    text = place.read_text(encoding="utf-8")
    full = "raise OSError(28, 'No space left on device')"
    place.write_text(text.replace('self.folder = tempfile.mkdtemp(prefix="smoke-")', full), encoding="utf-8")
    code, out, err = smoke()
    assert code == 4 and out == "" and "the tests can't be run: [Errno 28] No space left on device" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--quick",), 4),
        (("--only", "shown"), 3),
        (("--only", "smoke-shown", "--only", "ill"), 4),
        (("--only", "made"), 6),
    ],
)
def test_a_choice_of_tests(smoke, arguments, count):
    code, out, _ = smoke("--json", *arguments)
    assert code == 0 and len(json.loads(out)["verdicts"]) == count


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--only", "nonsense"), "no test and no family called 'nonsense'"),
        (("--device", "tpu"), "'tpu' is not one of"),
        (("--timeout", "0"), "0 is not in the range"),
        (("--junit", "-"), "--junit needs the name of a file"),
        (("--script", ""), "--script needs the name of a file"),
        (("--python", "/no/such/python"), "does not exist"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(smoke, arguments, words):
    code, out, err = smoke(*arguments)
    assert code == 2 and out == "" and words in err


def test_list(smoke):
    code, out, _ = smoke("--list")
    assert code == 0 and "  shown                  It is so." in out
    code, out, _ = smoke("--list", "--only", "costs")
    assert code == 0 and "costs" in out and "ill" not in out.replace("still", "")
    assert smoke("--list", "--only", "nothing")[0] == 2
    code, out, _ = smoke("--list", "--json")
    assert [test["code"] for test in json.loads(out)["tests"]][2:] == [
        "smoke-shown",
        "smoke-ill",
        "smoke-costs",
        "smoke-sleeps",
    ]


def test_explain(smoke, capsys):
    assert main(["explain", "smoke-shown"]) == 0
    assert "It is so." in capsys.readouterr().out
    assert main(["explain", "smoke-shwn"]) == 2
    assert "did you mean `envtool explain smoke-shown`?" in capsys.readouterr().err


def test_script(smoke, tmp_path):
    code, out, err = smoke("--script", "tests.pyz")
    assert code == 0 and out == "" and "written to tests.pyz" in err
    assert "supervisor.py" in zipfile.ZipFile(tmp_path / "tests.pyz").namelist()
    assert smoke("--script", "tests.pyz")[0] == 0, "its own file is made anew"
    (tmp_path / "train.py").write_text("print(1)\n")
    code, _, err = smoke("--script", "train.py")
    assert code == 2 and "train.py is there already" in err and (tmp_path / "train.py").read_text() == "print(1)\n"
    code, _, err = smoke("--script", "no/such/folder/tests.pyz")
    assert code == 4 and "cannot write" in err


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_every_process(tmp_path):
    begun, place = tmp_path / "begun", tmp_path / "tmp"
    place.mkdir()
    folder = runner(tmp_path, TESTS)
    code = f"import envtool.smoke.runner as r; r.folder = lambda: {str(folder)!r}\n"
    code += f"from envtool.cli.app import main; import sys; sys.exit(main(['smoke', '--python', {sys.executable!r}]))"
    extra = os.pathsep.join([str(stub(tmp_path)), *(os.environ.get("PYTHONPATH") or "").split(os.pathsep)])
    environment = {**os.environ, "PYTHONPATH": extra, "BEGUN": str(begun), "TMPDIR": str(place)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 30
    while not (begun.exists() and begun.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and out == "" and "interrupted" in err
    with pytest.raises(OSError):
        os.kill(int(begun.read_text()), 0)
    assert os.listdir(place) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a terminal is made")
@pytest.mark.parametrize("colour", [True, False])
def test_progress_on_a_terminal_only(tmp_path, colour):
    import pty

    folder = runner(tmp_path, TESTS)
    code = f"import envtool.smoke.runner as r; r.folder = lambda: {str(folder)!r}\n"
    code += f"from envtool.cli.app import main; import sys; sys.exit(main(['smoke', '--python', {sys.executable!r}]))"
    environment = {**os.environ, "PYTHONPATH": str(stub(tmp_path)), "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    environment.update({} if colour else {"NO_COLOR": "1"})
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(mine, 4096)
        except OSError:
            break
        if not piece:
            break
        said += piece
    assert process.wait(timeout=20) == 0
    assert (b"shown ... (3 of 6)" in said) is colour
    assert (b"\x1b[32mok" in said) is colour
    assert b"All is well" in said


def test_the_users_files_do_not_stand_in_for_envtools_own_modules(tmp_path):
    """`python -m` puts the working directory on the path; envtool takes it off again."""
    for name in ("random", "tempfile", "json", "click", "harness"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken in')\n")
    environment = {**os.environ, "PYTHONPATH": str(stub(tmp_path))}
    command = [
        sys.executable,
        "-m",
        "envtool",
        "smoke",
        "--json",
        "--only",
        "pytorch-is-not-torch",
        "--python",
        sys.executable,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path)
    assert json.loads(done.stdout)["verdicts"][0]["status"] == "pass", done.stdout + done.stderr


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps the folder that a process is in")
def test_a_folder_that_is_gone(smoke, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    code, out, err = smoke()
    assert code == 2 and out == "" and "does not exist any more" in err
