"""What envtool's children say on a machine that is only described: the real scripts run over a tree that imitates it.

Nothing of their answers' form is written down here, so that a change of it shows in the recordings.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nvml_stub_build as stub
from fake_torch import fake_torch

from envtool.machine import Found, Reading
from envtool.probe import nvidia, python
from envtool.probe.child import Completed
from envtool.probe.children import BOOT, child_file

OWN = "/opt/envtool/children"  # where envtool's own scripts lie on every described machine

# Runs a child script as if it were another Python: its facts come from the first argument, a Python literal.
POSE = """
import sys, os
spec, child, mode = eval(sys.argv[1]), sys.argv[2], sys.argv[3]
class Like:
    def __init__(self, **known):
        self.__dict__.update(known)
for key in ("prefix", "base_prefix", "executable", "platform", "abiflags", "maxsize"):
    setattr(sys, key, spec[key])
sys._base_executable = spec["executable"]
sys.version_info = spec["version_info"]
sys.implementation = Like(name="cpython", cache_tag=spec["tag"])
sys.path[:] = spec["path"][mode]
sys.envtool_root = spec["root"]
sys.modules["encodings"] = Like(__path__=[spec["home"] + "/encodings"])
sys.modules["site"] = Like(USER_SITE=spec["user_site"], getsitepackages=lambda: spec["site"])
frozen = sys.modules["_imp"].is_frozen
sys.modules["_imp"] = Like(extension_suffixes=lambda: spec["suffixes"], is_frozen=frozen)
if spec["platform"] == "win32":
    del os.uname
else:
    os.uname = lambda: Like(machine=spec["machine"])
if spec["pythonpath"] and mode == "plain":
    os.environ["PYTHONPATH"] = spec["pythonpath"]
os.chdir(spec["cwd"])
sys.argv[:] = [child, mode]
exec(compile(open(child).read(), child, "exec"), {"__name__": "__main__"})
"""


@dataclass
class Interpreter:
    """A Python with its packages: ``files`` is everything that its children may find, by absolute path."""

    version: str
    executable: str
    prefix: str
    base_prefix: str
    home: str  # the folder of the standard library
    site: str
    suffixes: tuple[str, ...]
    machine: str
    cwd: str
    user_site: str
    platform: str = "linux"
    pythonpath: str = ""
    extra_site: tuple[str, ...] = ()
    shell: Mapping[str, str] = field(default_factory=dict)
    user_home: str = ""
    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> list[str]:
        """``sys.path`` of an isolated start."""
        digits = "".join(self.version.split(".")[:2])
        if self.platform == "win32":
            base = self.base_prefix
            return [f"{base}\\python{digits}.zip", f"{base}\\DLLs", self.home, base, self.prefix, self.site]
        folder = self.home.rpartition("/")[0]
        return [f"{folder}/python{digits}.zip", self.home, f"{self.home}/lib-dynload", self.site, *self.extra_site]

    def plain_path(self) -> list[str]:
        """``sys.path`` of a start in the user's folder and shell."""
        named = [self.pythonpath] if self.pythonpath else []
        user = [self.user_site] if any(path.startswith(self.user_site) for path in self.files) else []
        return ["", *named, *self.path[:-1], *user, self.path[-1]]


class Imitation:
    """The tree of an interpreter in a temporary folder; what lies there is told by its own paths."""

    def __init__(self, interpreter: Interpreter, folder: Path) -> None:
        self.it, self.root = interpreter, str(folder)
        folders = [interpreter.home, interpreter.site, interpreter.cwd, *interpreter.path]
        for path in folders:
            if not path.endswith(".zip"):
                os.makedirs(self.at(path), exist_ok=True)
        for path, text in interpreter.files.items():
            place = Path(self.at(path))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            if "/bin/" in path:
                place.chmod(0o755)
        for path, target in interpreter.links.items():
            place = Path(self.at(path))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(self.at(target))

    def at(self, path: str) -> str:
        """The place that stands for a path of the described machine."""
        return self.root + "/" + path.replace("\\", "/").replace(":", "").strip("/") if path else path

    def told(self, value: object) -> object:
        """An answer with the described machine's own paths."""
        if isinstance(value, dict):
            return {key: self.told(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.told(item) for item in value]
        if isinstance(value, str) and self.root in value:
            return re.sub(re.escape(self.root) + r"([\w./\\~+-]*)", lambda found: self._own(found[1]), value)
        return value

    def _own(self, path: str) -> str:
        if self.it.platform == "win32":
            return path.strip("/").replace("C/", "C:\\", 1).replace("/", "\\")
        return path or "/"


def listed(interpreter: Interpreter) -> dict[str, Completed]:
    """What the two children say that read the environment."""
    with tempfile.TemporaryDirectory() as folder:
        there = Imitation(interpreter, Path(os.path.realpath(folder)))
        answers = {mode: _listed(there, mode) for mode in ("isolated", "plain")}
    identities: dict[str, str] = {}
    for answer in answers.values():
        for entry in answer["entries"]:
            entry["identity"] = identities.setdefault(entry["identity"], f"64768:{len(identities) + 4711}")
    said = {
        mode: Completed(0, f"\n{python.MARKER}{json.dumps(answer, separators=(',', ':'))}\n", "", 0.03)
        for mode, answer in answers.items()
    }
    return {"environment": said["isolated"], "environment-plain": said["plain"]}


def _listed(there: Imitation, mode: str) -> dict:
    it = there.it
    numbers = tuple(int(part) for part in it.version.split("."))
    spec = {
        "prefix": there.at(it.prefix),
        "base_prefix": there.at(it.base_prefix),
        "executable": there.at(it.executable),
        "platform": it.platform,
        "abiflags": "",
        "maxsize": 2**63 - 1,
        "version_info": (*numbers, "final", 0),
        "tag": f"cpython-{numbers[0]}{numbers[1]}",
        "path": {
            "isolated": [there.at(path) for path in it.path],
            "plain": [there.at(path) for path in it.plain_path()],
        },
        "home": there.at(it.home),
        "user_site": there.at(it.user_site),
        "site": [there.at(it.site), *map(there.at, it.extra_site)],
        "suffixes": list(it.suffixes),
        "machine": it.machine,
        "pythonpath": there.at(it.pythonpath),
        "cwd": there.at(it.cwd),
        "root": there.root,
    }
    argv = [sys.executable, "-I", "-S", "-B", "-c", POSE, repr(spec), child_file("environment.py"), mode]
    environ = {"PATH": "/usr/bin:/bin"}
    if mode == "plain":
        environ |= {name: value.replace("~", there.at(it.user_home)) for name, value in it.shell.items()}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environ, timeout=30)
    found = [line for line in done.stdout.split("\n") if line.startswith(python.MARKER)]
    if len(found) != 1 or '"error"' in found[0][:40]:
        raise RuntimeError(f"the child that reads environments said: {done.stdout}{done.stderr}")
    answer = there.told(json.loads(found[0][len(python.MARKER) :]))
    assert isinstance(answer, dict)
    return answer


# ── the import rehearsal ─────────────────────────────────────────────────────────────────────────


def imported(interpreter: Interpreter, *, seconds: float, stderr: str = "") -> Completed:
    """What the child says that imports the packages; ``seconds`` is what torch's import takes there."""
    with tempfile.TemporaryDirectory() as folder:
        there = Imitation(interpreter, Path(os.path.realpath(folder)))
        places = [interpreter.site, *(p for p in interpreter.plain_path() if p == interpreter.user_site)]
        environ = {"PYTHONPATH": ":".join(map(there.at, places)), "PATH": "/usr/bin:/bin"}
        argv = [sys.executable, "-s", "-S", "-B", "-c", BOOT, child_file("imports.py")]
        cwd = there.at(interpreter.cwd)
        done = subprocess.run(argv, capture_output=True, text=True, cwd=cwd, env=environ, timeout=30, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the child that imports said: {done.stdout}{done.stderr}")
        lines = [_timed(line, there, seconds) for line in done.stdout.split("\n")]
    return Completed(0, "\n".join(lines), stderr, round(seconds + 0.6, 3))


PACE = {"torch": 1.0, "torchvision": 0.2, "torchaudio": 0.05, "cuda": 0.1, "mps": 0.1}


def _timed(line: str, there: Imitation, seconds: float) -> str:
    found = re.match(r"^(envtool-import):([0-9a-f]{16}):(.*)$", line)
    if found is None:
        return line
    message = there.told(json.loads(found[3]))
    assert isinstance(message, dict)
    if "hello" in message:
        message["hello"] = there.it.version
    if "seconds" in message:
        message["seconds"] = round(seconds * PACE.get(message["end"], 0.01), 4)
    if "lines" in message:
        message["lines"] = [_own_frame(text, there.it) for text in message["lines"]]
    return f"{found[1]}:{'0123456789abcdef'}:{json.dumps(message, separators=(',', ':'))}"


def _own_frame(line: str, it: Interpreter) -> str:
    """A frame of a traceback as that machine would name it; line numbers of other people's files come and go."""
    frame = re.match(r'^File "(.*)", line \d+, in (.*)$', line)
    if frame is None:
        return line
    path = frame[1]
    if path == child_file("imports.py"):
        path = f"{OWN}/imports.py"
    elif path.startswith(os.path.dirname(os.__file__)):
        path = it.home + path[len(os.path.dirname(os.__file__)) :]
    return f'File "{path}", line 1, in {frame[2]}'


# ── NVML ─────────────────────────────────────────────────────────────────────────────────────────

WORDS = {
    4: "Insufficient Permissions",
    9: "Driver Not Loaded",
    15: "GPU is lost",
    18: "Driver/library version mismatch",
}
WORDS |= {3: "Not Supported", 6: "Not Found", 999: "Unknown Error", 13: "Function Not Found"}


@cache
def _library() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return stub.build(Path(folder), version="1").read_bytes()


def nvml(
    scenario: Mapping[str, object],
    *,
    file: str | None,
    on_path: bool = True,
    kernel_log: str | None = None,
    windows: bool = False,
    limit: float | None = None,
    seconds: float = 0.05,
) -> Callable[[Sequence[str]], Reading[Completed]]:
    """The child that asks NVML: it loads a stub that follows the scenario. ``file``: where the library lies there.

    ``on_path``: does the loader find it by name? ``limit``: cut the child off after that many seconds.
    """

    def run(argv: Sequence[str]) -> Reading[Completed]:
        with tempfile.TemporaryDirectory() as folder:
            return Found(_nvml(Path(os.path.realpath(folder)), argv))

    def _nvml(folder: Path, argv: Sequence[str]) -> Completed:
        request = json.loads(argv[-1])
        (folder / "proc").mkdir()
        environ = {stub.SCENARIO: str(stub.write(folder / "scenario", scenario)), "PATH": "/usr/bin:/bin"}
        place = folder / "lib" / os.path.basename(file or "libnvidia-ml.so.1")
        if file is not None:
            place.parent.mkdir()
            place.write_bytes(_library())
            if place.name != "libnvidia-ml.so.1":
                (place.parent / "libnvidia-ml.so.1").symlink_to(place.name)
        if on_path:
            environ["LD_LIBRARY_PATH"] = str(folder / "lib")
        log = folder / "kmsg"
        if kernel_log is not None:
            log.write_text(kernel_log)
        libraries = [str(place) for path in request["libraries"] if path == file]
        mine = {"libraries": libraries, "kmsg": str(log), "proc": str(folder / "proc"), "limit": limit or 10.0}
        program = [
            sys.executable,
            "-I",
            "-S",
            argv[-2],
            json.dumps(request | {"pynvml": nvidia.nvidias_pynvml()} | mine),
        ]
        return _told(_cut_off(program, environ, limit), folder, file, windows=windows, seconds=seconds)

    return run


# ── CUDA ─────────────────────────────────────────────────────────────────────────────────────────


@cache
def _cuda_library() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return stub.build_cuda(Path(folder), version="1").read_bytes()


def cuda(
    *, file: str, on_path: bool = True, init: int = 0, count: int = 1
) -> Callable[[Sequence[str]], Reading[Completed]]:
    """The child that starts CUDA: it loads a stub that answers so. ``file``: where libcuda lies there."""

    def run(argv: Sequence[str]) -> Reading[Completed]:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(os.path.realpath(folder)) / "libcuda.so.1"
            if on_path:
                place.write_bytes(_cuda_library())
            told = {"CUDA_STUB_COUNT": str(count)} | ({"CUDA_STUB_INIT": str(init)} if init else {})
            environ = {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(place.parent), **told}
            program = [sys.executable, "-I", "-S", argv[-2], place.name]
            code, stdout = _cut_off(program, environ, None)
            if code != 0:
                raise RuntimeError(f"the child that starts CUDA ended with {code}: {stdout}")
            return Found(Completed(0, stdout.replace(f'"{place}"', json.dumps(file)), "", 0.21))

    return run


def _cut_off(program: list[str], environ: dict[str, str], limit: float | None) -> tuple[int | None, str]:
    try:
        done = subprocess.run(program, capture_output=True, text=True, env=environ, timeout=limit or 30, check=False)
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode() if isinstance(late.stdout, bytes) else str(late.stdout or "")
    return done.returncode, done.stdout


def _told(ended: tuple[int | None, str], folder: Path, file: str | None, *, windows: bool, seconds: float) -> Completed:
    code, stdout = ended
    lines = []
    for line in stdout.replace(str(folder / "lib"), os.path.dirname(file or "")).split("\n"):
        if not line.startswith("envtool-nvml/1 "):
            lines.append(line)
            continue
        event = json.loads(line[len("envtool-nvml/1 ") :])
        _as_there(event, windows=windows, seconds=seconds)
        lines.append("envtool-nvml/1 " + json.dumps(event))
    if code not in (0, None):
        raise RuntimeError(f"the child that asks NVML ended with {code}: {stdout}")
    return Completed(code, "\n".join(lines), "", 10.0 if code is None else round(seconds + 0.08, 3))


def _as_there(event: dict, *, windows: bool, seconds: float) -> None:
    """What differs between this machine and that one: the stub's words, time, the kernel log, Windows' names."""
    answer = event.get("answer")
    if isinstance(answer, dict) and str(answer.get("words", "")).startswith("stub error"):
        answer["words"] = WORDS[answer["code"]]
    if event.get("step") == "end":
        event["seconds"] = seconds
    if event.get("step") == "xids" and isinstance(answer, dict) and "error" in answer:
        answer["error"] = "there is no kernel log on this system" if windows else "Operation not permitted"
    if windows and event.get("step") == "library":
        event.update(name="nvml.dll", file=None)


__all__ = ["Interpreter", "cuda", "fake_torch", "imported", "listed", "nvml"]
