"""Whatever a child prints and however it ends, the answer is an Environment, a BrokenEnvironment or a report."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envtool.environment import BrokenEnvironment, Environment, ImportReport
from envtool.machine import Absent, Found, Reading, Unknown
from envtool.probe.builds import Beside, assignments, read_build
from envtool.probe.child import Completed
from envtool.probe.imports import STAGES, report_of
from envtool.probe.installed import channel_name
from envtool.probe.interpreter import Choice
from envtool.probe.python import start
from envtool.probe.recording import RecordedHost, Recording, reading_to_json

KEYS = [
    "prefix", "base_prefix", "path", "entries", "identity", "distributions", "name",
    "version", "readable", "builds", "package", "version_py", "shipped", "shadows",
    "module", "file", "namespace", "conda", "records", "cwd", "home",
    "bits", "suffixes", "pyvenv", "leftovers", "closed", "links", "pythonpath", "executable",
    "implementation", "begin", "end", "outcome", "details", "seconds", "hello",
    "done", "lines", "text", "message", "type",
]  # fmt: skip
words = st.sampled_from(
    ("", "/", "/e", "/e/site-packages", "torch", "~orch", "2.1", "cuda", "ok", "home = /x", *STAGES)
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=40,
)
objects = st.dictionaries(st.sampled_from(KEYS), values, max_size=len(KEYS))
paths = st.sampled_from(("", "/e", "/e/site-packages", "/e/lib", "/w"))
names = st.sampled_from(("torch", "numpy", "Nvidia_X.y", "pip", "", "random"))
flags = st.booleans() | st.none()


def shaped(**parts: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    """An object of the right form, in which any key may be missing or hold anything."""
    whole, part = st.fixed_dictionaries(parts), st.fixed_dictionaries({}, optional=parts)
    return whole | whole | part | st.builds(lambda one, other: {**one, **other}, whole, objects)


entries = shaped(
    path=paths,
    identity=paths,
    distributions=st.lists(shaped(name=names, version=words, readable=flags, metadata=names, requires=st.lists(words))),
    builds=st.lists(shaped(package=names, version_py=words, shipped=st.lists(words))),
    shadows=st.lists(shaped(module=names, file=names, namespace=flags)),
    leftovers=st.lists(words),
    links=st.lists(names),
)
answers = st.builds(
    lambda prefix, one: {"prefix": prefix, "home": "/e/lib", "cwd": "/w", **one},
    paths,
    shaped(
        base_prefix=paths,
        path=st.lists(paths, min_size=2),
        entries=st.lists(entries, min_size=1, max_size=3),
        pyvenv=words,
        conda=st.none() | shaped(records=st.lists(st.lists(words, max_size=4))),
        pythonpath=st.lists(paths),
        user_site=paths,
        version=words,
    ),
)
stages = shaped(
    begin=st.sampled_from(STAGES),
    end=st.sampled_from((*STAGES, "cuda", "cuda:0", "mps")),
    outcome=st.sampled_from(("ok", "error", "absent", "not-reached", "odd")),
    details=shaped(warnings=words, version=words),
    seconds=st.floats() | st.integers() | words,
)
codes = st.none() | st.sampled_from((0, 1, 3, -9, -11, 0xC0000005)) | st.integers(-70, 2**32)


def outputs(marker: str, right: st.SearchStrategy[dict[str, object]]) -> st.SearchStrategy[str]:
    whole = right.map(lambda one: marker + json.dumps(one))
    cut = st.builds(lambda one, at: (marker + json.dumps(one))[:at], right, st.integers(0, 80))
    rubbish = (
        st.text(max_size=30) | cut | st.just(marker + "[" * 3000) | objects.map(lambda one: marker + json.dumps(one))
    )
    return st.lists(whole | whole | rubbish, max_size=6).map("\n".join) | whole | whole | whole


def readings(marker: str, right: st.SearchStrategy[dict[str, object]]) -> st.SearchStrategy[Reading[Completed]]:
    done = st.builds(Completed, codes, outputs(marker, right), st.text(max_size=60), st.floats(0, 9))
    return done.map(Found) | st.builds(Absent, st.text(max_size=9)) | st.builds(Unknown, st.text(max_size=9))


def completed_json(done: Completed) -> dict[str, object]:
    return {"returncode": done.returncode, "stdout": done.stdout, "stderr": done.stderr, "seconds": done.seconds}


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(readings("envtool-environment:", answers), readings("envtool-environment:", answers))
def test_any_answer_is_an_environment_or_a_broken_one(isolated: Reading[Completed], plain: Reading[Completed]) -> None:
    recording = Recording()
    recording.keep("start", "environment", reading_to_json(isolated, completed_json))  # type: ignore[arg-type]
    recording.keep("start", "environment-plain", reading_to_json(plain, completed_json))  # type: ignore[arg-type]
    found = start(RecordedHost(recording), Choice("/p/bin/python", "python3 on PATH"))()
    assert isinstance(found, Environment | BrokenEnvironment)
    if isinstance(found, BrokenEnvironment):
        assert found.message.startswith("/p/bin/python: ") and len(found.message) > len("/p/bin/python: ")
    else:
        assert all(one.name for one in found.distributions)
    repr(found).encode("utf-8")


@given(readings("envtool-import:0123456789abcdef:", stages))
def test_any_answer_is_a_report(reading: Reading[Completed]) -> None:
    report = report_of(reading, 1.0)
    assert isinstance(report, ImportReport)
    names = [stage.name for stage in report.stages]
    assert len(set(names)) == len(names) and set(STAGES) <= set(names)
    assert all(stage.outcome != "absent" for stage in report.stages)
    repr(report).encode("utf-8")


@given(st.sampled_from(("torch", "torchvision", "torchaudio")), st.text(max_size=80), st.lists(words, max_size=3))
def test_any_version_py_is_read(package: str, text: str, shipped: list[str]) -> None:
    build = read_build(package, text, tuple(shipped), Beside("linux"))
    assert build.variant is None or build.variant[:2] in ("cp", "cu", "ro", "xp")


@given(st.sampled_from(("11.8", "12.6", "13.0", "13.2")), st.sampled_from(("", "# x", "\r")))
def test_a_cuda_version_gives_its_variant(cuda: str, tail: str) -> None:
    text = f"__version__ = '2.9.0'\ncuda: Optional[str] = '{cuda}'{tail}\nhip: Optional[str] = None\n"
    build = read_build("torch", text, (), Beside("linux"))
    assert (build.variant, build.cuda) == ("cu" + cuda.replace(".", ""), cuda)
    assert assignments(text)["hip"] is None


@given(st.text(max_size=40))
def test_any_channel_has_a_name(channel: str) -> None:
    assert isinstance(channel_name(channel), str)
