"""conda-lock itself, on the files that envtool writes: its models, its schema, its render, its hash of the input.

It runs in an environment of its own, whose Python the variable ENVTOOL_CONDA_LOCK_PYTHON names:
``pip install "envtool[conda-lock]"``.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")

from jsonschema import validate
from lock_channel import SUBDIRS, records, write_channel
from test_lock_engine import BASE, locked
from test_lock_files import WHEEL

from envtool.lock.files import rendered
from envtool.lock.model import Lockfile

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
PYTHON = os.environ.get("ENVTOOL_CONDA_LOCK_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PYTHON is None, reason="ENVTOOL_CONDA_LOCK_PYTHON is not set"),
    pytest.mark.skipif(os.name == "nt", reason="the stand-in for conda is a shell script"),
]

# what conda-lock asks before it looks at its hash; whoever asks it to solve is told no
CONDA = '#!/bin/sh\n[ "$1" = --version ] && echo "conda 25.1.0" && exit 0\necho "asked to solve: $*" >&2\nexit 1\n'
SCHEMA = """
import conda_lock.lockfile.v1, pathlib
print((pathlib.Path(conda_lock.lockfile.v1.__file__).parent / "conda-lock-v1.schema.json").read_text())
"""
MODELS = """
import json, pathlib, sys
from conda_lock.lockfile import parse_conda_lock_file
found = parse_conda_lock_file(pathlib.Path(sys.argv[1]))
print(json.dumps([[p.manager, p.name, p.version, p.platform, p.url, p.hash.sha256] for p in found.package]))
"""


@pytest.fixture(scope="module")
def lockfile(tmp_path_factory: pytest.TempPathFactory) -> Lockfile:
    folder = tmp_path_factory.mktemp("channel")
    write_channel(folder, records())
    found = locked(folder, replace(BASE, packages=("numpy>=1.26,<3", "tqdm==4.67.1", "pip"), capability="7.0"))
    pip = ("torchinfo>=1.7,!=1.7.1",)
    targets = [replace(one, wheels=(WHEEL,), pip_specs=pip) for one in found.targets]
    return replace(found, targets=tuple(targets))


@pytest.fixture(scope="module")
def folder(lockfile: Lockfile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lockfiles")
    for name, text in rendered(lockfile, "envtool.toml").items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def asked(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    assert PYTHON is not None
    return subprocess.run([PYTHON, *words], cwd=cwd, capture_output=True, text=True, timeout=120)


def answer(*words: str, cwd: Path) -> object:
    done = asked(*words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_its_schema_and_its_models_accept_every_file(variant: str, folder: Path, lockfile: Lockfile) -> None:
    name = f"course-{variant}.conda-lock.yml"
    schema = answer("-c", SCHEMA, cwd=folder)
    document = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
    version = document.pop("version")
    assert version == 1
    validate(document, schema)
    found = answer("-c", MODELS, name, cwd=folder)
    expected = [
        ["conda", p.name, p.version, one.target.subdir, p.url, p.sha256]
        for one in lockfile.of_variant(variant) for p in one.packages
    ] + [
        ["pip", w.name, w.version, one.target.subdir, w.url, w.sha256]
        for one in lockfile.of_variant(variant) for w in one.wheels
    ]  # fmt: skip
    assert sorted(found) == sorted(expected)  # type: ignore[call-overload]


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_it_renders_the_explicit_lists_that_envtool_writes(variant: str, folder: Path, tmp_path: Path) -> None:
    words = [f"-p{subdir}" for subdir in SUBDIRS]
    path = folder / f"course-{variant}.conda-lock.yml"
    done = asked("-m", "conda_lock", "render", "--kind", "explicit", *words, str(path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for subdir in SUBDIRS:
        ours = (folder / f"course-{variant}-{subdir}.txt").read_text(encoding="utf-8").splitlines()
        theirs = (tmp_path / f"conda-{subdir}.lock").read_text(encoding="utf-8").splitlines()
        assert ours[ours.index("@EXPLICIT") :][0] == theirs[theirs.index("@EXPLICIT")]
        for start in ("https://", "# pip "):
            assert {line for line in ours if line.startswith(start)} == {
                line for line in theirs if line.startswith(start)
            }


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_its_check_of_the_input_hash_agrees(variant: str, folder: Path, tmp_path: Path) -> None:
    conda = tmp_path / "conda"
    conda.write_text(CONDA, encoding="utf-8")
    conda.chmod(0o755)
    (tmp_path / "names.json").write_text("{}", encoding="utf-8")
    name = f"course-{variant}"
    before = (folder / f"{name}.conda-lock.yml").read_bytes()
    words = [
        "-m", "conda_lock", "lock", "--conda", str(conda), "--check-input-hash", "--file", f"{name}.environment.yml",
        "--lockfile", f"{name}.conda-lock.yml", "--virtual-package-spec", f"{name}.virtual-packages.yml",
        "--pypi_to_conda_lookup_file", (tmp_path / "names.json").as_uri(), *(f"-p{subdir}" for subdir in SUBDIRS),
    ]  # fmt: skip
    done = asked(*words, cwd=folder)
    assert "Spec hash already locked for" in done.stderr, done.stderr
    assert all(subdir in done.stderr for subdir in SUBDIRS)
    assert (folder / f"{name}.conda-lock.yml").read_bytes() == before
    # and it does not agree with anything
    environment = folder / f"{name}.environment.yml"
    text = environment.read_text(encoding="utf-8")
    environment.write_text(text.replace("tqdm 4.67.1", "tqdm 4.67.*"), encoding="utf-8")
    try:
        assert "asked to solve" in asked(*words, cwd=folder).stderr
    finally:
        environment.write_text(text, encoding="utf-8")
