"""A torch that does not import, and a device that can't be used, are one failure each: the rest is skipped."""

import json
import os
import subprocess
import sys
import zipfile

import pytest
from smoke_stand_ins import CHILDREN, TORCH, ends, run, runner, stub

from envtool.smoke.script import archive

IMPORTS = {
    "raises": ("raise ImportError('libcudart.so.12: cannot open shared object file')", "ImportError: libcudart.so.12"),
    "exits": ("import sys; sys.exit('licence expired')", "SystemExit: licence expired"),
    "leaves": ("import os; os._exit(0)", "the process ended itself, exit code 0"),
    "crashes": ("import os; os.abort()", "SIGABRT"),
    "is another": ("x = 1", "and that is not PyTorch"),
    "has no name": ("__version__ = '1'\n__file__ = None", "that is not PyTorch"),
    "syntax": ("def", "SyntaxError"),
    "prints": ("print('{}' * 9); raise RuntimeError('no')", "RuntimeError: no"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", IMPORTS)
def test_a_torch_that_does_not_import_is_one_failure(tmp_path, kind):
    source, words = IMPORTS[kind]
    if kind == "crashes" and os.name != "posix":
        pytest.skip("signals")
    found = ends(run(CHILDREN, "--events", "--quick", stub=stub(tmp_path, source)))
    torch = found.pop("torch")
    assert torch["status"] == "fail" and words in torch["message"], torch
    assert len(found) > 20
    assert {(end["status"], end["message"]) for end in found.values()} == {("skip", "torch does not import")}


@pytest.mark.slow
def test_a_torch_that_hangs_is_cut_off_and_the_line_is_named(tmp_path):
    source = "import time\ntime.sleep(60)"
    found = ends(run(CHILDREN, "--events", "--timeout", "1", stub=stub(tmp_path, source)))
    assert "not done when the time for the whole run (1 s) was over" in found["torch"]["message"]
    assert found["arithmetic"]["status"] == "skip"


def test_no_torch_at_all(tmp_path):
    found = ends(run(CHILDREN, "--events", stub=tmp_path))
    assert found["torch"]["message"].startswith("ModuleNotFoundError: No module named 'torch'")


def test_a_folder_called_torch_is_no_torch(tmp_path):
    (tmp_path / "torch").mkdir()
    found = ends(run(CHILDREN, "--events", stub="", cwd=tmp_path))
    assert "and that is not PyTorch" in found["torch"]["message"]


def test_the_users_files_stand_in_for_modules_as_they_do_for_a_script(tmp_path):
    """random.py of the user breaks `import torch`, and the runner, which needs random itself, stays whole."""
    source = TORCH + "\nimport random\nrandom.getrandbits(3)\nimport json\njson.dumps({})\n"
    for name in ("random", "json", "subprocess", "tempfile", "queue", "harness", "worker", "family_import", "argparse"):
        (tmp_path / f"{name}.py").write_text("print('my own')\n")
    for flags in (("-I", "-S"), ()):
        found = ends(
            run(CHILDREN, "--events", "--only", "import", stub=stub(tmp_path, source), cwd=tmp_path, flags=flags)
        )
        assert found["torch"]["status"] == "fail"
        assert "module 'random' has no attribute 'getrandbits'" in found["torch"]["message"]
        assert str(tmp_path / "random.py") in found["torch"]["message"] or sys.version_info < (3, 13)


def test_files_on_pythonpath_stand_in_for_nothing_of_the_runner(tmp_path):
    place = stub(tmp_path, "raise ImportError('here')")
    for name in ("subprocess", "json", "threading", "queue", "argparse", "textwrap"):
        (place / f"{name}.py").write_text("raise SystemExit('taken in')\n")
    for flags in (("-I", "-S"), ()):
        found = ends(run(CHILDREN, "--events", stub=place, cwd=tmp_path, flags=flags))
        assert found["torch"]["message"] == "ImportError: here"


def test_a_sitecustomize_that_prints_spoils_nothing(tmp_path):
    place = stub(tmp_path)
    words = "import sys; sys.stdout.write('half a line'); sys.stdout.flush()\n"
    (place / "sitecustomize.py").write_text(words)
    found = ends(run(runner(tmp_path), "--events", stub=place))
    assert {end["status"] for end in found.values()} == {"pass"}


# ── devices ──────────────────────────────────────────────────────────────────────────────────────

CUDA = (
    TORCH.replace("cuda = hip = None", "cuda = '12.6'\n    hip = None")
    + """
class cuda:
    is_available = staticmethod(lambda: False)
def zeros(count, device):
    raise RuntimeError(%r)
"""
)
NO_DRIVER = "Found no NVIDIA driver on your system. Please check that you have one."
BROKEN = "CUDA driver initialization failed, you might not have a CUDA gpu."


def device_of(done):
    return next((e for e in map(json.loads, done.stdout.splitlines()) if e["event"] == "device"), None)


def test_a_device_that_was_asked_for_is_never_replaced(tmp_path):
    done = run(runner(tmp_path), "--events", "--device", "cuda", stub=stub(tmp_path, CUDA % NO_DRIVER))
    found = ends(done)
    assert done.returncode == 1 and device_of(done) is None
    assert found["device"]["status"] == "fail"
    assert found["device"]["message"] == f"the device cuda can't be used: RuntimeError: {NO_DRIVER}"


@pytest.mark.slow
@pytest.mark.parametrize("device", ["mps", "xpu", "cuda"])
def test_a_build_without_it_says_so(tmp_path, device):
    found = ends(run(runner(tmp_path), "--events", "--device", device, stub=stub(tmp_path)))
    assert f"the device {device} can't be used: this torch (9.9.0) is built without" in found["device"]["message"]


def test_auto_says_why_it_is_the_cpu(tmp_path):
    told = device_of(run(runner(tmp_path), "--events", stub=stub(tmp_path, CUDA % BROKEN)))
    assert told["device"] == "cpu" and told["accelerators"] == []
    assert told["reasons"]["cuda"] == "RuntimeError: " + BROKEN
    assert told["reasons"]["mps"] == "this torch (9.9.0) is built without MPS"


AVAILABLE = CUDA.replace("lambda: False", "lambda: True").replace(
    "class cuda:", "class cuda:\n    device_count = staticmethod(lambda: 2)\n"
    "    get_device_properties = staticmethod(lambda index: type('P', (), {'name': 'NVIDIA Test'}))"
)  # fmt: skip


def test_auto_takes_the_gpu(tmp_path):
    told = device_of(run(runner(tmp_path), "--events", stub=stub(tmp_path, AVAILABLE % "")))
    assert (told["device"], told["name"], told["accelerators"]) == ("cuda", "NVIDIA Test", ["cuda:0", "cuda:1"])


def test_the_cpu_can_be_asked_for(tmp_path):
    told = device_of(run(runner(tmp_path), "--events", "--device", "cpu", stub=stub(tmp_path, AVAILABLE % "")))
    assert (told["device"], told["name"], told["accelerators"]) == ("cpu", None, ["cuda:0", "cuda:1"])


def test_a_driver_that_crashes_fails_the_device_alone(tmp_path):
    source = AVAILABLE.replace("lambda: 2", "lambda: __import__('os').abort()") % ""
    tests = "def one(context): pass\nTESTS = (made(one),)\n"
    found = ends(run(runner(tmp_path, tests), "--events", stub=stub(tmp_path, source)))
    assert found["torch"]["status"] == "pass" and found["device"]["status"] == "fail"
    assert (found["one"]["status"], found["one"]["message"]) == ("skip", "the device can't be used")


# ── the runner by itself ─────────────────────────────────────────────────────────────────────────

GOOD = """
def shown(context): return "it is so"
def ill(context): raise Failure("it is not so")
def long(context): return "long"
TESTS = (made(shown, quick=True), made(ill, quick=True), made(long))
"""


@pytest.mark.slow
def test_the_text_and_the_document_of_the_runner_by_itself(tmp_path):
    folder, place = runner(tmp_path, GOOD), stub(tmp_path)
    done = run(folder, stub=place)
    assert done.returncode == 1 and done.stderr == ""
    assert "FAIL  made       1 failed, 2 passed" in done.stdout and "it is not so" in done.stdout
    assert "Mend: Mend it." in done.stdout and max(map(len, done.stdout.splitlines())) <= 80
    document = json.loads(run(folder, "--json", stub=place).stdout)
    assert (document["schema"], document["status"], document["torch"]) == ("envtool.smoke/1", "fail", "9.9.0")
    assert document["next_step"] == "Mend it."
    assert [v["code"] for v in document["verdicts"]] == [
        "smoke-torch", "smoke-device", "smoke-shown", "smoke-ill", "smoke-long",
    ]  # fmt: skip


def test_quick_and_only_choose(tmp_path):
    folder, place = runner(tmp_path, GOOD), stub(tmp_path)
    assert set(ends(run(folder, "--events", "--quick", stub=place))) == {"torch", "device", "shown", "ill"}
    assert set(ends(run(folder, "--events", "--only", "smoke-long", stub=place))) == {"torch", "device", "long"}
    assert set(ends(run(folder, "--events", "--only", "import", stub=place))) == {"torch", "device"}
    done = run(folder, "--only", "nothing", stub=place)
    assert done.returncode == 2 and "no test and no family called 'nothing'" in done.stderr and not done.stdout


def test_one_file_is_enough(tmp_path):
    file = tmp_path / "smoke.pyz"
    file.write_bytes(archive())
    assert archive() == archive(), "the same files give the same bytes"
    assert "worker.py" in zipfile.ZipFile(file).namelist()
    environment = {**os.environ, "PYTHONPATH": str(stub(tmp_path)), "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(file), "--only", "pytorch-is-not-torch", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path)
    document = json.loads(done.stdout)
    assert document["verdicts"][0]["status"] == "pass", done.stderr
    assert not [name for name in os.listdir(tmp_path) if name.startswith("smoke-")]
    listed = subprocess.run([sys.executable, str(file), "--list"], capture_output=True, text=True, timeout=60)
    assert "gradcheck" in listed.stdout


def test_an_old_python_is_told(tmp_path, monkeypatch):
    """What __main__ does first must be understood by any Python 3; the version is looked at before all else."""
    main = (CHILDREN / "__main__.py").read_text(encoding="utf-8")
    old = main.replace("(3, 8)", "(9, 9)")
    (tmp_path / "__main__.py").write_text(old, encoding="utf-8")
    done = run(tmp_path, stub="")
    assert done.returncode == 2 and "need Python 3.8 or newer" in done.stderr
