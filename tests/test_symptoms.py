"""From a text to the failures that it speaks of: the data, the one form of a text, the patterns, and their speed."""

import os
import re
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envtool.checks import every
from envtool.errors import UsageError
from envtool.report.explain import pages
from envtool.report.failures import own_pages, page_of, title_of
from envtool.symptoms import WHO, candidates, failures, groups, normal, reduced
from envtool.symptoms.pattern import TOKENS, parse
from envtool.symptoms.reading import HEAD, MIDDLE, TAIL

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))

import measure_symptoms  # noqa: E402

KNOWN = failures()
FIELDS = ("symptom", "cause", "found", "mend")
KINDS = ("sure", "likely", "maybe")


def named(text):
    return [candidate.failure.code for candidate in candidates(normal(text))]


# ── the data ─────────────────────────────────────────────────────────────────────────────────────


def test_every_failure_of_the_catalogue_is_there_once():
    codes = [case["cause"] for case in measure_symptoms.cases("catalogue")]
    assert len(codes) == len(set(codes)) == 160
    assert set(codes) == set(KNOWN)


def test_the_catalogue_is_that_of_the_facts():
    import json

    place = os.environ.get("ENVTOOL_FAILURES")
    if not place:
        pytest.skip("ENVTOOL_FAILURES does not name a failure-modes.json")
    facts = json.loads(Path(place).read_text(encoding="utf-8"))
    said = {case["cause"]: case["text"].strip() for case in measure_symptoms.cases("catalogue")}
    assert said == {fact["id"]: fact["symptom"].strip() for fact in facts}


def test_each_says_what_looks_for_it_or_why_nothing_does():
    codes, titles = {check.code for check in every()}, groups()
    for code, failure in KNOWN.items():
        assert (failure.check is None) != (failure.no_check is None), code
        assert failure.check is None or failure.check in codes, code
        assert code not in codes or failure.check == code, f"{code} is a check by now: take its no-check away"
        assert failure.who in WHO and failure.group in titles
        assert failure.sure or failure.likely, code


def test_each_has_one_page():
    assert set(KNOWN) <= set(pages()) | set(own_pages())
    assert not set(pages()) & set(own_pages()), "a check was written: move its page to explanations.toml"
    assert set(own_pages()) <= set(KNOWN)
    for code in KNOWN:
        assert page_of(code).mend and title_of(code)


def test_a_page_is_made_as_those_of_the_checks():
    for code, own in own_pages().items():
        for field in FIELDS:
            text = getattr(own.page, field)
            assert text == " ".join(text.split()) and 20 <= len(text) <= 320, (code, field, len(text))
            assert text.endswith((".", ".”")), (code, text[-20:])
            assert text.count("“") == text.count("”") and text.count("`") % 2 == 0, code
            assert "index-url" not in text and "/whl/" not in text, "which index is right depends on the machine"
        assert own.page.sources and not own.title.endswith("."), code
        assert own.command is None or own.command.split(" && ")[0] in own.page.mend, code
        for source in own.page.sources:
            if "#" in source and "://" not in source:
                assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", source), source


def example(pattern):
    """A text that a pattern should find: each token in its simplest form."""

    def plain(match):
        token = match[0]
        if token.startswith("{"):
            return TOKENS.sub(plain, token[1:-1].split("|")[0])
        return {"<n>": "1", "<w>": "x", "<end>": ""}[token]

    return TOKENS.sub(plain, pattern.replace("...", "and then"))


def test_a_pattern_finds_what_it_is_written_for():
    """The one form of a text must not lose what patterns look for: capitals, quotation marks, slashes."""
    for code, failure in KNOWN.items():
        for pattern in (*failure.sure, *failure.likely, *failure.maybe):
            if pattern.text.startswith("clue-"):
                continue
            text = normal(f"before {example(pattern.text)} after")
            assert pattern.found(text.flat), (code, pattern.text)
            assert not pattern.squeezed or pattern.found(text.squeezed, squeezed=True), (code, pattern.text)


def test_patterns_are_unlike_each_other():
    for failure in KNOWN.values():
        texts = [pattern.text for kind in KINDS for pattern in getattr(failure, kind)]
        assert len(texts) == len(set(texts)), failure.code


def test_no_pattern_repeats_without_a_bound():
    for failure in KNOWN.values():
        for pattern in (*failure.sure, *failure.likely, *failure.maybe, *failure.context, *failure.unless):
            for segment in (*pattern.segments, *pattern.squeezed):
                assert not re.search(r"(?<!\\)[*+](?!\?)", segment.source), segment.source


@pytest.mark.parametrize("text", ["... late", "early ...", "...", "a {b ... c|d}"])
def test_a_gap_stands_between_two_parts_and_not_in_a_choice(text):
    with pytest.raises(UsageError):
        parse(text)


# ── how often it is right ────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_the_page_has_the_numbers_of_today():
    assert measure_symptoms.main(["--check"]) == 0, "run scripts/measure_symptoms.py"


def test_there_is_enough_to_measure_with():
    held_out = measure_symptoms.cases("held_out")
    others = [*measure_symptoms.cases("development"), *measure_symptoms.cases("first_held_out")]
    assert len(held_out) >= 30 and len(held_out) + len(others) >= 60
    assert not {case["url"] for case in held_out} & {case["url"] for case in others}
    for case in (*held_out, *others):
        assert case["cause"] in KNOWN and re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/\w+/\d+", case["url"])


# ── what people paste ────────────────────────────────────────────────────────────────────────────

MESSAGES = [
    ("\x1b[31mModuleNotFoundError\x1b[0m: No module named «torch»", "torch-not-installed"),
    ("ModuleNotFoundError: No module named „torch“", "torch-not-installed"),
    ("ＭｏｄｕｌｅＮｏｔＦｏｕｎｄＥｒｒｏｒ: No module named ‘torch’", "torch-not-installed"),
    ("E       ModuleNotFoundError: No module named 'torch'", "torch-not-installed"),
    ("[rank3]: RuntimeError: operator torchvision::nms does not exist", "torchvision-mismatch"),
    ("> > RuntimeError: operator torchvision::nms does not exist", "torchvision-mismatch"),
    ("| Runtime\n| Error: operator torch\n| vision::nms does\n| not exist", "torchvision-mismatch"),
    ("Error: The NVIDIA driver on your system is to\no old (found version 11040).", "driver-too-old-for-wheel"),
    ("#12 34.52 ERROR: OSError: [Errno 28] No space left on device", "disk-full"),
    ("2026-01-02 10:00:00,123 - ERROR - [Errno 122] Disk quota exceeded", "home-quota"),
    (".venv/bin/python: Datei oder Verzeichnis nicht gefunden", "venv-broken"),
    ("bash: .venv/bin/python3: Aucun fichier ou dossier de ce type", "venv-broken"),
    ("[WinError 126] Le module spécifié est introuvable. Error loading \"C:\\x\\torch\\lib\\fbgemm.dll\"", "fbgemm-dll"),
    ("[WinError 1114] 动态链接库(DLL)初始化例程失败。 Error loading \"D:\\torch\\lib\\c10.dll\"", "vcredist-missing"),
    ("DLL load failed while importing flash_attn_2_cuda: Das angegebene Modul wurde nicht gefunden.", "extension-abi"),
    ("[WinError 1455] Die Auslagerungsdatei ist zu klein. Error loading \"C:\\torch\\lib\\cufft.dll\"", "memory-kill"),
    ("OMP: Error #15: Initializing libiomp5md.dll, but found libiomp5md.dll already initialized.", "openmp-duplicate"),
    ("OSError: dlopen(x.dylib): (mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))", "rosetta-python"),
    ("torch==2.5.1 has no wheels with a matching Python ABI tag (e.g., `cp314`)", "python-too-new"),
    ("ERROR: Could not find a version that satisfies the requirement torch==1.13.1 (from versions: 2.0.0, 2.1.0)", "python-too-new"),
    ("hint: You're on macOS (`macosx_15_0_x86_64`), but `torch` only has wheels for macosx_11_0_arm64", "intel-mac"),
    ("hint: You're on Linux, but `torch` only has wheels for the following platforms: `manylinux_2_28_x86_64`", "glibc-too-old"),
    ("/content/train.py\nRuntimeError: No CUDA GPUs are available", "colab-no-gpu"),
    ("slurmstepd: error: Detected 1 oom_kill event in StepId=1.0.", "memory-kill"),
    ("OutOfMemoryError: CUDA out of memory. (GPU 0; 3.95 GiB total capacity; 2.4 GiB already allocated", "low-vram"),
    ("NVRM: Xid (PCI:0000:3b:00): 79, pid=0, GPU has fallen off the bus.", "gpu-lost"),
    ("xformers 0.0.23 requires torch==2.1.1, but you have torch 2.2.0 which is incompatible.", "pip-replaced-torch"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code"), MESSAGES)
def test_the_cause_of_a_message(text, code):
    assert named(text)[0] == code


@pytest.mark.parametrize(
    "text",
    [
        "hello world",
        "Segmentation fault (core dumped)",
        "RuntimeError: CUDA error: device-side assert triggered",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x512 and 10x512)",
        "RuntimeError: Expected all tensors to be on the same device, but found cuda:0 and cpu!",
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/train.csv'",
        "PermissionError: [Errno 13] Permission denied: 'results.csv'",
        "ModuleNotFoundError: No module named 'cv2'",
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0",
        "RuntimeError: Error(s) in loading state_dict for Net",
        "KeyError: 'x'",
        "loss=nan step 3",
        "fatal: not a git repository",
        "",
        "\n\n---\n~~~^^^\n",
    ],
)
def test_it_is_silent_about_what_it_does_not_know(text):
    assert named(text) == []


def test_a_root_cause_stands_before_what_it_leads_to():
    text = """WARNING: Retrying (Retry(total=0)) after connection broken by 'SSLError(SSLCertVerificationError(1,
    '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain'))'
    ERROR: Could not find a version that satisfies the requirement torch (from versions: none)
    ERROR: No matching distribution found for torch"""
    assert named(text)[0] == "tls-inspection"
    assert "python-too-new" not in named(text)[:1]


# ── robustness ───────────────────────────────────────────────────────────────────────────────────

NOISE = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)


@settings(max_examples=15, deadline=None)
@given(NOISE, NOISE)
def test_any_text_is_answered_and_hides_no_message(before, after):
    named(before + after)
    text = f"{before}\nRuntimeError: operator torchvision::nms does not exist\n{after}"
    assert "torchvision-mismatch" in named(text)[:3]
    assert named(text) == named(text)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 65), st.sampled_from(["\n", "\r\n", "\x1b[31m", "\x1b[0m", "\u200b", "\n  "])))
)
def test_a_message_may_be_wrapped_and_coloured_anywhere(places):
    text = "Failed to initialize NVML: Driver/library version mismatch"
    last = 70
    for place, what in sorted(places, reverse=True):
        if "\n" in what and last - place < 4:  # no terminal is that narrow
            continue
        last = place if "\n" in what else last
        text = text[:place] + what + text[place:]
    assert named(text)[0] == "driver-library-mismatch"


@settings(max_examples=15, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_can_be_read_in_any_pieces(data, size):
    whole = reduced([data]) if data else reduced([])
    pieces = reduced(data[i : i + size] for i in range(0, len(data), size))
    assert whole.total <= len(data) and not whole.cut and not pieces.cut
    normal(whole.text)


MESSAGE = "Traceback:\nImportError: version `GLIBC_2.27' not found — Zürich\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings_of_logs(encoding):
    text = reduced([MESSAGE.encode(encoding)]).text
    assert named(text) == ["glibc-too-old"]
    assert "Zürich" in text


def chunks(data, size=65536):
    return (data[i : i + size] for i in range(0, len(data), size))


def test_a_long_log_keeps_its_beginning_its_end_and_its_trouble():
    line = "2026-01-01 INFO step {} all is well and the loss goes down\n"
    filler = "".join(line.format(i) for i in range(40_000))
    log = f"BEGIN\n{filler}RuntimeError: operator torchvision::nms does not exist\n{filler}END\n"
    found = reduced(chunks(log.encode()))
    assert found.cut and found.total == len(log)
    assert len(found.text) <= HEAD + TAIL + MIDDLE + 10
    assert found.text.startswith("BEGIN") and found.text.endswith("END\n")
    assert named(found.text) == ["torchvision-mismatch"]


def answered(data):
    start = time.perf_counter()
    named(reduced(chunks(data)).text)
    return time.perf_counter() - start


M = 10 << 20
HOSTILE = {
    "log": b"2026-01-01 12:00:00,123 INFO step 123 loss 0.123 error rate 0.3\n" * (M // 65),
    "one line": b"error " * (M // 6),
    "nul": b"\0" * M,
    "escapes": b"\x1b[" * (M // 2),
    "quoted": b"> " * (M // 2),
    "almost": b"cannot import name x from 'torch' (" * (M // 35),
    "long word": b"consider renaming '" + b"x/" * (M // 2),
    "wide letters": "ﷺ".encode() * (M // 3),
    "versions": b"satisfies the requirement torch==1 (from versions: 1.1, " * (M // 56),
}


def test_ten_megabytes_take_less_than_two_seconds():
    assert answered(HOSTILE["log"]) < 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_no_text_is_slow(kind):
    assert answered(HOSTILE[kind]) < 4


@pytest.mark.slow
def test_a_hundred_megabytes():
    assert answered(HOSTILE["log"] * 10) < 15
