"""An envtool.toml from an environment.yml, a requirements.txt or a pyproject.toml: what is carried over, what is told."""

from __future__ import annotations

import pytest

from envtool.catalog import load
from envtool.course import Course
from envtool.errors import UsageError
from envtool.scaffold.from_file import draft
from envtool.scaffold.package_names import package_names

pytest.importorskip("yaml")
CATALOG = load()


def made(path, text, others=None, **more):
    files = {path: text, **(others or {})}

    def read_text(name):
        if name not in files:
            raise UsageError(f"cannot read {name}", hint="check the name of the file")
        return files[name]

    return draft(path, read_text, CATALOG, **{"folder": "my course", **more})


def notes(found):
    return dict(found.notes)


def conda(*dependencies, head=""):
    return made("environment.yml", head + "dependencies:\n" + "".join(f"  - {line}\n" for line in dependencies))


def pip(*lines, **others):
    return made("requirements.txt", "\n".join(lines), others)


# ── environment.yml ──────────────────────────────────────────────────────────────────────────────

CS = """\
name: cs-course
channels: [pytorch, nvidia, conda-forge, defaults]
dependencies:
  - python=3.11
  - pytorch::pytorch=2.5
  - torchvision
  - pytorch-cuda=12.4
  - numpy=1.26
  - matplotlib>=3.5
  - opencv
  - ffmpeg=6
  - pip
  - pip:
    - torchinfo==1.8.0
    - transformers[torch]>=4.40
prefix: /home/me/envs/x
"""


def test_an_environment_yml_of_a_course():
    found = made("environment.yml", CS)
    assert found.course == Course(
        name="cs-course",
        python="==3.11.*",
        torch=("torch==2.5.*", "torchvision"),
        packages=("numpy==1.26.*", "matplotlib>=3.5", "opencv"),
        variants=("cpu", "cuda"),
        conda_packages=("ffmpeg=6",),
        pip_packages=("torchinfo==1.8.0", "transformers[torch]>=4.40"),
        pip_names=(("opencv", "opencv-python"),),
    )
    told = notes(found)
    assert told["channel pytorch"].startswith("it ended with torch 2.5.1")
    assert set(told) == {"channel pytorch", "channel nvidia", "channel defaults", "pytorch-cuda=12.4", "pip", "prefix"}
    assert found.assumed == ("numpy", "matplotlib")


@pytest.mark.parametrize(
    ("dependency", "expected"),
    [
        ("numpy", "numpy"), ("numpy=1.26", "numpy==1.26.*"), ("numpy==1.26", "numpy==1.26"), ("numpy 1.26", "numpy==1.26"),
        ("numpy 1.26.*", "numpy==1.26.*"), ("numpy=1.26.4", "numpy==1.26.4"), ("numpy=1.26.4=py311h_0", "numpy==1.26.4"),
        ("numpy >=1.26,<2", "numpy>=1.26,<2"), ("numpy=1.26.*", "numpy==1.26.*"), ("conda-forge::numpy", "numpy"),
        ("numpy~=1.26", "numpy~=1.26"), ("numpy!=1.26", "numpy!=1.26"), ("numpy *", "numpy"), ("numpy=1|2", "numpy"),
        ("numpy[version='>=1.26,<2']", "numpy>=1.26,<2"), ("numpy[md5=abc]", "numpy"), ("numpy=1.26=*", "numpy==1.26.*"), ("numpy<1,>2", "numpy"),
    ],
)  # fmt: skip
def test_a_version_of_conda_as_pip_writes_it(dependency, expected):
    found = conda(f'"{dependency}"')
    assert found.course.packages == (expected,)
    lost = expected == "numpy" and dependency not in ("numpy", "numpy *", "conda-forge::numpy")
    assert any("numpy" in what for what, _ in found.notes) is lost


@pytest.mark.parametrize(
    ("dependency", "python"),
    [("python=3.11", "==3.11.*"), ("python>=3.10,<3.13", ">=3.10,<3.13"), ("python=3.11.5", "==3.11.*"),
     ("python 3.12.*", "==3.12.*"), ("python", ""), ("python=3.10.12=h955ad1f_0", "==3.10.*")],
)  # fmt: skip
def test_the_python_of_conda(dependency, python):
    assert conda(f'"{dependency}"').course.python == python


@pytest.mark.parametrize(
    ("dependencies", "variants"),
    [
        (("pytorch",), ("cpu", "cuda")), (("pytorch", "cpuonly"), ("cpu",)), (("pytorch-gpu",), ("cpu", "cuda")),
        (("pytorch=2.1=py3.10_cuda12.1_cudnn8.9.2_0",), ("cpu", "cuda")), (("pytorch-cpu",), ("cpu",)),
        (("pytorch=2.1=cpu_generic_py310",), ("cpu",)), (("pytorch", "cudatoolkit=11.3"), ("cpu", "cuda")),
    ],
)  # fmt: skip
def test_the_variants_of_conda(dependencies, variants):
    found = conda(*dependencies)
    assert found.course.variants == variants
    assert found.course.torch[0].startswith("torch")


@pytest.mark.parametrize(
    ("channels", "kept"),
    [
        ("[conda-forge]", ("conda-forge",)), ("[defaults]", ("conda-forge",)), ("[pytorch, nvidia]", ("conda-forge",)),
        ("[bioconda, conda-forge, nodefaults]", ("bioconda", "conda-forge")),
        ("[https://u:p@example.org/c]", ("conda-forge",)), ("[https://example.org/c]", ("https://example.org/c", "conda-forge")),
        ("[https://conda.anaconda.org/pytorch]", ("conda-forge",)), ("nothing", ("conda-forge",)),
    ],
)  # fmt: skip
def test_the_channels_that_are_kept(channels, kept):
    found = conda("pytorch", head=f"channels: {channels}\n")
    assert found.course.channels == kept
    assert "u:p" not in str(found.notes)


def test_an_export_of_a_whole_environment_is_told_and_its_libraries_are_left_out():
    found = conda(*("libgcc-ng=13.2.0=h807b86f_5", "_openmp_mutex=4.5=2_gnu", "ld_impl_linux-64=2.40=h41732ed_0",
                    "numpy=1.26.4=py311h64a7726_0", "tqdm=4.66.2=pyhd8ed1ab_0", "openssl=3.2.1=hd590300_1"))  # fmt: skip
    assert found.course.packages == ("numpy==1.26.4", "tqdm==4.66.2")
    assert "--from-history" in notes(found)["the builds in the list"]


def test_platforms_of_conda_lock_are_kept():
    assert conda("pytorch", head="platforms: [linux-64, osx-arm64, zos-z]\n").course.platforms == (
        "linux-64",
        "osx-arm64",
    )


def test_a_key_of_yaml_is_a_text_whatever_it_looks_like():
    assert made("environment.yaml", "name: no\ndependencies: [numpy=1.10]\n").course.name == "no"
    assert made("environment.yaml", "name: 1.10\ndependencies: [numpy=1.10]\n").course.packages == ("numpy==1.10.*",)
    assert made("environment.yaml", "name: base\ndependencies: []\n").course.name == "my-course"
    assert made("environment.yaml", "name: !!python/object:os.system x\ndependencies: []\n").course.name == "x"


def bomb():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join([*lines, "dependencies: *a11"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb(), "anchors and aliases are not read"),
        ("dependencies:\n  - a\n b: [", "environment.yml:3: not YAML"),
        ("just a text", "not an environment.yml"),
        ("", "not an environment.yml"),
        ("a: 1\n---\ndependencies: []", "not YAML"),
        ("dependencies: " + "[" * (200 << 10), "nested too deeply"),
        ("dependencies: [" + "x, " * (100 << 10), "is larger than 256 KiB"),
        ("\x00", "not YAML"),
    ],
    ids=["bomb", "broken", "text", "empty", "two", "deep", "large", "null"],
)  # fmt: skip
def test_yaml_that_can_not_be_read(text, words):
    with pytest.raises(UsageError) as caught:
        made("environment.yml", text)
    assert words in caught.value.message and caught.value.hint


# ── requirements.txt ─────────────────────────────────────────────────────────────────────────────


def test_a_requirements_txt_of_a_course():
    found = pip(
        "# the course",
        "--extra-index-url https://download.pytorch.org/whl/cu126",
        "torch==2.8.0+cu126",
        "torchvision>=0.20 ; sys_platform != 'win32'",
        "opencv-python>=4.5  # pictures",
        "numpy>=1.24 \\",
        "    --hash=sha256:abc",
        "nvidia-cudnn-cu12==9.1.0.70",
        "nvidia-ml-py",
        "transformers[torch]>=4.40",
        "pywin32; sys_platform == 'win32'",
        "-e .",
        "./wheels/x-1.0-py3-none-any.whl",
        "git+https://me:token@example.org/x",
    )
    assert found.course == Course(
        name="my-course",
        torch=("torch==2.8.0", "torchvision>=0.20"),
        packages=("opencv>=4.5", "numpy>=1.24", "nvidia-ml-py"),
        variants=("cpu", "cu126"),
        pip_packages=("transformers[torch]>=4.40", "pywin32; sys_platform == 'win32'"),
        editable=(".",),
        pip_names=(("opencv", "opencv-python"),),
    )
    told = notes(found)
    assert told["nvidia-cudnn-cu12==9.1.0.70"] == "comes with torch"
    assert "path of this machine" in told["./wheels/x-1.0-py3-none-any.whl"]
    assert "token" not in str(found.notes)
    assert all(any(word in what for what in told) for word in ("--extra-index-url", "torch+cu126", "--hash"))


def test_files_that_name_others():
    found = made(
        "req/all.txt",
        "-r base.txt\n--requirement=gpu.txt\n-c limits.txt\ntqdm\n-r https://example.org/x.txt\n",
        {
            "req/base.txt": "numpy\n-r all.txt\n",
            "req/gpu.txt": "torch>=2.6\n",
            "req/limits.txt": "numpy<2\ntorch<2.9\nscipy<2\n",
        },
    )
    assert found.course.packages == ("numpy<2", "tqdm")
    assert found.course.torch == ("torch>=2.6,<2.9",)
    told = notes(found)
    assert told["-r req/all.txt"] == "names itself"
    assert told["1 constraint"] and told["-r https://example.org/x.txt"]


def test_a_file_that_is_not_there_stops():
    with pytest.raises(UsageError, match=r"cannot read other\.txt"):
        pip("-r other.txt")


def test_limits_of_one_package_in_two_lines_are_joined_or_told():
    assert pip("numpy>=1.24", "numpy<2").course.packages == ("numpy>=1.24,<2",)
    found = pip("numpy>=2", "numpy<1")
    assert found.course.packages == ("numpy>=2",) and notes(found)["numpy<1"].startswith("contradicts")


def test_a_file_without_torch_gets_it():
    found = pip("tqdm")
    assert found.course.torch == ("torch",) and "added" in notes(found)["torch"]


def test_an_address_of_a_wheel_of_torch_becomes_a_version_and_a_variant():
    found = pip("torch @ https://download.pytorch.org/whl/cu126/torch-2.8.0%2Bcu126-cp312-cp312-linux_x86_64.whl")
    assert found.course.torch == ("torch==2.8.0",) and found.course.variants == ("cpu", "cu126")


def test_a_repository_that_is_editable_is_one_like_any_other():
    found = pip("-e git+https://github.com/openai/CLIP.git@main#egg=clip", "git+https://example.org/x@v1#egg=x&y=1",
                "-e git+git://example.org/z#egg=z")  # fmt: skip
    assert found.course.pip_packages == (
        "clip @ git+https://github.com/openai/CLIP.git@main",
        "x @ git+https://example.org/x@v1",
    )
    assert "https://" in notes(found)["-e git+git://example.org/z#egg=z"]


def test_a_variant_of_long_ago_becomes_its_kind():
    found = pip("torch>=2.6", "--extra-index-url https://download.pytorch.org/whl/cu102")
    assert found.course.variants == ("cpu", "cuda") and notes(found)["cu102"].endswith("became cuda")


def test_what_can_exist_on_no_machine_is_told():
    found = pip("torch==1.11.0", "torchvision")
    assert found.course.torch == ("torch==1.11.0", "torchvision")
    ((key, problem),) = found.wrong
    assert key == "torch[0]" and problem.startswith("no such torch")


def test_a_companion_alone_brings_torch_along():
    assert pip("torchvision").course.torch == ("torch", "torchvision")


LISTED = """\
# This file may be used to create an environment using:
# $ conda create --name <env> --file <this file>
# platform: linux-64
_libgcc_mutex=0.1=main
libblas=3.9=1
numpy=1.26.4=py311h64a7726_0
python=3.11.5=h955ad1f_0
pytorch=2.1.0=py3.11_cuda12.1_cudnn8.9.2_0
torchinfo=1.8.0=pypi_0
"""


def test_a_list_of_conda_under_the_name_of_requirements():
    found = made("requirements.txt", LISTED)
    assert found.course == Course(
        "my-course", "==3.11.*", ("torch==2.1.0",), ("numpy==1.26.4",), pip_packages=("torchinfo==1.8.0",)
    )
    with pytest.raises(UsageError, match="lists files"):
        made("spec-file.txt", "@EXPLICIT\nhttps://example.org/a.conda\n")


def test_a_name_keeps_its_letters_without_their_marks():
    assert made("environment.yml", "name: Größe Übung 1\ndependencies: [pytorch]\n").course.name == "Grosse-Ubung-1"


def test_names_of_modules_become_those_of_their_packages():
    found = made("requirements.txt", "torch\nsklearn>=1.4\ncv2\nPIL\n")
    assert found.course.packages == ("scikit-learn>=1.4", "opencv", "pillow")
    assert {"sklearn>=1.4", "cv2", "PIL"} <= set(notes(found))


# ── pyproject.toml ───────────────────────────────────────────────────────────────────────────────


def test_a_pyproject():
    found = made("pyproject.toml", """
[project]
name = "My.Course"
requires-python = ">=3.10, <3.14"
dependencies = ["torch>=2.6", "torchvision", "numpy", "d2l @ git+https://example.org/d2l"]
[project.optional-dependencies]
dev = ["pytest"]
[dependency-groups]
test = ["pytest"]
[tool.uv.sources]
torch = { index = "pytorch" }
""")  # fmt: skip
    assert found.course == Course(
        "My.Course", ">=3.10,<3.14", ("torch>=2.6", "torchvision"), ("numpy",),
        pip_packages=("d2l @ git+https://example.org/d2l",),
    )  # fmt: skip
    assert set(notes(found)) == {"[optional-dependencies] dev", "[dependency-groups] test", "[tool.uv] sources, index"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.poetry]\n", "has no [project] table"),
        ("[tool.envtool]\n", "has a [tool.envtool] already"),
        ("x = ", "not TOML"),
    ],
)
def test_a_pyproject_that_can_not_be_used(text, words):
    with pytest.raises(UsageError) as caught:
        made("pyproject.toml", text)
    assert words in caught.value.message


def test_another_kind_of_file():
    with pytest.raises(UsageError, match="that kind of file"):
        made("setup.py", "")


def test_the_same_file_gives_the_same_text():
    assert made("environment.yml", CS).text == made("environment.yml", CS).text
    assert "# Made from environment.yml.\n" in made("environment.yml", CS).text


# ── the table of names ───────────────────────────────────────────────────────────────────────────


def test_the_table_of_names_is_one():
    from envtool.course.belongings import plain_name
    from envtool.data import read_table

    table = read_table("conda_names.toml")
    rows = table["renamed"]
    assert all({"conda", "pypi", "source", "verified"} <= set(row) <= {"conda", "pypi", "one-way", "source", "verified"}
               for row in rows)  # fmt: skip
    assert len({row["conda"] for row in rows}) == len(rows)
    assert all(plain_name(row["conda"]) != plain_name(row["pypi"]) for row in rows)
    lists = (table["conda-only"]["names"], table["needless"]["names"], table["needless"]["with-torch"])
    every = [name for names in lists for name in names]
    assert len(set(every)) == len(every), "a name has one place"
    assert not {row["conda"] for row in rows} & set(every)


def test_both_ways_through_the_table():
    names = package_names()
    assert names.pypi("OpenCV") == "opencv-python" and names.conda("opencv_python") == "opencv"
    assert names.pypi("matplotlib-base") == "matplotlib" and names.conda("matplotlib") is None
    assert names.pypi("numpy") is None and names.conda("numpy") is None
    assert names.comes_with_torch("nvidia-cublas-cu12") and not names.comes_with_torch("nvidia-ml-py")
