"""The rehearsal on real PyTorch: right scripts and wrong ones, and a script's life under it. Slow.

ENVTOOL_TORCH_PYTHON names one Python with torch, or several, separated as in PATH: all judge the scripts alike.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TORCHES = [one for one in os.environ.get("ENVTOOL_TORCH_PYTHON", "").split(os.pathsep) if one]
TORCH = TORCHES[0] if TORCHES else ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TORCH, reason="ENVTOOL_TORCH_PYTHON names no Python with torch"),
    pytest.mark.skipif(sys.platform == "win32", reason="the scripts are run in forks of one process"),
    pytest.mark.timeout(300),
]
HERE = Path(__file__).resolve().parent
CHILDREN = HERE.parent / "envtool" / "rehearse" / "children"
RIGHT = sorted((HERE / "rehearse_scripts" / "right").glob("*.py"))
CALLS = sorted((HERE / "rehearse_scripts" / "calls").glob("*.py"))
WRONG = sorted((HERE / "rehearse_scripts" / "wrong").glob("*.py"))


def batch(python, how, folder, scripts):
    command = [python, str(HERE / "rehearse_batch.py"), str(how), str(folder), *map(str, scripts)]
    env = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=280, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {line.split(" ", 1)[1]: int(line.split()[0]) for line in done.stdout.splitlines()}


def reports(python, folder, scripts):
    """By script: its report."""
    from envtool.rehearse.events import Ended, events_in, report_of
    from envtool.rehearse.report import Report

    codes = batch(python, CHILDREN, folder, scripts)
    found = {}
    for script in scripts:
        events = events_in((folder / f"{script.name}.events").read_text())
        found[script] = report_of(events, Ended(codes[str(script)], 0.0), Report("", str(script)))
    return found


@pytest.fixture(scope="module", params=TORCHES or [""])
def judged(request, tmp_path_factory):
    return reports(request.param, tmp_path_factory.mktemp("events"), RIGHT + WRONG + CALLS)


def planted(script):
    lines = script.read_text().splitlines()
    (found,) = [(match[1], n) for n, line in enumerate(lines, 1) if (match := re.search(r"# BUG: ([\w-]+)$", line))]
    return found


def test_there_are_enough_scripts():
    assert len(RIGHT) >= 16 and len(WRONG) >= 16
    assert len({planted(script)[0] for script in WRONG}) >= 12


def test_every_script_runs_on_the_cpu(tmp_path):
    codes = batch(TORCH, "plain", tmp_path, RIGHT + WRONG)
    bad = {Path(name).name: (tmp_path / f"{Path(name).name}.out").read_text() for name, code in codes.items() if code}
    assert not bad and len(codes) == len(RIGHT + WRONG)


def test_no_right_script_is_blamed(judged):
    blamed = {s.name: (judged[s].outcome, judged[s].faults, judged[s].error) for s in RIGHT if not judged[s].passed}
    assert not blamed


def test_every_planted_bug_is_found_where_it_is_and_nothing_else(judged):
    wrong = {}
    for script in WRONG:
        kind, line = planted(script)
        found = [(f.kind, f.place and (f.place.file, f.place.line)) for f in judged[script].faults]
        if found != [(kind, (str(script), line))]:
            wrong[script.name] = found
    assert not wrong


def test_what_a_loader_gives_is_moved_in_the_loop_with_the_programs_own_word(judged):
    """The dataset made it, far away: no line here could be given a device."""
    (script,) = [script for script in WRONG if script.stem == "labels_of_a_loader"]
    (fault,) = judged[script].faults
    lines = script.read_text().splitlines()
    loop = next(n for n, line in enumerate(lines, 1) if line.strip().startswith("for "))
    assert fault.hint == f"after line {loop}: labels = labels.to(device)"
    assert fault.origin.line == loop and "made without" not in fault.message


def test_what_cuda_allows_is_allowed(judged):
    (found,) = [judged[script] for script in CALLS if script.stem == "allowed"]
    assert found.passed, (found.faults, found.error)


def test_what_cuda_refuses_is_refused(judged):
    (script,) = [script for script in CALLS if script.stem == "refused"]
    calls = set(re.findall(r"def (refused_\d+)", script.read_text()))
    blamed = {place.function for fault in judged[script].faults for place in (fault.place, *fault.stack) if place}
    assert judged[script].error is None, judged[script].error
    assert len(calls) > 70 and calls - blamed == set()


def test_every_fault_names_two_devices_or_the_one(judged):
    for script in WRONG:
        for fault in judged[script].faults:
            alone = fault.kind in ("numpy", "pin-memory", "worker", "second-gpu")
            assert len(fault.devices) == (1 if alone else 2), (script.name, fault)


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def rehearse(cwd, *arguments, **env):
    command = [sys.executable, "-m", "envtool", "rehearse", "--python", TORCH, *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": "", **env}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=200)


def gone(pid):
    """Has it ended? In a container nobody may have buried it."""
    time.sleep(0.2)
    try:
        os.kill(pid, 0)
        return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout[:1] == "Z"
    except ProcessLookupError:
        return True


def document(done):
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["status"] == "pass" else 1), done.stderr
    return found


def test_the_script_is_run_as_python_runs_it(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "beside.py").write_text("import torch\nvalue = torch.ones(3)\n")
    (tmp_path / "lib" / "script.py").write_text(
        "import os, pickle, sys\nimport beside, torch\n"
        "class Own: pass\n"
        "assert sys.argv == ['lib/script.py', '--json', '-x', '--', 'a b'], sys.argv\n"
        "assert os.path.samefile(sys.path[0], 'lib') and __name__ == '__main__' and __file__ == 'lib/script.py'\n"
        "assert type(pickle.loads(pickle.dumps(Own()))) is Own and sys.modules['__main__'].Own is Own\n"
        "assert os.environ['DEVICE'] == 'meta' and sys.stdin.read() == ''\n"
        "assert not any('rehearse' in entry for entry in sys.path)\n"
        "print('said', (beside.value.to('meta') + 1).tolist())\n"
    )
    done = rehearse(tmp_path, "lib/script.py", "--json", "-x", "--", "a b")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("said [2.0, 2.0, 2.0]\n\nok ")
    again = rehearse(tmp_path, "--json", "lib/script.py", "--json", "-x", "--", "a b")
    assert document(again)["outcome"] == "pass" and "said" in again.stderr


def test_a_module_with_relative_imports(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "net.py").write_text("import torch\nshift = torch.ones(2)\n")
    (tmp_path / "pack" / "train.py").write_text(
        "import sys, torch\nfrom .net import shift\nx = torch.zeros(2).to('meta')\nprint(sys.argv[1:], x + shift)\n"
    )
    found = document(rehearse(tmp_path, "--json", "-m", "pack.train", "7"))
    assert [(f["kind"], f["line"]) for f in found["faults"]] == [("left-behind", 4)]
    assert found["faults"][0]["origin"]["file"].endswith("net.py") and found["faults"][0]["origin"]["line"] == 2


def test_a_long_training_ends_at_its_limit_and_is_no_pass(tmp_path):
    (tmp_path / "s.py").write_text(
        "import subprocess, sys, time, torch\nx = torch.ones(3).to('meta')\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\nwhile True:\n    x = x + 1\n    time.sleep(0.01)\n"
    )
    began = time.monotonic()
    done = rehearse(tmp_path, "--limit", "2", "s.py")
    assert time.monotonic() - began < 40
    assert done.returncode == 1 and "no fault until the limit of 2 s, at s.py:" in done.stdout
    assert gone(int(done.stdout.split()[0]))


def test_an_exception_of_the_scripts_own(tmp_path):
    (tmp_path / "s.py").write_text(
        "import os, torch\nx = torch.ones(3).to(os.environ['DEVICE'])\nraise ValueError('mine')\n"
    )
    done = rehearse(tmp_path, "s.py")
    assert done.returncode == 1
    assert "stopped at s.py:3: ValueError: mine. It fails on the CPU, too" in " ".join(done.stdout.split())
    assert "rehearse/children" not in done.stderr and "s.py" in done.stderr


def test_ctrl_c_leaves_nothing_behind(tmp_path):
    (tmp_path / "s.py").write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "envtool", "rehearse", "--python", TORCH, "s.py"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    child = int(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert gone(child)


# ── short scripts, in one process ────────────────────────────────────────────────────────────────

START = "import os, sys, torch\nx = torch.ones(3).to(os.environ['DEVICE'])\n"
ENDS = {
    "raises": (START + "raise ValueError('mine')", "script-failed"),
    "leaves_with_3": (START + "sys.exit(3)", "script-failed"),
    "leaves_with_0": (START + "sys.exit(0)", "pass"),
    "leaves_with_words": (START + "sys.exit('words')", "script-failed"),
    "is_killed": (START + "os.kill(os.getpid(), 9)", "crashed"),
    "disappears": (START + "os._exit(0)", "crashed"),
    "is_no_python": (START + "def", "script-failed"),
    "misses_a_module": (START + "import no_such_module", "script-failed"),
    "never_asks": ("import torch\nprint(torch.ones(3).sum())", "never-moved"),
    "has_no_torch": ("print('no torch here')", "never-moved"),
    "catches_the_error": (START + "try:\n    x + torch.ones(3)\nexcept RuntimeError:\n    pass", "faults"),
    "only_saves": (START + "torch.save({'x': x}, 'c.new')\nos.replace('c.new', 'c.pt')\n"
        "assert torch.load('c.pt')['x'].device.type == 'meta'\n"
        "assert torch.load('c.pt', map_location='cpu')['x'].device.type == 'cpu'", "pass"),
    "only_loads": (START + "for where, kind in ((None, 'cpu'), ('meta', 'meta'), (torch.device('cuda'), 'cuda')):\n"
        "    y = torch.load('c.pt', map_location=where)['x']\n"
        "    assert y.device.type == kind and y.tolist() == [1, 1, 1], (where, y)", "pass"),
    "default_device": (START + "torch.set_default_device('cuda')\nlayer = torch.nn.Linear(3, 3)\n"
        "assert layer.weight.is_cuda and (layer(x) + torch.tensor([1.0, 2, 3])).is_cuda\n"
        "torch.set_default_device('cpu')\nassert torch.zeros(2).device.type == 'cpu'", "pass"),
    "values_are_real": (START + "y = (x * 3)[x > 0]\nassert y.sum().item() == 9 and f'{y[0]:.1f}' == '3.0'\n"
        "assert repr(y) == \"tensor([3., 3., 3.], device='meta')\" and y.nonzero().shape == (3, 1)\n"
        "assert bool(y.max() > 2) and y.cpu().numpy().tolist() == [3, 3, 3]", "pass"),
    "same_device_is_no_copy": (START + "assert x.to(x.device) is x and x.cuda() is x\n"
        "y = torch.ones(3)\nassert y.to('cpu') is y and y.to(torch.float32) is y\n"
        "assert x.to(y).device.type == 'cpu' and y.to(x).is_cuda and y.type_as(x).is_cuda", "pass"),
    "forks_before_it_moves": ("import os, torch\nimport multiprocessing as m\ndef work(queue):\n"
        "    queue.put(torch.ones(2).to('cuda').sum().item())\n"
        "context = m.get_context('fork')\nqueue = context.Queue()\nprocess = context.Process(target=work, args=(queue,))\n"
        "process.start()\nassert queue.get(timeout=30) == 2.0\nprocess.join()", "pass"),
}  # fmt: skip


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    folder = tmp_path_factory.mktemp("short")
    for name, (source, _) in ENDS.items():
        (folder / f"{name}.py").write_text(source + "\n")
    lines = ["import torch", "x = torch.ones(3).to('meta')"] + ["x + torch.ones(3)"] * 25
    (folder / "many.py").write_text("\n".join(lines))
    (folder / "parts.py").write_text(
        "import subprocess, sys, torch\nmodel = torch.compile(torch.nn.Linear(2, 2).to('meta'))\n"
        "with torch.autocast('cuda'):\n    model(torch.ones(1, 2, device='meta'))\n"
        "torch.jit.script(model)\nsubprocess.run([sys.executable, '-c', ''])\n"
        "plain = torch.nn.Linear(2, 2)\nplain(torch.ones(1, 2)).sum().backward()\n"
        "torch.optim.SGD(plain.parameters(), lr=0.1).step()\n"
        "if torch.ones(1).to('meta').device.type == 'cuda':\n    plain(1)\n"
    )
    scripts = [folder / f"{name}.py" for name in [*ENDS, "many", "parts"]]
    return folder, {script.stem: report for script, report in reports(TORCH, folder, scripts).items()}


@pytest.mark.parametrize("name", ENDS)
def test_how_a_script_ends(short, name):
    folder, found = short
    assert found[name].outcome == ENDS[name][1], (found[name], (folder / f"{name}.py.out").read_text())


def test_a_checkpoint_that_is_left_behind_is_the_cpus(short):
    check = "import torch; x = torch.load('c.pt')['x']; assert x.device.type == 'cpu' and x.tolist() == [1, 1, 1]"
    assert subprocess.run([TORCH, "-c", check], cwd=short[0]).returncode == 0


def test_twenty_faults_are_told_and_the_rest_counted(short):
    found = short[1]["many"]
    assert [fault.place.line for fault in found.faults] == list(range(3, 23)) and found.faults_left_out == 5


def test_what_is_left_out_is_named(short):
    found = short[1]["parts"]
    named = {limit.name: limit.place.line for limit in found.limits if limit.place}
    expected = {"compile": 2, "autocast": 3, "torchscript": 5, "subprocess": 6, "trained-on-cpu": 9, "compared": 10}
    assert expected.items() <= named.items() and found.outcome == "pass"


def test_the_words_of_an_ending(short):
    found = short[1]
    assert found["is_killed"].ending == "killed by SIGKILL"
    assert found["disappears"].ending == "ended with exit code 0 before its last line"
    assert (found["leaves_with_3"].exit_code, found["leaves_with_words"].exit_code) == (3, 1)
    assert found["is_no_python"].error.place.line == 3 and found["raises"].error.type == "ValueError"


# ── right scripts with one move taken out ────────────────────────────────────────────────────────

MOVES = [
    r"\.to\((?:DEVICE|tokens\.device)(?:, non_blocking=True)?\)",
    r",? ?device=(?:DEVICE|x\.device|real\.device|self\.decode\.weight\.device)(?=[,)])",
    r"\.cuda\((?:non_blocking=True)?\)",
    r", map_location=DEVICE",
]
# What was saved from the GPU comes back to it without map_location: CUDA would run this one.
HARMLESS = {"saved = torch.load(path, map_location=DEVICE)"}


def test_a_move_that_is_missing_is_no_pass(tmp_path):
    mutants = {}
    for script in RIGHT:
        source = script.read_text()
        for found in (match for pattern in MOVES for match in re.finditer(pattern, source)):
            line = source[: found.start()].count("\n")
            mutant = tmp_path / f"{script.stem}_{len(mutants)}.py"
            mutant.write_text(source[: found.start()] + source[found.end() :])
            mutants[mutant] = (script.name, source.splitlines()[line].strip())
    passed = [mutants[mutant] for mutant, report in reports(TORCH, tmp_path, list(mutants)).items() if report.passed]
    assert len(mutants) >= 60
    assert [text for _, text in passed if text not in HARMLESS] == []
    assert len(passed) == len(HARMLESS)
