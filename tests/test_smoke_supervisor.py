"""Whatever a test does, it is that test's failure: the others run, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest
from smoke_stand_ins import ends, run, runner, stub

posix = pytest.mark.skipif(os.name != "posix", reason="signals")

BAD = """
def good(context): return "shown"
def crash(context): os.kill(os.getpid(), signal.SIGSEGV)
def null(context):
    import ctypes
    ctypes.string_at(0)
def kill(context): os.kill(os.getpid(), signal.SIGKILL)
def leaves(context): os._exit(3)
def exits(context): sys.exit("enough")
def hangs(context): time.sleep(60)
def deaf(context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGSTOP)
def stops_the_watch(context):
    import faulthandler
    faulthandler.cancel_dump_traceback_later()
    time.sleep(60)
def fails(context): raise Failure("it is not so: \\ud800 \\x00 \u00e9")
def raises(context): raise KeyError("first\\nsecond")
def mute(context):
    class Mute(Exception):
        def __str__(self): raise ValueError
    raise Mute()
def skips(context): raise Skip("not here")
def warns(context): raise Warn("it costs")
def interrupts(context): raise KeyboardInterrupt()
def last(context): return "shown"
TESTS = tuple(made(f, limit=0.7) for f in (good, crash, null, kill, leaves, exits, hangs, deaf, stops_the_watch, fails,
                                raises, mute, skips, warns, interrupts, last))
"""


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    return ends(run(runner(folder, BAD), "--events", stub=stub(folder)))


SAID = {
    "good": ("pass", "shown"),
    "crash": ("fail", "killed by SIGSEGV in crash, line "),
    "null": ("fail", "killed by SIGSEGV in string_at, line "),
    "kill": ("fail", "killed by SIGKILL, as the system does when memory runs out"),
    "leaves": ("fail", "the process ended itself, exit code 3"),
    "exits": ("fail", "SystemExit: enough"),
    "hangs": ("fail", "not done within 0.7 s; in hangs, line "),
    "deaf": ("fail", "not done within 0.7 s;"),
    "stops-the-watch": ("fail", "not done within 0.7 s; it was killed"),
    "fails": ("fail", "it is not so: \ud800 \x00 é"),
    "raises": ("fail", "KeyError: 'first\\nsecond'"),
    "mute": ("fail", "Mute"),
    "skips": ("skip", "not here"),
    "warns": ("warn", "it costs"),
    "interrupts": ("fail", "KeyboardInterrupt"),
    "last": ("pass", "shown"),
}


@pytest.mark.slow
@posix
@pytest.mark.parametrize("code", SAID)
def test_each_end_is_told(bad, code):
    status, words = SAID[code]
    assert bad[code]["status"] == status, bad[code]
    assert words in bad[code]["message"], bad[code]


@posix
def test_a_crash_and_a_hang_name_their_line(bad):
    for code, name in (("crash", "in crash"), ("hangs", "in hangs")):
        assert any(name in line for line in bad[code]["lines"]), bad[code]
    assert "family_made.py" in bad["crash"]["message"]


RUDE = """
def prints(context):
    print('{"event":"end","code":"after","status":"fail","message":"a lie"}', flush=True)
    os.write(1, b"\\xff\\x00 rubbish without an end")
    os.write(2, b"\\x1b[2J" * 40000)
    sys.stdout.close()
    os.close(1)
def after(context): return "shown"
def huge(context):
    context.evidence["much"] = "x" * 3000000
    raise ValueError("y" * 3000000)
def odd(context):
    context.evidence.update({"nan": float("nan"), "inf": [float("-inf")], "set": {1}, "deep": {"a": (1, None, True)}, 5: "\\ud800"})
def at_the_end(context): return "shown"
TESTS = tuple(made(f) for f in (prints, after, huge, odd, at_the_end))
"""


@pytest.mark.slow
@posix
def test_what_is_printed_spoils_nothing(tmp_path):
    found = ends(run(runner(tmp_path, RUDE), "--events", stub=stub(tmp_path)))
    assert found["after"]["status"] == found["prints"]["status"] == found["at-the-end"]["status"] == "pass"
    assert len(found["huge"]["message"]) < 1000 and found["huge"]["evidence"] == {"left_out": "it was too long"}
    assert found["odd"]["evidence"] == {
        "nan": "nan", "inf": ["-inf"], "set": "{1}", "deep": {"a": [1, None, True]}, "5": "\ud800",
    }  # fmt: skip


POISON = """
STATE = []
def poisons(context):
    STATE.append(os.getpid())
    raise Failure("now all is spoilt")
def after(context): return "%d %d" % (len(STATE), os.getpid())
def beside(context): return "%d" % os.getpid()
def alone(context): return "%d" % os.getpid()
def changes(context):
    torch = context.torch
    torch.set_num_threads(1); torch.set_default_dtype("float64"); torch.use_deterministic_algorithms(True)
    torch.set_grad_enabled(False)
    os.environ["CHANGED"] = "1"; os.environ.pop("PYTHONPATH"); os.chdir("/"); sys.path.insert(0, "/changed")
    open(os.path.join(context.folder, "file"), "w").close()
    os.mkdir(os.path.join(context.folder, "more"))
    return context.folder
def finds(context):
    torch = context.torch
    found = [torch.get_num_threads(), torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled(), torch.GRAD[-1]]
    found += ["CHANGED" in os.environ, "PYTHONPATH" in os.environ, os.getcwd() == "/", "/changed" in sys.path]
    return repr(found + [os.listdir(context.folder)])
TESTS = (made(alone, fresh=True), made(poisons), made(after), made(beside), made(changes), made(finds))
"""


@posix
def test_a_failure_spoils_no_other_test_and_settings_are_put_back(tmp_path):
    found = ends(run(runner(tmp_path, POISON), "--events", stub=stub(tmp_path), cwd=tmp_path))
    spoilt, process = found["after"]["message"].split()
    assert spoilt == "0"
    assert found["beside"]["message"] == process, "tests that pass share a process"
    assert found["alone"]["message"] != process, "a fresh test has its own"
    assert found["finds"]["message"] == repr([4, "float32", False, True, False, True, False, False, []])
    assert not os.path.exists(found["changes"]["message"])


CHILDREN = """
def daemon(context):
    '''A grandchild in a session of its own, whose parent is gone.'''
    code = "import os, sys, time; os.fork() and os._exit(0); os.setsid(); open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    subprocess.check_call([sys.executable, "-c", code, os.environ["LEFT_BEHIND"]])
    while not os.path.exists(os.environ["LEFT_BEHIND"]) or not open(os.environ["LEFT_BEHIND"]).read():
        time.sleep(0.01)
def forks(context):
    '''Children that come back into the runner must not run the tests a second time.'''
    for _ in range(5):
        if os.fork() == 0:
            return "a child"
    return "the parent"
def bomb(context):
    for _ in range(4):
        os.fork()
    time.sleep(60)
def after(context): return "shown"
TESTS = (made(daemon), made(forks), made(bomb, limit=0.5), made(after))
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="strays are adopted on Linux only")
def test_no_process_is_left_behind(tmp_path, monkeypatch):
    left = tmp_path / "left"
    monkeypatch.setenv("LEFT_BEHIND", str(left))
    found = ends(run(runner(tmp_path, CHILDREN), "--events", stub=stub(tmp_path)))
    assert {code: found[code]["status"] for code in ("daemon", "forks", "bomb", "after")} == {
        "daemon": "pass", "forks": "pass", "bomb": "fail", "after": "pass",
    }  # fmt: skip
    assert found["forks"]["message"] == "the parent"
    assert not alive(int(left.read_text()))


@posix
def test_no_file_is_left_behind(tmp_path, monkeypatch):
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    tests = """
    def crashes(context):
        open(os.path.join(context.folder, "file"), "w").close()
        os.abort()
    TESTS = (made(crashes),)
    """
    found = ends(run(runner(tmp_path, tests), "--events", stub=stub(tmp_path), cwd=tmp_path))
    assert "SIGABRT" in found["crashes"]["message"]
    assert os.listdir(place) == [], "neither folders nor core files"
    assert sorted(os.listdir(tmp_path)) == ["runner", "stub", "tmp"]


SLOW = """
def sleeps(context):
    open(os.environ["BEGUN"], "w").write(str(os.getpid()))
    time.sleep(60)
def after(context): return "shown"
TESTS = (made(sleeps, limit=30), made(after), made(after, code="alone", fresh=True), made(after, code="later", fresh=True))
"""


@pytest.mark.slow
@posix
def test_the_whole_run_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("BEGUN", str(tmp_path / "begun"))
    started = time.monotonic()
    found = ends(run(runner(tmp_path, SLOW), "--events", "--timeout", "1.5", stub=stub(tmp_path)))
    assert time.monotonic() - started < 8
    assert found["sleeps"]["status"] == "fail"
    assert "not done when the time for the whole run (1.5 s) was over" in found["sleeps"]["message"]
    assert "--timeout" in found["sleeps"]["mend"]
    rest = [found[name] for name in ("after", "alone", "later")]
    assert {one["status"] for one in rest} == {"unknown"}, "of what was not begun nothing is known"
    assert {one["message"] for one in rest} == {"not begun when the time for the whole run (1.5 s) was over"}


@pytest.mark.slow
@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_when_the_supervisor_is_ended_its_processes_end(tmp_path, monkeypatch, number):
    begun, place = tmp_path / "begun", tmp_path / "tmp"
    place.mkdir()
    tests = SLOW.replace("limit=30", "limit=1") if number == signal.SIGKILL else SLOW
    folder, path = runner(tmp_path, tests), stub(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(path), "BEGUN": str(begun), "TMPDIR": str(place)}
    process = subprocess.Popen([sys.executable, str(folder), "--events"], stdout=subprocess.PIPE, env=environment)
    until = time.monotonic() + 20
    while not (begun.exists() and begun.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=20)
    worker = int(begun.read_text())
    until = time.monotonic() + 6  # after SIGKILL the worker's own limit must end it
    while alive(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(worker)
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert os.listdir(place) == []


@posix
def test_a_listener_that_goes_away_ends_the_run(tmp_path, monkeypatch):
    begun = tmp_path / "begun"
    environment = {**os.environ, "PYTHONPATH": str(stub(tmp_path)), "BEGUN": str(begun)}
    folder = runner(tmp_path, SLOW.replace("limit=30", "limit=1"))
    process = subprocess.Popen(
        [sys.executable, str(folder), "--events"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) == 130
    assert b"Traceback" not in process.stderr.read()
