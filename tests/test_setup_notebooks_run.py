"""The notebooks of `envtool setup colab` and `kaggle`, run in a kernel; pip is never asked for torch."""

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from notebook_room import HELD, Room, lay

from envtool.course import Course, Floors
from envtool.setup.colab import Colab, colab
from envtool.setup.colab_check import KEPT
from envtool.setup.kaggle import Kaggle, kaggle

THERE = all(map(find_spec, ("nbclient", "ipykernel")))  # not imported here: the fast tests collect this file, too
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not THERE, reason="nbclient and ipykernel run the notebooks"),
]

TORCH_PYTHON = os.environ.get("ENVTOOL_TORCH_PYTHON", "")
COURSE = Course("deep-learning", python=">=3.10", packages=("numpy>=2", "matplotlib"), pip_packages=("torchinfo>=1.8",))
NASTY = '"; rm -rf ~\n$(touch pwned) `touch pwned` {touch} %pip install torch\n!touch pwned'


def colab_text(course=COURSE, **wanted):
    return colab(course, Colab(**wanted))[0].text


def asked_for(room):
    """Every word that pip was given as something to install."""
    return [text for order in room.orders() for text in (*order["requirements"], *plain_words(order["arguments"]))]


def plain_words(arguments):
    files = {"envtool-constraints.txt", "envtool-extras.txt", "off"}
    return [word for word in arguments[1:] if not word.startswith("-") and word not in files]


def test_it_installs_what_is_missing_and_nothing_else(tmp_path):
    room = Room(tmp_path, offers={"torchinfo": "1.8.0", "matplotlib": "3.10.0"})
    ran = room.run(colab_text())
    assert ran.stop is None, ran.shown
    assert asked_for(room) == ["matplotlib", "torchinfo>=1.8"]
    (order,) = room.orders()
    held = dict(line.split("==") for line in order["constraints"])
    assert {name: held[name] for name in HELD} == HELD
    assert "computes on Tesla T4, 15 GiB" in ran.printed
    assert "Nothing clashes. To install: 2." in ran.printed
    assert "No restart is needed" in ran.printed


def test_a_second_session_has_nothing_to_ask_pip_for(tmp_path):
    room = Room(tmp_path, offers={"torchinfo": "1.8.0", "matplotlib": "3.10.0"})
    assert room.run(colab_text()).stop is None
    again = room.run(colab_text())
    assert again.stop is None and len(room.orders()) == 1
    assert "To install: nothing." in again.printed


def test_a_clash_is_named_and_pip_is_not_asked(tmp_path):
    room = Room(tmp_path, offers={"torchinfo": "1.8.0", "matplotlib": "3.10.0"})
    ran = room.run(colab_text(replace(COURSE, torch=("torch>=2.12",), packages=("numpy<2",))))
    assert ran.error == "Stop" and "never replaced" in ran.stop
    assert "torch>=2.12: here is 2.11.0+cu128" in ran.stop and "numpy<2: here is 2.1.3" in ran.stop
    assert "Traceback" not in ran.shown and "File" not in ran.shown
    assert room.orders() == []


def test_a_package_in_memory_that_was_replaced_needs_a_restart(tmp_path):
    room = Room(tmp_path, offers={"pandas": "1.5.3"})
    lay(room.site, "pandas", "2.2.3")
    text = colab_text(replace(COURSE, packages=("pandas<2",), pip_packages=()))
    ran = room.run(text, first="import pandas")
    assert "pandas 2.2.3 is in memory, and 1.5.3 is on the disk" in ran.stop
    assert "Choose Runtime, Restart session, then run all cells again" in ran.stop
    assert "pandas==2.2.3" not in room.orders()[0]["constraints"]
    after = room.run(text, first="import pandas")  # a new session
    assert after.stop is None and len(room.orders()) == 1


def test_a_package_that_was_replaced_and_not_in_memory_needs_none(tmp_path):
    room = Room(tmp_path, offers={"pandas": "1.5.3"})
    lay(room.site, "pandas", "2.2.3")
    ran = room.run(colab_text(replace(COURSE, packages=("pandas<2",), pip_packages=())))
    assert ran.stop is None and "pandas<2: here is 2.2.3. It is replaced." in ran.printed


def test_a_torch_that_somebody_replaced_under_the_kernel_is_seen(tmp_path):
    room = Room(tmp_path)
    swap = (
        "import os, pathlib, torch\nsite = pathlib.Path(os.environ['PIP_SITE'])\n"
        "old = site / 'torch-2.11.0+cu128.dist-info'\nmeta = (old / 'METADATA')\n"
        "meta.write_text(meta.read_text().replace('2.11.0+cu128', '2.12.0'))\n"
        "old.rename(site / 'torch-2.12.0.dist-info')"
    )
    lay(room.site, "torchinfo", "1.8.0")
    lay(room.site, "matplotlib", "3.10.0")
    ran = room.run(colab_text(), first=swap)
    assert "torch 2.11.0+cu128 is in memory, and 2.12.0 is on the disk" in ran.stop


def test_without_a_gpu_it_says_how_to_get_one(tmp_path):
    ran = Room(tmp_path, gpu=False).run(colab_text())
    assert ran.stop.startswith("DEVICE is 'cuda', but this Colab runtime has no GPU. Choose Runtime")
    assert "Found no NVIDIA driver" in ran.stop


def test_the_variable_device_goes_before_the_line(tmp_path):
    room = Room(tmp_path, gpu=False, offers={"torchinfo": "1.8.0", "matplotlib": "3.10.0"})
    ran = room.run(colab_text(), DEVICE="cpu")
    assert ran.stop is None and "computes on cpu" in ran.printed


def test_what_pip_refuses_is_named(tmp_path):
    room = Room(tmp_path, offers={"matplotlib": "3.10.0"})
    ran = room.run(colab_text())
    assert ran.stop.startswith("Not installed: matplotlib, torchinfo>=1.8.")
    assert "ERROR: Cannot install torchinfo>=1.8" in ran.printed


def test_a_gpu_below_the_courses_floor_is_told(tmp_path):
    room = Room(tmp_path, offers={"torchinfo": "1.8.0", "matplotlib": "3.10.0"})
    ran = room.run(colab_text(replace(COURSE, gpu=Floors(memory_gib=24, compute_capability=(8, 0)))))
    assert "the course needs a GPU with 24 GiB, and this one has 15." in ran.printed
    assert "needs compute capability 8.0, and this GPU has 7.5." in ran.printed


def test_a_name_that_wants_to_do_harm_does_none(tmp_path):
    room = Room(tmp_path, offers={"torchinfo": "1.8.0", "matplotlib": "3.10.0"})
    course = replace(COURSE, name=NASTY, links=((NASTY, f"https://example.org/{NASTY}"),), conda_packages=(NASTY,))
    ran = room.run(colab_text(course))
    assert ran.stop is None, ran.shown
    assert not list(tmp_path.rglob("pwned")) and asked_for(room) == ["matplotlib", "torchinfo>=1.8"]


def test_the_courses_repository_is_cloned(tmp_path):
    origin = tmp_path / "origin"
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", origin], check=True)
    (origin / "lecture.txt").write_text("1 + 1\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", origin, "add", "."], check=True)
    subprocess.run(["git", "-C", origin, *identity, "commit", "--quiet", "-m", "lecture"], check=True)
    room = Room(tmp_path, offers={"torchinfo": "1.8.0", "matplotlib": "3.10.0"})
    here = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{origin}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/owner/course.git",
    }
    text = colab_text(replace(COURSE, editable=("assignment",)), repository="owner/course")
    ran = room.run(text, **here)
    assert ran.stop is None, ran.shown
    assert (room.folder / "course" / "lecture.txt").is_file()
    assert room.orders()[-1]["arguments"] == [
        "install", "--quiet", "--no-deps", "--editable", os.path.join("course", "assignment")
    ]  # fmt: skip
    assert room.run(text, **here).stop is None  # the clone is there already
    (room.folder / "course" / "start.py").touch()
    for week in ("week-1", "week-2"):
        (room.folder / "course" / week).mkdir()
        (room.folder / "course" / week / "pyproject.toml").touch()
    assert room.run(colab_text(repository="owner/course"), **here).stop is None
    installed = [order["arguments"][-1] for order in room.orders()[-2:]]
    assert installed == [os.path.join("course", "week-1"), os.path.join("course", "week-2")]
    missing = room.run(colab_text(repository="owner/none"), GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0=f"url.file://{tmp_path}/.insteadOf",
                       GIT_CONFIG_VALUE_0="https://github.com/")  # fmt: skip
    assert "This failed: git clone" in missing.stop and "File" not in missing.stop


def test_kaggles_notebook_runs_and_speaks_of_kaggle(tmp_path):
    room = Room(tmp_path, offers={"torchinfo": "1.8.0", "matplotlib": "3.10.0"})
    room.environment.pop("COLAB_RELEASE_TAG")
    text = kaggle(COURSE, Kaggle())[0].text
    ran = room.run(text)
    assert ran.stop is None and not set(KEPT) & set(asked_for(room))
    (tmp_path / "no-gpu").mkdir()
    ran = Room(tmp_path / "no-gpu", gpu=False).run(text)
    assert "this Kaggle session has no GPU. Choose Settings, Accelerator" in ran.stop


# ── with pip itself ──────────────────────────────────────────────────────────────────────────────

BACKEND = """
import zipfile

def build_editable(folder, settings=None, metadata=None):
    name = "own_code-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("own_code.pth", {path!r})
        wheel.writestr("own_code-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: own-code\\nVersion: 1.0\\n")
        wheel.writestr("own_code-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("own_code-1.0.dist-info/RECORD", "")
    return name

get_requires_for_build_editable = lambda settings=None: []
"""


def wheel(folder: Path, name: str, version: str, needs: str = "") -> None:
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        file.writestr(f"{name}.py", f"__version__ = {version!r}\n")
        file.writestr(f"{name}-{version}.dist-info/METADATA", about + (f"Requires-Dist: {needs}\n" if needs else ""))
        file.writestr(
            f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{name}-{version}.dist-info/RECORD", "")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """An environment with pip, the stubs of torch and its family, and a kernel."""
    import importlib.util

    base = tmp_path_factory.mktemp("machine")
    subprocess.run([sys.executable, "-m", "venv", base / "env"], check=True)
    python = base / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    kernels = Path(importlib.util.find_spec("ipykernel").origin).parent.parent
    (site / "kernel.pth").write_text(f"{kernels}\n")
    spec = base / "jupyter" / "kernels" / "machine"
    spec.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "machine", "language": "python"}))
    room = Room(base)
    for path in room.site.glob("*.dist-info"):
        path.rename(site / path.name)
    for name in HELD:
        (room.site / f"{name}.py").rename(site / f"{name}.py")
    wheels = base / "wheels"
    wheels.mkdir()
    wheel(wheels, "small_extra", "1.0", "torch>=2")
    wheel(wheels, "needs_new_torch", "1.0", "torch>=99")
    wheel(wheels, "torch", "99.0")
    room.environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    del room.environment["PYTHONPATH"]
    return room, base / "jupyter", site


@pytest.fixture
def real(machine, monkeypatch):
    room, jupyter, site = machine
    monkeypatch.setenv("JUPYTER_PATH", str(jupyter))
    return room, site


def test_pip_itself_installs_under_the_constraints(real):
    room, site = real
    ran = room.run(colab_text(replace(COURSE, packages=(), pip_packages=("small-extra",))), kernel="machine")
    assert ran.stop is None, ran.shown
    assert (site / "small_extra.py").is_file() and (site / "torch-2.11.0+cu128.dist-info").is_dir()


def test_pip_itself_refuses_what_would_replace_torch(real):
    room, site = real
    ran = room.run(colab_text(replace(COURSE, packages=(), pip_packages=("needs-new-torch",))), kernel="machine")
    assert ran.stop.startswith("Not installed: needs-new-torch.")
    assert "needs-new-torch 1.0 depends on torch>=99" in ran.stop
    assert "(constraint) torch==2.11.0+cu128" in ran.stop
    assert (site / "torch-2.11.0+cu128.dist-info").is_dir() and not (site / "needs_new_torch.py").exists()


def test_the_courses_own_code_can_be_imported_without_a_restart(real, tmp_path):
    room, _ = real
    project = room.folder / "course"
    (project / "src").mkdir(parents=True)
    (project / "src" / "own_code.py").write_text("ANSWER = 42\n")
    (project / "backend.py").write_text(BACKEND.format(path=str(project / "src")))
    backend = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (project / "pyproject.toml").write_text(f'{backend}[project]\nname = "own-code"\nversion = "1.0"\n')
    course = replace(COURSE, packages=(), pip_packages=(), editable=(".",))
    document = json.loads(colab_text(course, repository="owner/course"))
    document["cells"].append({"cell_type": "code", "id": "own", "metadata": {}, "outputs": [], "execution_count": None,
                              "source": ["import own_code\n", "print(own_code.ANSWER)"]})  # fmt: skip
    ran = room.run(json.dumps(document), kernel="machine")
    assert ran.stop is None, ran.shown
    assert "42" in ran.printed


# ── with torch itself ────────────────────────────────────────────────────────────────────────────


def test_with_torch_itself_on_the_cpu(tmp_path):
    if not TORCH_PYTHON:
        pytest.skip("ENVTOOL_TORCH_PYTHON names no Python with torch")
    code = (
        "import sys, json, os, importlib.util, importlib.metadata as m; print(json.dumps([sys.version_info[:2], "
        "os.path.dirname(os.path.dirname(importlib.util.find_spec('torch').origin)), m.version('torch')]))"
    )
    answer = subprocess.run([TORCH_PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout
    version, site, torch = json.loads(answer)
    if tuple(version) != sys.version_info[:2]:
        pytest.skip(f"ENVTOOL_TORCH_PYTHON is {version}, and the kernel is {sys.version_info[:2]}")
    room = Room(tmp_path)
    for name in ("torch", "numpy"):
        (room.site / f"{name}.py").unlink()
        (held,) = room.site.glob(f"{name}-*.dist-info")
        for file in held.iterdir():
            file.unlink()
        held.rmdir()
    room.environment["PYTHONPATH"] = os.pathsep.join([str(room.site), site])
    course = Course("deep-learning", torch=("torch>=2", "torchvision"), packages=("numpy",))
    ran = room.run(colab_text(course, gpu=None))
    assert ran.stop is None, ran.shown
    assert f"PyTorch {torch} computes on cpu." in ran.printed and room.orders() == []
    wants_gpu = room.run(colab_text(course))
    assert wants_gpu.stop.startswith("DEVICE is 'cuda', but ")
