"""envtool.toml: what may stand in it, and what is said of everything else."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from envtool.course import Course, Floors
from envtool.course.parse import SHOWN, parse
from envtool.course.places import Places
from envtool.course.ranges import can_be_met
from envtool.course.text import to_toml
from envtool.errors import EXIT_USAGE, UsageError

WHOLE = """\
name = "deep-learning"
python = ">=3.10,<3.14"
torch = ["torch>=2.6", "torchvision", "torchaudio"]
packages = ["numpy", "matplotlib", "tqdm", "opencv"]
platforms = ["linux-64", "linux-aarch64", "osx-arm64", "win-64"]
variants = ["cpu", "cuda"]
runs-on = ["laptop", "colab", "cluster:generic"]

[conda]
channels = ["conda-forge"]
packages = ["ffmpeg"]
[pip]
packages = ["torchinfo"]
editable = [".", "packages/plots"]
names = { opencv = "opencv-python" }
[gpu]
memory-gib = 8
compute-capability = "7.0"
driver = "525.60.13"
[links]
course = "https://example.org/dl"
"""
COURSE = Course(
    name="deep-learning",
    python=">=3.10,<3.14",
    torch=("torch>=2.6", "torchvision", "torchaudio"),
    packages=("numpy", "matplotlib", "tqdm", "opencv"),
    runs_on=("laptop", "colab", "cluster:generic"),
    conda_packages=("ffmpeg",),
    pip_packages=("torchinfo",),
    editable=(".", "packages/plots"),
    pip_names=(("opencv", "opencv-python"),),
    gpu=Floors(8.0, (7, 0), "525.60.13"),
    links=(("course", "https://example.org/dl"),),
)


def wrong(text: str, where: str = "envtool.toml") -> list[str]:
    """Every complaint about a text."""
    with pytest.raises(UsageError) as caught:
        parse(text, where)
    assert caught.value.exit_code == EXIT_USAGE
    assert caught.value.hint
    return list(caught.value.details) or [caught.value.message]


def with_line(line: str) -> str:
    return f'name = "x"\n{line}\n'


def test_the_whole_file():
    assert parse(WHOLE, "envtool.toml") == COURSE


def test_everything_but_the_name_has_a_default():
    course = parse('name = "x"', "envtool.toml")
    assert course == Course("x")
    assert course.torch == ("torch", "torchvision", "torchaudio")
    assert course.variants == ("cpu", "cuda") and course.channels == ("conda-forge",)
    assert not course.gpu


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.replace("\n", "\r\n"),
        "\ufeff" + WHOLE,
        WHOLE.replace('[gpu]\nmemory-gib = 8\ncompute-capability = "7.0"\ndriver = "525.60.13"\n', "").replace(
            "[conda]", 'gpu.memory-gib = 8\ngpu.compute-capability = "7.0"\ngpu.driver = "525.60.13"\n[conda]'
        ),
        WHOLE.replace('"7.0"', '"sm_70"'),
        WHOLE.replace('">=3.10,<3.14"', '" >= 3.10 , < 3.14 "').replace('"torch>=2.6"', '"torch >= 2.6"'),
        "[tool.envtool]\n" + re.sub(r"(?m)^\[(\w+)\]", r"[tool.envtool.\1]", WHOLE),
    ],
    ids=["crlf", "bom", "dotted", "sm_70", "spaces", "pyproject"],
)  # fmt: skip
def test_other_ways_to_write_the_same(text):
    assert parse(text, "envtool.toml") == COURSE


def test_pyproject_lends_its_name_and_python():
    text = '[project]\nname = "a"\nrequires-python = ">=3.11"\n[tool.envtool]\npackages = ["tqdm"]\n'
    assert parse(text, "pyproject.toml") == Course("a", ">=3.11", packages=("tqdm",))
    own = text.replace("packages", 'name = "b"\npython = ">=3.12"\npackages')
    assert parse(own, "pyproject.toml") == Course("b", ">=3.12", packages=("tqdm",))


def test_in_pyproject_the_key_is_told_in_full():
    (problem,) = wrong(
        '[project]\nname = "a"\n\n[tool.envtool]\nplatforms = [\n  "linux-64",\n  "linux",\n]\n', "p.toml"
    )
    assert problem == (
        "p.toml:7: tool.envtool.platforms[1]: 'linux' is not a platform; did you mean linux-64 or linux-aarch64?"
    )


# line below the name: words of the one complaint
BAD = {
    'python = "3.11"': ("2: python: '3.11' is not a range of versions", '"==3.11.*"'),
    "python = 3.10": ("3.1 is a number", "in quotes", ">=3.10"),
    'python = ">=3.12,<3.10"': ("contradict",),
    'python = ">=4"': ("leaves no Python 3 over",),
    'python = ""': ("is empty",),
    'torch = "torch>=2.6"': ("torch: 'torch>=2.6' is not a list", '["torch>=2.6"]'),
    "torch = []": ("torch: is empty",),
    'torch = ["torch>=2.6", "torchvison"]': ("torch[1]", "did you mean torchvision"),
    'torch = ["numpy"]': ("torch[0]: 'numpy' is not torch", "belongs in packages"),
    'torch = ["pytorch"]': ("PyPI's name is torch",),
    'torch = ["torch==2.8.0+cu126"]': ("leave +cu126 out", 'variants = ["cpu", "cu126"]'),
    'torch = ["torch>=2.9,<2.6"]': ("contradict",),
    'torch = ["torch>=2", "torch<3"]': ("torch[1]: torch is asked for twice",),
    'torch = ["torch", "torch"]': ("torch[1]: 'torch' is there twice",),
    'torch = ["torch[opt]"]': ("only a name and versions",),
    "torch = [2.6]": ("torch[0]: 2.6 is a number",),
    'packages = ["numpy=1.26"]': ("not a requirement", '"numpy==1.26.*"'),
    'packages = ["numpy 1.26"]': ("not a requirement", '"numpy==1.26.*"'),
    'packages = ["transformers[torch]"]': ("[pip] packages takes it",),
    "packages = [\"tqdm; python_version < '3.12'\"]": ("[pip] packages takes it",),
    'packages = ["torch"]': ("packages[0]: 'torch' belongs in torch",),
    'packages = ["TorchVision>=0.20"]': ("belongs in torch",),
    'packages = ["pytorch"]': ("conda's name for a build of torch",),
    'packages = ["python>=3.10"]': ("write python instead",),
    'packages = ["tqdm", "TQDM>=4"]': ("packages[1]: tqdm is asked for twice",),
    'packages = ["tqdm"]\npip.packages = ["tqdm>4"]': ("pip.packages[0]: tqdm is in packages, too",),
    'conda.packages = ["git"]\npip.packages = ["git"]': ("write it once in packages",),
    'packages = "numpy"': ("is not a list",),
    'platforms = ["linux"]': ("'linux' is not a platform; did you mean linux-64 or linux-aarch64?",),
    'platforms = ["macos"]': ("did you mean osx-64 or osx-arm64?",),
    'platforms = ["windows-64"]': ("did you mean win-64?",),
    'platforms = ["solaris"]': ("it may be linux-64, linux-aarch64, osx-64, osx-arm64, win-64 or win-arm64",),
    "platforms = [true]": ("true is not a text",),
    'variants = ["gpu"]': ("did you mean cuda?",),
    'variants = ["cuda-12.6"]': ("did you mean cu126?",),
    'variants = ["mps"]': ("macOS has one build, which is called cpu",),
    'variants = ["fast"]': ("it may be cpu, cuda, rocm, xpu, or one variant such as cu126",),
    'runs-on = ["cluster"]': ('"cluster:generic"',),
    'runs-on = ["collab"]': ("did you mean colab?",),
    'runs-on = ["cluster:My Site"]': ("names no site",),
    'conda.channels = ["../up"]': ("is not a channel",),
    'pip.editable = ["../up"]': ("is not a folder beside this file",),
    'pip.editable = ["/home/ana/course"]': ("is not a folder beside this file",),
    'pip.editable = ["C:/course"]': ("is not a folder beside this file",),
    'pip.editable = [".", "./"]': ("is there twice",),
    'conda.channels = ["https://me:secret@example.org/x"]': ("holds a user name or a token",),
    'conda.packages = ["a b; rm -rf"]': ("not a package of conda",),
    'packages = ["sklearn"]': ("'sklearn' is what is imported; the package is called scikit-learn",),
    'pip.packages = ["PIL>=9"]': ("the package is called pillow",),
    'pip.packages = ["./local"]': ("is not a requirement",),
    'pip.packages = ["x @ file:///home/me/x"]': ("other machines can't reach",),
    'pip.packages = ["x @ git+https://tok:secret@github.com/a/b"]': ("holds a user name or a token",),
    'pip.names = { opencv = "opencv-python" }': ("there is no 'opencv' in packages",),
    'packages = ["opencv"]\npip.names = { opencv = "opencv-python>4" }': ("without versions",),
    'packages = ["opencv"]\npip.names = { opencv = "torch" }': ("'torch' belongs in torch",),
    "gpu.memory-gib = '8'": ("without quotes",),
    "gpu.memory-gib = 0": ("can't be meant",),
    "gpu.memory-gib = nan": ("can't be meant",),
    "gpu.memory-gib = true": ("is not a number of GiB",),
    "gpu.compute-capability = 7.0": ("7.0 is a number", "in quotes"),
    'gpu.compute-capability = "hopper"': ("not a compute capability",),
    "gpu.driver = 525": ("in quotes",),
    'gpu.driver = "new"': ("not a driver version",),
    'links.course = "ftp://example.org"': ("begins with https://",),
    'links.course = "https://me@example.org"': ("holds a user name",),
    "links = 3": ("links: 3 is not a table",),
    "conda = []": ("conda: a list is not a table",),
    'variant = ["cpu"]': ("2: variant: there is no such key; did you mean variants?",),
    'runs_on = ["laptop"]': ("did you mean runs-on?",),
    'channels = ["conda-forge"]': ("did you mean conda.channels?",),
    "memory-gib = 8": ("did you mean gpu.memory-gib?",),
    '[gpu]\nplatforms = ["linux-64"]': ("gpu.platforms", "stands above the first [table]"),
    "[gpu]\nspeed = 3": ("gpu.speed: there is no such key; there are memory-gib, compute-capability, driver",),
    "packages = [1979-05-27]": ("1979-05-27 is not a text",),
    'packages = ["a\\u001b[31m"]': ("no single line",),
    "[[conda]]": ("conda: a list is not a table",),
}


@pytest.mark.parametrize("line", BAD)
def test_what_can_not_stand_there_is_told(line):
    problems = wrong(with_line(line))
    assert len(problems) == 1, problems
    for words in BAD[line]:
        assert words in problems[0], problems[0]
    assert problems[0].startswith("envtool.toml:")
    assert "secret" not in problems[0]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Deep Learning!", "deep-learning"),
        ("../up", "up"),
        ("-x", "x"),
        ("ж", "deep-learning"),
        ("a" * 80, "a" * 64),
        ("Größe Übung 1", "grosse-ubung-1"),
    ],
)
def test_a_name_that_can_not_be_used_comes_with_one_that_can(name, meant):
    (problem,) = wrong(f"name = {json.dumps(name)}")
    assert f'write it as in "{meant}"' in problem
    assert parse(f'name = "{meant}"', "x").name == meant


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_file():
    text = 'variant = []\nname = "a b"\ntorch = ["torchx"]\n\n[gpu]\ndriver = 1\n[pip]\npackages = [1, 2]\n'
    problems = wrong(text)
    assert [problem.split(": ")[:2] for problem in problems] == [
        ["envtool.toml:1", "variant"],
        ["envtool.toml:2", "name"],
        ["envtool.toml:3", "torch[0]"],
        ["envtool.toml:6", "gpu.driver"],
        ["envtool.toml:8", "pip.packages[0]"],
        ["envtool.toml:8", "pip.packages[1]"],
    ]


def test_more_than_a_screen_of_complaints_is_counted():
    problems = wrong('name = "x"\npackages = [' + "1," * 100 + "]")
    assert len(problems) == SHOWN
    assert problems[-1] == f"and {100 - SHOWN + 1} more"


def test_a_missing_name_has_no_line():
    assert wrong("python = '>=3.10'") == ['envtool.toml: name: is missing; write name = "deep-learning"']


@pytest.mark.parametrize(
    "text",
    [
        "name = ",
        "name = 'a'\nname = 'b'",
        "x = " + "[" * 5000,
        "a" + ".a" * 3000 + " = 1\n" + "b = [",
        "name = 'x'\n" + "n = 1" + "0" * 5000,
        "tool = { envtool = 3 }",
        "\x00",
    ],
    ids=["no value", "twice", "deep", "long key", "digits", "no table", "null"],
)
def test_what_is_no_such_file_at_all_ends_in_one_message(text):
    (problem,) = wrong(text)
    assert problem.startswith("envtool.toml: ")
    assert len(problem) < 300


def test_a_number_of_many_digits_does_not_stop_the_complaint():
    (problem,) = wrong(with_line("packages = [0x" + "f" * 9000 + "]"))
    assert "a number of many digits" in problem


# ── what the catalog says of it ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ('torch = ["torch==2.0.1"]\npython = ">=3.12"',
            ["3: python: '>=3.12' and torch contradict each other: there are builds of it for Python 3.8 to 3.11"]),
        ('torch = ["torch==2.0.1"]\npython = ">=3.11"', []),
        ('torch = ["torch==1.0"]', ["2: torch[0]: no such torch is in the catalog of "]),
        ('torch = ["torchvision", "torch>9"]', ["2: torch[1]: no such torch"]),
        ('platforms = ["linux-64", "osx-64"]\ntorch = ["torch>=2.6"]', ["2: platforms[1]: no torch from 2.6"]),
        ('platforms = ["osx-64"]', []),
        ('torch = ["torch==1.13.1"]', []),
        ('variants = ["cpu", "cu127", "cu126"]', ["2: variants[1]: 'cu127' is on no index"]),
        ('variants = ["rocm7.2", "rocm1.0"]', ["2: variants[1]: 'rocm1.0' is on no index"]),
        (WHOLE.partition("\n")[2], []),
    ],
)  # fmt: skip
def test_what_can_exist_on_no_machine_is_refused_with_a_catalog(text, problems):
    from envtool.catalog import load

    text = f'name = "x"\n{text}'
    assert parse(text, "envtool.toml").name == "x"
    if not problems:
        assert parse(text, "envtool.toml", load()).name == "x"
        return
    with pytest.raises(UsageError) as caught:
        parse(text, "envtool.toml", load())
    told = list(caught.value.details) or [caught.value.message]
    assert len(told) == len(problems)
    assert all(line.startswith(f"envtool.toml:{words}") for line, words in zip(told, problems, strict=True)), told
    assert "catalog update" in caught.value.hint


# ── lines ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("name", 1),
        ("gpu.driver", 19),
        ("platforms[2]", 5),
        ("pip.names.opencv", 15),
        ("gpu", 16),
        ("nothing", None),
        ("links.other", 20),
    ],
)
def test_where_a_key_stands(path, line):
    assert Places(WHOLE).line_of(path) == line


def test_the_items_of_a_list_over_several_lines():
    text = "a = [ # 'x'\n  'one', \"two\",\n  # 'three'\n  'thr]ee',\n]\nb = ['z']\n"
    places = Places(text)
    assert [places.line_of(f"a[{index}]") for index in range(4)] == [2, 2, 4, 1]


def test_a_text_that_looks_like_toml_is_not_guessed_at():
    assert Places('note = """\nname = 3\n"""\nname = "x"\n').line_of("name") is None


# ── ranges ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("specifier", "possible"),
    [
        ("", True), (">=2.6", True), ("<2.6", True), (">=2.6,<2.7", True), ("==2.6.*", True), ("~=2.6", True),
        (">2.6,<2.6.1", True), ("!=2.6", True), ("==2.6.*,!=2.6.0", True), (">=2.6,!=2.6.*", True), ("===x", True),
        ("<=2,>=2", True), (">=1!2", True), ("<3,!=2.*", True),
        (">=2.7,<2.6", False), (">2.6,<2.6", False), ("==2.6,!=2.6", False), ("==2.6,==2.7", False),
        ("==2.6.*,>=2.7", False), ("<0", False),
    ],
)  # fmt: skip
def test_can_a_specifier_be_met(specifier, possible):
    from packaging.specifiers import SpecifierSet

    assert can_be_met(SpecifierSet(specifier)) is possible


# ── what a course answers ────────────────────────────────────────────────────────────────────────


def test_the_request_of_a_course():
    assert COURSE.request().packages == ("torch>=2.6", "torchvision", "torchaudio")
    assert COURSE.request(("torch==2.8.0",), accelerator="cpu").packages == ("torch==2.8.0",)
    assert replace(COURSE, packages=("numpy>=2.1", "tqdm")).request().packages[-1] == "numpy>=2.1"
    for plain in ("numpy", "numpy<2", "numpy>=1.26"):
        assert replace(COURSE, packages=(plain, "tqdm")).request().packages == COURSE.torch
    assert COURSE.request(installer="conda").channel is None
    assert replace(COURSE, channels=("bioconda", "conda-forge")).request(installer="conda").channel is None
    assert replace(COURSE, channels=("bioconda",)).request(installer="conda").channel == "bioconda"
    assert replace(COURSE, channels=("bioconda",)).request().channel is None


def test_the_requirements_of_a_course():
    course = replace(COURSE, packages=("numpy>=2", "opencv~=4.9"))
    assert course.requirements() == ("numpy>=2", "opencv-python~=4.9", "torchinfo")
    assert course.conda_requirements() == ("numpy>=2", "opencv~=4.9", "ffmpeg")


@pytest.mark.parametrize(
    ("variants", "variant", "covered"),
    [
        (("cpu", "cuda"), "cpu", True), (("cpu", "cuda"), "cu126", True), (("cpu", "cuda"), "cuda129", True),
        (("cpu", "cuda"), "rocm7.2", False), (("cpu", "cu126"), "cu128", False), (("cpu", "cu126"), "cuda126", True),
        (("rocm",), "rocm7.2", True), (("rocm7.2",), "rocm7.0", False), (("cuda",), "cpu", False),
    ],
)  # fmt: skip
def test_which_builds_a_course_covers(variants, variant, covered):
    assert replace(COURSE, variants=variants).covers(variant) is covered


# ── the text ─────────────────────────────────────────────────────────────────────────────────────


def test_the_text_reads_back_as_the_same_course():
    for course in (COURSE, Course("x"), replace(COURSE, gpu=Floors(10.5)), replace(COURSE, gpu=Floors(driver="580"))):
        assert parse(to_toml(course), "x") == course


def test_the_text_is_the_same_each_time_and_names_a_schema_when_told():
    assert to_toml(COURSE) == to_toml(parse(to_toml(COURSE), "x"))
    assert to_toml(COURSE, schema="./s.json").startswith("#:schema ./s.json\n# ")
    assert all(len(line) <= 110 for line in to_toml(COURSE).splitlines())
