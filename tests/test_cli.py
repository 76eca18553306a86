"""The command line as a user and as a script see it: streams, exit codes, files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

POSIX = os.name == "posix"


def envtool(*arguments, cwd=None, stdin=None, **env):
    """Run the command as an installed script would: nothing of this process but its environment."""
    return subprocess.run(
        [sys.executable, "-m", "envtool", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        input=stdin,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **env},
    )


def quick(*arguments, **more):
    return envtool("doctor", "--no-import", *arguments, **more)


def test_help_names_every_command():
    done = envtool("--help")
    assert done.returncode == 0 and not done.stderr
    for name in ("doctor", "probe", "explain"):
        assert name in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_every_command_has_help():
    from envtool.cli.app import COMMANDS

    for name in COMMANDS:
        done = envtool(name, "--help")
        assert done.returncode == 0 and "Usage: envtool" in done.stdout


def test_version():
    import envtool as package

    assert envtool("--version").stdout.strip() == f"envtool {package.__version__}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["doctr"], "did you mean 'doctor'"),
        (["nonsense"], "there are: doctor"),
        (["doctor", "--pyton", "x"], "--pyton"),
        (["doctor", "extra"], "extra"),
        (["doctor", "--python", "/nonexistent/python"], "/nonexistent/python"),
        (["doctor", "--python", ""], "path"),
        (["doctor", "--timeout", "soon"], "soon"),
        (["doctor", "--timeout", "0"], "0"),
        (["doctor", "--machine", "/nonexistent.json"], "/nonexistent.json"),
        (["doctor", "--machine", __file__], "not json"),
        (["doctor", "--machine", "x.json", "--python", "y"], "--python can't be used"),
        (["doctor", "--machine", "x.json", "--record", "y"], "--record can't be used"),
        (["explain", "driver-too-old"], "driver-too-old-for-wheel"),
        (["explain", "zzzz"], "lists every check"),
    ],
)
def test_a_wrong_command_line_gets_one_message_and_exit_2(arguments, words):
    done = envtool(*arguments)
    assert done.returncode == 2
    assert not done.stdout
    assert done.stderr.startswith("error: ") and "hint: " in done.stderr
    assert words in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_json_is_one_document_also_when_the_answer_is_bad():
    done = envtool("doctor", "--json", "--python", "/nonexistent/python")
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert document["schema"] == "envtool.error/1" and document["error"]["exit_code"] == 2
    assert "/nonexistent/python" in document["error"]["message"]


def test_the_doctor_document_holds_what_is_promised():
    done = quick("--json", "--python", sys.executable)
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "envtool.doctor/1"
    assert document["status"] in ("pass", "warn", "fail")
    assert (done.returncode == 1) == (document["status"] == "fail")
    assert document["machine"]["schema"] == "envtool.machine/1"
    assert {"prefix", "manager", "packages"} <= set(document["environment"])
    for verdict in document["verdicts"]:
        of_problems = {"command", "who", "not"} if verdict["status"] in ("fail", "warn", "unknown") else set()
        assert set(verdict) == {"code", "title", "status", "message", "hint", "evidence", "url"} | of_problems
        assert verdict["url"].endswith(f"#{verdict['code']}")
    assert any(v["status"] == "fail" for v in document["verdicts"]) == (document["status"] == "fail")


def test_the_machine_document_holds_what_is_promised():
    done = envtool("probe", "--json", "--python", sys.executable)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    keys = {
        "schema",
        "os",
        "os_version",
        "arch",
        "libc",
        "wsl",
        "container",
        "python",
        "nvidia",
        "amd",
        "intel",
        "apple",
    }
    assert keys <= set(document)
    assert document["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert {"status", "reason", "nvml_error", "driver", "cuda_driver", "gpus"} <= set(document["nvidia"])


def test_the_screen_fits_80_columns_and_ends_with_the_fix(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    done = quick("--python", tmp_path / "env")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines[:-1] if str(tmp_path) not in line)
    assert "install" in lines[-1] and "torch" in lines[-1]
    assert "\x1b" not in done.stdout


def test_a_terminal_that_knows_no_unicode_gets_ascii(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "énv"], check=True)
    done = quick("--python", tmp_path / "énv", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 1, done.stderr
    assert done.stdout.isascii() and "Traceback" not in done.stderr


def test_junit_is_xml_with_a_case_for_each_verdict(tmp_path):
    done = quick("--json", "--python", sys.executable, "--junit", tmp_path / "doctor.xml")
    suite = ElementTree.parse(tmp_path / "doctor.xml").getroot().find("testsuite")
    verdicts = json.loads(done.stdout)["verdicts"]
    assert suite.get("tests") == str(len(verdicts)) == str(len(suite.findall("testcase")))
    failures = [v["code"] for v in verdicts if v["status"] == "fail"]
    assert [c.get("name") for c in suite.findall("testcase") if c.find("failure") is not None] == failures


@pytest.mark.slow
def test_a_recording_gives_the_same_screen_and_document(tmp_path):
    file = tmp_path / "machine.json"
    live = quick("--python", sys.executable, "--record", file)
    assert "user name" in live.stderr
    again = envtool("doctor", "--machine", file)
    assert (again.stdout, again.returncode) == (live.stdout, live.returncode)
    facts = envtool("probe", "--machine", file, "--json")
    assert facts.returncode == 0
    assert json.loads(facts.stdout)["arch"] == json.loads(envtool("probe", "--json").stdout)["arch"]


def test_a_machine_document_can_be_shown_again(tmp_path):
    file = tmp_path / "machine.json"
    file.write_text('{"schema": "envtool.machine/1", "os": "linux", "arch": "x86_64"}')
    done = envtool("probe", "--machine", file)
    assert done.returncode == 0 and "unknown" in done.stdout
    piped = envtool("probe", "--machine", "-", "--json", stdin=file.read_text())
    assert json.loads(piped.stdout)["arch"] == "x86_64"


@pytest.mark.parametrize("option", ["--junit", "--html", "--record"])
def test_a_file_that_cannot_be_written_is_exit_4_and_leaves_nothing(tmp_path, option):
    done = quick("--python", sys.executable, option, tmp_path / "no" / "such" / "folder" / "x")
    assert done.returncode == 4
    assert "cannot write" in done.stderr and "hint:" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps a folder that somebody is in")
@pytest.mark.parametrize("arguments", [["device"], ["init", "project", "x", "--no-input"], ["install"]])
def test_a_folder_that_is_gone_is_named(arguments, tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    from envtool.cli.app import main

    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and "the folder that you are in does not exist any more" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_exit_4():
    command = [sys.executable, "-m", "envtool", "doctor", "--no-import", "--python", sys.executable]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=env, timeout=60)
    assert done.returncode == 4
    assert "No space left" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(not POSIX, reason="signals of POSIX")
def test_a_closed_pipe_is_no_error():
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = f"{sys.executable} -m envtool explain | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, env=env)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    assert done.stdout.count("\n") == 1


@pytest.mark.skipif(not POSIX, reason="signals of POSIX")
def test_ctrl_c_is_exit_130_and_ends_the_child(tmp_path):
    site = tmp_path / "slow" / "torch"
    site.mkdir(parents=True)
    (site / "__init__.py").write_text("import time, os\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "slow"), *(p for p in sys.path if p)])}
    process = subprocess.Popen(
        [sys.executable, "-m", "envtool", "doctor", "--python", sys.executable],
        cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    pid = tmp_path / "pid"
    for _ in range(200):
        if pid.exists() and pid.read_text():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert not out and "interrupted" in err and "Traceback" not in err
    assert not _runs(int(pid.read_text()))


def _runs(pid):
    """Is it there, and no zombie that nobody has collected?"""
    for _ in range(40):
        done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
        if done.returncode != 0 or done.stdout.strip().startswith("Z"):
            return False
        time.sleep(0.05)
    return True


def test_explain_prints_a_page_and_the_list():
    page = envtool("explain", "driver-too-old-for-wheel")
    assert page.returncode == 0 and page.stdout.startswith("driver-too-old-for-wheel\n")
    assert "How to mend it" in page.stdout
    every = envtool("explain")
    from envtool.checks import ALL

    assert all(check.code in every.stdout for check in ALL)


def test_help_and_the_group_import_nothing_heavy():
    code = "import sys; from envtool.cli.app import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    for heavy in (
        "envtool.checks",
        "envtool.catalog",
        "tomllib",
        "packaging",
        "pynvml",
        "envtool.probe",
        "rich",
        "torch",
    ):
        assert f"'{heavy}'" not in done.stderr, heavy


def test_the_doctor_never_imports_torch_into_its_own_process():
    code = (
        "import sys; from envtool.cli.app import main; main(['doctor', '--no-import', '--python', sys.executable]);"
        "print(sorted(m.split('.')[0] for m in sys.modules), file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    for heavy in ("torch", "numpy", "pynvml", "asyncio", "importlib.metadata"):
        assert f"'{heavy}'" not in done.stderr, heavy


def test_a_bare_call_shows_the_help():
    done = envtool()
    assert done.returncode == 0 and "Usage: envtool" in done.stdout and not done.stderr


def test_a_code_may_be_written_in_capitals():
    assert envtool("explain", "DRIVER-TOO-OLD-FOR-WHEEL").returncode == 0


@pytest.mark.parametrize("option", ["--junit", "--html", "--record"])
@pytest.mark.parametrize("name", ["", "-"])
def test_a_file_needs_a_name(option, name):
    done = quick(option, name)
    assert done.returncode == 2 and option in done.stderr


@pytest.mark.skipif(not POSIX, reason="a folder in use can't be deleted elsewhere")
def test_a_deleted_folder_is_named():
    command = f'd=$(mktemp -d) && cd "$d" && rmdir "$d" && {sys.executable} -m envtool doctor --no-import'
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=env)
    assert done.returncode == 2 and "does not exist any more" in done.stderr


@pytest.mark.skipif(not POSIX, reason="closes a stream as a shell of POSIX does")
def test_a_closed_stdout_is_no_crash():
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m envtool explain >&-"], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0 and not done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not POSIX, reason="needs a pseudo-terminal")
def test_on_a_terminal_the_word_of_patience_is_taken_back(tmp_path):
    import pty

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "TERM": "xterm"}
    primary, secondary = pty.openpty()
    (tmp_path / "torch.py").write_text("import time; time.sleep(1.6)")  # only what takes more than a second is told
    command = [sys.executable, "-m", "envtool", "doctor", "--python", str(tmp_path / "env")]
    process = subprocess.Popen(command, stdin=secondary, stdout=secondary, stderr=secondary, env=env, cwd=tmp_path)
    os.close(secondary)
    said = b""
    while True:
        try:
            part = os.read(primary, 4096)
        except OSError:
            break
        if not part:
            break
        said += part
    process.wait(timeout=20)
    before, _, after = said.partition(b"Environment")
    assert b"importing torch" in before and b"importing torch" not in after
    assert before.rstrip(b" \r").endswith(b"...") and before.endswith(b"\r")


def test_an_interrupt_before_the_first_command_is_no_traceback(tmp_path):
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n")
    path = os.pathsep.join([str(tmp_path), *(part for part in sys.path if part)])
    done = envtool("doctor", PYTHONPATH=path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")
