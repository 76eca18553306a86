"""`envtool setup jupyterhub`: values for the chart, and YAML that holds whatever it is given."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from places_schemas import HUB_VALUES

from envtool.cli.app import main
from envtool.course import Course, Floors
from envtool.errors import UsageError
from envtool.setup.jupyterhub import CHANGE_ME, Hub, checked_image, checked_label, jupyterhub
from envtool.setup.yaml_values import to_yaml

yaml = pytest.importorskip("yaml", reason="PyYAML reads the values")

COURSE = Course("deep-learning")
NASTY = ['"; rm -rf ~', "$(touch x)", "`x`", "a\nb: c", "{{ x }}", "${{ x }}", "&a", "*a", "!!python/name:os", "yes", "~",
         "0x10", "1e3", "- x", "#", "'", "\u2028", "\x7f", "\ud800", "😀", ""]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(NASTY), st.text())


def values(course=COURSE, **wanted):
    return yaml.safe_load(jupyterhub(course, Hub(**wanted))[0].text)


def override(slug, course=COURSE, **wanted):
    profiles = values(course, **wanted)["singleuser"]["profileList"]
    return next(one for one in profiles if one["slug"] == slug)["kubespawner_override"]


@given(TEXTS)
def test_whatever_the_course_is_called_the_values_are_the_charts(name):
    text = jupyterhub(Course(name), Hub())[0].text
    found = yaml.safe_load(text)
    Draft202012Validator(HUB_VALUES).validate(found)
    plain = values()
    for ours, theirs in zip(found["singleuser"]["profileList"], plain["singleuser"]["profileList"], strict=True):
        assert {**ours, "display_name": ""} == {**theirs, "display_name": ""}
        assert "\n" not in ours["display_name"]
    assert text == jupyterhub(Course(name), Hub())[0].text


@given(
    st.dictionaries(
        TEXTS.filter(lambda text: text.isprintable()),
        st.recursive(
            st.one_of(TEXTS, st.integers(), st.booleans(), st.none()),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b.c", "no"]), inner),
            max_leaves=8,
        ),
    )
)
def test_yaml_gives_back_what_it_was_given(table):
    def whole(value):
        if isinstance(value, str):
            return value.encode("utf-8", "replace").decode().replace("?", "\ufffd") if _broken(value) else value
        if isinstance(value, list):
            return [whole(item) for item in value]
        if isinstance(value, dict):
            return {key: whole(item) for key, item in value.items()}
        return value

    assert yaml.safe_load(to_yaml(table)) == (whole(table) or {})


def _broken(text):
    return any(0xD800 <= ord(c) <= 0xDFFF for c in text)


def test_the_gpu_profile_asks_for_its_gpu_and_may_run_where_gpus_are():
    found = override("gpu", gpus=2, labels=(("pool", "gpu"),))
    assert found["extra_resource_limits"] == {"nvidia.com/gpu": "2"} and found["environment"] == {"DEVICE": "cuda"}
    assert found["node_selector"] == {"pool": "gpu"}
    keys = [toleration["key"] for toleration in found["tolerations"]]
    assert keys == ["hub.jupyter.org/dedicated", "hub.jupyter.org_dedicated", "nvidia.com/gpu"]


def test_the_cpu_profile_is_the_default_and_sees_no_gpu():
    profiles = values()["singleuser"]["profileList"]
    assert [one.get("default", False) for one in profiles] == [True, False]
    found = override("cpu")
    assert found["environment"] == {"DEVICE": "cpu", "NVIDIA_VISIBLE_DEVICES": "void"}
    assert "extra_resource_limits" not in found and "tolerations" not in found


def test_no_gpu_profile_where_there_are_no_gpus():
    assert [one["slug"] for one in values(gpus=0)["singleuser"]["profileList"]] == ["cpu"]


def test_both_have_a_shared_memory_for_the_data_loader():
    storage = values()["singleuser"]["storage"]
    assert storage["extraVolumeMounts"] == [{"name": "shm", "mountPath": "/dev/shm"}]
    assert storage["extraVolumes"][0]["emptyDir"]["medium"] == "Memory"


def test_the_floors_of_the_course_are_told():
    course = replace(COURSE, gpu=Floors(memory_gib=24, compute_capability=(8, 0)))
    about = values(course)["singleuser"]["profileList"][1]["description"]
    assert "a GPU with 24 GiB and compute capability 8.0 or more" in about


@pytest.mark.parametrize(
    "text", ["ghcr.io/owner/course:2026.1", "course:1", "localhost:5000/a/b:x", "a/b@sha256:" + "0" * 64]
)
def test_an_image_has_a_tag_or_a_digest(text):
    assert checked_image(text) == text


@pytest.mark.parametrize(
    "text", ["course", "a/b", "a/b:latest", "a b:1", 'a:"x', "a:1\n", "$(x):1", "localhost:5000/a/b"]
)
def test_an_image_that_may_change_is_refused(text):
    with pytest.raises(UsageError) as error:
        checked_image(text)
    assert error.value.hint


def test_labels_are_those_of_kubernetes():
    assert checked_label("nvidia.com/gpu.product=Tesla-T4") == ("nvidia.com/gpu.product", "Tesla-T4")
    for text in ("x", "=x", "a b=c", "a=b c", 'a="', "a=b\n"):
        with pytest.raises(UsageError):
            checked_label(text)


def test_the_command_tells_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["setup", "jupyterhub", "--name", '"; rm -rf ~']) == 0
    out, err = capsys.readouterr()
    assert out == "written jupyterhub-values.yaml\n" and CHANGE_ME in err and "helm upgrade" in err
    assert yaml.safe_load(Path("jupyterhub-values.yaml").read_text(encoding="utf-8"))
    assert main(["setup", "jupyterhub", "--name", "x", "--image", "a/b:1", "--force"]) == 0
    out, err = capsys.readouterr()
    assert out == "replaced jupyterhub-values.yaml\n" and CHANGE_ME not in err
    assert CHANGE_ME not in Path("jupyterhub-values.yaml").read_text(encoding="utf-8")
    assert main(["setup", "jupyterhub", "--gpus", "17"]) == 2
