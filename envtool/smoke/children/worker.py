"""The process that imports torch, once, and runs tests one after the other. The supervisor starts and ends it.

It imports as a user's script would: before torch nothing is imported but what any start of Python has loaded or built
in, so that a file of the user that stands in for a module does so here too. Each test is announced and its end told
at once, as a line of JSON on a descriptor of its own; whatever a package prints goes to stderr.
"""

import faulthandler
import os
import sys
import time

import harness

OUT = os.dup(1)
os.dup2(2, 1)
PROCESS = os.getpid()
PARENT = os.getppid()
TEXT = 4000  # characters of an exception's text that are kept
EVIDENCE = 100000  # characters of a test's evidence
SHORT = 600


def quoted(text):
    out = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            out.append("\\" + char)
        elif 32 <= code < 127:
            out.append(char)
        elif code < 0x10000:
            out.append("\\u%04x" % code)
        else:
            code -= 0x10000
            out.append("\\u%04x\\u%04x" % (0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF)))
    return '"' + "".join(out) + '"'


def json(value):
    """JSON without the module, which a file of the user may stand in for; what is no JSON becomes its text."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "{" + ",".join(quoted(str(key)) + ":" + json(value[key]) for key in value) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(json(item) for item in value) + "]"
    if isinstance(value, int):
        return "%d" % value
    if isinstance(value, float):
        return repr(value) if value - value == 0 else quoted(repr(value))  # JSON has no infinity
    return quoted(str(value))


def say(message):
    data = ("\n" + json(message) + "\n").encode("ascii")  # a sitecustomize.py may have printed half a line
    while data:
        data = data[os.write(OUT, data) :]


# ── one test ─────────────────────────────────────────────────────────────────────────────────────


def text_of(error):
    try:
        return str(error).strip()
    except Exception:
        return ""


def places(error):
    """Where it was raised: the innermost two lines of the traceback outside of this file."""
    found, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith("<") and code.co_filename != places.__code__.co_filename:
            found.append('File "%s", line %d, in %s' % (code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return found[-2:]


def failure(error):
    """What an exception says: in one line, and whole."""
    text = text_of(error)
    first = text.split("\n")[0][:SHORT]
    kind = type(error).__name__
    return {
        "status": "fail",
        "message": (kind + ": " + first) if first else kind,
        "text": text[-TEXT:] if "\n" in text else None,
        "lines": places(error),
    }


def attempt(test, work, evidence):
    """Announce the test, run ``work`` and tell how it ended; true unless it failed."""
    say({"event": "begin", "code": test.code, "limit": test.limit})
    faulthandler.dump_traceback_later(test.limit, exit=True)  # says where it hangs; the supervisor kills a little later
    ended = {"event": "end", "code": test.code, "status": "pass"}
    started = time.perf_counter()
    try:
        ended["message"] = work() or None
    except harness.Skip as reason:
        ended.update(status="skip", message=text_of(reason)[:TEXT])
    except harness.Warn as reason:
        ended.update(status="warn", message=text_of(reason)[:TEXT])
    except harness.Failure as reason:
        ended.update(status="fail", message=text_of(reason)[:TEXT])
    except BaseException as error:  # SystemExit too: it must not end the others' turn
        ended.update(failure(error))
    if os.getpid() != PROCESS:
        os._exit(70)  # a child process that a test made and let run on
    ended["seconds"] = time.perf_counter() - started
    faulthandler.cancel_dump_traceback_later()
    ended["evidence"] = evidence if len(json(evidence)) < EVIDENCE else {"left_out": "it was too long"}
    say(ended)
    return ended["status"] != "fail"


class Named:
    """What is known of a test whose module can't be loaded."""

    def __init__(self, code, limit):
        self.code, self.limit = code, limit


# ── torch and the device ─────────────────────────────────────────────────────────────────────────


def import_torch(evidence):
    started = time.perf_counter()
    import torch

    evidence["seconds"] = time.perf_counter() - started
    path = getattr(torch, "__file__", None)
    version = getattr(torch, "__version__", None)
    evidence["file"], evidence["version"] = path, None if version is None else str(version)
    if version is None or not hasattr(torch, "tensor"):
        where = path or ", ".join(getattr(torch, "__path__", ())) or "nowhere"
        raise harness.Failure("`import torch` finds %s, and that is not PyTorch" % where)
    return torch


class Session:
    """What the tests of this process share: torch, the device under test and what else can be used."""

    def __init__(self, asked, folder):
        self.asked, self.folder = asked, folder
        self.torch = self.survey = self.device = self.why_not = None
        self.import_evidence = {}

    def load(self):
        self.torch = import_torch(self.import_evidence)
        return "torch %s from %s" % (self.torch.__version__, self.torch.__file__)

    def ask_devices(self):
        import devices

        self.survey = devices.survey(self.torch)
        self.device, self.why_not = devices.choose(self.asked, self.survey)
        self.cores = devices.cores()

    def context(self):
        survey = self.survey
        folder = os.path.join(self.folder, "%d" % time.perf_counter_ns())
        os.mkdir(folder)
        others = [] if self.asked == "cpu" else survey.accelerators()  # who asks for the CPU has a reason
        found = harness.Context(self.torch, self.device, others, folder, self.cores, survey.reasons())
        found.broken = dict(survey.broken)
        return found

    def tell(self):
        import devices

        say(
            {
                "event": "device",
                "device": self.device,
                "name": devices.model(self.torch, self.device),
                "accelerators": self.survey.accelerators(),
                "reasons": self.survey.reasons(),
                "cores": self.cores,
                "torch": str(self.torch.__version__),
                "threads": self.torch.get_num_threads(),
            }
        )


def run_device(session, test):
    def work():
        session.ask_devices()
        if session.why_not:
            raise harness.Failure("the device %s can't be used: %s" % (session.device, session.why_not))
        context = session.context()
        session.tell()
        said = test.run(context)
        evidence.update(context.evidence)
        remove(context.folder)
        return said

    evidence = {}
    return attempt(test, work, evidence)


# ── the others ───────────────────────────────────────────────────────────────────────────────────


def settings(torch):
    """What a test may change and the next one must find as it was."""
    return {
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "environment": dict(os.environ),
        "folder": working_directory(),
        "path": list(sys.path),
    }


def working_directory():
    try:
        return os.getcwd()
    except OSError:
        return None


def restore(torch, kept):
    torch.set_num_threads(kept["threads"])
    torch.set_default_dtype(kept["dtype"])
    torch.use_deterministic_algorithms(kept["deterministic"])
    torch.set_grad_enabled(True)
    for name in set(os.environ) - set(kept["environment"]):
        del os.environ[name]
    os.environ.update(kept["environment"])
    if kept["folder"] is not None:
        os.chdir(kept["folder"])
    sys.path[:] = kept["path"]


def run_one(session, module, named):
    context = session.context()

    def work():
        for test in __import__(module).TESTS:
            if test.code == named.code:
                return test.run(context)
        raise LookupError("%s has no test %s" % (module, named.code))

    session.torch.manual_seed(0)
    good = attempt(named, work, context.evidence)
    remove(context.folder)
    return good


def remove(folder):
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def main():
    """Arguments: this folder, the device that is asked for, a folder for temporary files, MODULE:CODE:LIMIT..."""
    asked, folder = sys.argv[2:4]
    wanted = [entry.split(":") for entry in sys.argv[4:]]
    session, kept = Session(asked, folder), None
    for module, code, limit in wanted:
        if os.name == "posix" and os.getppid() != PARENT:
            break  # the supervisor is gone
        named = Named(code, float(limit))
        if code == "torch":
            good = attempt(named, session.load, session.import_evidence)
        else:
            if session.torch is None:
                session.load()
            if code == "device":
                good = run_device(session, device_test(named))
            else:
                if session.survey is None:
                    session.ask_devices()
                kept = kept or settings(session.torch)
                good = run_one(session, module, named)
                if good:
                    restore(session.torch, kept)
        if not good:
            break  # what is broken now must not fail the next test: that one gets a process of its own
    say({"event": "leaving"})
    sys.stderr.flush()
    os._exit(0)  # the end of the process is no test's


def device_test(named):
    import family_import

    for test in family_import.TESTS:
        if test.code == named.code:
            test.limit = named.limit
            return test
    raise LookupError(named.code)
