"""`envtool pick` from the command line: every promise of it, the traps by --target, JSON lines, lines to paste."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from described import SAMPLE, machine, of_case, sample_cases
from test_plan import TRAPS
from test_schemas import validate

from envtool.catalog import load
from envtool.cli.app import main
from envtool.cli.machine_lines import Lines, answer_lines
from envtool.machine import Machine
from envtool.machine_document import machine_to_json
from envtool.spec import Request
from envtool.target import target_text

Run = Callable[..., "tuple[int, str, str]"]
CATALOG = load()
BOX = "linux-64,py3.12,driver=550.54.14,gpu=RTX 4090,glibc=2.35"
DOCUMENT = machine_to_json(machine(gpus=["RTX 4090=8.9"], driver="550.54.14"))


@pytest.fixture
def pick(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("envtool.catalog.load", lambda: CATALOG)  # reading it is most of a run, and tested elsewhere

    def run(*arguments: str, stdin: str | bytes = "") -> tuple[int, str, str]:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        code = main(["pick", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def short(document: dict[str, Any]) -> str:
    """A plan document in one line, as in the table of traps."""
    validate("plan", document)
    if document["result"] == "no-plan":
        return str(document["error_kind"])
    source = document["source"].removeprefix("pytorch-")
    return " ".join([*document["packages"].values(), document["variant"], source])


# ── the traps, by --target ───────────────────────────────────────────────────────────────────────


def described(box: Machine) -> str | None:
    """The machine of a trap in a line; None for what a line can't tell."""
    text = target_text(box, CATALOG)
    if text is None or (box.arch == "x86_64" and "32-bit" in str(box.python)):
        return None
    if box.nvidia.driver.__class__.__name__ == "Absent" and box.nvidia.gpus:
        text += ",driver=none"
    if not (box.nvidia.gpus or box.amd.gpus or box.intel.gpus):
        text += ",gpu=none"
    return text


TARGETS = [
    (name, text, packages, asked, expected)
    for name, box, packages, asked, expected in TRAPS
    if "32-bit" not in name and (text := described(box)) is not None
]


def options(asked: dict[str, object]) -> list[str]:
    words: list[str] = []
    for key, value in asked.items():
        words += ["--include-unverified"] if value is True else [f"--{key}", str(value)]
    return words


def test_nearly_every_trap_can_be_told_in_a_line() -> None:
    left_out = {trap[0] for trap in TRAPS} - {target[0] for target in TARGETS}
    assert left_out == {"E 32-bit Python", "E 32-bit Arm"}


@pytest.mark.parametrize("case", TARGETS, ids=[case[0] for case in TARGETS])
def test_trap(case: tuple[str, str, tuple[str, ...], dict[str, object], str], pick: Run) -> None:
    _, text, packages, asked, expected = case
    code, out, err = pick(*packages, "--target", text, *options(asked), "--json")
    document = json.loads(out)
    assert (short(document), err) == (expected, "")
    assert code == (0 if document["result"] == "plan" else 3)


@pytest.mark.parametrize("case", TARGETS, ids=[case[0] for case in TARGETS])
def test_the_screen_fits_and_ends_with_the_line(
    case: tuple[str, str, tuple[str, ...], dict[str, object], str], pick: Run
) -> None:
    _, text, packages, asked, _ = case
    code, out, err = pick(*packages, "--target", text, *options(asked))
    if code == 3:
        assert out == "" and err.startswith("error: no build fits: ") and "\nhint: " in err
        return
    lines = out.splitlines()
    assert lines[-1].startswith("python -m pip install torch==") and lines[-2] == ""
    assert len(lines) <= 16 and all(len(line) <= 80 for line in lines[:-1]), out
    assert lines[0].startswith("Chosen   torch ")


@pytest.mark.parametrize("case", TARGETS, ids=[case[0] for case in TARGETS])
def test_what_a_hint_says_works_when_pasted(
    case: tuple[str, str, tuple[str, ...], dict[str, object], str], pick: Run
) -> None:
    _, text, packages, asked, _ = case
    code, out, _ = pick(*packages, "--target", text, *options(asked), "--json")
    if code == 0:
        return
    document = json.loads(out)
    for line in re.findall(r"`envtool pick([^`]*)`", document["hint"]):
        again, answer, problem = pick(*shlex.split(line), "--json")
        assert again in (0, 3), (line, problem)
        assert json.loads(answer).get("error_kind") != document["error_kind"], line


# ── whose machine ────────────────────────────────────────────────────────────────────────────────


def test_nothing_of_this_machine_leaks_into_a_target(pick: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _, before, _ = pick("--target", BOX, "--json")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("VIRTUAL_ENV", "/nowhere")
    monkeypatch.setattr("envtool.probe.host.LiveHost.__init__", lambda *_: pytest.fail("this machine was asked"))
    assert pick("--target", BOX, "--json")[1] == before


def test_an_unknown_driver_or_python_is_asked_for(pick: Run) -> None:
    code, out, _ = pick("--target", "linux-64,py3.12,gpu=V100", "--json")
    assert (code, json.loads(out)["error_kind"]) == (3, "driver_unknown")
    assert "driver=550.54.14" in json.loads(out)["hint"]
    code, out, _ = pick("--target", "linux-64,gpu=none", "--json")
    assert (code, json.loads(out)["error_kind"]) == (3, "no_wheel_for_python")


def test_a_machine_document_from_a_file_and_from_stdin(pick: Run, tmp_path: Path) -> None:
    _, expected, _ = pick("--target", BOX, "--json")
    for text in (json.dumps(DOCUMENT, indent=2), json.dumps(DOCUMENT), "\ufeff" + json.dumps(DOCUMENT, indent=1)):
        (tmp_path / "box.json").write_text(text, encoding="utf-8")
        code, out, _ = pick("--machine", str(tmp_path / "box.json"), "--json")
        assert code == 0 and json.loads(out)["pins"] == json.loads(expected)["pins"]
        assert pick("--machine", "-", "--json", stdin=text)[1] == out
    utf16 = json.dumps(DOCUMENT, indent=2).encode("utf-16")  # what PowerShell's > writes
    assert pick("--machine", "-", "--json", stdin=utf16)[1] == out


def test_a_document_without_a_plan_ends_with_3(pick: Run) -> None:
    code, out, _ = pick("torch==2.15.0", "--accelerator", "gpu", "--machine", "-", "--json", stdin=json.dumps(DOCUMENT))
    assert (code, json.loads(out)["error_kind"]) == (3, "driver_too_old")


def test_a_recording_is_a_machine_with_its_environment(pick: Run) -> None:
    recordings = sorted(Path(__file__).parent.joinpath("machines").glob("*.json"))
    assert recordings
    answered = 0
    for path in recordings[:12]:
        code, out, err = pick("--machine", str(path), "--json")
        assert code in (0, 3), (path.name, err)
        validate("plan", json.loads(out))
        answered += code == 0
    assert answered


def test_this_machine_is_asked_without_importing_torch(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "envtool", "pick", "--accelerator", "cpu", "--python", sys.executable, "--json"],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}, cwd=tmp_path,
    )  # fmt: skip
    document = json.loads(done.stdout)
    validate("plan", document)
    assert done.returncode == (0 if document["result"] == "plan" else 3), done.stderr
    if document["result"] == "plan":
        assert os.path.basename(sys.executable).split(".")[0] in document["commands"]["pip"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", BOX, "--machine", "-"], "together"),
        (["--target", BOX, "--python", "x"], "together"),
        (["--python", "/nonexistent/python"], "/nonexistent/python"),
        (["--machine", "/nonexistent.json"], "/nonexistent.json"),
        (["--machine", "-"], "empty"),
        (["numpyy", "--target", BOX], "numpyy"),
        (["torch=2", "--target", BOX], "torch=2"),
        (["--accelerator", "tpu", "--target", BOX], "tpu"),
        (["--installer", "poetry", "--target", BOX], "poetry"),
        (["--target", "linux-64,gpu=V1000"], "V1000"),
    ],
)
def test_a_wrong_command_line_is_code_2(arguments: list[str], words: str, pick: Run) -> None:
    code, out, err = pick(*arguments)
    assert (code, out) == (2, "") and words in err and "hint: " in err
    code, out, _ = pick(*arguments, "--json")
    assert code == 2 and words in json.loads(out)["error"]["message"]
    validate("error", json.loads(out))


def test_a_target_that_powershell_took_apart_is_to_be_quoted(pick: Run) -> None:
    code, _, err = pick("--target", "linux-64", "py3.12", "gpu=V100")
    assert code == 2 and "hint: quote the target, --target 'linux-64," in err


# ── the screen ───────────────────────────────────────────────────────────────────────────────────


def test_the_screen_of_the_issue(pick: Run) -> None:
    _, out, _ = pick("torch", "torchvision", "--target", BOX)
    assert out == (
        "Chosen   torch 2.14.1, torchvision 0.29.1\n"
        "Build    CUDA 12.6 (cu126), from https://download.pytorch.org/whl/cu126\n"
        "For      RTX 4090 (8.9), driver 550.54.14, Python 3.12, Linux x86_64, glibc 2.35\n"
        "Newer    torch 2.15.0 needs driver 580.65.06 or newer; you have 550.54.14\n"
        "\nCopy this line:\n\n"
        "python -m pip install torch==2.14.1+cu126 torchvision==0.29.1+cu126 "
        "--index-url https://download.pytorch.org/whl/cu126\n"
    )


@pytest.mark.parametrize(
    ("target", "packages", "words"),
    [
        ("linux-64,py3.12,driver=580.95.05,gpu=GTX 1080 Ti", ["torch"], "has no code for GTX 1080 Ti (6.1)"),
        ("linux-64,py3.12,driver=440.33,gpu=T4", ["torch"], "a GPU build of torch"),
        ("osx-arm64,py3.12,macos=13.6", ["torch"], "torch 2.15.0 needs macOS 14.0 or newer; found 13.6"),
        ("linux-64,py3.9,gpu=none", ["torch"], "torch 2.15.0 has no wheel for cp39"),
    ],
)
def test_what_something_newer_would_bring(target: str, packages: list[str], words: str, pick: Run) -> None:
    _, out, _ = pick(*packages, "--target", target)
    newer = " ".join(out.partition("\nNewer")[2].partition("\n\n")[0].split())
    assert words in newer, out


def test_a_driver_that_the_gpu_can_not_have_is_not_promised(pick: Run) -> None:
    _, out, _ = pick("torch", "--target", "linux-64,py3.10,driver=470.223.02,gpu=K80")
    assert "needs driver" not in out.partition("Newer")[2].partition("\n")[0]


def test_nothing_newer_is_nothing_said(pick: Run) -> None:
    assert "Newer" not in pick("torch", "--target", "linux-64,py3.12,driver=595.71.05,gpu=RTX 4090")[1]


def test_names_from_a_document_can_not_steer_the_terminal(pick: Run) -> None:
    document = machine_to_json(machine(gpus=["\x1b[31mred\x07=8.9"], driver="550.54.14"))
    _, out, _ = pick("--machine", "-", stdin=json.dumps(document))
    assert "\x1b" not in out and "\x07" not in out and "red" in out


def test_explain_is_a_table_of_candidates(pick: Run) -> None:
    _, out, _ = pick("torch", "--target", "linux-64,py3.12,driver=520.61,gpu=T4", "--explain")
    rows = out.splitlines()
    table = rows[: rows.index("")]
    assert table[0].split() == ["torch", "variant", "source", "why", "not"]
    assert all(len(row) <= 80 for row in table)
    assert [row for row in table if row.startswith(">")] == ["> 2.7.1   cu118    pytorch-index chosen"]
    versions = [tuple(map(int, row.split()[0].split("."))) for row in table[1:] if re.match(r"  \d", row)]
    assert versions == sorted(versions, reverse=True)
    more = next(row for row in table if "more rows" in row)
    total = len(json.loads(pick("torch", "--target", "linux-64,py3.12,driver=520.61,gpu=T4", "--json")[1])["refusals"])
    assert int(re.findall(r"\d+", more)[0]) + len(versions) == total and "--json" in more


def test_explain_without_a_plan(pick: Run) -> None:
    code, out, err = pick("torch==2.15.0", "--target", BOX, "--accelerator", "gpu", "--explain")
    assert code == 3 and "2.15.0  cu132    pypi" in out and "needs driver >=" in err and "driver_too_old" not in err


# ── lines to paste ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_bash_reads_the_lines_as_they_are_meant(installer: str, pick: Run) -> None:
    _, out, _ = pick("torch==2.2.2", "--target", BOX, "--json")
    line = json.loads(out)["commands"][installer]
    program = {"pip": "python", "uv": "uv"}[installer]
    shown = subprocess.run(
        ["bash", "-c", f"{program}() {{ printf '%s\\n' \"$@\"; }}; {line}"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    start = {"pip": ["-m", "pip"], "uv": ["pip"]}[installer]
    assert shown == [*start, "install", "torch==2.2.2", "numpy<2"]


def test_windows_lines_are_for_powershell_and_for_cmd(pick: Run) -> None:
    _, out, _ = pick("torch==2.2.2", "--target", "win-64,py3.11,driver=552.22,gpu=RTX 3060", "--json")
    commands = json.loads(out)["commands"]
    index = "--index-url https://download.pytorch.org/whl/cu121"
    mirror = "--default-index https://download.pytorch.org/whl/cu121"
    assert commands == {
        "pip": f"python -m pip install torch==2.2.2+cu121 'numpy<2' {index}",
        "uv": f"uv pip install torch==2.2.2+cu121 'numpy<2' {mirror}",
        "pip-cmd": f'python -m pip install torch==2.2.2+cu121 "numpy<2" {index}',
        "uv-cmd": f'uv pip install torch==2.2.2+cu121 "numpy<2" {mirror}',
    }
    _, screen, _ = pick("torch==2.2.2", "--target", "win-64,py3.11,driver=552.22,gpu=RTX 3060", "--installer", "uv")
    assert screen.endswith(f"Copy this line into PowerShell:\n\n{commands['uv']}\n")


def test_no_line_has_a_second_index(pick: Run) -> None:
    for _, text, packages, asked, _ in TARGETS:
        _, out, _ = pick(*packages, "--target", text, *options(asked), "--json")
        for line in json.loads(out)["commands"].values():
            assert "--extra-index-url" not in line and "`" not in line and "\n" not in line


# ── JSON lines ───────────────────────────────────────────────────────────────────────────────────


def line(packages: list[str], **asked: object) -> str:
    return json.dumps({"machine": DOCUMENT, "request": {"packages": packages, **asked}})


def answers(out: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in out.splitlines()]


def test_lines_are_answered_in_their_order(pick: Run) -> None:
    rows = [
        json.dumps(DOCUMENT), line(["torch==2.8.0", "torchvision"]), "", line(["torch"], accelerator="cpu"),
        line(["torch==2.15.0"], accelerator="gpu"), line(["torch"], variant="cu126", installer="uv", channel=None),
    ]  # fmt: skip
    code, out, err = pick("--machine", "-", "--json", stdin="\n".join(rows))
    assert (code, err) == (0, "")  # also where no build fits
    assert [short(answer) for answer in answers(out)] == [
        "2.14.1 0.29.1 2.11.0 cu126 index", "2.8.0 0.23.0 cu128 pypi", "2.15.0 cpu index", "driver_too_old",
        "2.14.1 cu126 index",
    ]  # fmt: skip


def test_one_line_with_a_request_is_answered_in_a_line(pick: Run) -> None:
    code, out, _ = pick("--machine", "-", stdin=line(["torch==2.15.0"], accelerator="gpu") + "\n")
    assert code == 0 and out.count("\n") == 1 and short(json.loads(out)) == "driver_too_old"


def test_a_file_of_lines_may_hold_one_machine(pick: Run, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    code, out, _ = pick("torch==2.15.0", "--accelerator", "gpu", "--machine", str(tmp_path / "one.jsonl"))
    assert code == 0 and short(json.loads(out)) == "driver_too_old"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("garbage", "not JSON"),
        ('{"schema": "envtool.machine/1", "os": "linu', "not JSON"),
        ("[1]", "not an object"),
        ("{}", "schema"),
        ('{"machine": {}}', "schema"),
        ('{"machine": null}', "not an object"),
        (json.dumps({**DOCUMENT, "os": "beos"}), "beos"),
        (line(["torch"], accelerator="tpu"), "request.accelerator"),
        (line(["torch"], installer="poetry"), "request.installer"),
        (line(["torch"], acelerator="gpu"), "acelerator"),
        (line(["torch"], include_unverified="yes"), "include_unverified"),
        (line(["torch=2"]), "torch=2"),
        (json.dumps({"machine": DOCUMENT, "request": {"packages": "torch"}}), "request.packages"),
        (json.dumps({"machine": DOCUMENT, "request": []}), "request"),
        ("\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_line_has_its_error_and_hides_no_other(bad: str, words: str, place: int, pick: Run) -> None:
    rows = [line(["torch"]), line(["torch==2.8.0"])]
    rows.insert(place, bad)
    code, out, err = pick("--machine", "-", "--json", stdin="\n".join(rows) + "\n")
    found = answers(out)
    wrong = found.pop(place)
    validate("error", wrong)
    assert code == 2 and wrong["error"]["exit_code"] == 2 and "1 of 3 lines" in err
    assert wrong["error"]["message"].startswith(f"line {place + 1}") and words in wrong["error"]["message"]
    assert [short(answer) for answer in found] == ["2.14.1 cu126 index", "2.8.0 cu128 pypi"]


def test_a_line_that_is_not_utf8_has_its_error(pick: Run) -> None:
    code, out, _ = pick("--machine", "-", stdin=line(["torch"]).encode() + b"\n\xff\xfe{}\n" + line(["torch"]).encode())
    assert code == 2 and [answer["schema"] for answer in answers(out)] == [
        "envtool.plan/1", "envtool.error/1", "envtool.plan/1",
    ]  # fmt: skip


def test_what_a_line_does_not_ask_is_as_on_the_command_line(pick: Run) -> None:
    rows = [json.dumps(DOCUMENT), json.dumps({"machine": DOCUMENT, "request": {"accelerator": "auto"}})]
    _, out, _ = pick("torch==2.8.0", "--accelerator", "cpu", "--machine", "-", stdin="\n".join(rows))
    assert [short(answer) for answer in answers(out)] == ["2.8.0 cpu index", "2.8.0 cu128 pypi"]


def test_each_answer_is_written_before_the_next_line_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    """So memory stays flat, however long the file."""
    told: list[int] = []

    def lines() -> Iterator[tuple[int, bytes]]:
        for number in range(1, 6):
            told.append(capsys.readouterr().out.count("\n"))
            yield number, json.dumps(DOCUMENT).encode()

    assert answer_lines(Lines(lines()), Request(), CATALOG) == 0
    assert told == [0, 1, 1, 1, 1]


def test_a_hint_in_lines_names_the_machine(pick: Run) -> None:
    document = machine_to_json(machine(gpus=["V100=7.0"]))
    _, out, _ = pick("--machine", "-", stdin="\n".join([json.dumps(document)] * 2))
    first = answers(out)[0]
    assert first["error_kind"] == "driver_unknown"
    (command,) = re.findall(r"`envtool pick([^`]*)`", first["hint"])
    assert pick(*shlex.split(command), "--json")[0] == 0


# ── the sample cases, where their file is present ────────────────────────────────────────────────


@pytest.mark.skipif(not os.path.exists(SAMPLE), reason=f"no sample cases at {os.path.normpath(SAMPLE)}")
def test_every_sample_case_by_json_lines(pick: Run) -> None:
    cases = sample_cases()
    rows = []
    for case in cases:
        box, request = of_case(case)
        asked = {"packages": list(request.packages), "accelerator": request.accelerator, "variant": request.variant,
                 "installer": request.installer, "channel": request.channel}  # fmt: skip
        rows.append(json.dumps({"machine": machine_to_json(box), "request": asked}))
    code, out, err = pick("--machine", "-", "--json", stdin="\n".join(rows))
    assert (code, err, len(out.splitlines())) == (0, "", len(cases))
    wrong = [
        case["id"] for case, answer in zip(cases, answers(out), strict=True)
        if not any(fits(answer, one) for one in [case["expect"], *case.get("also_ok", [])])  # type: ignore[misc]
        or any(fits(answer, one) for one in case.get("must_not", []))  # type: ignore[attr-defined]
    ]  # fmt: skip
    assert wrong == []


def fits(answer: dict[str, Any], expected: dict[str, object]) -> bool:
    known = {**(answer["packages"] or {}), "variant": answer["variant"], "index_kind": answer["source"],
             "error_kind": answer.get("error_kind"), "constraints": answer.get("constraints")}  # fmt: skip
    return all(known.get(key) == value for key, value in expected.items() if key != "hint")
