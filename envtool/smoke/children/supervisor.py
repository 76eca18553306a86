"""Starts the processes that run the tests, and ends them: at a time limit, after a failure, when all is done.

It never imports torch, so that nothing which a test does can bring it down. A crash, a kill, an exit or a hang is the
failure of the test that was running, and the tests after it go on in a new process.
"""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); import worker; worker.main()"
IMPORT_LIMIT = 120.0  # seconds: a cold network file system needs more than a minute
MORE_TIME = "Give the run more time, with --timeout SECONDS, or leave tests out, with --quick or --only."
GRACE = 1.5  # seconds that a process gets to say where it hangs, and to leave
LONGEST_LINE = 1 << 20
KEPT = 1 << 16  # bytes of stderr
WINDOWS = os.name == "nt"
WINDOWS_ENDS = {
    0xC0000005: "access violation",
    0xC000001D: "illegal instruction",
    0xC0000094: "integer division by zero",
    0xC00000FD: "stack overflow",
    0xC0000135: "a DLL was not found",
    0xC0000374: "heap corruption",
    0xC0000409: "stack buffer overrun",
}


class Interrupted(Exception):
    """Somebody asked the whole run to end."""


# ── one process ──────────────────────────────────────────────────────────────────────────────────


class Process:
    """A worker: its messages come through a queue, its stderr is kept, and it never outlives ``end``."""

    def __init__(self, python, device, folder, tests):
        names = ["%s:%s:%s" % (test.module, test.code, limit_of(test)) for test in tests]
        command = [python, "-X", "faulthandler", "-c", BOOT, FOLDER, device, folder] + names
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if WINDOWS else {"start_new_session": True}
        self.messages = queue.Queue()
        self.said = bytearray()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **group
        )
        self.readers = [
            threading.Thread(target=self._read_messages, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    def _read_messages(self):
        while True:
            line = self.process.stdout.readline(LONGEST_LINE)
            if not line:
                break
            message = parsed(line)
            if message is not None:
                self.messages.put(message)
        self.messages.put(None)

    def _read_stderr(self):
        while True:
            piece = os.read(self.process.stderr.fileno(), 1 << 14)
            if not piece:
                break
            self.said += piece
            del self.said[:-KEPT]

    def next(self, until):
        """The next message; None where the process has ended, TimeoutError where the time has come."""
        ended_at = None
        while True:
            if time.monotonic() > until + GRACE:  # however much it says
                raise TimeoutError()
            try:
                message = self.messages.get(timeout=0.05)
            except queue.Empty:
                now = time.monotonic()
                # A child of its own may hold the pipe open when it has long ended.
                if self.process.poll() is not None:
                    ended_at = ended_at or now
                    if now - ended_at > 0.3:
                        return None
                elif now > until:
                    raise TimeoutError()
                continue
            if message is None:
                self._wait(GRACE)
            return message

    def _wait(self, seconds):
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            pass

    def end(self):
        """Kill whatever is left of the process and its children, and take in what it said last."""
        alive = self.process.poll() is None
        kill_group(self.process.pid)
        self._wait(GRACE)
        reap_strays()
        for reader, stream in zip(self.readers, (self.process.stdout, self.process.stderr)):
            reader.join(0.5)
            if not reader.is_alive():
                stream.close()
        code = self.process.returncode
        return None if alive else code

    def words(self):
        return bytes(self.said).decode("utf-8", "replace").replace("\r\n", "\n")


def parsed(line):
    try:
        message = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and isinstance(message.get("event"), str) else None


def kill_group(pid):
    if WINDOWS:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.call(["taskkill", "/T", "/F", "/PID", str(pid)], **quiet)
        return
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:  # all of it has ended
        pass


def adopt_strays():
    """Linux: processes whose parent has ended become ours, so that none gets away by leaving its group."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    except (ImportError, OSError, AttributeError, TypeError):
        pass


def reap_strays():
    for _ in range(20):  # each round may show the children of those that were killed in the last
        children = own_children()
        if not children:
            return
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except OSError:
                pass


def own_children():
    try:
        with open("/proc/self/task/%d/children" % os.getpid()) as file:
            return [int(pid) for pid in file.read().split()]
    except (OSError, ValueError):
        return []


# ── how a process ended, in words ────────────────────────────────────────────────────────────────


def ending(code):
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "signal %d" % -code
        return "killed by " + name + (", as the system does when memory runs out" if name == "SIGKILL" else "")
    name = WINDOWS_ENDS.get(code & 0xFFFFFFFF)
    return "exit code %#x: %s" % (code & 0xFFFFFFFF, name) if name else "the process ended itself, exit code %d" % code


def fault(words):
    """The last report of faulthandler: its first line, and the main thread's calls, innermost first."""
    heads = ("Fatal Python error", "Windows fatal exception", "Timeout (")
    lines = words.split("\n")
    starts = [number for number, line in enumerate(lines) if line.startswith(heads)]
    if not starts:
        return None, []
    report = lines[starts[-1] :]
    threads = [number for number, line in enumerate(report) if "(most recent call first)" in line]
    current = [number for number in threads if report[number].startswith("Current thread")]
    chosen = current[:1] or threads[-1:]  # the main thread is the oldest, and the last one
    calls = []
    for line in report[chosen[0] + 1 :] if chosen else ():
        if not line.startswith("  File "):
            break
        calls.append(line.strip())
    return report[0], calls


def place(calls):
    """ " in nms, line 41 of torchvision/ops/boxes.py": the innermost call, with a path that fits on a line."""
    found = re.match('File "(.*)", line ([0-9]+),? in (.*)', calls[0]) if calls else None
    if found is None:
        return " in " + calls[0] if calls else ""
    path, line, name = found.groups()
    parts = path.replace("\\", "/").split("/site-packages/")[-1].split("/")
    return " in %s, line %s of %s" % (name, line, "/".join(parts[-3:]))


def last_words(words):
    lines = [line.rstrip() for line in words.split("\n") if line.strip()]
    return [line[:300] for line in lines[-5:]]


def limit_of(test):
    return IMPORT_LIMIT if test.code in ("torch", "device") else test.limit


# ── the whole run ────────────────────────────────────────────────────────────────────────────────


class Run:
    """All tests, one after the other. ``tell`` is given every event."""

    def __init__(self, tests, device, timeout, tell, python=None):
        self.tests, self.device, self.tell = tests, device, tell
        self.python = python or sys.executable
        self.timeout = timeout
        self.told = False  # was a failure told for the time that is over?
        self.deadline = time.monotonic() + timeout
        self.folder = None
        self.process = None
        self.failed = 0

    def go(self):
        """Run them; true where none failed."""
        no_core_files()
        adopt_strays()
        self.folder = tempfile.mkdtemp(prefix="smoke-")
        try:
            pending = in_order(self.tests)
            blocked = None
            while pending:
                batch = pending[:1]
                if blocked is None and not pending[0].fresh:
                    batch = [test for test in pending if not test.fresh]
                ended = self.skip(pending, blocked) if blocked else self.start(batch)
                pending = [test for test in pending if test.code not in ended]
                blocked = self.blocked_by(ended)
        finally:
            if self.process is not None:
                self.process.end()
            shutil.rmtree(self.folder, ignore_errors=True)
        return not self.failed

    def blocked_by(self, ended):
        if ended.get("torch") == "fail":
            return "torch does not import"
        if ended.get("device") == "fail":
            return "the device can't be used"
        return None

    def skip(self, tests, reason):
        for test in tests:
            self.ended({"code": test.code, "status": "skip", "message": reason})
        return {test.code: "skip" for test in tests}

    def ended(self, message):
        self.failed += message.get("status") == "fail"
        self.tell(dict(message, event="end"))

    def start(self, batch):
        """One process for these tests: how each that it came to has ended. At least one has."""
        if time.monotonic() > self.deadline:
            return self.out_of_time(batch)
        by_code = {test.code: test for test in batch}
        done, current, begun = {}, None, time.monotonic()
        self.process = Process(self.python, self.device, self.folder, batch)
        until = begun + IMPORT_LIMIT
        while True:
            try:
                message = self.process.next(min(until + GRACE, self.deadline))
            except TimeoutError:
                message = None
            if message is None or message["event"] == "leaving":
                break
            if message["event"] == "begin" and message.get("code") in by_code:
                if current is not None:
                    self.ended({"code": current.code, "status": "fail", "message": "its report could not be read"})
                    done[current.code] = "fail"
                current, begun = by_code[message["code"]], time.monotonic()
                until = begun + limit_of(current)
                self.tell(message)
            elif message["event"] == "end" and current is not None and message.get("code") == current.code:
                done[current.code] = message.get("status")
                self.ended(message)
                current, until = None, time.monotonic() + IMPORT_LIMIT
            elif message["event"] == "device":
                self.tell(message)
        code = self.process.end()
        left = [test for test in batch if test.code not in done]
        if current is not None or (left and not done):
            test = current or left[0]
            self.ended(self.cut_short(test, code, begun, current is not None))
            done[test.code] = "fail"
        self.process = None
        self.clean()
        return done

    def cut_short(self, test, code, begun, announced):
        """The failure of a test whose process ended first, or had to be ended."""
        words = self.process.words()
        seconds = time.monotonic() - begun
        head, calls = fault(words)
        limit = limit_of(test)
        said = {"code": test.code, "status": "fail", "seconds": seconds, "lines": calls[:5] or last_words(words)}
        if time.monotonic() > self.deadline and seconds < limit:
            said["message"] = "not done when the time for the whole run (%g s) was over" % self.timeout
            said["mend"] = MORE_TIME
            self.told = True
        elif code is None or (head or "").startswith("Timeout ("):
            said["message"] = "not done within %g s;%s" % (limit, place(calls) or " it was killed")
        elif announced:
            said["message"] = ending(code) + place(calls)
        else:
            last = (last_words(words) or ["it said nothing"])[-1]
            said["message"] = "the process for this test ended before the test began (%s): %s" % (ending(code), last)
        return said

    def out_of_time(self, tests):
        """One failure for the run that is not whole; of the others nothing is known."""
        reason = "not begun when the time for the whole run (%g s) was over" % self.timeout
        found = {}
        for test in tests:
            found[test.code] = "unknown" if self.told else "fail"
            self.ended({"code": test.code, "status": found[test.code], "message": reason, "mend": MORE_TIME})
            self.told = True
        return found

    def clean(self):
        """What a test left behind that ended otherwise than by itself."""
        for name in os.listdir(self.folder):
            shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)


def in_order(tests):
    """torch and the device first, then those that share a process, then those that have one each."""
    first = [test for test in tests if test.code in ("torch", "device")]
    rest = [test for test in tests if test.code not in ("torch", "device")]
    return first + [test for test in rest if not test.fresh] + [test for test in rest if test.fresh]


def no_core_files():
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    except (ImportError, ValueError, OSError):
        pass


ENDINGS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


def listen_for_the_end():
    for number in ENDINGS:
        signal.signal(number, interrupt)


def interrupt(number, frame):
    for one in ENDINGS:  # a second one must not break off the tidying
        signal.signal(one, signal.SIG_IGN)
    raise Interrupted()
