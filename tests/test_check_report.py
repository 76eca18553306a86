"""`envtool check`: the screen, the documents, what GitHub is told, the command line, and the lockfiles that it reads."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from builders import Lines, dist, environment, evidence, laptop
from check_samples import (
    CONDA_GOOD,
    CPU,
    EXACT,
    GOOD,
    OTHER,
    SHA,
    SPEC,
    held,
)

from envtool.catalog import load
from envtool.checks import of_lock, run
from envtool.cli.app import main
from envtool.diagnosis import Diagnosis
from envtool.drift import CONDA, PIP, Drift, Term
from envtool.machine import Absent, Found, Unknown
from envtool.report.check import CheckReport, junit_of, render, to_json
from envtool.report.github import annotation_lines, cell, code, data, property_value, summary
from envtool.report.text import Style

TERM = Term("2026-11-23", "2027-03-23")


# ── what CI is told ──────────────────────────────────────────────────────────────────────────────


def report(drift=GOOD, fail_on="fail", course=None):
    found = replace(evidence(laptop(), CPU, None, Lines()), drift=drift, course=course)
    verdicts = run(of_lock(), found)
    diagnosis = Diagnosis(found.machine, found.environment, found.imports, verdicts, course)
    return CheckReport(diagnosis, drift, "envtool.toml", fail_on)


def test_the_screen_has_a_fix_for_each_problem_and_one_next_step_at_the_end():
    text = render(report(held("tqdm", "4.9", drift=held("numpy", "2.3.0"))), Style())
    assert "Lockfile     pylock.cpu.toml (cpu), 3 packages" in text
    assert "FAIL  Lockfile 1 of 3 packages as locked" in text
    assert text.count("      fix: INSTALL") == 2
    assert text.endswith(f"First (why: envtool explain locked-newer); copy this line:\n\nINSTALL --no-deps {EXACT}\n")
    assert all(len(line) <= 80 for line in text.splitlines() if "INSTALL" not in line)


def test_all_is_well():
    text = render(report(), Style())
    assert "ok    Lockfile 3 of 3 packages as locked" in text and "All is well" in text
    assert "locked-hash: no installed package has a hash" in render(report(), Style(), everything=True)


@pytest.mark.parametrize(
    ("drift", "fail_on", "failed"),
    [
        (GOOD, "warn", False),
        (held("numpy", "2.3.0"), "fail", True),
        (replace(GOOD, edited=Unknown("x")), "fail", False),
        (replace(GOOD, edited=Unknown("x")), "warn", True),
        (replace(GOOD, term=replace(TERM, pythons=(("3.12", "2026-12"),))), "fail", False),
        (replace(GOOD, term=replace(TERM, pythons=(("3.12", "2026-12"),))), "warn", True),
    ],
)
def test_what_counts_as_failed(drift, fail_on, failed):
    made = report(drift, fail_on)
    assert made.failed is failed
    document = to_json(made)
    assert document["failed"] is failed and document["fail_on"] == fail_on
    root = ElementTree.fromstring(junit_of(made).encode())
    assert (root.find("testsuite").get("failures") != "0") is failed


def test_the_document_validates():
    from test_schemas import validate

    for drift in (GOOD, Drift(), CONDA_GOOD, held("numpy", "2.3.0")):
        validate("check", to_json(report(drift, course=SPEC)))
    validate("check", to_json(replace(report(), files_only=True)))


def test_annotations_are_escaped_as_github_wants():
    assert data("50%: a, b\r\nc") == "50%25: a, b%0D%0Ac"
    assert property_value("a: b, 5%\n") == "a%3A b%2C 5%25%0A"
    lines = annotation_lines(report(held("numpy", "2.3.0")))
    assert lines == [f"::error title=locked-newer::numpy is 2.3.0 (locked: 2.1.0).%0Afix: INSTALL --no-deps {EXACT}"]


def test_each_line_too_many_is_annotated_where_it_stands():
    drift = replace(GOOD, most_devices=1, devices=Found(("a.py:1: x", "src/b.py:3: y, z", "n.ipynb:cell_2:4: w")))
    lines = annotation_lines(report(drift))
    assert lines[0].startswith("::error file=src/b.py,line=3,title=device-lines::3 lines")
    assert lines[1].startswith("::error file=n.ipynb,title=device-lines::3 lines")


def test_no_more_annotations_than_github_shows():
    drift = replace(GOOD, most_devices=0, devices=Found(tuple(f"a.py:{i}: x" for i in range(30))))
    assert len(annotation_lines(report(drift))) == 10


def test_the_summary_is_a_table_that_no_text_breaks_out_of():
    assert cell("a|b <img src=x> `c` *d*\n[e](f)") == "a\\|b &lt;img src=x&gt; \\`c\\` \\*d\\* \\[e\\](f)"
    assert code("a | b") == "`a \\| b`" and code("echo `x`") == "`` echo `x` ``"
    text = summary(report(held("numpy", "2.3.0")))
    assert text.startswith("### envtool check: not as asked for\n")
    assert f"| failed | `locked-newer` | numpy is 2.3.0 (locked: 2.1.0). | `INSTALL --no-deps {EXACT}` |" in text
    assert "checks passed." in summary(report())


# ── the command line ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


TOML = 'name = "dl"\npython = ">=3.9"\ntorch = ["torch>=2.6"]\nvariants = ["cpu"]\n'


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "neither an envtool.toml nor a lockfile"),
        (["--lock", "no.txt"], "there is no lockfile no.txt"),
        (["--ignore", "locked-never"], "there is no such check"),
        (["--term", "soon"], "this is no date"),
        (["--term", "2027-02-30"], "this is no date"),
        (["--junit", "-"], "--junit needs"),
        (["--files-only", "--python", "x"], "--files-only looks at no environment"),
    ],
)
def test_a_wrong_command_line_is_exit_2(words, told, folder, capsys):
    assert main(["check", *words]) == 2
    err = capsys.readouterr().err
    assert told in err and "hint: " in err


def test_a_wrong_command_line_is_one_document_too(folder, capsys):
    assert main(["check", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["exit_code"] == 2


def test_files_only_looks_at_no_environment_and_counts_the_device_lines(folder, capsys, monkeypatch):
    (folder / "envtool.toml").write_text(TOML)
    (folder / "train.py").write_text('DEVICE = "cpu"\n')
    assert main(["check", "--files-only", "--max-devices", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["environment"] is None and document["lockfile"] is None
    assert {v["code"]: v["status"] for v in document["verdicts"]} == {
        "lock-edited": "skip", "lock-stale": "skip", "device-lines": "pass", "catalog-ends": "pass",
    }  # fmt: skip
    (folder / "train.py").write_text('DEVICE = "cpu"\nmodel.to("cuda")\n')
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    (folder / "summary.md").write_text("before\n")
    assert main(["check", "--files-only", "--max-devices", "1", "--junit", "c.xml", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["next_step_code"] == "device-lines"  # annotations don't disturb the document
    assert "::error file=train.py,line=2,title=device-lines::" in err
    text = (folder / "summary.md").read_text()
    assert text.startswith("before\n### envtool check: not as asked for")
    assert 'failures="1"' in (folder / "c.xml").read_text()
    assert main(["check", "--files-only", "--max-devices", "1", "--ignore", "device-lines"]) == 0


def test_a_spec_that_can_exist_nowhere_is_exit_2(folder, capsys, monkeypatch):
    (folder / "envtool.toml").write_text(TOML.replace("torch>=2.6", "torch==2.6").replace(">=3.9", ">=3.14"))
    assert main(["check", "--files-only"]) == 2
    err = capsys.readouterr().err
    assert "envtool.toml:" in err and "::" not in err
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert main(["check", "--files-only"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("::")]
    assert line.startswith("::error title=envtool check::envtool.toml") and "%0Ahint: " in line


LOOSE = "numpy>=2\ntqdm==4.67.0\n"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("requirements.txt", LOOSE, "1 line is not pinned with =="),
        ("requirements.txt", "# nothing\n", "it names no package"),
        ("requirements.txt", "numpy==2.*\n", "is not pinned"),
        ("requirements.txt", "numpy==not.a.version\n", "is not pinned"),
        ("pylock.toml", 'lock-version = "1.0"\n[[packages]]\nname = 3\n', "is no text"),
        ("pylock.toml", 'lock-version = "1.0"\n[[packages]]\nname = "a"\nmarker = "what == 1"\n', "can't be read"),
        ("pylock.toml", "x = 1\n", "no lock-version"),
        ("pylock.cpu.toml", "x = \n", "is not TOML"),
        ("pylock.toml", 'lock-version = "1.0"\nrequires-python = "zzz"\npackages = []\n', "no range of versions"),
        ("lock.json", "{}", "no lockfile by its name"),
    ],
)
def test_what_is_no_lockfile_is_exit_2(name, text, told, folder):
    from envtool.cli.check_lock import Here, candidates
    from envtool.errors import UsageError

    (folder / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        candidates(name, Here(PIP, "linux-64", "3.12.4", {}))
    assert told in caught.value.message


def test_requirements_with_all_that_pip_freeze_and_pip_tools_write(folder):
    from envtool.cli.check_pins import of_requirements

    (folder / "more.txt").write_text("tqdm==4.67.0\n")
    (folder / "requirements.txt").write_text(
        "--index-url=https://example.org/simple?a=b\n--extra-index-url https://download.pytorch.org/whl/cpu\n"
        "-r more.txt\n-e .\n-c constraints.txt\n"
        f"Num_Py===2.1.0 \\\n    --hash={SHA} \\\n    --hash={OTHER}\n"
        "colorama==0.4.6 ; sys_platform == 'win32'\n"
        "torch @ https://example.org/torch-2.14.1%2Bcpu-cp312-cp312-linux_x86_64.whl#sha256=00\n"
    )
    (locked,) = of_requirements("requirements.txt", {"sys_platform": "linux"})
    assert [(p.name, p.version, p.hashes) for p in locked.pins] == [
        ("tqdm", "4.67.0", ()), ("num-py", "2.1.0", (SHA, OTHER)), ("torch", "2.14.1+cpu", ()),
    ]  # fmt: skip
    assert locked.options == (
        "--index-url", "https://example.org/simple?a=b", "--extra-index-url", "https://download.pytorch.org/whl/cpu",
    )  # fmt: skip


PYLOCK = """lock-version = "1.0"
requires-python = ">=3.11"
[[packages]]
name = "Num.Py"
version = "2.1.0"
wheels = [
  { url = "https://example.org/num_py-2.1.0-cp312-cp312-win_amd64.whl", hashes = { sha256 = "%s" } },
  { url = "https://example.org/num_py-2.1.0-py3-none-any.whl", hashes = { sha256 = "%s" } },
]
[[packages]]
name = "colorama"
version = "0.4.6"
marker = "sys_platform == 'win32'"
[[packages]]
name = "here"
directory = { path = "." }
"""


def test_a_pylock_of_any_tool(folder):
    from envtool.cli.check_pins import of_pylock

    (folder / "pylock.cu12_6.toml").write_text(PYLOCK % ("a" * 64, "b" * 64))
    (locked,) = of_pylock("pylock.cu12_6.toml", {"sys_platform": "linux"}, "linux-64", "3.12.4")
    assert (locked.variant, locked.python, locked.subdir) == ("cu12.6", ">=3.11", None)
    (pin,) = locked.pins
    assert (pin.name, pin.url, pin.hashes) == (
        "num-py",
        "https://example.org/num_py-2.1.0-py3-none-any.whl",
        (SHA, OTHER),
    )
    (folder / "pylock.toml").write_text(
        "environments = [\"sys_platform == 'win32'\"]\n" + PYLOCK % ("a" * 64, "b" * 64)
    )
    assert of_pylock("pylock.toml", {"sys_platform": "linux"}, "linux-64", "3.12.4") == ()


def test_a_record_keeps_the_hash_of_what_came_by_its_address(tmp_path):
    from envtool.cli.check_held import held_by_pip

    info = tmp_path / "numpy-2.1.0.dist-info"
    info.mkdir()
    env = environment(distributions=(dist("numpy", "2.1.0", metadata_path=str(info)),))
    assert held_by_pip(env, {})[-1].hashes == ()
    for told in ({"hashes": {"sha256": "a" * 64}}, {"hash": f"sha256={'a' * 64}"}):
        (info / "direct_url.json").write_text(json.dumps({"url": "x", "archive_info": told}))
        assert next(h for h in held_by_pip(env, {}) if h.name == "numpy").hashes == (SHA,)
    (info / "direct_url.json").write_text('{"url": "x", "archive_info": {}}')  # as uv writes it
    assert next(h for h in held_by_pip(env, {}) if h.name == "numpy").hashes == ()


def test_every_python_that_the_catalog_knows_has_a_day_on_which_it_ends():
    from envtool.data import read_table

    ends = read_table("pythons.toml")["ends"]
    known = {f"{major}.{minor}" for major, minor in load().pythons("linux_x86_64") if minor >= 8}
    assert known <= set(ends)
    assert all(len(month) == 7 and month[4] == "-" for month in ends.values())


# ── which lockfile ───────────────────────────────────────────────────────────────────────────────

EXPLICIT = """# platform: linux-64
@EXPLICIT
https://conda.example.org/conda-forge/linux-64/numpy-2.1.0-py312_0.conda#11111111111111111111111111111111
https://conda.example.org/conda-forge/linux-64/pytorch-2.14.1-{build}.conda#22222222222222222222222222222222
https://conda.example.org/conda-forge/linux-64/python-3.12.4-h0_0_cpython.conda#33333333333333333333333333333333
{more}"""
CUDNN = "https://conda.example.org/conda-forge/linux-64/cudnn-9.0-h0_0.conda#44444444444444444444444444444444\n"


@pytest.fixture
def locks(folder):
    """Lists of conda's for two variants, and one for pip."""
    place = folder / "lockfiles"
    place.mkdir()
    (place / "dl-cpu-linux-64.txt").write_text(EXPLICIT.format(build="cpu_generic_0", more=""))
    (place / "dl-cuda-linux-64.txt").write_text(EXPLICIT.format(build="cuda129_mkl_0", more=CUDNN))
    (place / "pylock.cpu.toml").write_text(PYLOCK % ("a" * 64, "b" * 64))
    (place / "notes.txt").write_text("not a lockfile\n")
    return [str(place), str(folder)]


def chosen(locks, drift, manager=CONDA, subdir="linux-64", variant=None):
    from envtool.cli.check_lock import Here, found

    return found(locks, Here(manager, subdir, "3.12.4", {"sys_platform": "linux"}), variant, drift)


def test_the_variant_is_the_one_that_the_environment_was_made_from(locks):
    assert chosen(locks, CONDA_GOOD).variant == "cpu"
    cuda = held("pytorch", "2.14.1", CONDA, CONDA_GOOD, record=True, build="cuda129_mkl_0")
    cuda = held("cudnn", "9.0", CONDA, cuda, record=True, build="h0_0")
    assert chosen(locks, cuda).variant == "cuda"
    swapped = held("pytorch", "2.14.1", CONDA, cuda, record=True, build="cpu_generic_0")  # and cuDNN is still there
    assert chosen(locks, swapped).variant == "cuda"
    assert chosen(locks, CONDA_GOOD, variant="cuda129").variant == "cuda"


def test_the_kind_is_the_environment_s(locks):
    assert chosen(locks, GOOD, PIP).shown == "lockfiles/pylock.cpu.toml".replace("/", os.sep)
    os.unlink(os.path.join(locks[0], "pylock.cpu.toml"))
    assert (chosen(locks, GOOD, PIP).kind, chosen(locks, GOOD, PIP).named) == ("kind", False)
    assert chosen(locks[1:], GOOD, PIP) is None


def test_another_platform_and_another_variant(locks):
    from envtool.errors import UsageError

    missing = chosen(locks, CONDA_GOOD, subdir="osx-arm64")
    assert missing.kind == "target" and "add osx-arm64 to platforms" in missing.hint
    with pytest.raises(UsageError) as caught:
        chosen(locks, CONDA_GOOD, variant="rocm")
    assert "has cpu, cuda for linux-64" in caught.value.message


def test_a_lockfile_that_is_named_must_be_of_the_environment_s_kind(locks):
    from envtool.cli.check_lock import Here, named

    here = Here(PIP, "linux-64", "3.12.4", {"sys_platform": "linux"})
    wrong = named(os.path.join(locks[0], "dl-cpu-linux-64.txt"), here, None, GOOD)
    assert wrong.named and wrong.command and wrong.hint.startswith("envtool install --lock lockfiles")
    assert named(locks[0], here, None, GOOD).kind == "pylock"  # a folder
    conda = replace(here, manager=CONDA)  # where pip's packages often are
    assert named(os.path.join(locks[0], "pylock.cpu.toml"), conda, None, CONDA_GOOD).kind == "pylock"


def test_warnings_that_count_are_said_to(capsys):
    text = render(report(replace(GOOD, edited=Unknown("x")), "warn"), Style())
    assert "Nothing failed; with --fail-on warn that is not enough." in text
    assert "not enough" not in render(report(replace(GOOD, edited=Unknown("x"))), Style())


def written(folder, kind):
    """One lockfile of envtool's own in a form, for two packages of conda and one of pip."""
    from conda_lockfiles import lockfile, write

    from envtool.lock.model import LockedPackage, LockedWheel

    base = "https://conda.anaconda.org/conda-forge/linux-64"
    rows = (
        ("numpy", "2.1.0", "py312_0", 0),
        ("python", "3.12.4", "h0_0_cpython", 0),
        ("pytorch", "2.14.1", "cpu_generic_1", 1),
    )
    packages = [
        LockedPackage(n, v, b, number, "linux-64", f"{base}/{n}-{v}-{b}.conda", "1" * 32, "a" * 64, 1, ())
        for n, v, b, number in rows
    ]
    wheel = LockedWheel("tqdm", "4.67.0", "https://example.org/tqdm-4.67.0-py3-none-any.whl", "b" * 64)
    return write(folder, lockfile(packages, subdir="linux-64", wheels=(wheel,)), kind)


@pytest.mark.parametrize("kind", ["explicit", "v1", "pixi"])
def test_each_form_of_a_lockfile_gives_the_same_pins(kind, folder):
    pytest.importorskip("rattler", reason="py-rattler is not installed")
    from envtool.cli.check_lock import Here, candidates

    (locked,) = candidates(written(folder, kind), Here(CONDA, "linux-64", "3.12.4", {}))
    assert [(p.name, p.version, p.build, p.manager) for p in locked.pins] == [
        ("numpy", "2.1.0", "py312_0", CONDA), ("python", "3.12.4", "h0_0_cpython", CONDA),
        ("pytorch", "2.14.1", "cpu_generic_1", CONDA), ("tqdm", "4.67.0", "", PIP),
    ]  # fmt: skip
    assert "md5:" + "1" * 32 in locked.pins[0].hashes and locked.pins[3].hashes == (OTHER,)
    assert (locked.variant, locked.subdir, locked.python) == ("cpu", "linux-64", "==3.12.*")
    assert candidates(locked.path, Here(CONDA, "osx-arm64", "3.12.4", {})) == ()


def test_without_py_rattler_what_can_not_be_told_is_not_called_good(folder, monkeypatch, capsys):
    pytest.importorskip("rattler", reason="py-rattler is not installed")
    (folder / "lockfiles").mkdir()
    written(folder / "lockfiles", "pixi")
    (folder / "envtool.toml").write_text(TOML)
    monkeypatch.setitem(sys.modules, "envtool.lock.files", None)  # what imports it, directly or not, fails as it would
    code = main(["check", "--files-only", "--json"])
    document = json.loads(capsys.readouterr().out)
    found = {v["code"]: v for v in document["verdicts"]}
    assert (
        found["lock-edited"]["status"] == "unknown"
        and "pip install 'envtool[lock]>=0.9'" in found["lock-edited"]["message"]
    )
    assert found["lock-stale"]["status"] == "fail" and code == 1  # that needs no more than the comments


def test_a_pixi_lock_without_py_rattler_is_a_tool_that_is_missing(folder, monkeypatch):
    from envtool.cli.check_pins import of_conda
    from envtool.errors import ToolError

    (folder / "pixi.lock").write_text("version: 6\nenvironments:\n  default: {}\n")
    monkeypatch.setitem(sys.modules, "rattler", None)
    with pytest.raises(ToolError) as caught:
        of_conda("pixi.lock", "pixi.lock", "linux-64")
    assert "needs py-rattler" in caught.value.message


def test_envtool_s_own_pylock_knows_its_spec_and_its_own_text(folder):
    pytest.importorskip("rattler", reason="py-rattler is not installed")
    import hashlib

    from envtool.cli.check_fresh import freshness
    from envtool.cli.check_pins import of_pylock
    from envtool.cli.spec_option import Spec
    from envtool.lock.from_course import request_of
    from envtool.lock.pylock import fingerprint

    written(folder, "pixi")  # whose first lines tell the Python
    spec = Spec("envtool.toml", SPEC)
    body = PYLOCK % ("a" * 64, "b" * 64)
    head = [
        "# Made by `envtool lock` from envtool.toml; do not edit.", "#   uv …", "#   pip …",
        f"# fingerprint: {fingerprint(request_of(SPEC), 'cpu', '3.12')}",
        f"# sha256: {hashlib.sha256(body.encode()).hexdigest()}",
    ]  # fmt: skip
    path = folder / "pylock.cpu.toml"

    def told(text, course=SPEC):
        path.write_text(text, encoding="utf-8")
        (locked,) = of_pylock(str(path), {"sys_platform": "linux"}, "linux-64", "3.12.4")
        found = freshness(replace(spec, course=course), locked, str(folder))
        return found.stale, found.edited

    whole = "\n".join(head) + "\n" + body
    assert told(whole) == (Found(()), Found(()))
    assert told(whole, replace(SPEC, packages=("einops",)))[0] == Found(
        ("pylock.cpu.toml was locked from another spec",)
    )
    assert told(whole.replace("2.1.0", "2.1.1"))[1] == Found(("pylock.cpu.toml is not as `envtool lock` wrote it",))
    assert told(body) == (Absent("another tool made it, and nothing in it tells"),) * 2
    assert told(whole.replace(f"sha256: {hashlib.sha256(body.encode()).hexdigest()}", "sha256: 0"))[1] != Found(())
