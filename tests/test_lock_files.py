# ruff: noqa: E402
"""The files of a lockfile: what they say, that they read back, and what never gets into them."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

from lock_channel import CHANNEL, records, write_channel
from test_lock_engine import BASE, locked

from envtool.errors import UsageError
from envtool.lock import explicit, pixi
from envtool.lock.channels import channel_url, public, read_mirrors, short
from envtool.lock.environment_yml import common
from envtool.lock.files import rendered
from envtool.lock.model import LockedPackage, LockedTarget, LockedWheel, Lockfile, Missing, Target
from envtool.lock.read_v1 import load_v1
from envtool.lock.request import LockRequest, checked, cuda_word, from_json
from envtool.lock.system import virtual_packages
from envtool.lock.verify import spec_name

WHEEL = LockedWheel("torchinfo", "1.8.0", "https://files.example.org/torchinfo-1.8.0-py3-none-any.whl", "ab" * 32)


@pytest.fixture(scope="module")
def lockfile(tmp_path_factory: pytest.TempPathFactory) -> Lockfile:
    folder = tmp_path_factory.mktemp("channel")
    write_channel(folder, records())
    found = locked(folder)
    targets = [replace(one, wheels=(WHEEL,), pip_specs=("torchinfo>=1.7",)) for one in found.targets]
    missing = Missing(Target("cuda", "osx-64"), "no CUDA: none at all", "cd" * 32)
    return replace(found, targets=tuple(targets), missing=(missing,))


@pytest.fixture(scope="module")
def texts(lockfile: Lockfile) -> dict[str, str]:
    return rendered(lockfile, "envtool.toml")


# ── the set ──────────────────────────────────────────────────────────────────────────────────────


def test_the_files_of_a_course(texts: dict[str, str]) -> None:
    assert sorted(texts) == sorted([
        "pixi.lock",
        *(f"course-{variant}.{kind}.yml" for variant in ("cpu", "cuda")
          for kind in ("conda-lock", "environment", "virtual-packages")),
        *(f"course-{variant}-{subdir}.txt" for variant in ("cpu", "cuda")
          for subdir in ("linux-64", "linux-aarch64", "osx-arm64", "win-64")),
    ])  # fmt: skip


def test_nothing_of_this_machine_is_in_a_file(texts: dict[str, str], lockfile: Lockfile) -> None:
    whole = "\n".join(texts.values())
    assert "file://" not in whole
    for secret in (os.getcwd(), os.path.expanduser("~"), "/tmp/", socket.gethostname()):
        assert secret not in whole
    user = getpass.getuser()
    assert user == "root" or user not in whole
    assert not any(line.rstrip() != line for line in whole.splitlines())


def test_every_file_says_how_to_install_and_from_what(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        assert text.startswith("# Made by `envtool lock`"), name
        if name.endswith(("conda-lock.yml", ".txt", "environment.yml")):
            assert "from envtool.toml" in text.splitlines()[0]
            assert any(name in line for line in text.splitlines() if line.startswith("#")), name


# ── pixi.lock ────────────────────────────────────────────────────────────────────────────────────


def test_pixi_lock_reads_back_whole(texts: dict[str, str], lockfile: Lockfile, tmp_path: Path) -> None:
    path = tmp_path / "pixi.lock"
    path.write_text(texts["pixi.lock"], encoding="utf-8")
    found = pixi.load(str(path), texts["pixi.lock"], "pixi.lock")
    assert found == lockfile
    assert pixi.dumps(found) == texts["pixi.lock"]


ODD = LockedPackage(
    "odd", "1!2.0+x", "H_7", 12, "noarch", f"{CHANNEL}/noarch/odd-3-x_1.conda", "0" * 31 + "1", "1" * 64, None,
    ("python >=3.9", "__unix"), ("no >1", "y"), "MIT: 'or' # not", "", "python", None, ("feature",), "lib/python3.13t",
)  # fmt: skip


def test_an_odd_record_reads_back_whole(lockfile: Lockfile, tmp_path: Path) -> None:
    first = lockfile.targets[0]
    odd = replace(lockfile, targets=(replace(first, packages=(ODD,)),), missing=())
    path = tmp_path / "pixi.lock"
    path.write_text(pixi.dumps(odd), encoding="utf-8")
    assert pixi.load(str(path), pixi.dumps(odd), "pixi.lock").targets[0].packages == (ODD,)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text.replace("# Made", "Made", 1), "not made by"),
        (lambda text: text.replace('# name: "course"', '# name: "course'), "can't be read"),
        (lambda text: text.replace("version: 7", "version: [7"), "pixi.lock: "),
        (lambda text: text[: len(text) // 2], "pixi.lock: "),
        (lambda text: text.replace("sha256: ", "sha256: zz", 1), "pixi.lock: "),
        (lambda text: "", "not made by"),
        (lambda text: "version: 6\nenvironments: {}\npackages: []\n", "not made by"),
    ],
)
def test_a_damaged_pixi_lock_is_named(damage: object, told: str, texts: dict[str, str], tmp_path: Path) -> None:
    text = damage(texts["pixi.lock"])  # type: ignore[operator]
    path = tmp_path / "pixi.lock"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=told) as caught:
        pixi.load(str(path), text, "pixi.lock")
    assert "restore it" in (caught.value.hint or "")


# ── conda-lock's file ────────────────────────────────────────────────────────────────────────────


def test_conda_locks_file_holds_every_package_once_and_in_order(texts: dict[str, str], lockfile: Lockfile) -> None:
    document = yaml.safe_load(texts["course-cuda.conda-lock.yml"])
    keys = [(one["manager"], one["name"], one["platform"]) for one in document["package"]]
    assert keys == sorted(set(keys))
    assert len(keys) == sum(len(one.packages) + 1 for one in lockfile.of_variant("cuda"))
    assert set(document["metadata"]) == {"content_hash", "channels", "platforms", "sources"}
    assert document["metadata"]["sources"] == ["course-cuda.environment.yml"]
    numpy = next(one for one in document["package"] if one["name"] == "numpy" and one["platform"] == "win-64")
    assert numpy["dependencies"] == {"python": "3.13.*"}
    assert numpy["optional"] is False


def test_it_reads_back_without_what_it_can_not_hold(texts: dict[str, str], lockfile: Lockfile) -> None:
    found = load_v1(texts["course-cpu.conda-lock.yml"], "lockfiles/course-cpu.conda-lock.yml")
    assert (found.name, found.variants) == ("course", ("cpu",))
    for one, whole in zip(found.targets, lockfile.of_variant("cpu"), strict=True):
        assert (one.target, one.python, one.wheels) == (whole.target, whole.python, whole.wheels)
        assert [(p.url, p.sha256, p.version, p.build) for p in one.packages] == [
            (p.url, p.sha256, p.version, p.build) for p in whole.packages
        ]


BOMB = "a: &a [x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)},*{chr(97 + i)}]\n" for i in range(20))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "is not YAML"),
        ("- 1", "is no lockfile"),
        ("version: 2", "version is 2"),
        ("version: 1", "no conda-lock file"),
        ("version: 1\nmetadata: 3\npackage: []", "no conda-lock file"),
        (BOMB, "an alias"),
        ("[" * 100_000, "a list in a list"),
        ("\x00", "is not YAML"),
    ],
)
def test_what_is_no_conda_lock_file(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        load_v1(text, "x.conda-lock.yml")


def test_an_entry_without_a_hash_is_refused(texts: dict[str, str]) -> None:
    document = yaml.safe_load(texts["course-cpu.conda-lock.yml"])
    for manager in ("conda", "pip"):
        bare = [{**one, "hash": {}} if one["manager"] == manager else one for one in document["package"]]
        with pytest.raises(UsageError, match="so nobody could check it"):
            load_v1(yaml.safe_dump({**document, "package": bare}), "x.conda-lock.yml")


# ── explicit lists ───────────────────────────────────────────────────────────────────────────────


def test_in_an_explicit_list_a_package_comes_after_what_it_needs(lockfile: Lockfile) -> None:
    for one in lockfile.targets:
        ordered = explicit.in_order(one.packages)
        assert set(ordered) == set(one.packages)
        seen: set[str] = set()
        names = {package.name for package in ordered}
        for package in ordered:
            assert {spec_name(line) for line in package.depends} & names <= seen, package.name
            seen.add(package.name)


def test_a_circle_of_needs_ends() -> None:
    pip, python, wheel = (
        replace(ODD, name=name, url=f"{CHANNEL}/noarch/{name}.conda", depends=depends)
        for name, depends in (("pip", ("python",)), ("python", ("pip",)), ("wheel", ("python",)))
    )
    assert [package.name for package in explicit.in_order((pip, python, wheel))] == ["python", "pip", "wheel"]


# ── environment.yml ──────────────────────────────────────────────────────────────────────────────


def asked(subdir: str, build: str, *specs: str) -> LockedTarget:
    virtual = virtual_packages(subdir, build)
    return LockedTarget(Target("cuda" if build != "cpu" else "cpu", subdir), build, "3.13", specs, virtual, ())


LINUX = asked("linux-64", "cuda129", "python 3.13.*", "pytorch 2.13.0 cuda129*", "cuda-version 12.9", "numpy")


@pytest.mark.parametrize(
    ("targets", "lines", "apart"),
    [
        ((LINUX,), LINUX.specs, ()),
        (
            (LINUX, asked("win-64", "cuda128", "python 3.13.*", "pytorch 2.13.0 cuda128*", "cuda-version 12.8", "numpy")),
            ("python 3.13.*", "pytorch 2.13.0 cuda12*", "cuda-version 12.8|12.9", "numpy"), (),
        ),
        (
            (LINUX, asked("osx-arm64", "cpu", "python 3.13.*", "pytorch 2.13.0 cpu*", "numpy")),
            LINUX.specs, ("osx-arm64 has no CUDA; use the cpu variant there",),
        ),
        (
            (LINUX, replace(LINUX, target=Target("cuda", "linux-aarch64"), specs=(*LINUX.specs, "arm-variant * sbsa"))),
            LINUX.specs, ("linux-aarch64 also: arm-variant * sbsa",),
        ),
        (
            (LINUX, replace(LINUX, target=Target("cuda", "win-64"), specs=("pytorch 2.9.1 cuda129*",))),
            ("pytorch 2.9.1|2.13.0 cuda129*",),
            ("linux-64 also: python 3.13.*", "linux-64 also: cuda-version 12.9", "linux-64 also: numpy"),
        ),
    ],
)  # fmt: skip
def test_one_list_for_all_platforms(
    targets: tuple[LockedTarget, ...], lines: tuple[str, ...], apart: tuple[str, ...]
) -> None:
    found = common(targets)
    assert (found.lines, found.apart) == (lines, apart)


def test_environment_yml_never_asks_for_either_kind_of_build(texts: dict[str, str]) -> None:
    for variant in ("cpu", "cuda"):
        document = yaml.safe_load(texts[f"course-{variant}.environment.yml"])
        torch = next(line for line in document["dependencies"] if str(line).startswith("pytorch "))
        assert torch.split()[2].startswith("cuda12" if variant == "cuda" else "cpu")
        assert document["channels"] == ["conda-forge", "nodefaults"]
        assert document["dependencies"][-1] == {"pip": ["torchinfo>=1.7"]}


# ── channels ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("conda-forge", CHANNEL),
        ("conda-forge/label/pytorch_rc", f"{CHANNEL}/label/pytorch_rc"),
        ("https://repo.example.org/mine/", "https://repo.example.org/mine"),
        (" https://repo.example.org/t/", "https://repo.example.org/t"),
    ],
)
def test_a_channel_as_an_address(text: str, url: str) -> None:
    assert channel_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "https://me:secret@repo.example.org/mine", "https://me@repo.example.org/mine",
        "https://repo.example.org/t/xy-123/mine", "https://repo.example.org/t/xy-123", "s3://bucket/mine", "a b", "",
        "https://repo.example.org/mine?token=1", "ftp://example.org/x", "./no-such-folder", "https://[::1/mine",
    ],
)  # fmt: skip
def test_what_is_no_channel_or_carries_a_secret(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        channel_url(text)
    assert "secret" not in caught.value.message
    assert "xy-123" not in caught.value.message


def test_a_mirror_stays_out_of_the_lockfile(tmp_path: Path) -> None:
    mirrors = read_mirrors((f"conda-forge={tmp_path}",))
    assert mirrors == {CHANNEL: tmp_path.as_uri()}
    assert public(f"{tmp_path.as_uri()}/noarch/x.conda", mirrors) == f"{CHANNEL}/noarch/x.conda"
    assert public(f"{tmp_path.as_uri()}2/noarch/x.conda", mirrors).startswith("file:")
    assert short(CHANNEL) == "conda-forge"
    for text in ("conda-forge", "conda-forge=", "=https://x.org/y"):
        with pytest.raises(UsageError):
            read_mirrors((text,))


# ── requests ─────────────────────────────────────────────────────────────────────────────────────


def test_a_request_reads_back_from_the_header() -> None:
    request = checked(replace(BASE, pip_names=(("opencv", "opencv-python"),), name="Müller & Söhne"))
    assert from_json(request.to_json()) == request
    assert from_json("{") is None
    assert from_json('{"name": "x", "colour": 1}') is None
    assert from_json("[]") is None


def test_a_fingerprint_tells_what_concerns_a_target() -> None:
    request, cpu, cuda = checked(BASE), Target("cpu", "linux-64"), Target("cuda", "linux-64")
    assert request.fingerprint(cpu) != request.fingerprint(cuda)
    assert replace(request, subdirs=("linux-64",)).fingerprint(cpu) == request.fingerprint(cpu)
    driver = replace(request, driver="580.65.06")
    assert driver.fingerprint(cpu) == request.fingerprint(cpu)
    assert driver.fingerprint(cuda) != request.fingerprint(cuda)
    assert replace(request, packages=("numpy", "tqdm")).fingerprint(cpu) != request.fingerprint(cpu)


@pytest.mark.parametrize(
    ("variant", "word"), [("cpu", None), ("cuda", "cuda"), ("cu126", "cuda126"), ("cuda129", "cuda129")]
)
def test_the_cuda_of_a_variant(variant: str, word: str | None) -> None:
    assert cuda_word(variant) == word


@pytest.mark.parametrize(
    "request_",
    [
        replace(BASE, subdirs=("linux-32",)),
        replace(BASE, variants=("rocm6.4",)),
        replace(BASE, torch=("numpy<<3",)),
        replace(BASE, channels=("https://a:b@c.org/d",)),
    ],
)
def test_what_can_not_be_asked(request_: LockRequest) -> None:
    with pytest.raises(UsageError):
        checked(request_)
