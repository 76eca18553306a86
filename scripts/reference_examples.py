"""The examples in docs/reference/json.md: documents that envtool's own code makes, kept short by what is put in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if ROOT not in sys.path:
    sys.path.append(ROOT)

from envtool.catalog import load  # noqa: E402
from envtool.catalog.difference import Change  # noqa: E402
from envtool.catalog.laws import judged  # noqa: E402
from envtool.checks import ALL, Evidence, run  # noqa: E402
from envtool.contrast import contrasts, side  # noqa: E402
from envtool.course import Course  # noqa: E402
from envtool.data import read_table  # noqa: E402
from envtool.device.place import Found as Searched  # noqa: E402
from envtool.device.place import Place, Skipped  # noqa: E402
from envtool.device.report import to_json as device_to_json  # noqa: E402
from envtool.diagnosis import Diagnosis  # noqa: E402
from envtool.drift import Drift, Locked, Pin, Term  # noqa: E402
from envtool.environment import NOT_IMPORTED, Build, Distribution, Environment, Leak, Shadow  # noqa: E402
from envtool.errors import UsageError  # noqa: E402
from envtool.install.order import Package  # noqa: E402
from envtool.install.wheelhouse import Wheelhouse  # noqa: E402
from envtool.install.wheelhouse import to_json as wheelhouse_to_json  # noqa: E402
from envtool.lock.difference import Move  # noqa: E402
from envtool.lock.document import document as lock_document  # noqa: E402
from envtool.lock.model import LockedPackage, LockedTarget, Lockfile, Target  # noqa: E402
from envtool.machine import Absent, Amd, Apple, Found, Gpu, HostPython, Intel, Libc, Machine, Nvidia  # noqa: E402
from envtool.machine_document import machine_to_json  # noqa: E402
from envtool.plan import Plan, resolve  # noqa: E402
from envtool.plan_document import document_of  # noqa: E402
from envtool.probe.interpreter import choose_interpreter  # noqa: E402
from envtool.probe.recording import RecordedHost, Recording, recording_to_json  # noqa: E402
from envtool.rehearse.events import Ended  # noqa: E402
from envtool.rehearse.events import report_of as rehearsed  # noqa: E402
from envtool.rehearse.report import Report as Rehearsed  # noqa: E402
from envtool.rehearse.report import to_json as rehearse_to_json  # noqa: E402
from envtool.report.catalog import to_json as catalog_to_json  # noqa: E402
from envtool.report.catalog import update_to_json, verified_to_json  # noqa: E402
from envtool.report.check import CheckReport  # noqa: E402
from envtool.report.check import to_json as check_to_json  # noqa: E402
from envtool.report.diff import to_json as diff_to_json  # noqa: E402
from envtool.report.install import Change as Laid  # noqa: E402
from envtool.report.install import Installation  # noqa: E402
from envtool.report.install import to_json as install_to_json  # noqa: E402
from envtool.report.json import doctor_to_json, error_to_json  # noqa: E402
from envtool.report.smoke import list_to_json, smoke_to_json  # noqa: E402
from envtool.setup.colab_check import clashes, compared, runtimes  # noqa: E402
from envtool.setup.colab_check import to_json as colab_check_to_json  # noqa: E402
from envtool.smoke import Event, tests  # noqa: E402
from envtool.smoke.events import Asked, report_of  # noqa: E402
from envtool.spec import Request  # noqa: E402
from envtool.target import read_target  # noqa: E402
from envtool.verdicts import Json, failed  # noqa: E402

GPU = Gpu(
    index=0,
    name=Found("NVIDIA GeForce RTX 4090"),
    uuid=Found("GPU-6f1c2a50-6f3e-4b0e-9f5c-0d2b8a7f4e11"),
    compute_capability=Found((8, 9)),
    memory_mib=Found(24564),
    mig=Absent("this GPU can't be divided"),
)
MACHINE = Machine(
    os="linux",
    arch="x86_64",
    os_version=Found("Debian GNU/Linux 12 (bookworm)"),
    libc=Found(Libc("glibc", "2.36")),
    wsl=Absent("the kernel is not WSL's"),
    container=Absent(),
    python=Found(HostPython("3.12.4", "cp312", "/home/ada/course/.venv/bin/python", 64)),
    nvidia=Nvidia(status="found", nvml_state="ok", driver=Found("550.54.14"), cuda_driver=Found("12.4"), gpus=(GPU,)),
    amd=Amd(status="absent", reason="no AMD card on the PCI bus"),
    intel=Intel(status="absent", reason="no Intel graphics on the PCI bus"),
    apple=Apple(status="absent", reason="this is not a Mac", chip=Absent("this is not a Mac")),
)
SITE = "/home/ada/course/.venv/lib/python3.12/site-packages"
ENVIRONMENT = Environment(
    executable="/home/ada/course/.venv/bin/python",
    chosen_by="the active environment (VIRTUAL_ENV)",
    version="3.12.4",
    implementation="cpython",
    abi="cp312",
    bits=64,
    arch="x86_64",
    prefix="/home/ada/course/.venv",
    base_prefix="/usr",
    manager="venv",
    pip=Found("25.3"),
    distributions=(Distribution("torch", "2.13.0", SITE, "pip"),),
    builds=(Build("torch", "2.13.0+cpu", "cpu", location=SITE),),
    leaks=(Leak("working-directory", "/home/ada/course"),),
    shadows=(Shadow("torch", "/home/ada/course/torch.py", "working-directory", standard_library=False),),
    plain_start=Found("3.12.4"),
)


class NoMender:
    """The example's fix is to rename a file, so no command to install with is asked for."""

    def reinstall(self, *, accelerator: str = "auto") -> str | None:
        return None

    def uninstall(self, *names: str) -> str:
        return ""

    def install(self, *requirements: str) -> str:
        return ""


def machine() -> dict[str, Json]:
    return machine_to_json(MACHINE)


def doctor() -> dict[str, Json]:
    """A file called torch.py: two of the verdicts, and of the machine only what is always there."""
    every = run(ALL, Evidence(MACHINE, ENVIRONMENT, NOT_IMPORTED, load(), NoMender()))
    shown = tuple(v for v in every if v.code in ("file-named-torch", "torch-not-installed"))
    document = doctor_to_json(Diagnosis(MACHINE, ENVIRONMENT, NOT_IMPORTED, shown))
    return document | {"machine": {key: value for key, value in machine().items() if key in ("schema", "os", "arch")}}


def check() -> dict[str, Json]:
    """One package that was upgraded."""
    pin = Pin("numpy", "2.2.6", "pip")
    locked = Locked("pylock.cpu.toml", "lockfiles/pylock.cpu.toml", "pylock", "pip", (pin,), None, "cpu", "==3.12.*")
    drift = Drift(locked, term=Term("2026-11-23", "2027-03-23"))
    newer = failed(
        "numpy is 2.3.0 (locked: 2.2.6).", hint="python -m pip install --no-deps numpy===2.2.6", command=True
    )
    verdict = replace(newer, code="locked-newer", title="No package is newer than locked")
    course = Course("cats", ">=3.10", ("torch>=2.4",), ("numpy>=1.26",), variants=("cpu",))
    document = check_to_json(
        CheckReport(Diagnosis(MACHINE, ENVIRONMENT, NOT_IMPORTED, (verdict,), course), drift, "envtool.toml")
    )
    few: dict[str, Json] = {
        "prefix": ENVIRONMENT.prefix,
        "manager": ENVIRONMENT.manager,
        "packages": {"numpy": "2.3.0"},
    }
    return document | {"machine": doctor()["machine"], "environment": few}


def diff() -> dict[str, Json]:
    """A laptop and a node of a cluster."""
    here: dict[str, Json] = {"schema": "envtool.machine/1", "os": "linux", "arch": "x86_64"}
    one: dict[str, Json] = here | {"nvidia": {"status": "absent", "driver": None}}
    two: dict[str, Json] = here | {"nvidia": {"status": "found", "driver": "580.65.06"}}
    a, b = side(one, "laptop.json"), side(two, "cluster.json")
    return diff_to_json(a, b, contrasts(a, b), ())


def plan() -> dict[str, Json]:
    """The newest torch for that machine, with the first build that was passed over for it."""
    catalog = load()
    answer = resolve(MACHINE, Request(("torch",)), catalog)
    assert isinstance(answer, Plan)
    document = document_of(answer, catalog)
    refusals = document["refusals"]
    assert isinstance(refusals, list)
    return document | {"refusals": refusals[:1], "catalog": {"date": catalog.date, "digest": "sha256:3f1c…"}}


def error() -> dict[str, Json]:
    """What a path that does not exist leads to."""
    try:
        choose_interpreter(RecordedHost(_recording()), "/home/ada/curse/.venv")
    except UsageError as wrong:
        return error_to_json(wrong.message, wrong.hint, wrong.details, wrong.exit_code)
    raise AssertionError("a path that does not exist was taken")


def _recording() -> Recording:
    recording = Recording()
    recording.keep("facts", "", {"sys_platform": "linux", "machine": "x86_64", "cwd": "/home/ada/course"})
    recording.keep("env", "CUDA_VISIBLE_DEVICES", None)
    recording.keep("read", "/proc/driver/nvidia/version", {"absent": "no such file"})
    for kind in ("stat", "link"):
        recording.keep(kind, "/home/ada/curse/.venv", {"absent": "no such file"})
    recording.keep("which", "nvidia-smi", {"absent": "not on PATH"})
    recording.keep("names", "/sys/module", {"unknown": "Permission denied"})
    return recording


def recording() -> dict[str, Json]:
    return recording_to_json(_recording(), made_by="envtool", date="2026-11-23T06:00:00Z")


def catalog() -> dict[str, Json]:
    """One build of the newest torch."""
    document = catalog_to_json(load(), load().releases[0].torch)
    (release,) = document["releases"] if isinstance(document["releases"], list) else ()
    assert isinstance(release, dict)
    assert isinstance(release["builds"], list)
    return document | {"digest": "sha256:3f1c…", "releases": [release | {"builds": release["builds"][:1]}]}


def catalog_verify() -> dict[str, Json]:
    """One law, which holds."""
    return verified_to_json(load(), judged(load())[:1]) | {"digest": "sha256:3f1c…"}


def catalog_update() -> dict[str, Json]:
    """One change, and an index that could not be read."""
    change = Change("added", "wheels of torch 2.16.0 for windows_x86_64", None, "cp312 cp313; Python >=3.11")
    unread = "the PyTorch index at https://download.pytorch.org/whl: cannot be reached; its builds stay as they are"
    path = "/home/ada/.local/share/envtool/catalog.json"
    return update_to_json((change,), ("torch 2.15.9 was yanked",), (unread,), "2027-01-21", path)


def smoke() -> dict[str, Json]:
    """torch imports, and torchvision was compiled for another."""
    rows = [
        {
            "code": "torch",
            "family": "import",
            "sentence": "`import torch` works.",
            "mend": "`envtool doctor` says why.",
        },
        {
            "code": "torchvision",
            "family": "import",
            "sentence": "torchvision is compiled for this very torch: its operator nms runs.",
            "mend": "Install torch and torchvision together, from one index.",
        },
    ]
    words = "RuntimeError: operator torchvision::nms does not exist"
    events: list[Event] = [
        {"event": "hello", "tests": [dict(row) for row in rows]},
        {"event": "end", "code": "torch", "status": "pass", "seconds": 1.2, "evidence": {"version": "2.13.0+cpu"}},
        {
            "event": "device",
            "device": "cpu",
            "accelerators": [],
            "reasons": {"cuda": "this torch is built without CUDA"},
        },
        {"event": "end", "code": "torchvision", "status": "fail", "seconds": 0.4, "message": words},
        {"event": "done", "seconds": 2.5},
    ]
    return smoke_to_json(report_of(events, Asked("/home/ada/course/.venv/bin/python", "auto", True), "exit code 0"))


def smoke_tests() -> dict[str, Json]:
    """The first of them."""
    return list_to_json(tests(sys.executable)[:1])


def lock() -> dict[str, Json]:
    """One platform, to which a package was added."""
    target = Target("cuda", "linux-64")
    package = LockedPackage(
        "pytorch", "2.13.0", "cuda129_mkl_py313_h0509a7e_302", 302, "linux-64", "", "", "", 25_000_000, ()
    )
    locked = LockedTarget(target, "cuda129", "3.13", (), (), (package,))
    lockfile = Lockfile("deep-learning", ("https://conda.anaconda.org/conda-forge",), "", (locked,))
    move = Move("tqdm", None, "4.70.0", "new", (target,))
    return lock_document("locked", lockfile=lockfile, moved=(move,), files=("pixi.lock",))


def device() -> dict[str, Json]:
    """A file and a notebook, and a folder of others' code."""
    line = 'DEVICE = "cpu"      # change this one line: "cuda", "mps", "xpu" or "auto"'
    places = (
        Place("notebooks/tour.ipynb", 4, 2, 'model.to("cuda")', None),
        Place("src/first_project/device.py", None, 10, line, None),
    )
    skipped = (Skipped("notebooks/exercise.ipynb", 12, "line 3: not Python 3 (invalid syntax)"),)
    files = ("notebooks/exercise.ipynb", "notebooks/tour.ipynb", "src/first_project/device.py")
    return device_to_json(Searched(places, files, skipped, ("build",), False), 1, None)


def rehearse() -> dict[str, Json]:
    """One fault, told as the child tells it."""
    train, net = "/home/ada/course/train.py", "/home/ada/course/net.py"
    moved = {"file": train, "line": 8, "function": "<module>", "text": "model = Net().to(DEVICE)"}
    told = (
        {"event": "torch", "version": "2.13.0"},
        {"event": "moved", "device": "meta", "place": moved},
        {
            "event": "fault",
            "kind": "attribute",
            "place": {"file": net, "line": 14, "function": "forward", "text": "x = x + self.positions"},
            "device": "cpu",
            "other_device": "meta",
            "name": "self.positions",
            "other_name": "x",
            "operation": "add",
            "owner": {"class": "Net", "name": "positions", "trained": False},
            "origin": {"file": net, "line": 9, "text": "self.positions = torch.randn(16, 8)"},
            "maker": "torch.randn",
            "stack": [{"file": train, "line": 21, "function": "<module>", "text": "scores = model(words.to(DEVICE))"}],
        },
        {"event": "end", "outcome": "done", "seconds": 3.4, "accelerator": 920, "cpu": 84, "left_out": 0},
    )
    asked = Rehearsed("", "train.py", ("--epochs", "1"), "/home/ada/course/.venv/bin/python", limit=120.0)
    return rehearse_to_json(rehearsed(told, Ended(0, 6.0), asked))


def _cpu_plan() -> Plan:
    answer = resolve(read_target("linux-64,py3.12,gpu=none", load()), Request(("torch==2.14.1",)), load())
    assert isinstance(answer, Plan)
    return answer


def install() -> dict[str, Json]:
    """A new environment, whose plan is cut short."""
    chosen = _cpu_plan()
    url = "https://download.pytorch.org/whl/cpu/torch-2.14.1%2Bcpu-cp312-cp312-manylinux_2_28_x86_64.whl"
    line = "uv pip install --python .venv/bin/python --no-deps torch==2.14.1+cpu"
    done = Installation(
        result="installed", path="/home/ada/course/.venv", shown=".venv", created=True, python="3.12.4",
        installer="uv", plan=chosen, changes=(Laid("torch", "2.14.1+cpu", None, 190_000_000, url),),
        known_bytes=190_000_000, commands=("uv venv .venv", line), seconds=21.5,
    )  # fmt: skip
    return install_to_json(done, {**document_of(chosen, load()), "refusals": [], "commands": {"pip": line[3:]}})


def wheelhouse() -> dict[str, Json]:
    """One wheel, and what was asked for beside torch."""
    name = "torch-2.14.1+cpu-cp312-cp312-manylinux_2_28_x86_64.whl"
    wheel = Package("torch", "2.14.1+cpu", None, name, "a1" * 32, 190_000_000)
    document = {**document_of(_cpu_plan(), load()), "refusals": []}
    return wheelhouse_to_json(
        Wheelhouse("wheels", "linux x86_64, Python 3.12", "3.12", document, ("pandas>=2",), (wheel,))
    )


def colab_check() -> dict[str, Json]:
    """A course whose numpy is older than Colab's."""
    known = runtimes(read_table("colab.toml"), "colab.toml")
    course = Course("deep-learning", packages=("numpy<2.1",))
    found = {runtime.name: tuple(f for f in compared(course, runtime) if f.package == "numpy") for runtime in known}
    others = tuple(runtime for runtime in known if not clashes(found[runtime.name]))
    return colab_check_to_json(course, known[0], found[known[0].name], others)


EXAMPLES: dict[str, Callable[[], dict[str, Json]]] = {
    "machine": machine,
    "doctor": doctor,
    "plan": plan,
    "error": error,
    "recording": recording,
    "catalog": catalog,
    "catalog-verify": catalog_verify,
    "catalog-update": catalog_update,
    "device": device,
    "rehearse": rehearse,
    "smoke": smoke,
    "smoke-tests": smoke_tests,
    "lock": lock,
    "install": install,
    "check": check,
    "diff": diff,
    "wheelhouse": wheelhouse,
    "colab-check": colab_check,
}
