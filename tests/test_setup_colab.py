"""`envtool setup colab`: the notebook as a text, its values, and `--check` against Colab's versions."""

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from envtool.cli.app import main
from envtool.course import Course, Floors
from envtool.data import FOLDER, read_table
from envtool.errors import UsageError
from envtool.setup.colab import Colab, address, checked_branch, checked_path, checked_repository, colab, run_line
from envtool.setup.colab_check import KEPT, clashes, compared, from_freeze, frozen, runtimes
from envtool.setup.notebook import HELPER, fenced, link, literal, markdown
from envtool.setup.notebook_cells import needs

COURSE = Course("deep-learning", python=">=3.10", packages=("numpy>=1.26", "matplotlib"), pip_packages=("torchinfo",))
NASTY = ['"; rm -rf ~', "$(touch x)", "`touch x`", "a\n%pip install torch", "{{ x }}", "${{ x }}", "</script>", "\\", "'''", "\u2028!x"]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(max_size=40))
PUBLISHED = runtimes(read_table("colab.toml"), "colab.toml")
LATEST = PUBLISHED[0]


def cells_of(course=COURSE, **wanted):
    return json.loads(colab(course, Colab(**wanted))[0].text)["cells"]


def sources(course=COURSE, **wanted):
    return ["".join(cell["source"]) for cell in cells_of(course, **wanted)]


def envtool(capsys, *words):
    code = main(["setup", *words])
    out, err = capsys.readouterr()
    return code, out, err


# ── the notebook ─────────────────────────────────────────────────────────────────────────────────


def test_it_is_a_notebook_and_in_nbformats_own_form():
    text = colab(COURSE, Colab(repository="a/b"))[0].text
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert nbformat.writes(notebook) + "\n" == text
    assert text == colab(COURSE, Colab(repository="a/b"))[0].text


def test_the_gpu_is_asked_for_in_the_metadata():
    document = json.loads(colab(COURSE, Colab(gpu="A100"))[0].text)
    assert document["metadata"]["accelerator"] == "GPU"
    assert document["metadata"]["colab"]["gpuType"] == "A100"
    without = json.loads(colab(COURSE, Colab(gpu=None))[0].text)["metadata"]
    assert "accelerator" not in without and "gpuType" not in without["colab"]


def test_a_past_version_of_colab_is_held_in_the_metadata():
    document = json.loads(colab(COURSE, Colab(runtime="2026.07"))[0].text)
    assert document["metadata"]["colab"]["runtime_attributes"] == {"runtime_version": "2026.07"}


def test_the_device_cell_is_one_line():
    assert 'DEVICE = "cuda"      # change this one line: "cpu" or "auto"' in sources()
    assert 'DEVICE = "cpu"      # change this one line: "cuda" or "auto"' in sources(gpu=None)


@pytest.mark.parametrize("target", ["colab", "kaggle"])
def test_one_line_names_a_device(tmp_path, monkeypatch, capsys, target):
    monkeypatch.chdir(tmp_path)
    assert envtool(capsys, target, "--name", "x")[0] == 0
    assert main(["device", "--max", "1", f"{target}.ipynb"]) == 0
    assert main(["device", f"{target}.ipynb", "--set", "cpu"]) == 0
    capsys.readouterr()
    text = Path(f"{target}.ipynb").read_text(encoding="utf-8")
    assert r"DEVICE = \"cpu\"      # change" in text
    nbformat.validate(nbformat.reads(text, as_version=4))


def test_pip_stands_in_one_fixed_line():
    magics = [
        line.strip() for source in sources() for line in source.splitlines() if line.strip().startswith(("%", "!"))
    ]
    in_code = [line for line in magics if "envtool-extras" in line]
    assert in_code == [
        "%pip install --quiet --progress-bar off --constraint envtool-constraints.txt --requirement envtool-extras.txt"
    ]  # fmt: skip
    bare = sources(Course("bare"))
    assert not any("--requirement envtool-extras.txt" in source and "prepare(COURSE)" in source for source in bare[2:])


def test_what_runs_the_notebook_is_never_asked_for():
    course = Course(
        "x", packages=("ipykernel>=6.29", "jupyterlab>=4.2", "notebook", "pandas"), pip_packages=("tornado>=9",)
    )
    assert needs(course)["packages"] == ["pandas"]


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_whatever_the_course_says_stays_a_value(name, word, url, package):
    course = Course(
        name, links=((word, f"https://example.org/{url}"),), pip_packages=(package,), conda_packages=(name,)
    )
    text = colab(course, Colab(repository="a/b"))[0].text
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    plain = nbformat.reads(colab(Course("x", pip_packages=("y",)), Colab(repository="a/b"))[0].text, as_version=4)
    assert [cell.cell_type for cell in notebook.cells] == [cell.cell_type for cell in plain.cells]
    for ours, theirs in zip(notebook.cells, plain.cells, strict=True):
        if ours.cell_type == "code" and ours.source.startswith("COURSE"):
            tree = ast.parse(ours.source)
            assert ast.literal_eval(tree.body[0].value) == needs(course) and len(tree.body) == 2
            assert ours.source.isascii()
        elif ours.cell_type == "code":
            assert ours.source == theirs.source


@given(TEXTS)
def test_a_text_in_markdown_is_one_line_without_markup(text):
    shown = markdown(text)
    assert "\n" not in shown and shown.isprintable() and "<" not in shown
    assert not any(c in shown.replace(f"\\{c}", "") for c in "`*_$[]|~")


@given(st.recursive(st.one_of(TEXTS, st.integers(), st.none()), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8))  # fmt: skip
def test_a_literal_is_read_as_what_it_was(value):
    text = literal(value)
    assert ast.literal_eval(text) == value and text.isascii()


@given(TEXTS, TEXTS)
def test_a_link_leads_nowhere_else(word, address):
    text = link(word, address)
    assert "\n" not in text and "javascript:" not in text.lower().split("](")[-1]
    assert text == markdown(word) or text.endswith(")")


def test_links_that_are_none_of_the_webs_are_words():
    assert (
        link("page", "javascript:alert(1)") == "page" == link("page", "file:///etc/passwd") == link("page", "http://[")
    )
    assert link("page", "https://example.org/a b)c") == "[page](https://example.org/a%20b%29c)"


def test_a_fence_is_longer_than_what_it_holds():
    assert fenced("a ```` b").startswith("`````\n")


# ── links and lines ──────────────────────────────────────────────────────────────────────────────


def test_the_badge_opens_the_notebook_in_its_repository():
    wanted = Colab(repository="owner/course", branch="autumn", path="notebooks/a b.ipynb")
    assert address(wanted) == (
        "https://colab.research.google.com/github/owner/course/blob/autumn/notebooks/a%20b.ipynb"
    )
    first = sources(repository="owner/course")[0]
    assert first.startswith(
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab"
    )
    assert "colab-badge" not in sources()[0]


def test_the_link_goes_where_the_notebook_is_written(tmp_path, monkeypatch, capsys):
    (tmp_path / ".git").mkdir()
    (tmp_path / "week" / "one").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "week")
    assert "/a/b/blob/main/week/colab.ipynb" in envtool(capsys, "colab", "--name", "x", "--repo", "a/b")[2]
    assert (
        "/main/week/one/colab.ipynb" in envtool(capsys, "colab", "--name", "x", "--repo", "a/b", "--output", "one")[2]
    )
    assert "/main/top.ipynb" in envtool(capsys, "colab", "--name", "x", "--repo", "a/b", "--output", "../top.ipynb")[2]
    assert (
        "/main/n.ipynb" in envtool(capsys, "colab", "--name", "x", "--repo", "a/b", "--path", "n.ipynb", "--force")[2]
    )


def test_the_line_of_googles_command():
    assert run_line(Colab()) == "colab run --gpu T4 --timeout 3600 --env DEVICE=cuda train.py"
    assert run_line(Colab(gpu=None)) == "colab run --timeout 3600 --env DEVICE=cpu train.py"


@pytest.mark.parametrize("text", ["owner/name", "https://github.com/owner/name.git", "git@github.com:owner/name"])
def test_a_repository_is_read_in_each_form(text):
    assert checked_repository(text) == "owner/name"


@pytest.mark.parametrize(
    ("check", "text"),
    [
        *[(checked_repository, text) for text in ("name", "a/b/c", "a/..", "-x/y", 'a/b";x', "https://x.org/a/b")],
        *[(checked_branch, text) for text in ("", "-x", "a b", "a..b", "a\nb", "$(x)", "a/")],
        *[(checked_path, text) for text in ("x.py", "/x.ipynb", "../x.ipynb", "a\n.ipynb")],
    ],
)  # fmt: skip
def test_what_is_no_repository_branch_or_path_is_refused(check, text):
    with pytest.raises(UsageError) as error:
        check(text)
    assert error.value.hint


# ── --check ──────────────────────────────────────────────────────────────────────────────────────


def test_the_published_versions_are_whole():
    assert [one.name for one in PUBLISHED[:2]] == ["latest", "2026.07"]
    for one in PUBLISHED:
        have = dict(one.versions)
        assert set(KEPT) <= set(have) and len(have) > 500 and one.python.count(".") == 2
        assert one.source.startswith("https://github.com/googlecolab/backend-info/blob/") and one.date[:2] == "20"


def found(course, runtime=LATEST):
    return {finding.need: finding for finding in compared(course, runtime)}


@pytest.mark.parametrize(
    ("changes", "need", "status", "reason"),
    [
        ({"torch": ("torch>=2.6",)}, "torch>=2.6", "fits", "Colab has 2.11.0+cu128"),
        ({"torch": ("torch==2.11.0",)}, "torch==2.11.0", "fits", "Colab has"),
        ({"torch": ("torch>=2.12",)}, "torch>=2.12", "clash", "the notebook never replaces torch"),
        ({"torch": ("torchvision<0.20",)}, "torchvision<0.20", "clash", "Colab has 0.26.0+cu128"),
        ({"packages": ("numpy<2",)}, "numpy<2", "clash", "the notebook never replaces numpy"),
        ({"packages": ("numpy>=2",)}, "numpy>=2", "fits", "Colab has 2."),
        ({"packages": ("pandas<2",)}, "pandas<2", "clash", "replaces it, and then needs a restart"),
        ({"packages": ("scikit_learn",)}, "scikit_learn", "fits", "Colab has 1."),
        ({"packages": ("no-such-thing>=1",)}, "no-such-thing>=1", "adds", "not on Colab"),
        ({"packages": ("opencv>=4",), "pip_names": (("opencv", "opencv-python"),)}, "opencv-python>=4", "fits", "Colab has"),
        ({"pip_packages": ("pandas<2; python_version < '3.9'",)}, "pandas<2; python_version < '3.9'", None, ""),
        ({"pip_packages": ("x @ git+https://example.org/x",)}, "x @ git+https://example.org/x", "adds", "address"),
        ({"pip_packages": ("pandas @ git+https://example.org/p",)}, "pandas @ git+https://example.org/p", "unknown", "stays"),
        ({"packages": ("ipykernel>=6.29",)}, "ipykernel>=6.29", "left-out", "that stays"),
        ({"packages": ("JupyterLab>=4",)}, "JupyterLab>=4", "left-out", "that stays"),
        ({"conda_packages": ("ffmpeg",)}, "ffmpeg", "unknown", "no conda"),
        ({"python": ">=3.10"}, "Python >=3.10", "fits", "Colab has 3.13"),
        ({"python": "<3.13"}, "Python <3.13", "clash", "can't bring another"),
    ],
)  # fmt: skip
def test_each_need_against_colab(changes, need, status, reason):
    findings = found(Course("x", **changes))
    if status is None:
        assert need not in findings
    else:
        assert findings[need].status == status and reason in findings[need].reason


def test_a_file_that_does_not_say_the_python_leaves_it_unknown():
    runtime = from_freeze("numpy==2.1.3\ntorch==2.11.0\n", "mine.txt")
    assert runtime.python is None
    assert found(Course("x", python=">=3.10"), runtime)["Python >=3.10"].status == "unknown"
    marked = "numpy; python_version > '3'"
    assert found(Course("x", pip_packages=(marked,)), runtime)[marked].status == "unknown"
    tagged = from_freeze("torch @ https://x.org/torch-2.11.0%2Bcpu-cp312-cp312-linux_x86_64.whl", "mine.txt")
    assert tagged.python == "3.12" and dict(tagged.versions) == {"torch": "2.11.0+cpu"}
    assert found(Course("x", python=">=3.12.4"), tagged)["Python >=3.12.4"].status == "unknown"


@given(st.text(max_size=200))
def test_any_text_can_be_looked_through_for_versions(text):
    assert all(name and version for name, version in frozen(text))


def load_helper():
    scope = {"PLACE": {"restart": "r", "reset": "t", "gpu": "g", "gpu memory": None, "gpu capability": None}}
    exec(compile(Path(HELPER).read_text(encoding="utf-8"), HELPER, "exec"), scope)
    return scope


@given(st.lists(st.sampled_from(["numpy<2", "numpy>=2", "ipykernel>=6.29", "pandas<2", "pandas", "matplotlib>=3", "tqdm==1", "no-such>=1"]), unique_by=lambda t: t[:4]),
       st.sampled_from(["torch", "torch>=2.12", "torch==2.11.0"]), st.sampled_from(["", ">=3.10", "<3.11"]))  # fmt: skip
def test_the_check_foretells_what_the_notebook_finds(packages, torch, python):
    course = Course("x", python=python, torch=(torch,), packages=tuple(packages))
    helper = load_helper()
    names, missing, others = helper["compare"](needs(course), dict(LATEST.versions), LATEST.python)
    statuses = [finding.status for finding in compared(course, LATEST)]
    assert statuses.count("clash") == len(names) + len(others) and statuses.count("adds") == len(missing)
    assert helper["KEPT"] == KEPT


def test_a_card_is_not_below_the_memory_that_it_is_sold_with():
    helper = load_helper()
    helper["PLACE"] |= {"gpu memory": 16, "gpu capability": [7, 5]}
    assert list(helper["below_floor"](14.7, (7, 5))) == []
    assert len(list(helper["below_floor"](11.8, (7, 0)))) == 2


def test_the_code_in_the_notebook_is_for_old_pythons_too():
    ast.parse(Path(HELPER).read_text(encoding="utf-8"), feature_version=(3, 8))


def test_check_names_the_clash_and_ends_with_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("envtool.toml").write_text('name = "x"\npackages = ["numpy<2.1"]\n')
    code, out, err = envtool(capsys, "colab", "--check")
    assert code == 1 and "clash    numpy<2.1: Colab has 2.1.3; the notebook never replaces numpy" in out
    assert "1 clash." in out and "Nothing clashes on: 2026.07" in err and "--runtime 2026.07" in err
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = envtool(capsys, "colab", "--check", "--runtime", "2026.07")
    assert code == 0 and "Nothing clashes." in out
    code, out, _ = envtool(capsys, "colab", "--check", "--json")
    document = json.loads(out)
    assert code == 1 and document["status"] == "fail" and document["clashes"] == 1
    schema = json.loads((Path(FOLDER) / "schemas" / "colab-check-1.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(document)
    assert not list(tmp_path.glob("*.ipynb"))


@pytest.mark.parametrize("name", ["mine.txt", "mine.toml"])
def test_other_versions_can_be_given(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    Path("mine.txt").write_text("torch==2.3.0\ntorchvision==0.18\ntorchaudio==2.3\nnumpy==1.26.4\n")
    Path("mine.toml").write_text(
        '[[runtime]]\nname = "old"\ndate = "2024-06-01"\nsource = "a friend"\npython = "3.10.12"\n'
        'packages = """\ntorch==2.3.0\ntorchvision==0.18\ntorchaudio==2.3\nnumpy==1.26.4\n"""\n'
    )
    Path("envtool.toml").write_text('name = "x"\ntorch = ["torch>=2.6"]\npackages = ["numpy<2"]\n')
    code, out, _ = envtool(capsys, "colab", "--check", "--colab-versions", name)
    assert code == 1 and "clash    torch>=2.6: Colab has 2.3.0" in out and "fits     numpy<2" in out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--runtime", "1999.01"], "Colab has no version '1999.01'"),
        (["--check", "--runtime", "1999.01"], "there is no version '1999.01'"),
        (["--gpu", "V100"], "there is no 'V100'"),
        (["--json"], "--json is for --check"),
        (["--colab-versions", "x"], "--colab-versions is for --check"),
        (["--check", "--colab-versions", "none.txt"], "cannot read none.txt"),
        (["--check", "--colab-versions", "empty.txt"], "no line is a package"),
        (["--check", "--colab-versions", "bad.toml"], "not TOML"),
        (["--check", "--colab-versions", "less.toml"], "runtime[0].python is missing"),
        (["--check", "--colab-versions", "none.toml"], "there is no [[runtime]]"),
        (["--repo", "x"], "is no repository"),
        (["--envtool", "$(x)"], "can't be installed from"),
        (["--envtool", "./dist/envtool-1-py3-none-any.whl"], "is a path, which is not there"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, monkeypatch, capsys, words, problem):
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("hello\n")
    Path("bad.toml").write_text("= 1\n")
    Path("none.toml").write_text("x = 1\n")
    Path("less.toml").write_text('[[runtime]]\nname = "a"\ndate = "b"\nsource = "c"\npackages = "numpy==1"\n')
    code, _, err = envtool(capsys, "colab", *words)
    assert code == 2 and problem in err and "hint:" in err
    assert not list(tmp_path.glob("*.ipynb"))


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def test_the_file_is_written_once_and_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, err = envtool(capsys, "colab", "--name", "x", "--repo", "a/b")
    assert code == 0 and out == "written colab.ipynb\n"
    assert "https://colab.research.google.com/github/a/b/blob/main/colab.ipynb" in err and "colab run --gpu T4" in err
    assert envtool(capsys, "colab", "--name", "x", "--repo", "a/b")[1] == "unchanged colab.ipynb\n"
    assert envtool(capsys, "colab", "--name", "y")[0] == 2
    code, out, _ = envtool(capsys, "colab", "--name", "x", "--repo", "a/b", "--stdout")
    assert out.encode() == Path("colab.ipynb").read_bytes()


def test_the_gpu_is_the_least_that_suits_the_course(tmp_path, monkeypatch, capsys):
    from envtool.setup.places import chosen_gpu

    assert chosen_gpu("colab", COURSE, None) == "T4"
    assert chosen_gpu("colab", replace(COURSE, gpu=Floors(compute_capability=(8, 0))), None) == "L4"
    assert chosen_gpu("colab", replace(COURSE, gpu=Floors(memory_gib=30)), None) == "A100"
    assert chosen_gpu("colab", replace(COURSE, variants=("cpu",)), None) is None
    assert chosen_gpu("colab", COURSE, "l4") == "L4" and chosen_gpu("colab", COURSE, "none") is None
    monkeypatch.chdir(tmp_path)
    Path("envtool.toml").write_text('name = "x"\n[gpu]\nmemory-gib = 30\n')
    assert "T4 has less than" in envtool(capsys, "colab", "--gpu", "T4")[2]


def test_without_a_repository_the_courses_own_code_is_missed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("envtool.toml").write_text('name = "x"\n[pip]\neditable = ["."]\n')
    assert "the course's own code is not in it" in envtool(capsys, "colab")[2]
    assert 'get_project("https://github.com/a/b.git", "main", ["."])' in sources(
        Course("x", editable=(".",)), repository="a/b"
    )


@pytest.mark.slow
def test_the_versions_are_made_from_googles_repository(tmp_path):
    """The script, on a repository of the same form."""
    root = Path(__file__).resolve().parent.parent
    clone = tmp_path / "clone"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(clone)]
    subprocess.run(["git", "init", "--quiet", str(clone)], check=True)
    for number, (python, torch) in enumerate([("3.12.1", "2.9.0"), ("3.13.2", "2.10.0")]):
        (clone / "pip-freeze.gpu.txt").write_text(
            f"# made\nnumpy==2.1.{number}\ntorch @ https://x.org/cu128/torch-{torch}%2Bcu128-cp313-cp313-linux.whl\nx @ git+https://x.org/x\n"
        )
        (clone / "os-info.txt").write_text(f"Ubuntu\nPython {python}\n")
        old = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
        (clone / "README.md").write_text(f"### 2026.01\n\nhttps://github.com/a/b/tree/{old}\n" if number else "")
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "x"], check=True)
    copy = tmp_path / "root" / "scripts"
    (tmp_path / "root" / "envtool" / "data").mkdir(parents=True)
    copy.mkdir()
    (copy / "read.py").write_bytes((root / "scripts" / "read_colab_versions.py").read_bytes())
    done = subprocess.run([sys.executable, copy / "read.py", clone], capture_output=True, text=True, check=True)
    assert "2 runtimes: latest, 2026.01" in done.stdout and "left out: x @" in done.stderr
    try:
        import tomllib
    except ModuleNotFoundError:
        import tomli as tomllib
    text = (tmp_path / "root" / "envtool" / "data" / "colab.toml").read_text(encoding="utf-8")
    latest, past = runtimes(tomllib.loads(text), "x")
    assert (latest.python, dict(latest.versions)) == ("3.13.2", {"numpy": "2.1.1", "torch": "2.10.0+cu128"})
    assert (past.name, past.python, clashes(compared(Course("x", torch=("torch<2.10",)), past))) == (
        "2026.01",
        "3.12.1",
        0,
    )
