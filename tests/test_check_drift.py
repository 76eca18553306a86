"""Environments made for real, then let to drift in every way: each is named by its own code, and its fix is run.

pip's world: wheels from an index on this machine, locked by uv. conda's world: packages and lockfiles made here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from install_room import BASE, HAS_UV, ROOT, clean
from interpreters import interpreters
from loopback_wheels import SMALL, Index, Wheel
from templates_rendered import PROJECT

from envtool.install.place import python_in
from envtool.install.uv import find_uv

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="the lines are run in a shell of POSIX"),
    pytest.mark.skipif(not HAS_UV, reason="uv is not installed"),
]
TORCH = "2.14.1"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
SPEC = """name = "course"
python = ">=3.10"
torch = ["torch>=2.10"]
packages = ["numpy>=2", "filelock"]
variants = ["cpu", "cuda"]
"""


def wheels(local: str) -> list[Wheel]:
    return [
        Wheel("torch", f"{TORCH}+{local}", ("filelock", "typing-extensions>=4.10")),
        Wheel("torchvision", f"0.29.1+{local}", (f"torch=={TORCH}", "numpy")),
    ]


class Place:
    """A project's folder with an environment in .venv, and everything that runs there."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder, self.index = folder, index

    @property
    def env(self) -> dict[str, str]:
        uv = os.path.dirname(str(find_uv()))
        more = {"UV_CACHE_DIR": str(self.folder.parent / "cache"), "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}
        path = os.pathsep.join([os.path.dirname(BASE), uv, os.environ["PATH"]])
        return clean() | more | {"PIP_NO_CACHE_DIR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PATH": path}

    def shell(self, line: str, code: int = 0) -> str:
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, cwd=self.folder, env=self.env, timeout=90
        )
        assert done.returncode == code, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def check(self, *words: str, python: str = ".venv") -> dict[str, object]:
        command = [sys.executable, "-m", "envtool", "check", "--python", python, "--no-import", "--json", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=self.env, timeout=90)
        assert done.returncode in (0, 1), done.stderr
        document: dict[str, object] = json.loads(done.stdout)
        assert document["failed"] is (done.returncode == 1)
        return document

    def failures(self, *words: str, **more: str) -> dict[str, str]:
        return {v["code"]: v["hint"] for v in self.check(*words, **more)["verdicts"] if v["status"] == "fail"}

    def pip(self, *words: str) -> None:
        uv = find_uv()
        index = ["--index-url", f"{self.index.root}/pypi"] if words[0] == "install" else []
        command = [str(uv), "pip", *words, "--python", ".venv", "--quiet", *index]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=self.env, timeout=90)
        assert done.returncode == 0, done.stderr

    @property
    def site(self) -> Path:
        return self.folder / ".venv" / "lib" / f"python{MINOR}" / "site-packages"


@pytest.fixture(scope="module")
def index():
    made = Index(pypi=[*SMALL, *wheels("cpu"), *wheels("cu130")])
    yield made
    made.close()


@pytest.fixture(scope="module")
def whole(index, tmp_path_factory):
    """A project of `envtool init`, locked by uv for the CPU, and installed from the lock as a user would."""
    pytest.importorskip("cookiecutter")
    from envtool.scaffold.make import make
    from envtool.scaffold.templates import questions

    folder = tmp_path_factory.mktemp("drift") / "course"
    answers = {question.key: question.default for question in questions("project")}
    make("project", {**PROJECT, "project": "course", "package": "course", **answers}, str(folder))
    place = Place(folder, index)
    (folder / "envtool.toml").write_text(SPEC)  # of the generated one's packages, the index here has few
    (folder / "wanted.in").write_text(
        f"torch=={TORCH}+cpu\ntorchvision==0.29.1+cpu\nnumpy==2.1.0\nfilelock==3.18.0\ntyping-extensions\npip\n"
    )
    (folder / "lockfiles").mkdir()
    place.shell(
        f"uv pip compile --quiet --format pylock.toml --index-url {index.root}/pypi --python {BASE} --no-build"
        " --output-file lockfiles/pylock.cpu.toml wanted.in"
    )
    place.shell(
        f"uv venv --quiet --python {BASE} .venv && uv pip install --quiet --python .venv -r lockfiles/pylock.cpu.toml"
    )
    return folder


@pytest.fixture
def place(whole, index, tmp_path):
    folder = tmp_path / "course"
    shutil.copytree(whole, folder, symlinks=True)
    return Place(folder, index)


def test_what_was_just_installed_is_as_locked(place):
    document = place.check("--strict", "--max-devices", "1")
    assert not document["failed"]
    assert document["lockfile"]["path"] == "lockfiles/pylock.cpu.toml"
    found = {v["code"]: v["status"] for v in document["verdicts"]}
    assert [found[code] for code in ("locked-newer", "locked-missing", "locked-extra", "device-lines")] == ["pass"] * 4


def upgraded(place):
    place.pip("install", "--no-deps", "numpy==2.3.0")


def downgraded(place):
    wheel = Wheel("filelock", "3.1.0")
    (place.folder / wheel.filename).write_bytes(wheel.body())
    place.pip("install", "--no-deps", f"./{wheel.filename}")


def removed(place):
    place.pip("uninstall", "numpy")


def cpu_for_cuda(place):
    """The lockfile is the one for CUDA, and the environment has the CPU build."""
    lock = place.folder / "lockfiles" / "pylock.cpu.toml"
    text = (place.folder / "wanted.in").read_text().replace("+cpu", "+cu130")
    (place.folder / "wanted.in").write_text(text)
    lock.unlink()
    place.shell(
        f"uv pip compile --quiet --format pylock.toml --index-url {place.index.root}/pypi --python {BASE} --no-build"
        " --output-file lockfiles/pylock.cuda.toml wanted.in"
    )


def cut_short(place):
    (place.site / "numpy" / "__init__.py").unlink()


def extra(place):
    place.pip("install", "--no-deps", "pandas")


@pytest.mark.parametrize(
    ("plant", "code"),
    [
        (upgraded, "locked-newer"), (downgraded, "locked-older"), (removed, "locked-missing"),
        (cpu_for_cuda, "locked-variant"), (cut_short, "locked-files"), (extra, "locked-extra"),
    ],
)  # fmt: skip
def test_a_drift_is_named_and_its_fix_mends_it(plant, code, place):
    plant(place)
    document = place.check("--strict")
    assert document["next_step_code"] == code, document["next_step"]
    assert set(place.failures("--strict")) - {"spec-packages"} == {code}
    place.shell(document["next_step"])
    assert place.failures("--strict") == {}
    if code == "locked-variant":
        assert place.check()["environment"]["packages"]["torch"] == f"{TORCH}+cu130"


def test_another_python(place):
    """The fix makes an environment beside the old one, from the same lockfile."""
    lock = place.folder / "lockfiles" / "pylock.cpu.toml"
    other = "3.12" if MINOR != "3.12" else "3.11"
    text = lock.read_text()
    assert f'requires-python = ">={MINOR}' in text
    lock.write_text(text.replace(f'requires-python = ">={MINOR}"', f'requires-python = "=={other}.*"').replace(
        f'requires-python = ">={MINOR}.{sys.version_info[2]}"', f'requires-python = "=={other}.*"'))  # fmt: skip
    document = place.check()
    assert document["next_step_code"] == "locked-python", document["next_step"]
    assert f"has Python {MINOR}" in next(v["message"] for v in document["verdicts"] if v["code"] == "locked-python")
    python = interpreters().get(other)
    if python is None:
        pytest.skip(f"there is no Python {other} here to make it with")
    place.shell(f"export PATH={os.path.dirname(python)}:$PATH; {document['next_step']}")
    assert place.failures(python=f".venv-{other}") == {}


def test_a_broken_interpreter_comes_first(place):
    python = place.folder / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")
    document = place.check()
    assert document["next_step_code"] == "venv-broken"
    assert {v["status"] for v in document["verdicts"] if v["code"].startswith("locked-")} == {"skip"}


def test_a_stale_lockfile(place):
    spec = place.folder / "envtool.toml"
    spec.write_text(SPEC.replace('"filelock"', '"filelock", "einops"'))
    found = place.failures()
    assert "lock-stale" in found and found["lock-stale"] == "lock again with the tool that made it"


def test_an_edited_lockfile(place):
    lock = place.folder / "lockfiles" / "pylock.cpu.toml"
    lock.write_text(lock.read_text().replace('version = "2.1.0"', 'version = "2.2.0"'))
    document = place.check()
    assert document["next_step_code"] == "lock-edited"
    assert "numpy 2.2.0 has the address of numpy-2.1.0-py3-none-any.whl" in json.dumps(document)


def test_a_second_device_line(place):
    train = place.folder / "src" / "course" / "train.py"
    train.write_text(train.read_text() + 'model = net.to("cuda")\n')
    assert set(place.failures("--max-devices", "1")) == {"device-lines"}


def test_requirements_that_pip_froze(place):
    frozen = place.shell("uv pip freeze --python .venv")
    (place.folder / "requirements.txt").write_text(f"--index-url {place.index.root}/pypi\n{frozen}")
    assert place.failures("--lock", "requirements.txt", "--strict") == {}
    upgraded(place)
    place.pip("uninstall", "filelock")
    document = place.check("--lock", "requirements.txt")
    assert {v["code"] for v in document["verdicts"] if v["status"] == "fail"} >= {"locked-newer", "locked-missing"}
    assert document["next_step"].endswith("-m pip install --no-deps --requirement requirements.txt")
    place.shell(document["next_step"])
    assert place.failures("--lock", "requirements.txt") == {}


def test_another_file_of_the_same_version_is_known_where_it_was_installed_by_its_address(place):
    """pip keeps the hash of such a file."""
    mine = Wheel("filelock", "3.18.0", files=(("filelock/more.py", "x = 1\n"),))
    (place.folder / mine.filename).write_bytes(mine.body())
    python = python_in(str(place.folder / ".venv"))
    place.shell(f"{python} -m pip install --quiet --force-reinstall --no-deps ./{mine.filename}")
    if "sha256" not in (place.site / "filelock-3.18.0.dist-info" / "direct_url.json").read_text():
        pytest.skip("this pip keeps no hash of a file on this disk")
    document = place.check()
    assert document["next_step_code"] == "locked-hash"
    place.shell(document["next_step"])
    assert place.failures() == {}


# ── conda's world ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def conda(tmp_path_factory):
    pytest.importorskip("rattler", reason="py-rattler is not installed")
    pytest.importorskip("zstandard", reason="zstandard is not installed")
    from conda_packages import GREETER, OLD, TELLER, newer, packages, write_packages

    folder = tmp_path_factory.mktemp("channel")
    rebuilt = replace(TELLER, build="h2_1")
    write_packages(folder, [*packages(), newer(OLD, "1.0"), newer(GREETER, "3.0", depends=("python",)), rebuilt])
    return folder


class Conda:
    def __init__(self, folder: Path, channel: Path) -> None:
        self.folder, self.channel = folder, channel
        self.place = Place(folder, None)

    def lock(self, *made, folder: str = "lockfiles") -> None:
        from conda_lockfiles import locked, lockfile, write

        write(self.folder / folder, lockfile([locked(self.channel, one) for one in made]), "explicit")

    def run(self, line: str) -> None:
        """A line of envtool's, its channel a folder here."""
        words = f" --mirror conda-forge={self.channel} --no-smoke"
        env = f"RATTLER_CACHE_DIR={self.folder.parent}/cache PYTHONPATH={ROOT}"
        self.place.shell(f"{env} {line.replace('envtool', f'{sys.executable} -m envtool', 1)}{words}")

    def install(self, folder: str = "lockfiles") -> None:
        self.run(f"envtool install --lock {folder}/course-cpu.txt --into .conda")


@pytest.fixture
def room(conda, tmp_path):
    from conda_packages import GREETER, OLD, TELLER, python_package

    folder = tmp_path / "conda course"
    folder.mkdir()
    made = Conda(folder, conda)
    made.lock(python_package(), GREETER, OLD, TELLER)
    made.install()
    return made


def from_pip(room):
    """pip lays its own over conda's package, of another version and of the same."""
    wheel = Wheel("greeter", "2.5")
    (room.folder / wheel.filename).write_bytes(wheel.body())
    site = room.folder / ".conda" / "lib" / f"python{MINOR}" / "site-packages"
    shutil.rmtree(site / "greeter-2.0.dist-info")
    room.place.shell(f"uv pip install --quiet --no-deps --python .conda/bin/python ./{wheel.filename}")


def another_version(room):
    from conda_packages import GREETER, OLD, TELLER, newer, python_package

    room.lock(python_package(), newer(GREETER, "3.0", depends=("python",)), OLD, TELLER, folder="other")
    room.install("other")


def another_build(room):
    from conda_packages import GREETER, OLD, TELLER, python_package

    room.lock(python_package(), GREETER, OLD, replace(TELLER, build="h2_1"), folder="other")
    room.install("other")


def another_hash(room):
    record = next((room.folder / ".conda" / "conda-meta").glob("greeter-*.json"))
    told = json.loads(record.read_text())
    record.write_text(json.dumps(told | {"md5": "0" * 32, "sha256": "0" * 64}))


def gone(room):
    for record in (room.folder / ".conda" / "conda-meta").glob("oldstyle-*.json"):
        record.unlink()


def a_file_gone(room):
    (room.folder / ".conda" / "share" / "oldstyle" / "readme.txt").unlink()


@pytest.mark.parametrize(
    ("plant", "code"),
    [
        (from_pip, "locked-replaced"), (another_version, "locked-newer"), (another_build, "locked-build"),
        (another_hash, "locked-hash"), (gone, "locked-missing"), (a_file_gone, "locked-files"),
    ],
)  # fmt: skip
def test_a_conda_environment_drifts_and_is_brought_back(plant, code, room):
    assert {v for v in room.place.failures("--strict", python=".conda") if v.startswith("lock")} == set()
    plant(room)
    document = room.place.check(python=".conda")
    assert document["next_step_code"] == code, document["next_step"]
    assert document["lockfile"]["path"] == "lockfiles/course-cpu.txt"
    room.run(document["next_step"])
    assert {v for v in room.place.failures(python=".conda") if v.startswith("lock")} == set()


SHIM = """#!{python}
# What `conda remove --force` does: the files of a package go, and its record.
import glob, json, os, sys
prefix = sys.argv[sys.argv.index("--prefix") + 1]
for name in sys.argv[sys.argv.index("--prefix") + 2:]:
    (record,) = glob.glob(os.path.join(prefix, "conda-meta", name + "-*.json"))
    for file in json.load(open(record))["files"]:
        if os.path.lexists(os.path.join(prefix, file)):
            os.unlink(os.path.join(prefix, file))
    os.unlink(record)
"""


def test_what_pip_had_brought_is_replaced_by_conda_s(room):
    """The other way round: the lockfile is pip's, and `conda install` came after it."""
    shutil.rmtree(room.folder / "lockfiles")
    mine = Wheel("greeter", "2.0")
    (room.folder / mine.filename).write_bytes(mine.body())
    (room.folder / "requirements.lock").write_text("--find-links .\n--no-index\ngreeter==2.0\n")
    shim = room.folder / "bin" / "conda"
    shim.parent.mkdir()
    shim.write_text(SHIM.format(python=sys.executable))
    shim.chmod(0o755)
    room.place.shell(
        f"{BASE} -m venv with-pip && cp -r with-pip/lib/python*/site-packages/pip* .conda/lib/python*/site-packages/"
    )
    document = room.place.check("--lock", "requirements.lock", "--strict", python=".conda")
    assert document["next_step_code"] == "locked-replaced", document["next_step"]
    assert document["next_step"].startswith("conda remove --yes --force --prefix .conda greeter && ")
    room.place.shell(f"export PATH=$PWD/bin:$PATH; {document['next_step']}")
    found = room.place.failures("--lock", "requirements.lock", "--strict", python=".conda")
    assert {code for code in found if code.startswith("lock")} == set()
    assert document["environment"]["packages"]["greeter"] == "2.0"


def test_a_lockfile_of_conda_says_nothing_of_a_venv(place, room):
    shutil.copytree(room.folder / "lockfiles", place.folder / "conda-locks")
    document = place.check("--lock", "conda-locks/course-cpu.txt")
    assert document["failed"] and document["lockfile"] is None
    assert "lock-kind" in {v["code"] for v in document["verdicts"] if v["status"] == "fail"}


# ── envtool's own lockfiles ──────────────────────────────────────────────────────────────────────


def test_a_lockfile_of_envtool_knows_what_it_was_locked_from_and_who_touched_it(tmp_path, capsys, monkeypatch):
    pytest.importorskip("rattler", reason="py-rattler is not installed")
    from lock_channel import records, write_channel

    from envtool.cli.app import main

    channel = tmp_path / "channel"
    write_channel(channel, records())
    (tmp_path / "envtool.toml").write_text(
        'name = "dl"\npython = ">=3.12,<3.14"\ntorch = ["torch", "torchvision"]\npackages = ["numpy"]\n'
        'platforms = ["linux-64"]\nvariants = ["cpu"]\n'
    )
    monkeypatch.chdir(tmp_path)
    assert main(["lock", "--mirror", f"conda-forge={channel}"]) == 0, capsys.readouterr().err

    def failing():
        capsys.readouterr()
        code = main(["check", "--files-only", "--json"])
        document = json.loads(capsys.readouterr().out)
        found = {v["code"]: v["hint"] for v in document["verdicts"] if v["status"] == "fail"}
        assert bool(found) is (code == 1)
        return found

    assert failing() == {}
    listed = next((tmp_path / "lockfiles").glob("*linux-64.txt"))
    text = listed.read_text()
    listed.write_text(text.replace("numpy-", "numpy-9", 1))
    assert failing() == {"lock-edited": "envtool lock"}
    assert main(["lock", "--mirror", f"conda-forge={channel}"]) == 0  # the fix
    assert failing() == {} and listed.read_text() == text
    pixi = tmp_path / "lockfiles" / "pixi.lock"
    kept = pixi.read_text()
    pixi.write_text(kept.replace("sha256: ", "sha256: 0", 1).replace("\n  md5: ", "\n  md5: 0", 1))
    assert failing() == {
        "lock-edited": f"bring back {os.path.join('lockfiles', 'pixi.lock')} as it was committed before"
    }
    for spoilt in (f"<<<<<<< HEAD\n{kept}", kept.replace("# target: ", "<<<<<<< HEAD\n# target: ", 1), "", kept[:300]):
        pixi.write_text(spoilt)
        assert list(failing()) == ["lock-edited"], spoilt[:20]  # it is there, and nobody can say what it holds
    pixi.write_text(kept)
    spec = tmp_path / "envtool.toml"
    spec.write_text(spec.read_text().replace('["numpy"]', '["numpy>=1.20"]'))
    assert failing() == {"lock-stale": "envtool lock"}
    assert main(["check", "--no-import", "--json", "--python", sys.prefix]) == 1  # a venv: the lockfile is not for it
    told = {v["code"]: v["status"] for v in json.loads(capsys.readouterr().out)["verdicts"]}
    assert (told["lock-kind"], told["lock-stale"]) == ("unknown", "fail")
    assert main(["lock", "--mirror", f"conda-forge={channel}"]) == 0  # the fix
    assert failing() == {}
