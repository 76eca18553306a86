"""CUDA's own start against a real library: a stub of libcuda in C, loaded by the real child."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nvml_stub_build as stub
import pytest
from builders import environment, server
from doctor_room import Room
from hypothesis import given, settings
from hypothesis import strategies as st
from test_checks import CPU, CUDA, gpu_error
from test_probe_nvidia import no_real_driver
from thoroughness import examples

from envtool.checks import ALL
from envtool.checks.cuda import CAUSES
from envtool.environment import NOT_IMPORTED
from envtool.examination import judge
from envtool.machine import NOT_ASKED, Absent, Found, Nvidia, Unknown
from envtool.probe.child import Completed
from envtool.probe.cuda import MARKER, parse, with_cuda
from envtool.probe.host import LiveHost
from envtool.verdicts import Status

needs_stub = pytest.mark.skipif(stub.why_not() is not None, reason=str(stub.why_not()))
HERE = server().nvidia
NAMED = {802: "fabricmanager", 803: "cuda-803", 804: "cuda-compat", 34: "cuda-stub-library", 999: "cuda-unknown-error"}


@pytest.fixture(scope="module")
def libcuda(tmp_path_factory) -> Path:
    return stub.build_cuda(tmp_path_factory.mktemp("cuda"))


def ask(timeout: float = 10.0) -> Nvidia:
    host = LiveHost()
    try:
        return with_cuda(host, HERE, timeout=timeout)
    finally:
        host.stop()


@pytest.fixture
def told(libcuda, monkeypatch):
    """What the probe reads where the stub does as these variables say."""

    def begin(timeout: float = 10.0, **variables: str) -> Nvidia:
        monkeypatch.setenv("LD_LIBRARY_PATH", str(libcuda.parent))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return ask(timeout)

    return begin


@needs_stub
def test_cuda_starts_and_names_its_file(told, libcuda):
    here = told(CUDA_STUB_PRINT=MARKER + '{"init": 999}')
    assert here.cuda_init == Found(0)  # what the library prints is not taken for the child's words
    assert here.cuda_library == Found(str(libcuda.resolve()))


@needs_stub
@pytest.mark.parametrize(
    "code", [34, pytest.param(100, marks=pytest.mark.slow), pytest.param(803, marks=pytest.mark.slow)]
)
def test_the_code_of_a_start_that_fails(told, code):
    assert told(CUDA_STUB_INIT=str(code)).cuda_init == Found(code)


@needs_stub
@pytest.mark.slow
def test_no_gpu_is_told_alike_by_all_drivers(told):
    assert told(CUDA_VISIBLE_DEVICES="").cuda_init == Found(100)
    assert told(CUDA_VISIBLE_DEVICES="0", CUDA_STUB_COUNT="0").cuda_init == Found(100)


@needs_stub
@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CUDA_STUB_INIT": "crash"}, "cuInit was killed by signal 11"),
        ({"CUDA_STUB_COUNT": "crash"}, "cuDeviceGetCount was killed by signal 11"),
        ({"CUDA_STUB_INIT": "hang"}, "cuInit did not end within 1 s"),
    ],
)
def test_a_start_without_an_end_is_unknown(told, libcuda, variables, words):
    here = told(timeout=1.0 if "hang" in variables.values() else 10.0, **variables)
    assert here.cuda_init == Unknown(words)
    assert here.cuda_library == Found(str(libcuda.resolve()))


@no_real_driver
@pytest.mark.slow
def test_a_library_that_the_loader_does_not_find(monkeypatch, tmp_path):
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    here = ask()
    assert isinstance(here.cuda_init, Absent) and "libcuda.so.1" in here.cuda_init.reason


def test_without_a_gpu_nothing_is_loaded():
    class Deaf:
        def facts(self):
            raise AssertionError("asked")

    for nothing in (Nvidia(status="absent"), Nvidia(status="unknown", gpus=HERE.gpus), Nvidia(status="found")):
        assert with_cuda(Deaf(), nothing) is nothing  # type: ignore[arg-type]


# ── the child's words ────────────────────────────────────────────────────────────────────────────

WORDS = st.sampled_from(["init", "count", "library", "loader", "ask", "step"])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-5, 1000), st.text(max_size=5), st.just([]), st.just({}))
LINES = st.one_of(
    st.dictionaries(WORDS, VALUES, max_size=4).map(lambda said: MARKER + json.dumps(said)),
    st.text(max_size=20).map(lambda text: MARKER + text),
    st.text(max_size=20),
)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(LINES, max_size=6), st.sampled_from([0, 1, -9, None, 3221225477]))
def test_whatever_the_child_says_there_is_an_answer(lines: list[str], code: int | None) -> None:
    init, library = parse(Found(Completed(code, "\n".join(lines), "", 0.1)), 10.0)
    assert isinstance(init, (Found, Absent, Unknown)) and isinstance(library, (Found, Absent, Unknown))
    if init == Found(0):  # never well without both words for it
        said = "".join(lines)
        assert '"init": 0' in said and '"count"' in said


# ── the verdicts ─────────────────────────────────────────────────────────────────────────────────


def failing(env=CUDA, **nvidia):
    machine = server(**nvidia)
    verdicts = judge(machine, environment(env), NOT_IMPORTED).verdicts
    return {verdict.code: verdict for verdict in verdicts if verdict.status is Status.FAIL}


@pytest.mark.parametrize("code", [*NAMED, 2, 46, 100, 101, 304, 805, 4711])
def test_every_code_has_one_name(code):
    found = failing(cuda_init=Found(code), cuda_library=Found("/usr/lib/libcuda.so.550.54.14"))
    assert set(found) == {NAMED.get(code, "cuda-init")}
    (verdict,) = found.values()
    assert verdict.hint and (str(code) in verdict.message or code == 34)
    assert verdict.evidence["cuda_init"] == code


def test_the_table_of_codes_is_whole():
    assert {code: name for name, cause in CAUSES.items() for code in cause.codes} == NAMED


def test_a_code_is_believed_over_pytorchs_words():
    machine = server(cuda_init=Found(803))
    imports = gpu_error("CUDA driver initialization failed, driver is too old: CUDA unknown error")
    verdicts = judge(machine, environment(CUDA), imports).verdicts
    assert {v.code for v in verdicts if v.status is Status.FAIL} == {"cuda-803"}


@pytest.mark.parametrize(
    ("reading", "status"),
    [(Unknown("cuInit did not end within 15 s"), Status.UNKNOWN), (NOT_ASKED, Status.SKIP), (Found(0), Status.PASS)],
)
def test_not_told_is_not_well(reading, status):
    verdicts = judge(server(cuda_init=reading), environment(CPU), NOT_IMPORTED).verdicts
    assert next(v for v in verdicts if v.code == "cuda-init").status is status


@pytest.mark.parametrize(
    ("code", "path", "line"),
    [
        (804, "/usr/local/cuda/compat:/opt/lib", "export LD_LIBRARY_PATH=/opt/lib"),
        (804, "/usr/local/cuda/compat", "unset LD_LIBRARY_PATH"),
        (34, "/usr/local/cuda/lib64/stubs:/opt/my libs", "export 'LD_LIBRARY_PATH=/opt/my libs'"),
    ],
)
def test_the_folder_in_the_way_is_taken_out(code, path, line):
    machine = replace(server(cuda_init=Found(code)), ld_library_path=Found(path))
    found = [v for v in judge(machine, environment(CUDA), NOT_IMPORTED).verdicts if v.code == NAMED[code]]
    assert (found[0].hint, found[0].command) == (line, True)


@needs_stub
@no_real_driver
@pytest.mark.slow
def test_the_doctor_asks_both_libraries(tmp_path, libcuda):
    room = Room(tmp_path / "home")
    scenario = stub.write(tmp_path / "scenario", stub.machine())
    folder = stub.build(tmp_path / "nvml").parent
    (folder / "libcuda.so.1").symlink_to(libcuda.resolve())
    variables = {stub.SCENARIO: str(scenario), "LD_LIBRARY_PATH": str(folder)}
    done = room.doctor("--json", "--python", room.python, CUDA_STUB_INIT="804", **variables)
    judged = {verdict["code"]: verdict for verdict in json.loads(done.out)["verdicts"]}
    assert judged["cuda-compat"]["status"] == "fail" and judged["cuda-compat"]["evidence"]["cuda_init"] == 804
    done = room.doctor("--json", "--python", room.python, **variables)
    judged = {verdict["code"]: verdict for verdict in json.loads(done.out)["verdicts"]}
    assert judged["cuda-init"]["status"] == "pass"


def test_every_check_of_cuda_is_in_the_round():
    codes = [check.code for check in ALL]
    assert codes.index("cuda-init") < codes.index("gpu-computes")
