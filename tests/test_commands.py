"""Install commands: what they say in each shell, and that real pip and uv do with them what is promised."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from described import machine

from envtool.catalog import load
from envtool.commands import install_command, quoted, shell_line
from envtool.machine import Machine
from envtool.plan import Plan, resolve
from envtool.spec import Request

INDEX = "https://download.pytorch.org/whl/"
CATALOG = load()


def plan(described: Machine, *packages: str, **asked: object) -> Plan:
    found = resolve(described, Request(packages, **asked), CATALOG)  # type: ignore[arg-type]
    assert isinstance(found, Plan), found
    return found


CPU = plan(machine(), "torch==2.13.0", "torchvision")
PYPI = plan(machine(gpus=["8.9"], driver="595.1"), "torch==2.13.0", "torchvision")
OLD = plan(machine(python="3.10"), "torch==2.2.2")
ARM = plan(machine("linux aarch64", gpus=["9.0"], driver="550.54.14"), "torch==2.5.1")


# ── text ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("chosen", "how", "line"),
    [
        (CPU, {}, f"python -m pip install torch==2.13.0+cpu torchvision==0.28.0+cpu --index-url {INDEX}cpu"),
        (CPU, {"installer": "uv"},
         f"uv pip install torch==2.13.0+cpu torchvision==0.28.0+cpu --default-index {INDEX}cpu"),
        (PYPI, {}, "python -m pip install torch==2.13.0 torchvision==0.28.0"),
        (PYPI, {"python": "/opt/my env/bin/python"},
         "'/opt/my env/bin/python' -m pip install torch==2.13.0 torchvision==0.28.0"),
        (PYPI, {"python": "C:\\My Env\\python.exe", "shell": "powershell"},
         "& 'C:\\My Env\\python.exe' -m pip install torch==2.13.0 torchvision==0.28.0"),
        (PYPI, {"python": "C:\\My Env\\python.exe", "shell": "cmd"},
         '"C:\\My Env\\python.exe" -m pip install torch==2.13.0 torchvision==0.28.0'),
        (PYPI, {"python": "/env/bin/python", "installer": "uv"},
         "uv pip install --python /env/bin/python torch==2.13.0 torchvision==0.28.0"),
        (OLD, {}, f"python -m pip install torch==2.2.2+cpu 'numpy<2' --index-url {INDEX}cpu"),
        (OLD, {"shell": "powershell"}, f"python -m pip install torch==2.2.2+cpu 'numpy<2' --index-url {INDEX}cpu"),
        (OLD, {"shell": "cmd"}, f'python -m pip install torch==2.2.2+cpu "numpy<2" --index-url {INDEX}cpu'),
        # trap 34: no local version on that index
        (ARM, {}, f"python -m pip install torch==2.5.1 --index-url {INDEX}cu124"),
        # a CPU build is installed: to pip and uv it would satisfy ==2.13.0
        (PYPI, {"replacing": {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu"}},
         "python -m pip install torch===2.13.0 torchvision===0.28.0"),
        (PYPI, {"replacing": {"torch": "2.13.0+cu126", "torchvision": "0.28.0"}},
         "python -m pip install torch===2.13.0 torchvision==0.28.0"),
        (PYPI, {"replacing": {"torch": "2.12.0+cpu"}}, "python -m pip install torch==2.13.0 torchvision==0.28.0"),
        (CPU, {"replacing": {"torch": "2.13.0", "torchvision": "0.28.0+cu126"}},
         f"python -m pip install torch==2.13.0+cpu torchvision==0.28.0+cpu --index-url {INDEX}cpu"),
        # the same text for another build: only installing again helps
        (ARM, {"replacing": {"torch": "2.5.1"}, "installer": "uv"},
         f"uv pip install --reinstall-package torch torch==2.5.1 --default-index {INDEX}cu124"),
        (ARM, {"replacing": {"torch": "2.5.1"}},
         f"python -m pip install --force-reinstall --no-deps torch==2.5.1 --index-url {INDEX}cu124"
         f" && python -m pip install torch==2.5.1 --index-url {INDEX}cu124"),
        (ARM, {"replacing": {"torch": "2.5.1"}, "shell": "powershell"},
         f"python -m pip install --force-reinstall --no-deps torch==2.5.1 --index-url {INDEX}cu124"
         f"; if ($?) {{ python -m pip install torch==2.5.1 --index-url {INDEX}cu124 }}"),
    ],
)  # fmt: skip
def test_the_command(chosen: Plan, how: dict[str, object], line: str) -> None:
    assert install_command(chosen, **how) == line  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "posix", "powershell", "cmd"),
    [
        ("plain-1.0", "plain-1.0", "plain-1.0", "plain-1.0"),
        ("a b", "'a b'", "'a b'", '"a b"'),
        ("it's", "'it'\"'\"'s'", "'it''s'", '"it\'s"'),
        ("a,b", "a,b", "'a,b'", '"a,b"'),
        ("$HOME", "'$HOME'", "'$HOME'", '"$HOME"'),
        ("~/x", "'~/x'", "'~/x'", '"~/x"'),
        ("a;b&c", "'a;b&c'", "'a;b&c'", '"a;b&c"'),
        ("@x", "@x", "'@x'", "@x"),
        ("", "''", "''", '""'),
    ],
)
def test_quoting(word: str, posix: str, powershell: str, cmd: str) -> None:
    assert [quoted(word, shell) for shell in ("posix", "powershell", "cmd")] == [posix, powershell, cmd]


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("word", ["a b", "it's", "$HOME `x` \\", 'say "so"', "numpy<2", "*", "~", "ü", ""])
def test_a_posix_shell_reads_the_words_back(word: str) -> None:
    line = shell_line([sys.executable, "-c", "import sys; print(ascii(sys.argv[1]))", word], "posix")
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ascii(word)


# ── real pip and uv against a loopback index ─────────────────────────────────────────────────────


def make_wheel(folder: Path, name: str, version: str, requires: tuple[str, ...] = ()) -> None:
    """A wheel of nothing but a note of the index that it came from."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"index = {folder.parent.name!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {text}\n" for text in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Indexes named pypi, cpu, cu126 and plain; each has its own build of torch 2.13.0."""
    root = tmp_path_factory.mktemp("indexes")
    for index, local in (("pypi", ""), ("cpu", "+cpu"), ("cu126", "+cu126"), ("plain", "")):
        make_wheel(root / index / "torch", "torch", f"2.13.0{local}", ("filelock",))
        make_wheel(root / index / "torchvision", "torchvision", f"0.28.0{local}", ("torch==2.13.0",))
        make_wheel(root / index / "filelock", "filelock", "3.0")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv for all tests: making one takes seconds."""
    import venv

    folder = tmp_path_factory.mktemp("target") / "env"
    venv.create(folder, with_pip=True)
    return folder


@pytest.fixture
def target(environment: Path) -> Path:
    """The Python of a venv that holds nothing but pip."""
    for found in environment.rglob("site-packages/*"):
        if found.name.startswith(("torch", "filelock")):
            shutil.rmtree(found)
    return environment / ("Scripts" if os.name == "nt" else "bin") / "python"


def run(line: str, installer: str, target: Path) -> None:
    """Run a command as a user would, away from any configuration of pip and uv."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_"))}
    env = {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_NO_CONFIG": "1",
           "UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1", "no_proxy": "127.0.0.1",
           "VIRTUAL_ENV": str(target.parent.parent)}  # fmt: skip
    done = subprocess.run(line, shell=True, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def installed(target: Path) -> dict[str, str]:
    code = "import torch, torchvision; print(torch.index, torchvision.index)"
    done = subprocess.run([str(target), "-c", code], capture_output=True, text=True, check=True)
    return dict(zip(("torch", "torchvision"), done.stdout.split(), strict=True))


def at(chosen: Plan, index: str, url: str) -> Plan:
    """The same plan, from an index on this machine. What comes from PyPI keeps its source, and so its wording."""
    return replace(chosen, build=replace(chosen.build, index_url=f"{url}/{index}"))


def plain(chosen: Plan) -> Plan:
    """The plan as if its index wrote no local versions."""
    pins = tuple(replace(pin, local=None) for pin in chosen.pins)
    return replace(chosen, pins=pins)


INSTALLERS = [
    pytest.param("pip", marks=pytest.mark.slow),
    pytest.param("uv", marks=pytest.mark.skipif(not shutil.which("uv"), reason="uv is not on PATH")),
]


@pytest.mark.skipif(os.name == "nt", reason="runs commands in a POSIX shell")
@pytest.mark.parametrize("installer", INSTALLERS)
def test_every_switch_between_builds_of_one_version_takes_place(installer: str, indexes: str, target: Path) -> None:
    cpu, pypi = at(CPU, "cpu", indexes), at(PYPI, "pypi", indexes)
    same_text = plain(at(CPU, "plain", indexes))
    versions: Mapping[str, str] = {}
    for chosen, name in ((cpu, "cpu"), (pypi, "pypi"), (same_text, "plain"), (cpu, "cpu"), (pypi, "pypi")):
        line = install_command(chosen, installer=installer, python=str(target), replacing=versions)
        run(line, installer, target)
        assert installed(target) == {"torch": name, "torchvision": name}, line
        versions = {pin.package: pin.full for pin in chosen.pins}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="runs commands in a POSIX shell")
def test_without_telling_what_is_installed_pip_would_change_nothing(indexes: str, target: Path) -> None:
    """The reason for ``replacing``: pip takes the installed 2.13.0+cpu for ==2.13.0."""
    run(install_command(at(CPU, "cpu", indexes), python=str(target)), "pip", target)
    run(install_command(at(PYPI, "pypi", indexes), python=str(target)), "pip", target)
    assert installed(target) == {"torch": "cpu", "torchvision": "cpu"}
