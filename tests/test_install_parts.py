"""The pure parts of ``envtool install``: places, requirements, comparisons, indexes, sizes and what tools say."""

import os
import sys
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from envtool.catalog import load
from envtool.environment import Build
from envtool.errors import ToolError, UsageError
from envtool.install import pythons, space
from envtool.install.compare import at_odds, lacks, markers_of
from envtool.install.failures import explained, rows, who_wants
from envtool.install.installed import Installed, missing_file, read_installed
from envtool.install.keep import kept, split_specs, with_companions
from envtool.install.order import Command, Package, Question, Sources, changed, with_hashes, without_secrets
from envtool.install.pip import Pip
from envtool.install.place import find_place, python_in
from envtool.install.requirements import read_files, torch_specs
from envtool.install.tags import best
from envtool.install.tool import Ran, run
from envtool.install.transaction import copy_tree, transaction, was_interrupted, work_folder
from envtool.install.uv import Uv, read_pylock
from envtool.install.wheelhouse import macos_of, uv_platform
from envtool.plan import Plan, resolve
from envtool.spec import Request
from envtool.target import read_target

POSIX = pytest.mark.skipif(os.name != "posix", reason="links and modes as POSIX has them")


def plan(*packages, target="linux-64,py3.12,gpu=none", variant=None):
    catalog = load()
    answer = resolve(read_target(target, catalog), Request(packages or ("torch==2.14.1",), variant=variant), catalog)
    assert isinstance(answer, Plan)
    return answer


# ── where to ─────────────────────────────────────────────────────────────────────────────────────


def venv(folder):
    python = python_in(str(folder))
    os.makedirs(os.path.dirname(python))
    open(python, "w").close()
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return folder


def test_the_default_the_named_one_and_the_active_one(tmp_path):
    here, active = str(tmp_path), str(venv(tmp_path / "active"))
    assert find_place(None, here, {}, "/opt/own").shown == ".venv"
    assert find_place("other", here, {"VIRTUAL_ENV": active}, "/opt/own").shown == "other"
    found = find_place(None, here, {"VIRTUAL_ENV": active}, "/opt/own")
    assert (found.path, found.there, found.active) == (os.path.realpath(active), True, True)
    # envtool's own environment is active, as after `source .venv-envtool/bin/activate`
    assert find_place(None, here, {"VIRTUAL_ENV": active}, active).shown == ".venv"
    # a ghost: the folder is gone
    assert find_place(None, here, {"VIRTUAL_ENV": str(tmp_path / "gone")}, "/opt/own").shown == ".venv"
    conda = tmp_path / "conda"
    conda.mkdir()
    assert "is left alone" in str(find_place(None, here, {"CONDA_PREFIX": str(conda)}, "/opt/own").note)


def refused(into, here, own="/opt/own"):
    with pytest.raises((UsageError, ToolError)) as caught:
        find_place(str(into), str(here), {}, str(own))
    assert caught.value.hint
    return caught.value.message


def test_what_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    assert "is a file" in refused("file", tmp_path)
    assert "is a file" in refused("file/inside", tmp_path)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("x")
    assert "not empty and not an environment" in refused("work", tmp_path)
    assert "envtool itself runs in" in refused(venv(tmp_path / "own"), tmp_path, tmp_path / "own")
    gone = venv(tmp_path / "dangling")
    os.unlink(python_in(str(gone)))
    assert "whose Python is gone" in refused("dangling", tmp_path)
    assert "needs a folder" in refused(" ", tmp_path)
    for name, words in (("base", "the base environment of conda"), ("env", "an environment of conda")):
        (tmp_path / name / "conda-meta").mkdir(parents=True)
        if name == "base":
            (tmp_path / name / "condabin").mkdir()
        assert words in refused(name, tmp_path)
    bare = tmp_path / "python"
    (bare / "bin").mkdir(parents=True)
    (bare / "bin" / "python3").write_text("")
    assert "a Python installation" in refused(bare, tmp_path)


@POSIX
def test_the_systems_python_is_refused_and_a_link_leads_to_the_folder(tmp_path):
    assert "a Python installation" in refused("/usr", tmp_path) or not os.path.exists("/usr/bin/python3")
    real = venv(tmp_path / "scratch")
    (tmp_path / ".venv").symlink_to(real)
    assert find_place(None, str(tmp_path), {}, "/opt/own").path == str(real)


@POSIX
@pytest.mark.skipif(os.name == "posix" and os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o555)
    assert "you may not write" in refused("new", tmp_path)
    tmp_path.chmod(0o755)


def test_a_folder_that_may_not_be_written_is_told_to_root_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(tmp_path))
    assert f"you may not write to {tmp_path}" in refused("new", tmp_path)
    assert f"you may not write to {tmp_path}" in refused("deep/down/new", tmp_path)


def test_torch_from_a_folder_of_sources_is_left_alone():
    from dataclasses import replace

    from envtool.cli.install_parts import Subject, compared
    from envtool.environment import Distribution

    own = Distribution("torch", "2.15.0a0+git1", "/src/pytorch", editable=True)
    env = replace(environment(torch=("2.15.0a0+git1", "cpu")), distributions=(own,))
    subject = Subject(read_target("linux-64,py3.12,gpu=none", load()), env, env)
    with pytest.raises(UsageError, match="installed from a folder of sources"):
        compared(subject, plan(), ())


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3", True),
        ("3.12", True),
        ("3.12.4", True),
        ("3.13t", True),
        ("python3.12", False),
        ("./3.12", False),
        ("2.7", False),
    ],
)
def test_a_version_is_no_path(text, version):
    assert pythons.is_version(text) is version


@POSIX
def test_a_python_is_found_by_its_version_without_uv(tmp_path, monkeypatch):
    program = tmp_path / "python3.12"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pythons.find("3.12.4", None, fetch=True) == str(program)
    with pytest.raises(UsageError, match=r"no Python 3\.11 was found"):
        pythons.find("3.11", None, fetch=True)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("error: No download found for request: cpython-3.99", "there is no Python 3.99 here, and uv could not fetch it"),
        ("cause: No space left on device (os error 28)",
         "there is no Python 3.99 here, and uv could not fetch it: the disk is full"),
    ],
)  # fmt: skip
def test_a_python_that_uv_cannot_fetch_is_told_once(said, message, monkeypatch):
    monkeypatch.setattr(pythons, "run", lambda command, show: Ran(2, said))
    with pytest.raises(ToolError) as raised:
        pythons.find("3.99", Uv("uv", {}), fetch=True)
    assert (raised.value.message, raised.value.details) == (message, ())


# ── requirements ─────────────────────────────────────────────────────────────────────────────────


def test_lines_know_their_place_and_what_they_ask_of_torch(tmp_path):
    (tmp_path / "more.txt").write_text("numpy<2\n")
    (tmp_path / "course.txt").write_text(
        "# a course\n--index-url https://example.org/simple\n\ntorch>=2.5,\\\n  <2.15  # why\nPandas[excel] >= 2\n"
        "torchaudio==2.11.0; sys_platform == 'none'\n-r more.txt\n-e .\nx @ https://example.org/x-1.0-py3-none-any.whl\n"
        "tqdm==4.66.0 --hash=sha256:00\n"
    )
    lines = read_files((str(tmp_path / "course.txt"),))
    assert [(line.name, line.number) for line in lines] == [
        (None, 2), ("torch", 4), ("pandas", 6), ("torchaudio", 7), ("numpy", 1), (None, 9), ("x", 10), ("tqdm", 11),
    ]  # fmt: skip
    assert torch_specs(lines) == ("torch<2.15,>=2.5",)
    assert lines[1].place == f"{tmp_path / 'course.txt'}, line 4"


@pytest.mark.parametrize("content", [None, b"\xff\xfea\x00", b"\x80\x81"])
def test_a_requirements_file_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "r.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_files((str(path),))
    assert str(path) in caught.value.message and caught.value.hint


def test_other_packages_come_with_torch():
    assert split_specs(("torch==2.8.0", "Pandas>=2", "numpy<2", "torchvision", "jupyterlab")) == (
        ("torch==2.8.0", "numpy<2", "torchvision"),
        ("Pandas>=2", "jupyterlab"),
    )


# ── comparing ────────────────────────────────────────────────────────────────────────────────────

MARKERS = markers_of("3.12.4", "cpython")


def there(**versions):
    needs = {"torch": ("filelock", "sympy>=1.13; python_version >= '3.9'", "triton==3.4; sys_platform == 'none'",
                       "opt-einsum; extra == 'opt-einsum'"), "sympy": ("mpmath<1.4",)}  # fmt: skip
    named = {name.replace("_", "-"): version for name, version in versions.items()}
    return {name: Installed(name, version, needs.get(name, ()), f"/x/{name}") for name, version in named.items()}


def built(variant="cpu", version="2.14.1+cpu"):
    return (Build("torch", version, variant),)


WHOLE = {"torch": "2.14.1+cpu", "filelock": "3.20", "sympy": "1.14", "mpmath": "1.3"}


def told(installed, builds=None, roots=()):
    found = lacks(plan(), installed, built() if builds is None else builds, tuple(map(Requirement, roots)), MARKERS)
    return {lack.name: (lack.reason, lack.force) for lack in found}


def test_an_environment_in_order_lacks_nothing():
    assert told(there(**WHOLE)) == {}
    assert told(there(**WHOLE, pandas="2.3"), roots=["pandas>=2", "Pandas[x]; python_version < '3'"]) == {}


def test_the_same_build_from_another_index_serves():
    assert told(there(**WHOLE | {"torch": "2.14.1"}), built("cpu", "2.14.1")) == {}


def test_what_differs_is_told():
    assert told(there(**WHOLE | {"torch": "2.14.1+cu126"}), built("cu126")) == {
        "torch": ("2.14.1+cu126 is installed, 2.14.1+cpu is wanted", False)
    }
    # the version is right by its text, and the files are another build's
    assert told(there(**WHOLE), built("cu132"))["torch"] == (
        "the build for cu132 is installed, that for cpu is wanted",
        True,
    )
    assert told(there(**WHOLE), ())["torch"] == ("its files are not there", True)
    assert told({})["torch"] == ("2.14.1+cpu is not installed", False)
    twice = there(**WHOLE)
    twice["torch"] = Installed("torch", "2.14.1+cpu", (), "/x/torch", copies=2)
    assert told(twice)["torch"] == ("installed 2 times over", True)


@pytest.mark.parametrize("name", ["filelock", "sympy", "mpmath"])
def test_a_missing_requirement_is_told_however_deep(name):
    rest = {key: value for key, value in WHOLE.items() if key != name}
    assert told(there(**rest)) == {name: ("not installed", False)}


def test_a_requirement_in_a_wrong_version_is_told():
    assert told(there(**WHOLE | {"mpmath": "1.4"})) == {"mpmath": ("1.4 is installed, <1.4 is needed", False)}
    assert told(there(**WHOLE), roots=["filelock<3"]) == {"filelock": ("3.20 is installed, <3 is needed", False)}


def test_what_other_packages_want():
    installed = there(**WHOLE) | {"old": Installed("old", "1.0", ("torch<2.3", "sympy<1"), "/x/old")}
    assert at_odds(installed, MARKERS, frozenset({"torch"})) == ("old 1.0 wants torch<2.3; 2.14.1+cpu is installed",)


def test_files_are_compared_with_their_record(tmp_path):
    folder = tmp_path / "torch-2.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: Torch\nVersion: 2.0\nRequires-Dist: numpy\n")
    (tmp_path / "libtorch.so").write_bytes(b"12345")
    (folder / "RECORD").write_text("libtorch.so,sha256=x,5\ntorch/x.pyc,,\ntorch-2.0.dist-info/RECORD,,\n")
    found = read_installed(str(tmp_path))["torch"]
    assert (found.version, found.requires) == ("2.0", ("numpy",))
    assert missing_file(found) is None
    (tmp_path / "libtorch.so").write_bytes(b"1234")
    assert missing_file(found) == "libtorch.so"
    (tmp_path / "libtorch.so").unlink()
    assert missing_file(found) == "libtorch.so"
    (folder / "RECORD").unlink()
    assert missing_file(found) == str(folder / "RECORD")
    assert read_installed(None) == {} == read_installed(str(tmp_path / "none"))


# ── keeping what serves ──────────────────────────────────────────────────────────────────────────


def environment(**builds):
    import builders

    from envtool.environment import Environment

    base = builders.evidence().environment
    assert isinstance(base, Environment)
    from dataclasses import replace

    found = tuple(
        Build(name, version, version.partition("+")[2] or variant) for name, (version, variant) in builds.items()
    )
    return replace(base, builds=found)


def keep(target, request, **builds):
    catalog = load()
    machine, env = read_target(target, catalog), environment(**builds)
    request = with_companions(request, env)
    return kept(resolve(machine, request, catalog), machine, request, catalog, env)


def test_an_older_torch_that_serves_stays_and_a_newer_one_can_be_asked_for():
    old = {"torch": ("2.13.0+cpu", "cpu"), "torchvision": ("0.28.0+cpu", "cpu")}
    names = ("torch", "torchvision")
    assert keep("linux-64,py3.12,gpu=none", Request(names), **old).packages == {
        "torch": "2.13.0",
        "torchvision": "0.28.0",
    }
    asked = keep("linux-64,py3.12,gpu=none", Request(("torch==2.14.1",)), **old)
    assert asked.packages == {"torch": "2.14.1", "torchvision": "0.29.1"}  # the companion comes along


def test_a_cpu_build_where_there_is_a_gpu_goes_and_a_gpu_build_without_one_stays():
    gpu = "linux-64,py3.12,driver=580.65.06,gpu=RTX 4090"
    found = keep(gpu, Request(("torch",)), torch=("2.13.0+cpu", "cpu"))
    assert (found.packages["torch"], found.accelerator) == ("2.13.0", "cuda")
    login = keep("linux-64,py3.12,gpu=none", Request(("torch",)), torch=("2.13.0+cu126", "cu126"))
    assert (login.packages["torch"], login.variant) == ("2.13.0", "cu126")
    assert "is kept" in login.warnings[0]
    asked = keep("linux-64,py3.12,gpu=none", Request(("torch",), "cpu"), torch=("2.13.0+cu126", "cu126"))
    assert asked.variant == "cpu"


def test_a_variant_that_serves_this_gpu_stays():
    gpu = "linux-64,py3.12,driver=580.65.06,gpu=RTX 4090"
    assert keep(gpu, Request(("torch",)), torch=("2.13.0+cu126", "cu126")).variant == "cu126"


# ── indexes and lines ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sources", "index"),
    [
        (Sources(), "https://download.pytorch.org/whl/cpu"),
        (Sources(pytorch_index_url="https://m.example.org/w/"), "https://m.example.org/w/cpu"),
        (Sources("https://p.example.org/simple"), None),
        (Sources("https://p.example.org/simple", "https://m.example.org/w"), "https://m.example.org/w/cpu"),
        (Sources(find_links=("/usb",)), None),
        (Sources("https://p.example.org/simple", find_links=("/usb",)), None),
    ],
)
def test_whose_index_torch_comes_from(sources, index):
    assert sources.torch_index(plan()) == index


def question(sources, **more):
    return Question(plan(), ("pandas",), (), sources, "/e/bin/python", "3.12.4", more.pop("installed", {}), **more)


def test_uvs_lines_hold_no_secret_and_its_variables_do(tmp_path):
    sources = Sources("https://a:pw@p.example.org/simple", "https://a:pw@m.example.org/whl", certificates="/ca.pem")
    uv = Uv("/bin/uv", {"UV_INDEX": "https://own.example.org/s"})
    command = uv.install(question(sources), (Package("torch", "2.14.1+cpu"),), str(tmp_path))
    assert "pw" not in " ".join((*command.words, *command.shown))
    assert command.environ["UV_DEFAULT_INDEX"] == "https://a:pw@p.example.org/simple"
    assert command.environ["UV_INDEX"] == "https://a:pw@m.example.org/whl/cpu"
    assert command.environ["SSL_CERT_FILE"] == "/ca.pem"
    assert command.environ["UV_TORCH_BACKEND"] is None
    assert command.shown[-6:] == ("--index", "https://m.example.org/whl/cpu", "--default-index",
                                  "https://p.example.org/simple", "--index-strategy", "unsafe-best-match")  # fmt: skip


def test_the_users_own_indexes_are_kept():
    uv = Uv("/bin/uv", {"UV_INDEX": "https://own.example.org/s"})
    plain = uv.solve(question(Sources(pip_index_url="https://pip.example.org/s")), os.devnull and _folder())
    assert plain.environ["UV_INDEX"] == "https://download.pytorch.org/whl/cpu https://own.example.org/s"
    assert plain.environ["UV_DEFAULT_INDEX"] == "https://pip.example.org/s"
    named = Uv("/bin/uv", {"UV_DEFAULT_INDEX": "https://uv.example.org/s"})
    assert (
        "UV_DEFAULT_INDEX"
        not in named.solve(question(Sources(pip_index_url="https://p.example.org")), _folder()).environ
    )


def _folder():
    import tempfile

    return tempfile.mkdtemp()


def test_without_a_network_no_index_is_asked(tmp_path):
    sources = Sources(find_links=("/usb",))
    for tool in (Uv("/bin/uv", {}), Pip({})):
        words = tool.install(question(sources), (Package("torch", "2.14.1+cpu"),), str(tmp_path)).words
        assert "--no-index" in words and words[words.index("--find-links") + 1] == "/usb"
        assert not any("pytorch.org" in word for word in words)


def test_pins_without_local_part_are_told_by_their_text(tmp_path):
    packages = (Package("torch", "2.13.0", sha256="a1"), Package("x", "1.0+cpu", sha256="b2"))
    assert with_hashes(packages) == "torch===2.13.0 --hash=sha256:a1\nx==1.0+cpu --hash=sha256:b2\n"
    some = (Package("torch", "2.13.0", sha256="a1"), Package("y", "1"))
    assert "--hash" not in with_hashes(some)  # pip wants all or none
    pypi = Question(plan("torch==2.13.0", variant="cu130", target="linux-64,py3.12,driver=580.65.06,gpu=RTX 4090"), (), (),
                    Sources(), "python", "3.12.4", {})  # fmt: skip
    Pip({}).solve(pypi, str(tmp_path))
    assert (tmp_path / "wanted.txt").read_text().splitlines()[0] == "torch===2.13.0"


def test_only_what_is_not_there_is_laid_down():
    solved = (Package("torch", "2.14.1+cpu"), Package("numpy", "2.3.0"), Package("x", "1.0"))
    assert changed(solved, {"torch": "2.14.1", "numpy": "2.3", "x": "1.0"}, frozenset()) == (solved[0],)
    assert changed(solved, {"torch": "2.14.1+cpu", "numpy": "2.3", "x": "1.0"}, frozenset({"x"})) == (solved[2],)


def test_a_pylock_is_read(tmp_path):
    path = tmp_path / "pylock.toml"
    path.write_text(
        'lock-version = "1.0"\n[[packages]]\nname = "torch"\nversion = "2.14.1+cpu"\nwheels = [{ url = "https://h/'
        'torch-2.14.1%2Bcpu-cp312-cp312-x.whl", size = 5, hashes = { sha256 = "ab" } }]\n[[packages]]\nname = "old"\n'
        'version = "1"\nsdist = { path = "../old-1.tar.gz" }\n'
    )
    torch, old = read_pylock(str(path), question(Sources()))
    assert torch == Package("torch", "2.14.1+cpu", "https://h/torch-2.14.1%2Bcpu-cp312-cp312-x.whl",
                            "torch-2.14.1+cpu-cp312-cp312-x.whl", "ab", 5)  # fmt: skip
    assert (old.filename, old.from_source, old.size) == ("old-1.tar.gz", True, None)
    path.write_text("[")
    with pytest.raises(ToolError):
        read_pylock(str(path), question(Sources()))


WHEELS = [
    "numpy-2.3-cp312-cp312-macosx_14_0_arm64.whl",
    "numpy-2.3-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "numpy-2.3-cp312-cp312-manylinux_2_28_x86_64.whl",
    "numpy-2.3-cp312-cp312-win_amd64.whl",
    "numpy-2.3-cp313-cp313t-manylinux_2_28_x86_64.whl",
    "numpy-2.3-cp313-cp313-manylinux_2_28_x86_64.whl",
    "numpy-2.3-cp39-abi3-manylinux_2_28_aarch64.whl",
    "numpy-2.3-py3-none-any.whl",
    "not a wheel",
]


@pytest.mark.parametrize(
    ("version", "platform", "more", "wheel"),
    [
        ("3.12.4", "x86_64-manylinux_2_28", {}, 2),
        ("3.12.4", "x86_64-manylinux_2_17", {}, 1),
        ("3.12.4", "aarch64-apple-darwin", {"macos": "15.2"}, 0),
        ("3.12.4", "aarch64-apple-darwin", {"macos": "13.6"}, 7),
        ("3.12", "x86_64-pc-windows-msvc", {}, 3),
        ("3.13.1", "x86_64-manylinux_2_28", {"abi": "cp313t"}, 4),
        ("3.13.1", "x86_64-manylinux_2_28", {"abi": "cp313"}, 5),
        ("3.14.0", "aarch64-manylinux_2_35", {}, 6),
        ("3.14.0", "x86_64-manylinux_2_28", {}, 7),
    ],
)
def test_of_many_wheels_the_one_that_suits(version, platform, more, wheel):
    from dataclasses import replace

    asked = replace(question(Sources()), python_version=version, platform=platform, **more)
    assert WHEELS[best(WHEELS, asked)] == WHEELS[wheel]
    assert best(["only-1-cp27-none-win32.whl"], asked) == 0


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("linux-64,py3.12", "x86_64-manylinux_2_28"),
        ("linux-64,py3.12,glibc=2.17", "x86_64-manylinux_2_17"),
        ("linux-64,py3.12,glibc=2.29", "x86_64-manylinux_2_28"),
        ("linux-64,py3.12,glibc=2.99", "x86_64-manylinux_2_40"),
        ("linux-aarch64,py3.12", "aarch64-manylinux_2_28"),
        ("osx-arm64,py3.12", "aarch64-apple-darwin"),
        ("win-64,py3.12", "x86_64-pc-windows-msvc"),
    ],
)
def test_uvs_names_of_platforms(target, name):
    assert uv_platform(read_target(target, load())) == name


def test_the_macos_that_wheels_may_need():
    mac = plan("torch==2.13.0", target="osx-arm64,py3.12")
    assert macos_of(read_target("osx-arm64,py3.12", load()), mac) == "14.0"
    assert macos_of(read_target("osx-arm64,py3.12,macos=15.2", load()), mac) == "15.2"
    assert macos_of(read_target("linux-64,py3.12", load()), mac) is None


def test_addresses_are_shown_without_secrets():
    assert without_secrets("https://alice:s3cret@h:8080/a/b?token=x#y") == "https://h:8080/a/b"


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────


def test_unknown_sizes_are_said_to_be_unknown():
    sizes = [Package("a", "1", size=2_700_000_000), Package("b", "1")]
    assert str(space.size_of(tuple(sizes))) == "2 packages, 2.7 GB and 1 of unknown size"
    assert str(space.size_of((sizes[1],))) == "1 package of unknown size"
    assert [space.readable(n) for n in (5, 2_000, 34_000_000, 9_949_000_000)] == [
        "5 bytes",
        "2.0 kB",
        "34 MB",
        "9.9 GB",
    ]


def test_too_little_room_is_told_before(tmp_path):
    space.check_room(space.Size(1, 1000, 0), str(tmp_path / "not" / "yet"), ())
    with pytest.raises(ToolError, match="not enough room: this needs about"):
        space.check_room(space.Size(1, 10**16, 0), str(tmp_path), (str(tmp_path / "cache"),))


def test_an_environment_on_another_disk_than_the_store_takes_room_of_its_own(tmp_path, monkeypatch):
    size = space.Size(1, 10**16, 0)
    store, far = tmp_path / "store", tmp_path / "far"
    store.mkdir()
    far.mkdir()
    space.check_room(size, str(far), (str(store),), fetch=False)  # links into the store
    real = os.stat
    moved = lambda path, **how: SimpleNamespace(st_dev=7) if str(path) == str(far) else real(path, **how)  # noqa: E731
    monkeypatch.setattr(space, "os", SimpleNamespace(stat=moved, path=os.path))
    with pytest.raises(ToolError, match="not enough room"):
        space.check_room(size, str(far), (str(store),), fetch=False)
    space.check_room(size, str(far), (), fetch=False)  # nobody knows where the store is


# ── what tools say ───────────────────────────────────────────────────────────────────────────────

SAID = [
    ("conflict", 3, "error: No solution found when resolving dependencies\n  cause: Because all versions of oldthing depend on "
     "torch<2.3 and you require torch==2.14.1+cpu, we can conclude that your requirements are incompatible."),
    ("conflict", 3, "  × No solution found when resolving dependencies:\n  ╰─▶ Because all versions of oldthing depend\n      on "
     "torch<2.3 and you require torch==2.14.1+cpu, we can conclude\n      that they are incompatible."),
    ("conflict", 3, "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/"),
    ("not-there", 4, "  cause: Because there is no version of torch==2.14.2+cpu and you require torch==2.14.2+cpu, we can"),
    ("offline", 4, "  cause: Because torch was not found in the cache and you require torch==2.14.1+cpu, we can\n"
     "hint: Packages were unavailable because the network was disabled."),
    ("not-there", 4, "ERROR: No matching distribution found for nothere"),
    ("requirement", 2, "error: Couldn't parse requirement in `a.txt` at position 0"),
    ("requirement", 2, "error: The wheel filename `C:\\Users\\me\\a.whl` is invalid: Must have a version"),
    ("requirement", 2, "error: Distribution not found at: file:///home/me/foo"),
    ("requirement", 2, "error: `/home/me/foo` does not appear to be a Python project, as neither `pyproject.toml` nor"),
    ("requirement", 2, "ERROR: Invalid requirement: 'numpy = 1' (from line 1 of a.txt)"),
    ("requirement", 2, "ERROR: C:\\Users\\me\\a.whl is not a valid wheel filename."),
    ("requirement", 2, "ERROR: Directory './foo' is not installable. Neither 'setup.py' nor 'pyproject.toml' found."),
    ("no-wheel", 3, "  cause: Because torch==2.14.1 has no wheels with a matching Python ABI tag (e.g., `cp314`), we can"),
    ("no-wheel", 3, "  cause: Because sourceonly==1.0 has no usable wheels and only sourceonly==1.0 is available"),
    ("unreachable", 4, "error: Failed to fetch: http://127.0.0.1:9/simple/torch/\n  cause: client error (Connect)\n"
     "  cause: tcp connect error\n  cause: Connection refused (os error 111)"),
    ("no-name", 4, "  cause: dns error\n  cause: failed to lookup address information: Name or service not known"),
    ("no-name", 4, "NameResolutionError: Failed to resolve 'x.invalid' ([Errno -2] Name or service not known)"),
    ("server", 4, "  cause: HTTP status server error (500 Internal Server Error) for url (http://127.0.0.1/whl/cpu/torch/)"),
    ("timeout", 4, "  cause: error sending request for url (http://127.0.0.1/whl/)\n  cause: operation timed out"),
    ("timeout", 4, "(Caused by ReadTimeoutError(\"HTTPConnectionPool(host='127.0.0.1', port=3): Read timed out.\"))"),
    ("forbidden", 4, "  cause: HTTP status client error (403 Forbidden) for url (http://h/files/torch.whl)"),
    ("missing", 4, "ERROR: 404 Client Error: Not Found for url: http://h/files/torch-2.14.1%2Bcpu-py3-none-any.whl"),
    ("truncated", 4, "error: Failed to download `torch==2.14.1+cpu`\n  cause: end of file before message length reached"),
    ("bad-wheel", 4, "error: Failed to download `torch==2.14.1+cpu`\n  cause: Failed to extract archive: torch.whl"),
    ("hash-mismatch", 4, "  cause: Hash mismatch for `torch==2.14.1+cpu`\n\nExpected:\n  sha256:aa"),
    ("hash-mismatch", 4, "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."),
    ("certificate", 4, "  cause: client error (Connect)\n  cause: invalid peer certificate: UnknownIssuer"),
    ("certificate", 4, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate"),
    ("certificate-name", 4, '  cause: invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is'),
    ("certificate-name", 4, "SSLCertVerificationError(1, \"certificate verify failed: Hostname mismatch, certificate is not "
     "valid for 'x.example.org'. (_ssl.c:1000)\")"),
    ("certificate-name", 4, "SSLError(CertificateError(\"hostname '127.0.0.1' doesn't match 'wrong.example.org'\"))"),
    ("certificate-date", 4, "  cause: invalid peer certificate: Expired"),
    ("certificate-date", 4, "  cause: invalid peer certificate: certificate not valid yet: verification time 1 (UNIX), but"),
    ("certificate-date", 4, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1)"),
    ("proxy-password", 4, "  cause: tunnel error: proxy authorization required"),
    ("proxy-password", 4, "ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy'))"),
    ("proxy", 4, "  cause: tunnel error: failed to create underlying connection\n  cause: Connection refused"),
    ("disk-full", 4, "  cause: Failed to write to the distribution cache\n  cause: No space left on device (os error 28)"),
    ("disk-full", 4, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"),
    ("file-too-large", 4, "OSError: [Errno 27] File too large"),
    ("old-pip", 4, "no such option: --report"),
    ("no-venv", 4, "The virtual environment was not created successfully because ensurepip is not available."),
    ("build", 4, "error: Failed to download and build `sourceonly==1.0`\n  cause: Invalid gzip header"),
    ("unknown", 4, "something that nobody has ever read"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "code", "said"), SAID, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(SAID)])
def test_what_a_tool_says_is_understood(name, code, said):
    error = explained(Ran(1, said), "uv", doing="the installation")
    assert (error.name, error.exit_code) == (name, code)
    assert error.hint and error.details


def test_every_row_is_tried_or_comes_from_a_signal():
    tried = {name for name, _, _ in SAID} - {"unknown"}
    rest = {"read-only", "no-permission", "password", "no-pip", "no-python", "killed"}
    assert {row.name for row in rows()} == tried | rest
    assert explained(Ran(-9, ""), "uv", doing="x").name == "killed" or sys.platform == "win32"


def test_the_package_is_named():
    said = (
        "Because torch==2.13.0 has no wheels with a matching platform tag (e.g., `macosx_13_0_arm64`) and you require"
    )
    assert explained(Ran(1, said), "uv", doing="x").message == "torch==2.13.0 has no wheel for this Python and system"


def test_secrets_are_taken_out_of_what_a_tool_says():
    error = explained(Ran(1, "error: Failed to fetch: https://alice:s3cret@h/simple/torch/?sig=abc\nConnection refused"),
                      "uv", doing="x")  # fmt: skip
    assert "s3cret" not in str((error.message, error.hint, error.details, error.said))
    assert "https://h/simple/torch" in error.message


def test_who_wants_which_torch():
    uv = "Because all versions of oldthing depend on torch<2.3 and torchvision==0.29.1 depends on torch==2.14.1"
    pip = "    oldthing 1.0 depends on torch<2.3\n    torchaudio 2.11.0 depends on torch"
    assert who_wants(uv) == who_wants(pip) == (("oldthing", "torch<2.3"),)
    wrapped = (
        "  × No solution found:\n  ╰─▶ Because all versions of oldthing depend\n      on torch<2.3 and you require"
    )
    error = explained(Ran(1, wrapped), "uv", doing="x")
    assert who_wants(error.said) == (("oldthing", "torch<2.3"),)
    assert error.details[0] == "  × No solution found:"


@POSIX
def test_on_a_terminal_a_tool_has_a_terminal(monkeypatch):
    code = "import os, sys; print(os.isatty(1), os.isatty(2), os.get_terminal_size(2).columns)"
    words = (sys.executable, "-c", code)
    import fcntl
    import pty
    import struct
    import termios

    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 77, 0, 0))
    with os.fdopen(inner, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert run(Command(words, {}, ()), show=True).said.split() == ["True", "True", "77"]
        assert os.read(outer, 100).split() == [b"True", b"True", b"77"]
        monkeypatch.setenv("NO_COLOR", "1")
        assert (
            run(Command((sys.executable, "-c", "import os; print(os.isatty(1))"), {}, ()), show=True).said == "False\n"
        )
    os.close(outer)


def test_a_tool_that_is_not_there():
    with pytest.raises(ToolError, match="can't be started"):
        run(Command(("/no/such/uv", "pip"), {}, ()), show=False)


def test_the_end_of_what_a_tool_says_is_kept():
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    ran = run(Command((sys.executable, "-c", code), {"A": "b", "PATH": None}, ()), show=False)
    assert (ran.code, sorted(ran.said.split())) == (3, ["err", "out"])


# ── as a whole or not at all ─────────────────────────────────────────────────────────────────────


def tree(folder):
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("python")
    (folder / "empty").mkdir()
    if os.name == "posix":
        (folder / "lib64").symlink_to("lib")
        (folder / "bin" / "python3").symlink_to("python")
    return folder


def listing(folder):
    return sorted(
        (str(p.relative_to(folder)), p.is_symlink(), p.read_text() if p.is_file() else "") for p in folder.rglob("*")
    )


def test_a_copy_shares_its_files_and_is_the_same(tmp_path):
    copy_tree(str(tree(tmp_path / "a")), str(tmp_path / "b"))
    assert listing(tmp_path / "a") == listing(tmp_path / "b")
    assert os.path.samefile(tmp_path / "a/bin/python", tmp_path / "b/bin/python")


def test_without_hard_links_it_is_a_real_copy(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(1, "no links on this file system")

    monkeypatch.setattr(os, "link", none)
    copy_tree(str(tree(tmp_path / "a")), str(tmp_path / "b"))
    assert listing(tmp_path / "a") == listing(tmp_path / "b")
    assert not os.path.samefile(tmp_path / "a/bin/python", tmp_path / "b/bin/python")
    import collections
    import shutil

    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 0))
    with pytest.raises(ToolError, match="no room for a safety copy"):
        copy_tree(str(tmp_path / "a"), str(tmp_path / "c"))


def change(env):
    (env / "bin" / "python").unlink()
    (env / "new").write_text("new")


def test_a_change_that_fails_is_taken_back(tmp_path):
    env = tree(tmp_path / "env")
    before, said = listing(env), []
    with pytest.raises(ZeroDivisionError), transaction(str(env), said.append) as one:
        one.protect()
        change(env)
        raise ZeroDivisionError
    assert listing(env) == before
    assert said == ["The change failed: the old environment was put back."]
    assert os.listdir(tmp_path) == ["env"]


def test_a_change_that_ends_well_stays(tmp_path):
    env = tree(tmp_path / "env")
    with transaction(str(env), print) as one:
        one.protect()
        change(env)
        one.done()
    assert (env / "new").exists() and os.listdir(tmp_path) == ["env"]


@pytest.mark.parametrize("state", ["copying", "changing", "making", "done"])
def test_what_a_killed_run_left_is_put_right(tmp_path, state):
    env = tree(tmp_path / "env")
    before = listing(env)
    work = tmp_path / "env.envtool"
    work.mkdir()
    (work / "journal").write_text(state + "\n")
    copy_tree(str(env), str(work / "old"))
    if state == "copying":
        (work / "old" / "bin" / "python").unlink()
    else:
        change(env)
    assert was_interrupted(str(env))
    with transaction(str(env), print):
        pass
    assert os.listdir(tmp_path) == ([] if state == "making" else ["env"])
    if state in {"copying", "changing"}:
        assert listing(env) == before
    if state == "done":
        assert (env / "new").exists()


def test_killed_in_the_middle_of_putting_back(tmp_path):
    """The broken one is out of the way, the old one not yet in its place."""
    env = tree(tmp_path / "env")
    before = listing(env)
    work = tmp_path / "env.envtool"
    work.mkdir()
    (work / "journal").write_text("changing\n")
    copy_tree(str(env), str(work / "old"))
    os.rename(env, work / "broken")
    with transaction(str(env), print):
        pass
    assert listing(env) == before and os.listdir(tmp_path) == ["env"]


def test_a_second_one_at_a_time_is_refused(tmp_path):
    refused = pytest.raises(ToolError, match="another `envtool install`")
    with transaction(str(tmp_path / "env"), print), refused, transaction(str(tmp_path / "env"), print):
        pass
    assert not os.path.exists(work_folder(str(tmp_path / "env")))


@POSIX
def test_where_the_file_system_has_no_locks_it_is_done_without(tmp_path, monkeypatch):
    import errno
    import fcntl

    def none(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", none)
    with transaction(str(tmp_path / "env"), print) as one:
        one.begin_making()
        (tmp_path / "env").mkdir()
        one.done()
    assert os.listdir(tmp_path) == ["env"]
