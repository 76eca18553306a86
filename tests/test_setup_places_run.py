"""Containers and CI, really made: the image is built, each shell line runs, and a torch that is broken is found. Slow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from image_builder import BASE, Builder, why_not
from real_torch_index import TORCH, index_with, real_torch, torch_wheel
from test_install import BACKEND

yaml = pytest.importorskip("yaml")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.name == "nt", reason="the lines are for a Unix shell here"),
    pytest.mark.skipif(not TORCH, reason="ENVTOOL_TORCH_PYTHON names no Python with torch"),
]
ROOT = str(Path(__file__).resolve().parent.parent)
PROJECT = (
    '[project]\nname = "shapes"\nversion = "1.0"\n'
    '[build-system]\nrequires = []\nbuild-backend = "build_it"\nbackend-path = ["."]\n'
)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """The torch, an index that leads to it, one that leads to a broken one, and a course with code of its own."""
    folder = tmp_path_factory.mktemp("places")
    folder.chmod(0o755)  # the image's user must be able to read it
    torch = real_torch()
    if not torch.version.endswith("+cpu"):
        pytest.skip(f"torch {torch.version} is not the CPU build that is asked for here")
    indexes = {}
    for state in ("good", "broken"):
        (folder / state).mkdir()
        indexes[state] = index_with(torch_wheel(torch, folder / state, broken=state == "broken"), folder / state)
    yield SimpleNamespace(folder=folder, torch=torch, **indexes)
    for index in indexes.values():
        index.close()


def course(folder: Path, room) -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "build_it.py").write_text(BACKEND)
    (folder / "src" / "shapes.py").write_text("__version__ = 'one'\n")
    (folder / "pyproject.toml").write_text(PROJECT)
    version = room.torch.version.partition("+")[0]
    (folder / "envtool.toml").write_text(
        f'name = "shapes"\ntorch = ["torch=={version}"]\npackages = ["filelock"]\nvariants = ["cpu"]\n'
        '[pip]\neditable = ["."]\n'
    )
    return folder


def written(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "envtool", "setup", *words], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# ── images ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def builder(room):
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    prefix = room.torch.prefix
    mounts = [str(room.folder), room.torch.packages, *([prefix] if prefix != "/usr" else [])]
    builder = Builder(room.folder / "images", f"{prefix}/bin/python3", tuple(mounts))
    builder.folder.mkdir()
    if (problem := builder.base()) is not None:
        pytest.skip(f"buildah can't build here: {problem}")
    return builder


def build(builder, index, folder):
    settings = folder.parent / "pip.conf"
    settings.write_text(f"[global]\nindex-url = {index.root}/pypi\n")
    arguments = ("--secret", f"id=pip.conf,src={settings}", "--build-arg", f"PYTORCH_INDEX={index.root}/whl")
    return builder.build(folder, "good", *arguments)


def test_the_image_is_built_and_holds_what_it_should(builder, room, tmp_path):
    folder = course(tmp_path / "course", room)
    (folder / ".env").write_text("TOKEN=hunter2\n")
    written(folder, "docker", "--base", BASE, "--python", room.torch.python)
    done = build(builder, room.good, folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert re.search(r"^ok +tensors", done.stdout, re.MULTILINE), "the smoke test is a part of the build"
    config = builder.config("good")
    assert config["User"] == "1000" and config["WorkingDir"] == "/home/student/course"
    assert config["Labels"]["org.opencontainers.image.title"] == "shapes"
    code = "import os, torch, shapes; print(torch.ones(3).sum().item(), shapes.__version__, os.getuid(), sorted(os.listdir()))"
    ran = builder.in_image("good", "python", "-c", f"{code}; print(os.path.exists('/etc/pip.conf'))")
    assert ran.stdout.startswith("3.0 one 1000 ") and ran.stdout.endswith("False\n"), ran.stderr
    assert ".env" not in ran.stdout and "envtool.toml" in ran.stdout
    everything = b"".join(path.read_bytes() for path in builder.folder.glob("store/vfs-images/*/*") if path.is_file())
    assert b"hunter2" not in everything and room.good.root.encode() + b"/pypi" not in everything


def test_no_image_is_made_of_a_torch_that_does_not_work(builder, room, tmp_path):
    """The last line of the one above, after something happened to the environment."""
    if not builder.run("images", "--quiet", "localhost/good").stdout:
        pytest.skip("the image was not built")
    written(tmp_path, "docker", "--no-spec", "--output", f"{tmp_path}/")
    test = next(line for line in (tmp_path / "Dockerfile").read_text().split("\n") if "envtool smoke" in line)
    harm = 'RUN rm "$VIRTUAL_ENV"/lib/python*/site-packages/torch-elsewhere.pth'
    (tmp_path / "Dockerfile").write_text(f"FROM localhost/good\n{harm}\n{test}\n")
    done = builder.build(tmp_path, "broken")
    assert done.returncode != 0 and "envtool smoke --quick" in done.stderr, done.stderr[-2000:]
    assert "No module named 'torch'" in done.stdout


@pytest.mark.parametrize(
    "name", ['"; rm -rf ~', "$(touch x) `touch y` ${HOME} $PATH", "back\\slash\\ 'quote\"", "{{ x }} ${{ y }} # <<E"]
)
def test_a_label_is_the_name_and_nothing_else(builder, name, tmp_path):
    written(tmp_path, "docker", "--base", BASE, "--no-spec", "--name", name, "--output", f"{tmp_path}/")
    text = (tmp_path / "Dockerfile").read_text()
    (tmp_path / "Dockerfile").write_text(text[: text.index("RUN useradd")])
    done = builder.build(tmp_path, "label")
    assert done.returncode == 0, done.stderr
    assert builder.config("label")["Labels"]["org.opencontainers.image.title"] == " ".join(name.split())


# ── lines ────────────────────────────────────────────────────────────────────────────────────────


def environment(room, index, folder: Path, **more: str) -> dict[str, str]:
    """What a shell has there: the Python of the torch, and nothing of this machine's settings."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    path = f"{room.torch.prefix}/bin:/usr/local/bin:/usr/bin:/bin"
    return {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "PIP_INDEX_URL": f"{index.root}/pypi",
            "UV_CACHE_DIR": str(folder / "cache"), "PIP_NO_COMPILE": "1", "PIP_CONFIG_FILE": os.devnull, **more}  # fmt: skip


def runner(room, folder: Path) -> Path:
    """A Python of the runner's, into which envtool is installed."""
    python = f"{room.torch.prefix}/bin/python{room.torch.python}"
    subprocess.run([python, "-m", "venv", folder / "runner"], check=True)
    return folder / "runner" / "bin"


def mirrored(line: str, index) -> str:
    """The one change: the builds come from this machine."""
    return line.replace("envtool install ", f"envtool install --pytorch-index-url {index.root}/whl ")


def run(script: str, folder: Path, env: dict[str, str], shell: str = "bash") -> subprocess.CompletedProcess[str]:
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"] if shell == "bash" else ["sh", "-ec"]
    return subprocess.run([*words, script], cwd=folder, env=env, capture_output=True, text=True, timeout=200)


def github_steps(folder: Path) -> list[str]:
    workflow = yaml.safe_load((folder / ".github/workflows/environment.yml").read_text())
    steps = workflow["jobs"]["environment"]["steps"]
    lines = [step["run"] for step in steps if "run" in step]
    assert len(lines) == 3 and not any("${{" in line for line in lines)
    return lines


def test_the_steps_of_the_workflow_run(room, tmp_path):
    folder = course(tmp_path / "course", room)
    written(folder, "github")
    env = environment(room, room.good, tmp_path, ENVTOOL="envtool[install]", DEVICE="cpu")
    env["PATH"] = f"{runner(room, tmp_path)}:{env['PATH']}"
    for line in github_steps(folder):
        done = run(mirrored(line, room.good), folder, env)
        assert done.returncode == 0, (line, done.stdout[-2000:], done.stderr[-2000:])
    document = json.loads((folder / "check.json").read_text())
    assert document["schema"] == "envtool.check/1" and document["status"] != "fail"
    assert "<testsuite" in (folder / "check.xml").read_text()
    python = folder / ".venv/bin/python"
    assert subprocess.run([python, "-c", "import shapes, torch"], capture_output=True).returncode == 0


def test_the_lines_of_the_pipeline_run_and_a_broken_torch_fails_them(room, tmp_path):
    folder = course(tmp_path / "course", room)
    written(folder, "gitlab")
    job = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())["environment check"]
    env = environment(room, room.broken, tmp_path, ENVTOOL="envtool[install]", DEVICE="cpu")
    env["PATH"] = f"{runner(room, tmp_path)}:{env['PATH']}"
    *before, check = job["script"]
    for line in before:
        done = run(mirrored(line, room.broken), folder, env)
        assert done.returncode == 0, (line, done.stderr[-2000:])
    done = run(check, folder, env)
    assert done.returncode == 1 and "libc10.so" in done.stdout, done.stdout + done.stderr
    assert "<failure" in (folder / "check.xml").read_text()
    assert json.loads((folder / "check.json").read_text())["status"] == "fail"


def test_the_development_container_is_made_by_its_commands(room, tmp_path):
    folder = course(tmp_path / "course", room)
    written(folder, "devcontainer")
    text = (folder / ".devcontainer/devcontainer.json").read_text()
    env = environment(room, room.good, tmp_path)
    document = json.loads(text.replace("/home/vscode", env["HOME"]))
    remote = document["remoteEnv"]
    env |= {"VIRTUAL_ENV": remote["VIRTUAL_ENV"], "PATH": remote["PATH"].replace("${containerEnv:PATH}", env["PATH"])}
    for command in ("onCreateCommand", "updateContentCommand", "postCreateCommand"):
        done = run(mirrored(document[command], room.good), folder, env, "sh")
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    seen = run("python -c 'import sys, shapes, torch; print(sys.prefix)' && command -v envtool", folder, env, "sh")
    assert seen.stdout.split() == [f"{env['HOME']}/venv", f"{env['HOME']}/.envtool/bin/envtool"], seen.stderr
    assert not (folder / ".venv").exists()


def test_the_sections_of_the_apptainer_definition_run(room, tmp_path):
    """In a folder in place of /opt: what %post makes, %environment finds, and %test tests."""
    from test_setup_containers import sections

    folder = course(tmp_path / "course", room)
    written(folder, "apptainer")
    image = tmp_path / "image"
    text = (folder / "apptainer.def").read_text()
    _, parts = sections(text.replace("/opt", str(image / "opt")).replace("/root", str(image / "root")))
    (image / "opt" / "course").mkdir(parents=True)
    for line in parts["files"]:
        source, target = line.split()
        Path(target).write_bytes((folder / source).read_bytes())
    env = environment(room, room.good, tmp_path, PYTHONPATH="/no/such", VIRTUAL_ENV="/no/such")
    del env["UV_CACHE_DIR"]
    done = run(mirrored("\n".join(parts["post"]), room.good), tmp_path, env, "sh")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    inside = "\n".join([*parts["environment"], *parts["test"]])
    done = run(inside, tmp_path, env, "sh")
    assert done.returncode == 0 and re.search(r"^ok +tensors", done.stdout, re.MULTILINE), done.stdout + done.stderr
    program = "\n".join(
        [*parts["environment"], "set -- -c 'import shapes, torch; print(shapes.__version__)'", *parts["runscript"]]
    )
    done = run(program, folder, env, "sh")
    assert done.stdout == "one\n", done.stderr
