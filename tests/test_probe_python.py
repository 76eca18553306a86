from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from interpreters import (
    VERSIONS,
    distribution,
    interpreters,
    make_venv,
    package,
    python_2,
    python_of,
    script,
    site_packages,
)

from envtool.environment import BrokenEnvironment, Environment
from envtool.errors import UsageError
from envtool.machine import Absent, Found, Unknown
from envtool.probe.host import LiveHost
from envtool.probe.interpreter import Choice, choose_interpreter
from envtool.probe.python import start
from envtool.probe.recording import RecordedHost, Recording, RecordingHost

posix = pytest.mark.skipif(os.name == "nt", reason="shell scripts and links")
INTERPRETERS = interpreters()


@pytest.fixture(autouse=True)
def _quiet_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    return make_venv(tmp_path / "venv")


def read(python: str | Path, cwd: Path, *, named: bool = True) -> Environment:
    found = start(LiveHost(), Choice(str(python), "--python", named=named), cwd=str(cwd))()
    assert isinstance(found, Environment), found
    return found


def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    return folder


# ── real interpreters ────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_every_python_from_3_6_on_answers(version: str, tmp_path: Path) -> None:
    if version not in INTERPRETERS:
        pytest.skip(f"no Python {version} here")
    prefix = make_venv(tmp_path / "an énv with blanks", INTERPRETERS[version])
    found = read(python_of(prefix), work(tmp_path))
    assert found.version.startswith(version + ".")
    assert found.abi == f"cp{version.replace('.', '')}"
    assert (found.implementation, found.manager) == ("cpython", "venv")
    assert found.prefix == str(prefix)
    assert found.base_prefix != found.prefix
    assert found.bits in (32, 64)
    assert found.pip == Absent("pip is not installed in this environment")
    assert found.plain_start == Found(found.version)
    assert found.site_packages is not None and found.site_packages.startswith(str(prefix))
    assert [leak.kind for leak in found.leaks] == ["working-directory"]
    assert found.shadows == found.builds == found.leftovers == found.invalid == ()


def test_nothing_is_imported_from_the_environment(venv: Path, tmp_path: Path) -> None:
    site, witness = site_packages(venv), tmp_path / "witness"
    told = f"open({str(witness)!r}, 'a').write(__name__ + ' ')\n"
    for name in ("torch", "torchvision", "torchaudio", "numpy"):
        package(site, name, told)
    folder = work(tmp_path)
    for name in (
        "json",
        "re",
        "random",
        "types",
        "os",
        "enum",
        "importlib",
        "site",
        "collections",
        "torch",
        "posixpath",
    ):
        (folder / f"{name}.py").write_text(told)
    found = read(python_of(venv), folder)
    assert not witness.exists()
    assert found.plain_start == Found(found.version)


def test_rubbish_on_stdout_does_not_matter(venv: Path, tmp_path: Path) -> None:
    (site_packages(venv) / "noise.pth").write_text(
        "import sys; sys.stdout.write('hello {\"a\": 1} '); sys.stdout.flush()\n"
    )
    assert read(python_of(venv), work(tmp_path)).manager == "venv"


def test_uv_names_itself(tmp_path: Path) -> None:
    uv = shutil.which("uv", path=os.path.dirname(sys.executable)) or shutil.which("uv")
    if uv is None:
        pytest.skip("no uv here")
    prefix = tmp_path / "env"
    done = subprocess.run([uv, "venv", "-q", "--offline", "--python", sys.executable, str(prefix)], check=False)
    assert done.returncode == 0
    assert read(python_of(prefix), work(tmp_path)).manager == "uv"


def test_the_running_python_is_read_too(tmp_path: Path) -> None:
    found = read(sys.executable, work(tmp_path))
    assert found.distribution("pytest") is not None
    assert "pytest" not in found.executable


# ── what is installed ────────────────────────────────────────────────────────────────────────────

TORCH_CUDA = "__version__ = '2.15.0+cu132'\ndebug = False\ncuda: Optional[str] = '13.2'\nhip: Optional[str] = None\n"


def test_distributions_and_builds(venv: Path, tmp_path: Path) -> None:
    site = site_packages(venv)
    distribution(site, "torch", "2.15.0", requires=("nvidia-cublas-cu12==1; x", "numpy"))
    distribution(site, "nvidia_cublas_cu12", "12.1", installer="uv")
    package(site, "torch", version_py=TORCH_CUDA)
    package(site, "torchvision", version_py="__version__ = '0.28.0+cu130'\nfrom x import y\nif y():\n    cuda = y()\n")
    found = read(python_of(venv), work(tmp_path))
    torch = found.distribution("torch")
    assert torch is not None
    assert (torch.version, torch.installer, torch.requires) == (
        "2.15.0",
        "pip",
        ("nvidia-cublas-cu12==1; x", "numpy"),
    )
    cublas = found.distribution("nvidia-cublas-cu12")
    assert cublas is not None and (cublas.version, cublas.installer) == ("12.1", "uv")
    build = found.build("torch")
    assert build is not None
    assert (build.version, build.variant, build.cuda, build.location) == ("2.15.0+cu132", "cu132", "13.2", str(site))
    vision = found.build("torchvision")
    assert vision is not None and (vision.variant, vision.cuda) == ("cu130", "13.0")
    assert found.distribution("torchvision") is None  # importable, and installed by nobody


def test_duplicates_leftovers_and_invalid_metadata(venv: Path, tmp_path: Path) -> None:
    site = site_packages(venv)
    distribution(site, "Torch", "2.13.0+cpu")
    distribution(site, "torch", "2.1.0")
    distribution(site, "nvidia-nccl-cu11", "2.14")
    distribution(site, "nvidia-nccl-cu12", "2.18")
    distribution(site, "pytorch", "1.0.2")
    distribution(site, "torchvision", "0.16.0", metadata=False)
    (site / "~orch").mkdir()
    (site / "~orch-2.0.0.dist-info").mkdir()
    found = read(python_of(venv), work(tmp_path))
    assert sorted(copy.version for copy in found.copies("torch")) == ["2.1.0", "2.13.0+cpu"]
    assert found.distribution("pytorch") is not None
    assert found.distribution("torchvision") is None
    assert [os.path.basename(path) for path in found.invalid] == ["torchvision-0.16.0.dist-info"]
    assert [os.path.basename(path) for path in found.leftovers] == ["~orch", "~orch-2.0.0.dist-info"]
    assert {one.name for one in found.distributions} >= {"nvidia-nccl-cu11", "nvidia-nccl-cu12"}


def test_egg_info_and_editable_installs(venv: Path, tmp_path: Path) -> None:
    site, source = site_packages(venv), tmp_path / "source"
    (site / "old_style-1.2-py3.8.egg-info").write_text("Name: old-style\nVersion: 1.2\n")
    egg = source / "torch.egg-info"
    egg.mkdir(parents=True)
    (egg / "PKG-INFO").write_text("Name: torch\nVersion: 2.5.0a0+git1\n\n")
    package(source, "torch", version_py="__version__ = '2.5.0a0+git1'\ncuda = None\nhip = None\n")
    (site / "easy-install.pth").write_text(f"{source}\n")
    (site / "torch.egg-link").write_text(f"{source}\n.")
    editable = distribution(site, "homework", "0.1")
    (editable / "direct_url.json").write_text('{"url": "file:///x", "dir_info": {"editable": true}}')
    found = read(python_of(venv), work(tmp_path))
    by_name = {one.name: one for one in found.distributions}
    assert by_name["old-style"].version == "1.2" and not by_name["old-style"].editable
    assert by_name["torch"].version == "2.5.0a0+git1" and by_name["torch"].editable
    assert by_name["homework"].editable
    build = found.build("torch")
    assert build is not None and (build.variant, build.location) == ("cpu", str(source))


def test_pip_and_copies_across_directories(venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(site_packages(venv), "pip", "24.0")
    distribution(site_packages(venv), "numpy", "2.1.0")
    elsewhere = tmp_path / "elsewhere"
    distribution(elsewhere, "numpy", "1.26.4")
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))
    found = read(python_of(venv), work(tmp_path))
    assert found.pip == Found("24.0")
    assert [copy.version for copy in found.copies("numpy")] == ["1.26.4", "2.1.0"]  # PYTHONPATH comes first
    assert [(leak.kind, leak.path) for leak in found.leaks][1] == ("PYTHONPATH", str(elsewhere))


def test_conda_meta(venv: Path, tmp_path: Path) -> None:
    (venv / "pyvenv.cfg").unlink()  # a conda environment has none
    meta = venv / "conda-meta"
    meta.mkdir()
    record = {
        "arch": None,
        "build": "b",
        "channel": "https://conda.anaconda.org/conda-forge/linux-64",
        "files": ["x"] * 99,
    }
    (meta / "pytorch-2.7.1-cuda126_py312_h30b5a27_300.json").write_text(json.dumps(record))
    record["channel"] = "https://repo.anaconda.com/pkgs/main/linux-64"
    (meta / "mkl-2024.1.0-h66d3029_692.json").write_text(json.dumps(record))
    (meta / "unrelated-1-0.json").write_text("{}")
    (meta / "history").write_text("")
    python = venv / "bin" / "python"
    if os.name == "nt" or not python.exists():
        pytest.skip("needs a venv with links")
    document = json.loads(
        subprocess.run(
            [str(python), "-I", "-c", _CONDA_CHILD, _child(), str(venv), "isolated"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("envtool-environment:")[1]
    )
    from envtool.probe.installed import conda_packages_of, is_conda_base
    from envtool.probe.prefix import manager_of

    packages = {one.name: one for one in conda_packages_of(document)}
    assert (packages["pytorch"].version, packages["pytorch"].channel) == ("2.7.1", "conda-forge")
    assert packages["pytorch"].build == "cuda126_py312_h30b5a27_300"
    assert packages["mkl"].channel == "defaults"
    assert "unrelated" not in packages
    assert manager_of({**document, "base_prefix": document["prefix"]}, {}) == "conda"
    assert not is_conda_base(document)
    (meta / "conda-24.5.0-py312_0.json").write_text(json.dumps(record))
    assert is_conda_base({"conda": {"records": [["conda", "24.5.0", "py312_0", "defaults"]]}})


# Without pyvenv.cfg the interpreter takes its base prefix for its own: the folder is put in its place.
_CONDA_CHILD = "import sys; sys.prefix = sys.argv[2]; exec(open(sys.argv[1]).read())"


def _child() -> str:
    from envtool.probe.children import child_file

    return child_file("environment.py")


# ── leaks and shadows ────────────────────────────────────────────────────────────────────────────


def test_shadows_in_the_working_directory(venv: Path, tmp_path: Path) -> None:
    folder = work(tmp_path)
    for name in ("random", "torch", "calendar", "os", "abc", "helper", "numpy"):
        (folder / f"{name}.py").write_text("")
    (folder / "typing").mkdir()  # a folder without __init__.py loses against the standard library
    package(folder, "queue")
    found = read(python_of(venv), folder)
    assert {one.module for one in found.shadows} == {"random", "torch", "queue", "numpy"}
    assert {one.module for one in found.shadows if one.standard_library} == {"random", "queue"}
    assert {one.kind for one in found.shadows} == {"working-directory"}
    assert {os.path.basename(one.path) for one in found.shadows} == {"random.py", "torch.py", "queue", "numpy.py"}


def test_a_bare_folder_shadows_torch_only_where_torch_is_missing(venv: Path, tmp_path: Path) -> None:
    folder = work(tmp_path)
    (folder / "torch").mkdir()
    assert [one.module for one in read(python_of(venv), folder).shadows] == ["torch"]
    package(site_packages(venv), "torch", version_py=TORCH_CUDA)
    assert read(python_of(venv), folder).shadows == ()


def test_a_package_installed_on_pythonpath_leaks_and_shadows_nothing(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    distribution(elsewhere, "torch", "2.0.0")
    package(elsewhere, "torch", version_py="__version__ = '2.0.0'\ncuda = '11.7'\nhip = None\n")
    package(elsewhere, "enum")  # as the backport enum34 leaves it
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))
    found = read(python_of(venv), work(tmp_path))
    assert [(one.module, one.kind) for one in found.shadows] == [("enum", "PYTHONPATH")]
    build = found.build("torch")
    assert build is not None and (build.variant, build.location) == ("cu117", str(elsewhere))


def test_the_user_site_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    asked = subprocess.run([base, "-m", "site", "--user-site"], capture_output=True, text=True, check=False).stdout
    user = Path(asked.strip())
    if not str(user).startswith(str(tmp_path)):
        pytest.skip("this Python has no user site")
    distribution(user, "torch", "2.1.0")
    found = read(base, work(tmp_path))
    assert ("user-site", str(user)) in [(leak.kind, leak.path) for leak in found.leaks]
    assert [copy.location for copy in found.copies("torch")] == [str(user)]


@posix
def test_a_plain_start_that_fails_alone(venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken" / "encodings").mkdir(parents=True)
    (tmp_path / "broken" / "encodings" / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    found = read(python_of(venv), work(tmp_path))
    assert isinstance(found.plain_start, Absent)
    assert "Fatal Python error" in found.plain_start.reason or "codec" in found.plain_start.reason
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.setenv("PYTHONHOME", str(tmp_path / "nowhere"))
    assert isinstance(read(python_of(venv), work(tmp_path)).plain_start, Absent)


def test_a_local_venv_that_is_not_this_one(venv: Path, tmp_path: Path) -> None:
    folder = work(tmp_path)
    other = make_venv(folder / ".venv")
    assert read(python_of(venv), folder).local_venv == Found(str(other))
    assert isinstance(read(python_of(other), folder).local_venv, Absent)


# ── broken ones ──────────────────────────────────────────────────────────────────────────────────


@posix
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo boom >&2; exit 1", ("exit code 1", "boom")),
        ("echo 'I am a calculator'", ("not a Python", "I am a calculator", "exit code 0")),
        ("echo 'envtool-environment:{\"prefix\": 3}'", ("could not be read",)),
        ("echo 'envtool-environment:{'", ("not a Python",)),
        ("kill -SEGV $$", ("SIGSEGV",)),
        ("exit 0", ("not a Python", "nothing")),
    ],
)
def test_a_program_that_is_no_working_python(text: str, words: tuple[str, ...], tmp_path: Path) -> None:
    program = script(tmp_path / "python", text)
    with pytest.raises(UsageError) as raised:
        start(LiveHost(), choose_interpreter(LiveHost(), program))()
    assert all(word in raised.value.message for word in words), raised.value.message
    assert program in raised.value.message and raised.value.hint
    found = start(LiveHost(), Choice(program, "python3 on PATH"))()
    assert isinstance(found, BrokenEnvironment) and found.kind in ("does-not-start", "no-answer")


@pytest.mark.slow
@posix
def test_a_python_that_hangs_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envtool.probe.python.TIME_LIMIT", 0.5)
    program = script(tmp_path / "python", "sleep 30")
    with pytest.raises(UsageError, match="did not answer within"):
        start(LiveHost(), choose_interpreter(LiveHost(), program))()


@posix
def test_python_2_says_which_it_is(tmp_path: Path) -> None:
    python = python_2()
    if python is None:
        pytest.skip("no Python 2 here")
    with pytest.raises(UsageError, match=r"this is Python 2\.7\.\d+"):
        start(LiveHost(), choose_interpreter(LiveHost(), python))()
    found = start(LiveHost(), Choice(python, "python on PATH"))()
    assert isinstance(found, BrokenEnvironment) and found.kind == "too-old"


@posix
def test_a_dangling_venv(tmp_path: Path) -> None:
    prefix, gone = make_venv(tmp_path / "venv"), tmp_path / "gone" / "bin"
    for name in ("python", "python3"):
        (prefix / "bin" / name).unlink(missing_ok=True)
    (prefix / "bin" / "python3").symlink_to(gone / "python3.12")
    (prefix / "bin" / "python").symlink_to("python3")
    (prefix / "pyvenv.cfg").write_text(f"home = {gone}\nversion = 3.12.1\n")
    for named in (str(prefix), python_of(prefix)):
        found = start(LiveHost(), choose_interpreter(LiveHost(), named))()
        assert isinstance(found, BrokenEnvironment)
        assert (found.kind, found.home) == ("dangling", str(gone))
    (prefix / "pyvenv.cfg").write_text(f"home = {tmp_path}\n")  # the folder stands, the program is gone
    found = start(LiveHost(), choose_interpreter(LiveHost(), str(prefix)))()
    assert isinstance(found, BrokenEnvironment)
    assert found.kind == "dangling" and str(gone / "python3.12") in found.message


# ── choosing ─────────────────────────────────────────────────────────────────────────────────────


@posix
def test_what_can_not_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("")
    for named, words in {
        "nowhere/python": "does not exist",
        "no-such-python": "neither a program on PATH",
        "empty": "holds no Python",
        "./text": "not executable",
        " ": "needs a path",
    }.items():
        with pytest.raises(UsageError, match=words) as raised:
            choose_interpreter(LiveHost(), named)
        assert raised.value.hint


def test_what_can_be_named(venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for named in (str(venv), "venv", f"venv{os.sep}", python_of(venv)):
        choice = choose_interpreter(LiveHost(), named)
        assert os.path.samefile(choice.executable, python_of(venv)) and choice.named
        assert os.path.isabs(choice.executable)
    monkeypatch.setenv("PATH", os.path.dirname(python_of(venv)))
    assert os.path.samefile(choose_interpreter(LiveHost(), "python").executable, python_of(venv))


def recorded(
    env: dict[str, str], files: tuple[str, ...], which: dict[str, str], *, platform: str = "linux"
) -> RecordedHost:
    """A machine on which only these programs exist."""
    recording = Recording()
    recording.keep("facts", "", {"sys_platform": platform, "cwd": "/work", "executable": "/own/bin/python"})
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "PATH", "HOME", "USERPROFILE"):
        recording.keep("env", name, env.get(name))
    known = {file: {"kind": "file", "mode": "0755"} for file in files}
    prefixes = [value for key, value in env.items() if key in ("VIRTUAL_ENV", "CONDA_PREFIX")]
    for path in [*files, *(f"{p}/bin/{n}" for p in prefixes for n in ("python", "python3"))]:
        recording.keep("stat", path, {"found": known[path]} if path in known else {"absent": ""})
        recording.keep("link", path, {"absent": ""})
    for name in ("python", "python3", "py"):
        recording.keep("which", name, {"found": which[name]} if name in which else {"absent": "no"})
    return RecordedHost(recording, strict=True)


BOTH = {"VIRTUAL_ENV": "/v", "CONDA_PREFIX": "/c"}
FILES = ("/v/bin/python", "/c/bin/python", "/usr/bin/python3")


@pytest.mark.parametrize(
    ("env", "which", "executable", "words"),
    [
        ({"VIRTUAL_ENV": "/v"}, {"python3": "/usr/bin/python3"}, "/v/bin/python", "VIRTUAL_ENV"),
        ({"CONDA_PREFIX": "/c"}, {"python3": "/usr/bin/python3"}, "/c/bin/python", "CONDA_PREFIX"),
        (BOTH, {}, "/v/bin/python", "VIRTUAL_ENV"),
        ({**BOTH, "PATH": "/v/bin:/c/bin:/usr/bin"}, {}, "/v/bin/python", "VIRTUAL_ENV"),
        ({**BOTH, "PATH": "/c/bin:/v/bin:/usr/bin"}, {}, "/c/bin/python", "CONDA_PREFIX"),
        ({}, {"python3": "/usr/bin/python3", "python": "/x/python"}, "/usr/bin/python3", "python3 on PATH"),
        ({}, {"python": "/x/python"}, "/x/python", "python on PATH"),
        ({}, {}, "/own/bin/python", "envtool's own"),
        (
            {"PATH": "/h/uv/tools/envtool/bin:/usr/bin"},
            {"python3": "/h/uv/tools/envtool/bin/python3"},
            "/usr/bin/python3",
            "python3 on PATH",
        ),
    ],
)
def test_the_order_of_choice(env: dict[str, str], which: dict[str, str], executable: str, words: str) -> None:
    choice = choose_interpreter(recorded(env, FILES, which), None)
    assert choice.executable == executable
    assert words in choice.chosen_by and not choice.named


def test_the_choice_on_windows() -> None:
    alias = r"C:\Users\me\AppData\Local\Microsoft\WindowsApps\python.exe"
    host = recorded({}, (), {"python": alias, "py": r"C:\Windows\py.exe"}, platform="win32")
    assert choose_interpreter(host, None).executable == r"C:\Windows\py.exe"
    assert choose_interpreter(recorded({}, (), {"python": alias}, platform="win32"), None).executable == alias


# ── replay ───────────────────────────────────────────────────────────────────────────────────────


def test_a_recorded_environment_is_read_again(venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(site_packages(venv), "torch", "2.15.0")
    package(site_packages(venv), "torch", version_py=TORCH_CUDA)
    monkeypatch.setenv("VIRTUAL_ENV", str(venv))
    monkeypatch.chdir(work(tmp_path))
    live = RecordingHost(LiveHost())
    first = start(live, choose_interpreter(live, None))()
    replayed = RecordedHost(live.recording, strict=True)
    again = start(replayed, choose_interpreter(replayed, None))()
    assert isinstance(first, Environment) and first == again
    assert dataclasses.asdict(first) == dataclasses.asdict(again)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#!/home/me/.venv/bin/python3.12\nimport sys\n", Found("/home/me/.venv/bin/python3.12")),
        ("#!/bin/sh\n'''exec' \"/a b/bin/python\" \"$0\" \"$@\"\n' '''\n", Found("/a b/bin/python")),
        ('#!/bin/sh\n\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")"/\'python\' "$0" "$@"\n', Found("/x/python")),
        ("#!/usr/bin/env bash\nexec pyenv\n", Unknown),
        ("#!/usr/bin/env python3\n", Unknown),
        ("", Unknown),
    ],
)
def test_the_interpreter_behind_pip(text: str, expected: object) -> None:
    from envtool.probe.prefix import pip_on_path

    recording = Recording()
    recording.keep("which", "pip", {"found": "/x/pip"})
    recording.keep("read", "/x/pip", {"found": text})
    found = pip_on_path(RecordedHost(recording, strict=True))
    assert found == expected if isinstance(expected, Found) else isinstance(found, Unknown)


def test_the_interpreter_behind_pip_exe() -> None:
    from envtool.probe.prefix import pip_on_path

    recording = Recording()
    recording.keep("which", "pip", {"found": r"C:\x\pip.exe"})
    launcher = b"MZ\x90#!nonsense" + b"\0" * 50 + b"#!C:\\Users\\me\\.venv\\Scripts\\python.exe\r\nPK\x03\x04rest"
    recording.keep("read_bytes", r"C:\x\pip.exe", {"found": launcher.hex()})
    assert pip_on_path(RecordedHost(recording, strict=True)) == Found(r"C:\Users\me\.venv\Scripts\python.exe")
