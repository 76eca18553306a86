"""The templates through other people's tools: plain cookiecutter, and uv with an index of the tests' own."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from templates_rendered import COURSE, PROJECT, on_disk

from envtool.scaffold.make import make
from envtool.scaffold.templates import questions, templates_folder

pytest.importorskip("cookiecutter")


def plain(kind, into, home, **answers):
    """cookiecutter's own command line, with a home of its own: it keeps the last answers there."""
    arguments = [f"{key}={value}" for key, value in answers.items()]
    return subprocess.run(
        [sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(into), "--directory", f"templates/{kind}",
         os.path.dirname(templates_folder()), *arguments],
        capture_output=True, text=True, env={**os.environ, "HOME": str(home), "USERPROFILE": str(home)},
    )  # fmt: skip


OTHER = {"device": "gpu", "notebook": False, "ci": "gitlab", "container": "docker", "cluster": True}


@pytest.mark.parametrize(
    ("kind", "answers"),
    [
        ("project", {**OTHER, "framework": "lightning"}),
        pytest.param("course", {}, marks=pytest.mark.slow),
        pytest.param("project", {}, marks=pytest.mark.slow),
        pytest.param("course", OTHER, marks=pytest.mark.slow),
    ],
)
def test_plain_cookiecutter_makes_the_same(kind, answers, tmp_path):
    names = PROJECT if kind == "project" else COURSE
    defaults = {question.key: question.default for question in questions(kind)}
    (tmp_path / "ours").mkdir()
    make(kind, {**names, **defaults, **answers}, str(tmp_path / "ours" / names["project"]))
    done = plain(kind, tmp_path / "theirs", tmp_path, **answers)
    assert done.returncode == 0, done.stderr
    made, ours = on_disk(tmp_path / "theirs"), on_disk(tmp_path / "ours")
    if kind == "course":  # the schema is envtool's own file, which it lays beside
        del ours["deep-learning/.envtool.schema.json"]
        assert ours["deep-learning/envtool.toml"].startswith("#:schema ./.envtool.schema.json\n")
        made["deep-learning/envtool.toml"] = "#:schema ./.envtool.schema.json\n" + made["deep-learning/envtool.toml"]
    assert made == ours


@pytest.mark.parametrize(
    ("kind", "answers", "words"),
    [
        ("project", {"project": "random"}, "would hide something else"),
        pytest.param("project", {"project": "my project"}, "is no name for a project", marks=pytest.mark.slow),
        pytest.param(
            "project", {"project": "a", "package": "My-cats"}, "is no name for a package", marks=pytest.mark.slow
        ),
        pytest.param(
            "project", {"project": "a", "package": "class"}, "would hide something else", marks=pytest.mark.slow
        ),
        ("course", {"project": "../out"}, "is no name for a course"),
    ],
)
def test_plain_cookiecutter_refuses_names_too(kind, answers, words, tmp_path):
    done = plain(kind, tmp_path / "theirs", tmp_path, **answers)
    assert done.returncode != 0 and words in done.stdout + done.stderr
    assert not on_disk(tmp_path / "theirs") if (tmp_path / "theirs").exists() else True


# ── uv ───────────────────────────────────────────────────────────────────────────────────────────

BUILDS = {"cpu": "2.13.0+cpu", "cu126": "2.13.0+cu126", "cu130": "2.14.1+cu130"}
OTHERS = ("numpy", "matplotlib", "lightning", "pytest", "ruff", "ipykernel", "nbclient")


def wheel(folder: Path, name: str, version: str) -> None:
    """An empty wheel and the page of an index that leads to it."""
    folder = folder / name
    folder.mkdir(parents=True)
    file = f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / file, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{file}">{file}</a>')


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A package index with the newest torch of its own, and the indexes of PyTorch with theirs."""
    root = tmp_path_factory.mktemp("index")
    for variant, version in BUILDS.items():
        wheel(root / "whl" / variant, "torch", version)
    wheel(root / "simple", "torch", "2.15.0")
    for name in OTHERS:
        wheel(root / "simple", name, "99.0")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(root))

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def uv(project, index, *arguments):
    program = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))
    if program is None:
        pytest.skip("there is no uv")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PIP_", "VIRTUAL_ENV"))}
    return subprocess.run(
        [program, "--no-config", *arguments],
        capture_output=True, text=True, cwd=project,
        env={**clean, "UV_DEFAULT_INDEX": f"{index}/simple", "UV_CACHE_DIR": str(project / ".uv-cache"),
             "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never"},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac takes torch from the package index")
@pytest.mark.parametrize(("device", "first"), [("cpu", "cpu"), ("gpu", "cu130")])
def test_uv_takes_torch_from_the_index_of_its_group(device, first, index, tmp_path):
    answers = {question.key: question.default for question in questions("project")}
    make("project", {**PROJECT, **answers, "device": device, "framework": "lightning"}, str(tmp_path / "first-project"))
    project = tmp_path / "first-project"
    path = project / "pyproject.toml"
    path.write_text(path.read_text().replace("https://download.pytorch.org", index))
    wanted = {first: ["sync", "--dry-run"]}
    for variant in BUILDS:
        wanted.setdefault(variant, ["sync", "--dry-run", "--no-default-groups", "--group", "dev", "--group", variant])
    for variant, arguments in wanted.items():
        done = uv(project, index, *arguments)
        assert done.returncode == 0, done.stderr
        assert re.findall(r"\+ torch==(\S+)", done.stderr) == [BUILDS[variant]]
        for name in OTHERS:
            assert f"+ {name}==99.0" in done.stderr
    groups = uv(project, index, "sync", "--dry-run", "--group", "cpu", "--group", "cu126", "--group", "cu130")
    assert groups.returncode != 0 and "incompatible" in groups.stderr.replace("\n", " ")
