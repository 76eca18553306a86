"""Ways to break a real environment, each the one that makes a check print its fix."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import nvml_stub_build as stub
import pytest
from fake_torch import fake_torch
from fix_room import Built, FixRoom, family_wheel, release
from interpreters import distribution, interpreters, make_venv, package, site_packages
from loopback_wheels import Wheel

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
TORCH = "2.14.1"
WORKS = fake_torch([], available=False).replace('cuda = "12.6"', "cuda = None")  # imports, and computes on the CPU


def cpu_torch(room: FixRoom, version: str = TORCH) -> None:
    room.install(release(version, "cpu"))


def with_python(room: FixRoom, suits: Callable[[tuple[int, int]], bool], needed: str) -> None:
    """Make the environment with another Python."""
    here = {(int(version[0]), int(version[2:])): path for version, path in interpreters().items()}
    path = next((path for version, path in here.items() if suits(version)), None)
    if path is None:
        pytest.skip(f"there is no {needed} here")
    shutil.rmtree(room.prefix)
    make_venv(room.prefix, path)
    room.site = site_packages(room.prefix)


# ── Python ───────────────────────────────────────────────────────────────────────────────────────


def lost_base(room: FixRoom) -> None:
    config = room.prefix / "pyvenv.cfg"
    config.write_text(config.read_text().replace("home = ", "home = /nowhere"))
    for link in (room.prefix / "bin").glob("python*"):
        link.unlink()
    (room.prefix / "bin" / "python").symlink_to("/nowhere/bin/python3")


def deleted(room: FixRoom) -> None:
    room.env |= {"VIRTUAL_ENV": str(room.prefix), "PATH": f"{room.prefix}/bin:{room.env['PATH']}"}
    shutil.rmtree(room.prefix)
    room.arguments = ["--no-import"]


def not_active(room: FixRoom) -> None:
    cpu_torch(room)
    room.install(Wheel("filelock", "3.20.0"), Wheel("typing-extensions", "4.15.0"))
    room.arguments = ["--no-import"]


def shadow(name: str) -> Callable[[FixRoom], None]:
    def plant(room: FixRoom) -> None:
        cpu_torch(room)
        (room.folder / name).write_text("x = 1\n")

    return plant


def folder_named_torch(room: FixRoom) -> None:
    cpu_torch(room)
    package(room.folder, "torch")


def clone_of_pytorch(room: FixRoom) -> None:
    room.folder = room.folder / "pytorch"
    room.folder.mkdir()
    cpu_torch(room)
    package(room.folder, "torch")
    room.arguments = ["--no-import", "--python", f"'{room.python}'"]


def wrong_home(room: FixRoom) -> None:
    """A PYTHONHOME that suits envtool's own Python, and not the one of the environment."""
    with_python(room, lambda version: version != sys.version_info[:2] and version > (3, 7), "a second Python")
    cpu_torch(room)
    room.env["PYTHONHOME"] = sys.base_prefix


def leak(room: FixRoom) -> None:
    cpu_torch(room)
    other = make_venv(room.home / "other place")
    distribution(site_packages(other), "numpy", "1.21.0")
    room.env["PYTHONPATH"] = str(site_packages(other))


def user_site(room: FixRoom) -> None:
    shutil.rmtree(room.prefix)
    venv.create(room.prefix, system_site_packages=True)
    cpu_torch(room)
    theirs = room.home / ".local" / "lib" / f"python{MINOR}" / "site-packages"
    theirs.mkdir(parents=True)
    distribution(theirs, "numpy", "1.21.0")


def system_python(room: FixRoom) -> None:
    if not list(Path("/usr/lib").glob("python3*/EXTERNALLY-MANAGED")):
        pytest.skip("this system's Python lets pip in")
    shutil.rmtree(room.prefix)
    room.arguments = ["--no-import"]


def other_kernel(room: FixRoom) -> None:
    cpu_torch(room)
    pytest.importorskip("ipykernel")
    import ipykernel

    (room.site / "tests.pth").write_text(f"{Path(ipykernel.__file__).parent.parent}\n")
    distribution(room.site, "ipykernel", ipykernel.__version__)
    distribution(room.site, "matplotlib-inline", "0.1.7")
    kernel = room.home / ".local" / "share" / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["/usr/bin/python3", "-m", "ipykernel"]}))
    programs = room.home / "bin"
    programs.mkdir()
    (programs / "jupyter").touch(0o755)
    room.env["PATH"] += f":{programs}"


def no_inline(room: FixRoom) -> None:
    cpu_torch(room)
    room.with_pip()
    distribution(room.site, "matplotlib", "3.10.0")
    distribution(room.site, "ipykernel", "7.1.0")
    room.index.pypi.append(Wheel("matplotlib-inline", "0.2.1"))


# ── System ───────────────────────────────────────────────────────────────────────────────────────


def variable(name: str, value: str, **more: str) -> Callable[[FixRoom], None]:
    def plant(room: FixRoom) -> None:
        cpu_torch(room)
        room.env |= {name: value, **more}

    return plant


def no_index(room: FixRoom) -> None:
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"):  # an index on this machine is reached without a network
        del room.env[name]
    room.env["PIP_NO_INDEX"] = "1"
    room.with_pip()


def silent_proxy(room: FixRoom) -> None:
    cpu_torch(room)
    room.env["HTTPS_PROXY"] = "http://127.0.0.1:9"


def wants_d2l(room: FixRoom) -> None:
    with_python(room, lambda version: version >= (3, 12), "Python 3.12 or newer")
    cpu_torch(room)
    room.with_pip()
    (room.folder / "requirements.txt").write_text("d2l==1.0.3\n")
    room.index.pypi.append(Wheel("d2l", "1.0.3", ("numpy==1.23.5",)))
    imported_by_it = ("matplotlib", "matplotlib-inline", "requests", "scipy", "ipython")
    room.index.pypi += [Wheel(name, "1.0") for name in imported_by_it]


def few_files(room: FixRoom) -> None:
    cpu_torch(room)
    room.before = "ulimit -Sn 256"


# ── PyTorch ──────────────────────────────────────────────────────────────────────────────────────


def nothing_installed(room: FixRoom) -> None:
    room.with_pip()


def placeholder(room: FixRoom) -> None:
    room.with_pip()
    cpu_torch(room)
    room.install(Wheel("pytorch", "1.0.2"))


def twice(room: FixRoom) -> None:
    room.with_pip()
    room.install(release("2.1.0", "cpu"), release(TORCH, "cpu"))


def half_removed(room: FixRoom) -> None:
    cpu_torch(room)
    (room.site / "~orch-2.1.0.dist-info").mkdir()
    (room.site / "~umpy").mkdir()


def cublas(family: str, version: str) -> Wheel:
    name = f"nvidia-cublas-cu{family}"
    return Wheel(name, version, files=(("nvidia/cublas/lib/libcublas.so", family),))


def two_families(room: FixRoom) -> None:
    room.with_pip()
    room.install(release("2.6.0", "cu124"), cublas("12", "12.4.5.8"), cublas("11", "11.11.3.6"))
    room.index.pypi.append(cublas("12", "12.4.5.8"))


def without_libraries(room: FixRoom) -> None:
    """PyPI's own build: its version has no local part, and what it is stands in version.py alone."""
    room.with_pip()
    found = family_wheel("torch", TORCH, "", "cu130")
    room.install(Built("torch", TORCH, ("nvidia-cudnn-cu13==9.1", "filelock"), files=found.files))
    room.install(Wheel("filelock", "3.20.0"))
    room.index.pypi.append(Wheel("nvidia-cudnn-cu13", "9.1"))


def pair(*companions: Wheel, torch: str = TORCH, local: str = "cpu") -> Callable[[FixRoom], None]:
    def plant(room: FixRoom) -> None:
        room.with_pip()
        room.install(release(torch, local), *companions)

    return plant


def numpy_2(room: FixRoom) -> None:
    room.with_pip()
    old = {"3.8": "2.0.1", "3.9": "2.0.1"}.get(MINOR, "2.1.2")
    room.install(release(old, "cpu"), Wheel("numpy", "2.1.0"))
    room.index.pypi.append(Wheel("numpy", "1.26.4"))


def claims(name: str, version: str, needs: str, better: Wheel) -> Callable[[FixRoom], None]:
    def plant(room: FixRoom) -> None:
        room.with_pip()
        cpu_torch(room)
        room.install(Wheel(name, version, (needs,)), Wheel("numpy", "1.23.5"))
        room.index.pypi.append(better)

    return plant


def wrong_pynvml(room: FixRoom) -> None:
    room.with_pip()
    cpu_torch(room)
    room.install(Wheel("pynvml", "11.5.3"))
    room.index.pypi.append(Wheel("nvidia-ml-py", "13.580.65", files=(("pynvml.py", "ok = True\n"),)))


def foreign_library(room: FixRoom) -> None:
    room.install(release("2.4.1", "cu121"))
    folder = room.home / "cuda 11" / "lib64"
    folder.mkdir(parents=True)
    (folder / "libcudnn.so.8").write_bytes(b"")
    room.env["LD_LIBRARY_PATH"] = str(folder)


# ── the course ───────────────────────────────────────────────────────────────────────────────────

SPEC = (
    'name = "course"\npython = ">=3.8"\ntorch = ["torch=={torch}"]\npackages = [{packages}]\nvariants = ["{variant}"]\n'
)


def course(torch: str = TORCH, packages: str = "", variant: str = "cpu") -> Callable[[FixRoom], None]:
    def plant(room: FixRoom) -> None:
        room.with_pip()
        cpu_torch(room, "2.13.0" if torch != TORCH else TORCH)
        text = SPEC.format(torch=torch, packages=packages, variant=variant)
        (room.folder / "envtool.toml").write_text(text)
        room.index.pypi.append(Wheel("einops", "0.8.1"))

    return plant


# ── GPUs: a stand-in for NVIDIA's library says what there is ─────────────────────────────────────


def gpus(
    torch: str, local: str, driver: str = "550.54.14", count: int = 1, **told: object
) -> Callable[[FixRoom], None]:
    def plant(room: FixRoom) -> None:
        why_not = stub.why_not()
        if why_not:
            pytest.skip(why_not)
        library = stub.build(room.home / "nvml")
        stub.build_cuda(room.home / "nvml")
        cuda = {"550": 12040, "580": 13000, "595": 13020}[driver[:3]]
        more = {key.replace("__", "."): value for key, value in told.items()}
        scenario = stub.write(room.home / "scenario", stub.machine(count, driver, cuda), more)
        room.env |= {"LD_LIBRARY_PATH": str(library.parent), stub.SCENARIO: str(scenario)}
        room.with_pip()
        room.install(release(torch, local))

    return plant


def seen(value: str, **more: object) -> Callable[[FixRoom], None]:
    def plant(room: FixRoom) -> None:
        gpus(TORCH, "cu126", count=2, **more)(room)  # type: ignore[arg-type]
        room.env["CUDA_VISIBLE_DEVICES"] = value

    return plant


def course_for_the_cpu(room: FixRoom) -> None:
    room.with_pip()
    room.install(release(TORCH, "cu126"))
    (room.folder / "envtool.toml").write_text(SPEC.format(torch=TORCH, packages="", variant="cpu"))


def another_libcuda(folder: str, answer: int) -> Callable[[FixRoom], None]:
    """One that LD_LIBRARY_PATH puts before the driver's, and that ends with this code."""

    def plant(room: FixRoom) -> None:
        gpus(TORCH, "cu126")(room)
        place = room.home / "cuda" / folder
        place.mkdir(parents=True)
        (place / "libcuda.c").write_text(f"int cuInit(unsigned flags) {{ (void)flags; return {answer}; }}\n")
        words = [str(stub.compiler()), "-shared", "-fPIC", "-o", "libcuda.so.1", "libcuda.c"]
        subprocess.run(words, check=True, cwd=place, timeout=60)
        room.env["LD_LIBRARY_PATH"] = f"{place}:{room.env['LD_LIBRARY_PATH']}"

    return plant


def somebody_elses(room: FixRoom) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can start a program as somebody else")
    process = subprocess.Popen(["sleep", "60"], user=65534)
    busy = {"gpu__0__processes": f"{process.pid}:9000", "gpu__0__utilization": 97, "gpu__1__utilization": 0}
    gpus(TORCH, "cu126", count=2, **busy)(room)


def held_by_oneself(room: FixRoom) -> None:
    """A program that holds the GPU's memory until it is ended."""
    gpus(TORCH, "cu126")(room)
    free = (room.home / "scenario").read_text()
    (room.home / "free").write_text(free)
    program = "trap 'mv free scenario; exit' TERM; while :; do sleep 0.05; done"
    process = subprocess.Popen(["bash", "-c", program], cwd=room.home)
    held = free.replace("gpu.*.memory = 15360 1024", "gpu.*.memory = 15360 14800")
    (room.home / "scenario").write_text(f"{held}gpu.0.processes = {process.pid}:14000\n")
    room.after = f"while test -e '{room.home}/free'; do :; done"


# ── imports ──────────────────────────────────────────────────────────────────────────────────────


def imported(init: str, unless: str = "", **variables: str) -> Callable[[FixRoom], None]:
    """A torch that fails; ``unless``: only where that expression is false. The index has one that works."""

    def plant(room: FixRoom) -> None:
        room.with_pip()
        text = f"import os\nif not ({unless}):\n    {init}\n{WORKS}" if unless else f"{init}\n"
        room.install(release(TORCH, "cpu", (("torch/__init__.py", text),)))
        room.index.whl["cpu"] = [release(TORCH, "cpu", (("torch/__init__.py", WORKS),))]
        room.env |= variables
        room.arguments = ["--python", ".venv"]

    return plant


def companion(name: str, version: str, works: str) -> Callable[[FixRoom], None]:
    """One that can't be imported beside a torch that can; the index has both whole."""

    def plant(room: FixRoom) -> None:
        imported(WORKS)(room)
        file, told = f"{name}/__init__.py", (f"{name}/version.py", f"__version__ = '{version}+cpu'\ncuda = None\n")
        room.install(Built(name, f"{version}+cpu", files=((file, broken("damaged") + "\n"), told)))
        room.index.whl["cpu"].append(Built(name, f"{version}+cpu", files=((file, works), told)))

    return plant


def numpy_damaged(room: FixRoom) -> None:
    imported(WORKS + "\n\ndef from_numpy(rows):\n    return Tensor(rows.rows)\n")(room)
    good = "__version__ = '2.3.0'\nclass array:\n    def __init__(self, rows):\n        self.rows = rows\n"
    room.install(Wheel("numpy", "2.3.0", files=(("numpy/__init__.py", broken("libscipy_openblas64_.so") + "\n"),)))
    room.index.pypi = [wheel for wheel in room.index.pypi if wheel.name != "numpy"]
    room.index.pypi.append(Wheel("numpy", "2.3.0", files=(("numpy/__init__.py", good),)))


def by_uv(plant: Callable[[FixRoom], None]) -> Callable[[FixRoom], None]:
    """The same in an environment that uv made, which has no pip."""

    def planted(room: FixRoom) -> None:
        if not (room.programs / "uv").exists():
            pytest.skip("uv is not installed")
        plant(room)
        for path in room.site.glob("pip*"):
            shutil.rmtree(path)
        with open(room.prefix / "pyvenv.cfg", "a", encoding="utf-8") as config:
            config.write("uv = 0.9.0\n")

    return planted


VISION = """__version__ = '0.29.1+cpu'
class ops:
    @staticmethod
    def nms(boxes, scores, overlap):
        import torch
        return torch.tensor([0, 2])
"""
AUDIO = """__version__ = '2.11.0+cpu'
class functional:
    @staticmethod
    def DB_to_amplitude(decibel, reference, power):
        import torch
        return torch.tensor([10.0 ** (number / 10.0) for number in decibel.rows])
"""
FAILS = "raise ImportError({!r})"


def broken(words: str) -> str:
    return FAILS.format(words)
