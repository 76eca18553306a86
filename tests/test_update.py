"""`catalog update` against a loopback index that imitates the package index and the PyTorch index, well and badly."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from functools import lru_cache

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

pytest.importorskip("pypi_simple")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback_index import CUDA, JSON, PLACES, File, Index, tomorrow, wheels
from thoroughness import examples

from envtool.catalog import FILES, Catalog, load, parse
from envtool.catalog.laws import broken
from envtool.errors import ToolError, UsageError
from envtool.plan import NoPlan, Plan, resolve
from envtool.spec import Request
from envtool.target import read_target
from envtool.update import Outcome, outcome
from envtool.update.client import Client, NotReadError
from envtool.update.merge import merge
from envtool.update.metadata import needs_of
from envtool.update.names import read_name, tag_of
from envtool.update.pages import project_page
from envtool.update.settings import Settings, find_settings, shown
from envtool.update.survey import Survey, survey
from envtool.update.tables import Tables, dumps, parsed
from envtool.update.validate import problems
from envtool.versions import numbers

PYPI = PYPI_SIMPLE_ENDPOINT.rstrip("/")

NOWHERE = "http://127.0.0.1:1/whl"
H100 = "linux-64,py3.12,glibc=2.35,driver=610.43.02,gpu=H100"


@lru_cache(maxsize=1)
def packaged() -> Catalog:
    return load()


@pytest.fixture
def index() -> Iterator[Index]:
    made = tomorrow()
    yield made
    made.close()


def update(index: Index, *, pytorch: str | None = NOWHERE, seconds: float = 20, full: bool = False,
           catalog: Catalog | None = None) -> Outcome:  # fmt: skip
    said: list[str] = []
    where = Settings(f"{index.root}/pypi", "a test")
    return outcome(catalog or packaged(), where, pytorch or f"{index.root}/whl", seconds=seconds, full=full,
                   tell=said.append)  # fmt: skip


def client(seconds: float = 5) -> Client:
    return Client(certificates=None, seconds=seconds, deadline=time.monotonic() + 60)


def told(found: Outcome, kind: str = "added") -> dict[str, str]:
    return {change.what: change.new or "" for change in found.changes if change.kind == kind}


def said(found: Outcome) -> str:
    return "\n".join(found.notes)


# ── a new release, without a change of code ──────────────────────────────────────────────────────


@pytest.mark.parametrize("html", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_new_torch_is_read_and_picked(html: bool) -> None:
    index = tomorrow(html=html)
    found = update(index, pytorch=None)
    index.close()
    assert found.unread == ()
    new = parse(found.texts)
    assert broken(new) == []
    assert [release.torch for release in new.releases[:2]] == ["2.16.0", "2.15.0"]
    release = new.releases[0]
    assert (release.companions.torchvision[0], release.companions.torchaudio[0]) == ("0.30.0", "2.16.0")
    assert dict(release.pypi) == {"linux_x86_64": "cu132", "linux_aarch64": "cu132"}
    assert html or release.date == "2027-01-20"
    plan = resolve(read_target(H100, new), Request(), new)
    assert isinstance(plan, Plan)
    assert [(pin.package, pin.version) for pin in plan.pins] == [
        ("torch", "2.16.0"), ("torchvision", "0.30.0"), ("torchaudio", "2.16.0"),
    ]  # fmt: skip
    assert (plan.build.variant, plan.build.source) == ("cu132", "pypi")
    assert any("was not read from the build itself" in warning for warning in plan.warnings)
    assert new.pythons("linux_x86_64") >= {(3, 12), (3, 13)}
    assert new.wheel("torch", "2.16.0", "linux_x86_64").floors == {"cp312": (2, 28), "cp313t": (2, 28)}  # type: ignore[union-attr]


@pytest.mark.slow
def test_what_is_not_a_stable_release_is_left_aside(index: Index) -> None:
    new = parse(update(index).texts)
    versions = {version for package, version, _ in new.wheels if package == "torch"}
    assert versions - {v for p, v, _ in packaged().wheels if p == "torch"} == {"2.16.0"}


@pytest.mark.slow
def test_code_is_carried_over_unverified_or_told_to_be_unknown(index: Index) -> None:
    new = parse(update(index, pytorch=None).texts)
    carried = new.kernels("2.16.0", "cu132", "linux_x86_64")
    before = packaged().kernels("2.15.0", "cu132", "linux_x86_64")
    assert carried is not None
    assert before is not None
    assert (carried.sm, carried.verified) == (before.sm, False)
    (row,) = [r for r in new.file("kernels").rows("kernels")
              if r.words("torch") == ("2.16.0",) and r.text("variant") == "cu132" and r.text("platform") == "linux_x86_64"]  # fmt: skip
    assert "carried" in row.sources()
    assert "doesn't tell" in str(new.file("sources").content["carried"])
    # cu140 has never been seen: neither its code nor its driver is known, so nothing is planned with it
    assert new.kernels("2.16.0", "cu140", "linux_x86_64") is None
    assert ("cu140", "linux_x86_64", "2.16.0") in new.kernels_unknown
    assert new.families_unknown == {14}
    answer = resolve(read_target(H100, new), Request(packages=("torch",), variant="cu140"), new)
    assert isinstance(answer, NoPlan)
    assert any("not known" in refusal.reason for refusal in answer.refusals)


@pytest.mark.slow
def test_builds_on_the_pytorch_index_are_verified_by_being_seen(index: Index) -> None:
    index.whl = {
        "cu130": {"torch": ["torch-2.15.0+cu130-cp312-cp312-manylinux_2_28_x86_64.whl"],
                  "torchvision": ["torchvision-0.29.2+cu130-cp312-cp312-manylinux_2_28_x86_64.whl"]},
        "cu132": {"torch": ["torch-2.15.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl"],
                  "torchaudio": ["torchaudio-2.11.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl"]},
        "xpu": {"torch": ["torch-2.14.1+cpu-cp312-cp312-win_amd64.whl"]},
    }  # fmt: skip
    found = update(index, pytorch=None)
    new = parse(found.texts)
    by_variant = {b.variant: b for b in new.builds("linux_x86_64") if b.torch == "2.15.0" and b.source != "pypi"}
    was = {b.variant: b for b in packaged().builds("linux_x86_64") if b.torch == "2.15.0" and b.source != "pypi"}
    assert (was["cu130"].verified, by_variant["cu130"].verified) == (False, True)
    assert [w.verified for w in by_variant["cu130"].companions["torchvision"]] == [True, False]  # 0.29.2, 0.29.1
    assert set(by_variant["cu130"].wheel.floors) == {"cp312"}
    assert [w.verified for w in was["cu132"].companions["torchaudio"]] == [False]
    assert [w.verified for w in by_variant["cu132"].companions["torchaudio"]] == [True]
    assert by_variant["cu134"].verified is False  # nobody saw it this time either


@pytest.mark.slow
def test_a_wheel_without_local_version_and_one_that_needs_a_newer_glibc(index: Index) -> None:
    index.whl = {"cu133": {"torch": ["torch-2.15.0-cp312-cp312-manylinux_2_34_x86_64.whl",
                                     "torch-2.14.1-cp312-cp312-linux_x86_64.whl"]}}  # fmt: skip
    new = parse(update(index, pytorch=None).texts)
    found = {b.torch: b for b in new.builds("linux_x86_64") if b.variant == "cu133"}
    assert (found["2.15.0"].suffixed, found["2.15.0"].wheel.floors) == (False, {"cp312": (2, 34)})
    assert found["2.14.1"].wheel.floors == {"cp312": (2, 28)}


@pytest.mark.slow
def test_a_second_update_finds_nothing_new(index: Index) -> None:
    first = update(index, pytorch=None)
    second = update(index, pytorch=None, catalog=parse(first.texts))
    assert second.changes == ()
    assert second.texts == first.texts


@pytest.mark.slow
def test_further_pythons_of_a_known_release_and_a_changed_bound(index: Index) -> None:
    known = [File(f"torch-2.15.0-cp316-cp316-{place}.whl", requires_python=">=3.11,<3.17") for place in PLACES[:1]]
    index.pypi["torch"] += known
    found = update(index)
    change = told(found, "changed")["wheels of torch 2.15.0 for linux_x86_64"]
    assert "cp316" in change
    assert "cp312" in change
    assert "<3.17" in change


@pytest.mark.slow
def test_what_an_index_does_not_list_stays(index: Index) -> None:
    index.pypi["torch"] = wheels("torch", "2.16.0", requires=CUDA)
    assert {change.kind for change in update(index).changes} == {"added"}


@pytest.mark.slow
def test_a_yanked_release_goes_and_its_companions_with_it(index: Index) -> None:
    index.pypi["torch"] = wheels("torch", "2.15.0", yanked=True)
    index.pypi["torchvision"] = wheels("torchvision", "0.28.0", yanked=True)
    found = update(index)
    new = parse(found.texts)
    assert new.release("2.15.0") is None
    assert new.releases[0].torch == "2.14.1"
    release = new.release("2.13.0")
    assert release is not None
    assert (release.companions.torchvision, release.lacks) == ((), {"torchvision": "torchvision 0.28.0 was yanked"})
    assert broken(new) == []
    assert "torch 2.15.0 was yanked" in found.notes


@pytest.mark.slow
def test_a_companion_for_any_later_torch(index: Index) -> None:
    index.pypi["torchvision"] = wheels("torchvision", "0.29.3", requires=("torch>=2.14.0",), date="2026-11-20")
    index.pypi["torchaudio"] = wheels("torchaudio", "2.17.0", requires=("numpy",))
    found = update(index)
    new = parse(found.texts)
    assert [("0.29.3" in r.companions.torchvision) for r in new.releases[:5]] == [True, True, True, True, False]
    assert new.releases[0].companions.torchvision[0] == "0.29.3"
    assert new.pypi_variant("torchvision", "0.29.3", "linux_x86_64") == "cu132"
    assert "torchvision 0.29.3 names no build of torch" in said(found)
    assert "torchaudio 2.17.0 is left out: its metadata name no torch" in said(found)


# ── metadata ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("how", ["told", "untold"])
def test_metadata_by_file_or_by_range_never_the_whole_wheel(index: Index, how: str) -> None:
    for files in index.pypi.values():
        for file in files:
            file.metadata = how
    assert parse(update(index).texts).release("2.16.0") is not None
    wheel_requests = [(path, span) for path, span in index.asked if path.endswith(".whl")]
    assert all(span for _, span in wheel_requests)
    assert bool(wheel_requests) == (how == "untold")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"metadata": "untold", "ranges": False}, "does not answer range requests"),
        ({"metadata": "missing"}, "answered 404"),
        ({"metadata": "wrong"}, "has the metadata of another package"),
        ({"metadata": "none"}, "has no METADATA of a plausible size"),
        ({"metadata": "bomb"}, "has no METADATA of a plausible size"),
        ({"requires": ("nvidia-cudnn-cu13==9",)}, "none that tells the CUDA"),
        ({"requires": ("not a requirement at all!!",)}, "has metadata that can't be read"),
    ],
)
def test_without_metadata_a_torch_is_left_out_and_the_reason_is_said(
    index: Index, changed: dict[str, object], reason: str
) -> None:
    index.pypi["torch"] = wheels("torch", "2.16.0", **changed)
    found = update(index)
    assert found.changes == ()
    assert "torch 2.16.0 is left out: what PyPI's build is made for is not known" in said(found)
    assert reason in said(found)


def test_metadata_that_are_not_those_announced(index: Index) -> None:
    (wheel, *_) = project_page(client(), f"{index.root}/pypi", "torch")
    assert needs_of(client(), wheel, "linux_x86_64").variant == "cu132"
    from dataclasses import replace

    with pytest.raises(NotReadError, match="not those that the page announced"):
        needs_of(client(), replace(wheel, metadata_sha256="0" * 64), "linux_x86_64")


@pytest.mark.parametrize(
    ("requires", "platform", "variant"),
    [
        (("nvidia-cuda-runtime-cu12==12.8.90; platform_system == 'Linux' and platform_machine == 'x86_64'",),
         "linux_x86_64", "cu128"),
        (("nvidia-cuda-runtime-cu12==12.8.90; platform_system == 'Linux' and platform_machine == 'x86_64'",),
         "linux_aarch64", "cpu"),
        (("nvidia-cuda-runtime==13.0.96; sys_platform == 'linux'",), "linux_aarch64", "cu130"),
        (("cuda-toolkit[nvrtc]==14.1.2",), "windows_x86_64", "cu141"),
        (("nvidia-cuda-runtime-cu11 (==11.7.99) ; platform_system == \"Linux\"",), "linux_x86_64", "cu117"),
        (CUDA, "macos_arm64", "cpu"),
    ],
)  # fmt: skip
def test_the_cuda_of_a_build_by_what_it_requires(requires: tuple[str, ...], platform: str, variant: str) -> None:
    index = Index(pypi={"torch": wheels("torch", "2.16.0", requires=requires)})
    (wheel, *_) = project_page(client(), f"{index.root}/pypi", "torch")
    assert needs_of(client(), wheel, platform).variant == variant
    index.close()


@pytest.mark.slow
def test_full_compares_known_releases_with_their_metadata(index: Index) -> None:
    index.pypi["torch"] = wheels("torch", "2.15.0", requires=("cuda-toolkit==13.0.1",), abis=("cp312-cp312",))
    index.pypi["torchvision"] = wheels("torchvision", "0.29.2", requires=("torch==2.15.0",), abis=("py3-none",))
    found = update(index, full=True)
    assert "torch 2.15.0 on linux_x86_64: the index says cu130, the catalog cu132" in said(found)
    assert "torchvision 0.29.2 asks for torch ==2.15.0; the catalog does name it for torch 2.14.1" in said(found)


# ── indexes that answer badly ────────────────────────────────────────────────────────────────────

BAD = [
    (404, "answered 404"),
    (403, "answered 403"),
    (500, "answered 500"),
    ("truncated", "broke off its answer"),
    ("slow", "gave no whole answer within"),
    ("drip", "gave no whole answer within"),
    ("huge", "answered more than"),
    ("gzip", "compressed its answer"),
    ("to file:///etc/passwd", "neither http nor https"),
    ("to ftp://127.0.0.1/x", "neither http nor https"),
    ("to /pypi/torch/", "sent us on and on"),
    (("image/png", b"x"), "answered 'image/png'"),
    (("text/html", b"<html><script>location='/x'</script>Please log in</html>"), "lists no wheel of torch"),
    ((JSON, b"{"), "answered what can't be read"),
    ((JSON, b"[" * 100_000), "answered what can't be read"),
    ((JSON, json.dumps({"meta": {"api-version": "2.0"}, "name": "torch", "files": []}).encode()), "can't be read"),
    ((JSON, json.dumps({"meta": {"api-version": "1.0"}, "name": "torch", "files": [{"x": 1}]}).encode()), "can't be"),
    ((JSON, json.dumps({"meta": {"api-version": "1.0"}, "name": "torch", "files": [
        {"filename": "torch-2.16.0-cp312-cp312-win_amd64.whl", "url": "file:///etc/passwd", "hashes": {}}]}).encode()),
     "lists no wheel of torch"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "reason"), BAD, ids=[f"fault {number}" for number in range(len(BAD))])
def test_a_broken_or_hostile_answer_changes_nothing(index: Index, fault: object, reason: str) -> None:
    index.faults = {"/pypi/torch/": fault}
    start = time.monotonic()
    found = update(index, seconds=3)
    assert time.monotonic() - start < 12
    assert found.changes == ()
    assert [reason in line for line in found.unread].count(True) == 1, found.unread
    assert all(found.texts[name] == packaged().text(name) for name in FILES)


@pytest.mark.slow
def test_nothing_read_at_all_is_a_failure_with_reasons(index: Index) -> None:
    index.faults = {"/": 500}
    with pytest.raises(ToolError) as caught:
        update(index, pytorch=None)
    assert caught.value.exit_code == 4
    assert "torch at" in caught.value.details[0]
    assert caught.value.hint


@pytest.mark.slow
def test_an_unreachable_pytorch_index_leaves_its_builds_and_the_rest_goes_on(index: Index) -> None:
    found = update(index)
    (line,) = found.unread
    assert "cannot be reached; its builds stay as they are" in line
    assert "torch 2.16.0" in told(found)
    assert not any("pytorch-index" in what for what in told(found))


@pytest.mark.slow
def test_a_package_that_cannot_be_read_holds_back_the_new_torch(index: Index) -> None:
    index.faults = {"/pypi/torchvision/": 500}
    found = update(index)
    assert "torch 2.16.0 is left out until torchvision can be read" in said(found)
    assert "torch 2.16.0" not in told(found)


@pytest.mark.slow
def test_one_page_of_the_pytorch_index_fails(index: Index) -> None:
    index.faults = {"/whl/cpu/": 500}
    found = update(index, pytorch=None)
    assert any("answered 500" in line and "stay as they are" in line for line in found.unread)
    assert "build of torch 2.16.0 cu132 for linux_x86_64 on pytorch-index" in told(found)


@pytest.mark.slow
def test_a_release_that_would_break_a_law_is_left_out(index: Index) -> None:
    index.pypi["torch"] = wheels("torch", "2.16.0", requires=CUDA, places=("manylinux2014_x86_64",))
    found = update(index)
    assert "torch 2.16.0 is left out: wheels.toml: torch 2.16.0 on linux_x86_64 asks for less" in said(found)
    assert "torch 2.16.0" not in told(found)


@pytest.mark.slow
def test_a_catalog_that_answers_fewer_machines_is_refused() -> None:
    without = "\n".join(
        line.replace("verified = true", "verified = false") for line in packaged().text("builds").splitlines()
    )
    texts = {**{name: packaged().text(name) for name in FILES}, "builds": without}
    assert any("linux-64,py3.12" in problem for problem in problems(packaged(), texts))
    assert problems(packaged(), {name: packaged().text(name) for name in FILES}) == []


@pytest.mark.slow
def test_an_index_that_asks_for_a_password(index: Index) -> None:
    index.password = "ada:s3cret"
    assert len(refused(index, index.root)) == 4
    assert "torch 2.16.0" in told(outcome(
        packaged(), Settings(index.root.replace("//", "//ada:s3cret@") + "/pypi", "a test"), NOWHERE, seconds=20,
        full=False, tell=lambda _: None,
    ))  # fmt: skip


def refused(index: Index, root: str) -> tuple[str, ...]:
    with pytest.raises(ToolError) as caught:
        outcome(packaged(), Settings(f"{root}/pypi", "a test"), NOWHERE, seconds=20, full=False, tell=lambda _: None)
    return caught.value.details


@pytest.mark.slow
def test_an_index_that_lists_too_much_to_be_true(index: Index) -> None:
    index.pypi["torch"] = [f for n in range(200) for f in wheels("torch", f"3.{n}.0", places=PLACES[:1])]
    found = update(index)
    assert any("more than 100 new releases" in line for line in found.unread)
    assert found.changes == ()


@pytest.mark.slow
def test_builds_of_the_pytorch_index_on_a_mirror_of_both(index: Index) -> None:
    index.pypi["torch"] = [*wheels("torch", "2.16.0+cpu", abis=("cp311-cp311",)), *index.pypi["torch"]]
    assert "cp311" not in told(update(index))["wheels of torch 2.16.0 for linux_x86_64"]


def test_secrets_in_an_address_are_never_shown(index: Index) -> None:
    index.faults = {"/pypi/": 500}
    url = index.root.replace("//", "//user:s3cret@") + "/pypi?token=s3cret"
    with pytest.raises(ToolError) as caught:
        outcome(packaged(), Settings(url, "a test"), NOWHERE, seconds=5, full=False, tell=lambda _: None)
    assert "s3cret" not in repr((caught.value.message, caught.value.details, caught.value.hint))
    assert shown("https://u:p@host:8/simple/?t=1#x") == "https://host:8/simple/"
    assert "p" not in repr(Settings("https://u:p@h/x", "t")).replace("Settings", "").replace("https", "")


# ── settings ─────────────────────────────────────────────────────────────────────────────────────


def settled(tmp_path: object, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], **environ: str) -> Settings:
    root = str(tmp_path)
    for name, text in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    home = {"XDG_CONFIG_HOME": os.path.join(root, "config"), "XDG_CONFIG_DIRS": os.path.join(root, "xdg"),
            "APPDATA": os.path.join(root, "config"), "PROGRAMDATA": os.path.join(root, "xdg")}  # fmt: skip
    monkeypatch.setenv("HOME", root)
    return find_settings({**home, **environ}, os.path.join(root, "project", "inner"), chosen=None)


PIP = {"config/pip/pip.conf": "[global]\nindex-url = https://pip.example/simple/\ncert = /pip.pem\n",
       "config/pip/pip.ini": "[global]\nindex-url = https://pip.example/simple/\ncert = /pip.pem\n"}  # fmt: skip


@pytest.mark.parametrize(
    ("files", "environ", "url", "certificates"),
    [
        ({}, {}, PYPI, None),
        ({}, {"PIP_INDEX_URL": "https://a.example/simple/", "UV_INDEX_URL": "https://b.example"},
         "https://a.example/simple", None),
        ({}, {"UV_DEFAULT_INDEX": "mine=https://b.example/x", "UV_INDEX_URL": "https://c.example"},
         "https://b.example/x", None),
        ({}, {"UV_INDEX_URL": "https://c.example/?a=b", "SSL_CERT_FILE": "/s", "REQUESTS_CA_BUNDLE": "/r"},
         "https://c.example/?a=b", "/r"),
        (PIP, {"REQUESTS_CA_BUNDLE": "/r"}, "https://pip.example/simple", "/pip.pem"),
        (PIP, {"PIP_CERT": "/p"}, "https://pip.example/simple", "/p"),
        (PIP, {"PIP_CONFIG_FILE": os.devnull}, PYPI, None),
        ({"project/pyproject.toml": '[[tool.uv.index]]\nurl = "https://not.example"\n[[tool.uv.index]]\n'
          'url = "https://uv.example/s"\ndefault = true\n'}, {}, "https://uv.example/s", None),
        ({"project/uv.toml": 'index-url = "https://old.example/s"\n'}, {}, "https://old.example/s", None),
        ({"project/uv.toml": 'index-url = "https://old.example/s"\n'}, {"UV_NO_CONFIG": "1"},
         PYPI, None),
        ({"config/uv/uv.toml": '[[index]]\nurl = "https://user.example"\ndefault = true\n'}, {},
         "https://user.example", None),
        ({"project/uv.toml": "not toml ["}, {}, PYPI, None),
        ({"config/pip/pip.conf": "no section\n", "config/pip/pip.ini": "no section\n"}, {},
         PYPI, None),
    ],
)  # fmt: skip
@pytest.mark.skipif(os.path.exists("/etc/uv/uv.toml"), reason="the system has settings of its own")
def test_the_settings_of_pip_and_uv(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], environ: dict[str, str], url: str,
    certificates: str | None,
) -> None:  # fmt: skip
    if not any("pip" in name for name in files):
        environ = {"PIP_CONFIG_FILE": os.devnull, **environ}  # the files of this machine are none of ours
    found = settled(tmp_path, monkeypatch, files, **environ)
    assert found.index_url == url.rstrip("/")
    if environ.get("PIP_CONFIG_FILE") or certificates:
        assert found.certificates == certificates


def test_a_file_index_is_named_as_what_cannot_be_read() -> None:
    with pytest.raises(UsageError, match="PIP_INDEX_URL names file:///srv/simple"):
        find_settings({"PIP_INDEX_URL": "file:///srv/simple"}, "/")


# ── names and tables ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("torch-2.16.0-cp312-cp312-manylinux_2_28_x86_64.whl", ("2.16.0", None, {"linux_x86_64": {"cp312": (2, 28)}})),
        ("torch-2.16.0+cu132-cp313-cp313t-win_amd64.whl", ("2.16.0", "cu132", {"windows_x86_64": {"cp313t": ()}})),
        ("torch-2.16.0+rocm7.2-cp312-cp312-linux_x86_64.whl", ("2.16.0", "rocm7.2", {"linux_x86_64": {"cp312": ()}})),
        ("torch-1.13.0-cp37-cp37m-manylinux1_x86_64.whl", ("1.13.0", None, {"linux_x86_64": {"cp37": (2, 17)}})),
        ("torch-2.16.0-cp310-abi3-win_amd64.whl", ("2.16.0", None, {"windows_x86_64": {"cp310+": ()}})),
        ("torch-2.0.0-cp311-none-macosx_11_0_arm64.whl", ("2.0.0", None, {"macos_arm64": {"cp311": (11, 0)}})),
        ("torch-2.0.0-cp311-cp311-manylinux_2_17_x86_64.manylinux_2_28_x86_64.whl",
         ("2.0.0", None, {"linux_x86_64": {"cp311": (2, 17)}})),
        ("torch-2.16.0.dev20261101-cp312-cp312-win_amd64.whl", None),
        ("torch-2.16.0rc1-cp312-cp312-win_amd64.whl", None),
        ("torch-2.16.0.post1-cp312-cp312-win_amd64.whl", None),
        ("torch-99999!1-cp312-cp312-win_amd64.whl", None),
        ("torch-99999.0-cp312-cp312-win_amd64.whl", None),
        ("torch-2.16.0+evil-cp312-cp312-win_amd64.whl", None),
        ("torch-2.16.0-cp312-cp312-musllinux_1_2_x86_64.whl", None),
        ("torch-2.16.0-pp310-pypy310_pp73-win_amd64.whl", None),
        ("torch-2.16.0.tar.gz", None),
        ("../torch-2.16.0-cp312-cp312-win_amd64.whl", None),
        ("torch/../x-2.16.0-cp312-cp312-win_amd64.whl", None),
        ("torch-2.16.0-cp312-cp312-win_amd64.whl\n", None),
        ("torchvision-2.16.0-cp312-cp312-win_amd64.whl", None),
        ("", None),
    ],
)  # fmt: skip
def test_names_of_wheels(name: str, expected: tuple[str, str | None, object] | None) -> None:
    found = read_name(name, "torch")
    assert (found and (found.version, found.local, found.floors)) == expected


PARTS = st.sampled_from(["torch", "2.16.0", "cp312", "manylinux_2_28_x86_64", "-", ".whl", "+cu132", "..", "/", "%2F", "!", "9" * 30, "\x00", "é", "٣", "cp3٣", "_", "none", "py3", "macosx_14_0_arm64", "win_amd64", "manylinux__x86_64", "macosx_arm64"])  # fmt: skip


@settings(max_examples=examples(300), deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(PARTS, max_size=12).map("".join), st.lists(PARTS, min_size=4, max_size=6).map(lambda p: "torch-2.16.0-" + "-".join(p) + ".whl")))  # fmt: skip
def test_any_name_is_read_or_left_aside(name: str) -> None:
    found = read_name(name, "torch")
    if found is not None:
        assert numbers(found.version)
        assert "/" not in name
        assert ".." not in name
        for platform, by_abi in found.floors.items():
            for abi, floor in by_abi.items():
                assert abi.isascii()
                if floor or platform.startswith("windows"):
                    assert tag_of(platform, floor)


@pytest.fixture(scope="module")
def odd() -> Iterator[Index]:
    made = Index()
    yield made
    made.close()


@pytest.mark.slow
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["meta", "files", "name", "api-version", "filename", "url", "yanked"]), inner, max_size=5), max_leaves=12).map(lambda d: json.dumps(d).encode()),
        st.text(alphabet="<a href='/x\">torch-2.16.0-cp312!&#;", max_size=200).map(str.encode),
    ),
    kind=st.sampled_from([JSON, "text/html", "", "text/html; charset=x-evil"]),
)  # fmt: skip
def test_any_body_is_a_page_or_is_not_read(odd: Index, body: bytes, kind: str) -> None:
    odd.faults = {"/": (kind, body)}
    try:
        assert project_page(client(), odd.root, "torch")
    except NotReadError as error:
        assert str(error)


@settings(max_examples=examples(100), deadline=None)
@given(st.dictionaries(st.text(max_size=8), st.one_of(st.text(), st.booleans(), st.integers(0, 9), st.dictionaries(st.text(max_size=5), st.text(max_size=5))), max_size=5))  # fmt: skip
def test_what_is_written_is_read_back(row: dict[str, object]) -> None:
    flat = {key: value for key, value in row.items() if not isinstance(value, dict)}
    content: dict[str, object] = {"date": "2026-11-23", "release": [row, flat], "some source": flat}
    assert parsed(dumps(content)) == content


@pytest.mark.slow
def test_every_packaged_file_survives_being_written() -> None:
    for name in FILES:
        assert parsed(dumps(parsed(packaged().text(name)))) == parsed(packaged().text(name))
    assert Tables(packaged()).texts() == {name: packaged().text(name) for name in FILES}


def test_an_empty_survey_changes_nothing() -> None:
    empty = Survey({}, {}, (), "https://a", "https://b")
    assert merge(packaged(), empty, "2027-01-01").texts == {name: packaged().text(name) for name in FILES}


# ── the real package index ───────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_the_packaged_catalog_agrees_with_the_package_index() -> None:
    where = find_settings(os.environ, os.getcwd())
    asked = Client(certificates=where.certificates, seconds=30, deadline=time.monotonic() + 100)
    found = survey(asked, (where.index_url, NOWHERE), packaged(), full=True, tell=lambda _: None)
    if len(found.pypi) < 3:
        pytest.skip(f"the package index does not answer: {'; '.join(found.unread)}")
    from envtool.update.audit import disagreements

    assert disagreements(packaged(), found) == ()
    known = {version for package, version, _ in packaged().wheels if package == "torch"}
    assert known <= set(found.pypi["torch"])
    assert problems(packaged(), merge(packaged(), found, "2099-01-01").texts) == []
