"""envtool.toml on the command line: which one is found, what pick and doctor make of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_schemas import validate

from envtool.catalog import load
from envtool.cli.app import main
from envtool.cli.spec_option import LARGEST, find, read
from envtool.errors import UsageError

CATALOG = load()
MINE = 'name = "mine"\npython = ">=3.10,<3.14"\n[gpu]\ncompute-capability = "7.0"\ndriver = "525.60.13"\n'
BOX = "linux-64,py3.12,driver=595.71,gpu=RTX 4090,glibc=2.35"
RECORDED = Path(__file__).parent / "machines" / "laptop-cpu.json"


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in a folder of its own, in a home of its own."""
    monkeypatch.setattr("envtool.catalog.load", lambda: CATALOG)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    folder = tmp_path / "course"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*arguments):
        code = main(list(arguments))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def write(path, text=MINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


# ── finding ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "home" / "a" / "b" / "c").mkdir(parents=True)
    return tmp_path / "home"


def test_the_nearest_one_is_found(home):
    outer, inner = write(home / "a" / "envtool.toml"), write(home / "a" / "b" / "envtool.toml")
    assert find(str(home / "a" / "b" / "c")) == inner
    assert find(str(home / "a" / "b")) == inner
    assert find(str(home / "a")) == outer


def test_none_is_found_where_there_is_none(home):
    assert find(str(home / "a" / "b" / "c")) is None


@pytest.mark.parametrize("mark", [".git", ".hg", ".jj", ".svn"])
def test_the_search_ends_at_the_root_of_a_repository(home, mark):
    write(home / "a" / "envtool.toml")
    (home / "a" / "b" / mark).mkdir()
    assert find(str(home / "a" / "b" / "c")) is None
    found = write(home / "a" / "b" / "envtool.toml")
    assert find(str(home / "a" / "b" / "c")) == found


def test_a_worktree_has_a_file_for_a_mark(home):
    write(home / "a" / "envtool.toml")
    write(home / "a" / "b" / ".git", "gitdir: elsewhere\n")
    assert find(str(home / "a" / "b" / "c")) is None


def test_what_lies_in_the_home_folder_counts_only_there(home):
    found = write(home / "envtool.toml")
    assert find(str(home / "a")) is None
    assert find(str(home)) == found


def test_a_pyproject_counts_where_it_has_the_table(home):
    inner = write(home / "a" / "b" / "pyproject.toml", "[project]\nname = 'envtool'\n")
    outer = write(home / "a" / "pyproject.toml", '[tool.envtool]\nname = "x"\n')
    assert find(str(home / "a" / "b" / "c")) == outer
    write(Path(inner), "[ tool . 'envtool' . gpu ]\nmemory-gib = 8\n")
    assert find(str(home / "a" / "b" / "c")) == inner
    own = write(home / "a" / "b" / "envtool.toml")
    assert find(str(home / "a" / "b" / "c")) == own


def test_a_folder_of_that_name_is_none(home):
    (home / "a" / "envtool.toml").mkdir()
    assert find(str(home / "a")) is None


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_pyproject_that_may_not_be_read_is_passed_over(home):
    (home / "a" / "pyproject.toml").write_text("[tool.envtool]\n", encoding="utf-8")
    (home / "a" / "pyproject.toml").chmod(0)
    assert find(str(home / "a")) is None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('name = "x"'.encode("utf-16"), "UTF-16"),
        ('name = "x"\nlinks.a = "https://é"'.encode("latin-1"), "envtool.toml:2: holds a byte that is not UTF-8"),
        (b"#" * (50 << 20), "is larger than 1 MiB"),
    ],
)
def test_bytes_that_are_no_such_text(tmp_path, content, words):
    path = tmp_path / "envtool.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read(str(path))
    assert words in caught.value.message


def test_a_file_of_the_largest_size_is_read(tmp_path):
    path = tmp_path / "envtool.toml"
    path.write_bytes(b'name = "x"\n'.ljust(LARGEST, b"#"))
    assert read(str(path)).name == "x"


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no endless file here")
def test_an_endless_file_is_not_read_to_its_end():
    with pytest.raises(UsageError, match="larger"):
        read("/dev/zero")


# ── pick ─────────────────────────────────────────────────────────────────────────────────────────


def test_pick_says_which_file_it_goes_by(run):
    write(Path("envtool.toml"))
    code, out, err = run("pick", "--target", BOX)
    assert code == 0
    assert err == "using envtool.toml (mine)\n"
    assert "cu126" in out, "the newest CUDA that driver 525 and a V100 can use"
    code, out, err = run("pick", "--target", BOX, "--no-spec")
    assert not err and "cu126" not in out


def test_pick_says_that_a_course_has_more_than_torch(run):
    write(Path("envtool.toml"), 'name = "x"\npackages = ["tqdm", "numpy"]\n')
    assert run("pick", "--target", BOX)[2].endswith("not in this line: the course's 2 other packages\n")
    assert run("pick", "--target", BOX, "--json")[2] == "using envtool.toml (x)\n"


def test_pick_names_a_file_above_from_here(run, monkeypatch):
    write(Path("envtool.toml"))
    os.makedirs("a/b")
    monkeypatch.chdir("a/b")
    assert run("pick", "--target", BOX)[2] == f"using {os.path.join('..', '..', 'envtool.toml')} (mine)\n"


def test_what_the_command_line_names_wins(run):
    write(Path("envtool.toml"), MINE.replace("[gpu]", 'torch = ["torch==2.8.0"]\n[gpu]'))
    told = json.loads(run("pick", "--json", "--target", BOX)[1])
    assert told["packages"] == {"torch": "2.8.0"}
    told = json.loads(run("pick", "torch==2.7.1", "torchvision", "--json", "--target", BOX)[1])
    assert told["packages"] == {"torch": "2.7.1", "torchvision": "0.22.1"}
    told = json.loads(run("pick", "--accelerator", "cpu", "--json", "--target", BOX)[1])
    assert told["variant"] == "cpu"


def test_a_python_outside_the_range_is_refused(run):
    write(Path("envtool.toml"))
    code, out, err = run("pick", "--json", "--target", "linux-64,py3.9,gpu=none")
    told = json.loads(out)
    validate("plan", told)
    assert (code, told["error_kind"]) == (3, "conflicting_pins")
    assert "made for Python >=3.10,<3.14" in told["hint"] + err + json.dumps(told)


def test_spec_names_a_file_or_a_folder(run, tmp_path):
    other = write(tmp_path / "other" / "course.toml", 'name = "other"\nvariants = ["cpu"]\n')
    code, out, err = run("pick", "--spec", other, "--target", BOX)
    assert code == 0 and "(other)" in err and "CPU only" in out
    write(tmp_path / "folder" / "envtool.toml")
    assert "(mine)" in run("pick", "--spec", str(tmp_path / "folder"), "--target", BOX)[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--spec", "nowhere.toml"), "cannot read nowhere.toml"),
        (("--spec", "."), "there is no envtool.toml in ."),
        (("--spec", "x", "--no-spec"), "can't be used together"),
        (("--spec", ""), "cannot read"),
        (("--spec", "a\0b"), "cannot read"),
    ],
)
@pytest.mark.parametrize("command", ["pick", "doctor"])
def test_a_spec_that_is_none(run, command, arguments, words):
    code, out, err = run(command, *arguments, "--json")
    assert code == 2 and words in err
    document = json.loads(out)
    validate("error", document)
    assert words in document["error"]["message"]


def test_a_bad_file_stops_before_anything_is_asked(run, monkeypatch):
    write(Path("envtool.toml"), 'name = "x"\nplatforms = ["linux"]\nvariant = []\n')
    monkeypatch.setattr("envtool.examination.ask", lambda *a, **k: pytest.fail("the machine was asked"))
    for command in ("pick", "doctor"):
        code, out, err = run(command, "--json")
        assert code == 2
        assert err.splitlines()[0] == "error: envtool.toml: 2 entries can't be used"
        assert json.loads(out)["error"]["details"][0].startswith("envtool.toml:2: platforms[0]: 'linux' is not")


@pytest.mark.slow
def test_json_lines_go_by_a_file_only_where_it_is_named(run, monkeypatch):
    write(Path("envtool.toml"))
    from described import machine

    from envtool.machine_document import machine_to_json

    document = machine_to_json(machine(gpus=["RTX 4090=8.9"], driver="595.71"))
    lines = [json.dumps({"machine": document}), json.dumps({"machine": document, "request": {"accelerator": "cpu"}})]
    write(Path("m.jsonl"), "\n".join(lines))
    plain = [json.loads(line)["variant"] for line in run("pick", "--machine", "m.jsonl")[1].splitlines()]
    named = run("pick", "--machine", "m.jsonl", "--spec", "envtool.toml")
    assert plain[0] != "cu126"
    assert [json.loads(line)["variant"] for line in named[1].splitlines()] == ["cu126", "cpu"]


# ── doctor ───────────────────────────────────────────────────────────────────────────────────────


def test_a_recorded_machine_is_held_against_a_spec_that_is_named(run):
    write(Path("envtool.toml"))
    plain = json.loads(run("doctor", "--machine", str(RECORDED), "--json")[1])
    assert "spec" not in plain and not any(v["code"].startswith("spec-") for v in plain["verdicts"])
    out = run("doctor", "--machine", str(RECORDED), "--json", "--spec", "envtool.toml")[1]
    document = json.loads(out)
    validate("doctor", document)
    assert document["spec"]["name"] == "mine"
    found = {v["code"]: v["status"] for v in document["verdicts"]}
    assert found["spec-python"] == "pass" and found["low-vram"] == "skip"
    assert plain["verdicts"] == document["verdicts"][: len(plain["verdicts"])]


def test_the_screen_has_a_line_for_the_course(run):
    write(Path("envtool.toml"))
    out = run("doctor", "--machine", str(RECORDED), "--spec", "envtool.toml", "--all")[1]
    assert "Course   mine: Python >=3.10,<3.14, torch, torchvision, torchaudio\n" in out
    assert "spec-platform: linux-64" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "Course" not in run("doctor", "--machine", str(RECORDED), "--all")[1]


def test_files_of_the_doctor_tell_the_course_too(run):
    write(Path("envtool.toml"))
    run("doctor", "--machine", str(RECORDED), "--spec", ".", "--junit", "j.xml", "--html", "h.html")
    assert 'name="spec-torch"' in Path("j.xml").read_text(encoding="utf-8")
    page = Path("h.html").read_text(encoding="utf-8")
    assert "<code>spec-torch</code>" in page and "Course</dt>" in page


def test_the_doctor_finds_the_file_of_its_folder(tmp_path):
    write(tmp_path / "envtool.toml", 'name = "mine"\npackages = ["no-such-package-anywhere"]\n')
    (tmp_path / ".git").mkdir()
    (tmp_path / "inner").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "envtool", "doctor", "--no-import", "--json", "--python", sys.executable],
        capture_output=True, text=True, cwd=tmp_path / "inner", timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert done.stderr.startswith(f"using {os.path.join('..', 'envtool.toml')} (mine)\n")
    found = {v["code"]: v for v in json.loads(done.stdout)["verdicts"]}
    assert done.returncode == 1
    assert found["spec-packages"]["message"] == "Not as the course asks: no-such-package-anywhere is missing."
    assert "no-such-package-anywhere" in found["spec-packages"]["hint"]


REAL = os.environ.get("ENVTOOL_TORCH_PYTHON")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="ENVTOOL_TORCH_PYTHON names no Python with torch")
def test_a_real_environment_is_held_against_a_course(run):
    own = 'name = "real"\npython = ">=3.8"\ntorch = ["torch>=2.0"]\nvariants = ["cpu", "cuda"]\n'
    write(Path("envtool.toml"), own)
    document = json.loads(run("doctor", "--no-import", "--json", "--python", REAL)[1])
    found = {v["code"]: v["status"] for v in document["verdicts"]}
    assert [found[f"spec-{what}"] for what in ("python", "torch", "variant", "packages")] == ["pass"] * 4
    write(
        Path("envtool.toml"),
        own.replace("torch>=2.0", "torch>=2.0,!=" + document["environment"]["packages"]["torch"].partition("+")[0]),
    )
    code, out, _ = run("doctor", "--no-import", "--json", "--python", REAL)
    told = {v["code"]: v for v in json.loads(out)["verdicts"]}
    assert code == 1 and told["spec-torch"]["status"] == "fail" and "torch==" in told["spec-torch"]["hint"]


@pytest.mark.slow
def test_the_checks_of_a_course_are_explained(run):
    assert "Course" in run("explain")[1]
    code, out, _ = run("explain", "spec-packages")
    assert code == 0 and "envtool.toml" in out
