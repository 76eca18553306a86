"""`envtool setup kaggle`: the notebook and the metadata for `kaggle kernels push`."""

import json
import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from places_schemas import KERNEL_METADATA

from envtool.cli.app import main
from envtool.course import Course, Floors
from envtool.setup.kaggle import CHANGE_ME, Kaggle, kaggle, title
from envtool.setup.places import chosen_gpu

COURSE = Course("deep-learning", packages=("numpy", "matplotlib"), pip_packages=("torchinfo",))


def files(course=COURSE, **wanted):
    return {file.path: file.text for file in kaggle(course, Kaggle(**wanted))}


def metadata(course=COURSE, **wanted):
    return json.loads(files(course, **wanted)["kernel-metadata.json"])


def envtool(capsys, *words):
    code = main(["setup", "kaggle", *words])
    out, err = capsys.readouterr()
    return code, out, err


@given(st.one_of(st.sampled_from(['"; rm -rf ~', "$(touch x)", "a\nb", "", "Ünï", "a" * 200, "4", "-"]), st.text()))
def test_whatever_the_course_is_called_the_files_are_valid(name):
    found = files(Course(name), user="ada", datasets=("ada/mnist-small",), competitions=("titanic",))
    Draft202012Validator(KERNEL_METADATA).validate(json.loads(found["kernel-metadata.json"]))
    nbformat.validate(nbformat.reads(found["kaggle.ipynb"], as_version=4))
    assert found == files(Course(name), user="ada", datasets=("ada/mnist-small",), competitions=("titanic",))


@given(st.text())
def test_a_title_is_its_own_address(name):
    found = title(Course(name))
    assert re.sub(r"[^a-z0-9]+", "-", found.lower()) == found and 5 <= len(found) <= 50
    assert not found.startswith("-") and not found.endswith("-")


def test_a_gpu_is_asked_for_that_current_builds_can_use():
    found = metadata(user="ada")
    assert found["enable_gpu"] is True and found["machine_shape"] == "NvidiaTeslaT4"  # the default P100 has no kernels
    inside = json.loads(files()["kaggle.ipynb"])["metadata"]["kaggle"]
    assert inside["isGpuEnabled"] is True and inside["accelerator"] == "nvidiaTeslaT4" and inside["isInternetEnabled"]
    without = metadata(gpu=None)
    assert without["enable_gpu"] is False and "machine_shape" not in without
    assert json.loads(files(gpu=None)["kaggle.ipynb"])["metadata"]["kaggle"]["accelerator"] == "none"
    assert chosen_gpu("kaggle", replace(COURSE, gpu=Floors(compute_capability=(8, 0))), None) == "NvidiaL4X1"


def test_it_is_private_unless_asked_and_has_the_internet_that_pip_needs():
    assert metadata()["is_private"] is True and metadata(public=True)["is_private"] is False
    assert metadata()["enable_internet"] is True


def test_the_notebook_speaks_of_kaggle_alone():
    text = files()["kaggle.ipynb"]
    cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    assert "# deep-learning on Kaggle" in cells[0] and "Colab" not in text
    assert 'DEVICE = "cuda"      # change this one line: "cpu" or "auto"' in cells


def test_it_writes_both_files_and_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, err = envtool(capsys, "--name", "x")
    assert code == 0 and out == "written kaggle.ipynb\nwritten kernel-metadata.json\n"
    assert CHANGE_ME in err and "kaggle kernels push" in err
    assert json.loads(Path("kernel-metadata.json").read_text())["id"] == f"{CHANGE_ME}/x-notebook"
    code, out, err = envtool(
        capsys, "--name", "x", "--user", "ada", "--force", "--dataset", "ada/a", "--dataset", "b/b"
    )
    assert code == 0 and out == "unchanged kaggle.ipynb\nreplaced kernel-metadata.json\n" and CHANGE_ME not in err
    assert json.loads(Path("kernel-metadata.json").read_text())["dataset_sources"] == ["ada/a", "b/b"]


@pytest.mark.parametrize(
    "words",
    [("--user", "a/b"), ("--user", "a b"), ("--dataset", "x"), ("--competition", "a/b"), ("--gpu", "P100"), ("--repo", "x")],
)  # fmt: skip
def test_what_cannot_be_used_is_told(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    code, _, err = envtool(capsys, "--name", "x", *words)
    assert code == 2 and "hint:" in err and not list(tmp_path.iterdir())
