"""Properties of the device search: comments and docstrings change no count, and --set gives what it was asked for."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_device_lines import COUNTS, SILENT
from thoroughness import examples

from envtool.device import find
from envtool.device.cell import as_python, split_lines
from envtool.device.change import changed

NAMES = st.sampled_from(["cpu", "cuda", "cuda:0", "cuda:1", "mps", "xpu"])
LINES = st.lists(st.sampled_from(COUNTS + [line for line in SILENT if '"""' not in line]), max_size=12)
WORDS = st.sampled_from(["cuda", "x.cuda()", 'device = "cuda"', "torch.device('cpu')", "GPU 0", "", "装置"])


def scan(text: str, name: str = "code.py") -> list[tuple[int, str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8", newline="")
        found = find(str(path))
        assert found.skipped == ()
        return [(place.line, place.text) for place in found.places]


def wrapped(lines: list[str]) -> list[str]:
    return ["import torch", *lines]


@settings(max_examples=examples(100), deadline=None)
@given(LINES, st.data())
def test_comments_and_docstrings_change_no_count(lines: list[str], data: st.DataObject) -> None:
    plain = wrapped(lines)
    counted = len(scan("\n".join(plain) + "\n"))
    noisy: list[str] = []
    for line in plain:
        word = data.draw(WORDS)
        noise = data.draw(st.sampled_from(["", f"# {word}", f"'''{word} '''", f'def f():\n    """{word} """']))
        noisy += [noise, line if "#" in line else f"{line}  # {word}"]
    assert len(scan("\n".join(noisy) + "\n")) == counted


@settings(max_examples=examples(100), deadline=None)
@given(LINES)
def test_a_notebook_counts_as_its_file_does(lines: list[str]) -> None:
    text = "\n".join(wrapped(lines))
    document = {"cells": [{"cell_type": "code", "source": text.splitlines(keepends=True)}]}
    assert scan(json.dumps(document), "tour.ipynb") == scan(text)


SETTABLE = st.sampled_from(
    [
        'DEVICE = "cpu"      # change this one line: "cuda", "mps", "xpu" or "auto"',
        "self.device = 'cuda:3'",
        'x = x.to("mps")',
        'device = torch.device("cuda")',
        'parser.add_argument("--device", default="cpu")',
        'state = torch.load(path, map_location="cuda:0")',
        'def train(model, device="xpu"): pass',
    ]
)


@settings(max_examples=examples(100), deadline=None)
@given(SETTABLE, st.lists(st.sampled_from(SILENT), max_size=6), NAMES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_is_set_is_found_again(line: str, others: list[str], name: str, end: str, notebook: bool) -> None:
    others = [other for other in others if '"""' not in other]
    text = end.join(["import torch", *others, line, *others]) + end
    if notebook:
        text = json.dumps({"cells": [{"cell_type": "code", "source": text.splitlines(keepends=True)}]}, indent=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("tour.ipynb" if notebook else "code.py")
        path.write_text(text, encoding="utf-8", newline="")
        before = find(str(path))
        change = changed(before, name, "here")
        if change.data is not None:
            path.write_bytes(change.data)
        after = find(str(path))
        assert len(after.places) == len(before.places) == 1
        literal = after.places[0].literal
        assert literal is not None and literal.says == name
        assert (after.places[0].cell, after.places[0].line) == (before.places[0].cell, before.places[0].line)
        assert changed(after, name, "here").data is None


@settings(max_examples=examples(100), deadline=None)
@given(st.text(alphabet=st.sampled_from("\r\n\x0c\u2028ab%!?\\ #='"), max_size=60))
@example("?\\\r=")
@example("?\\\r=\n")
@example("\r%%time\n")
def test_a_cell_keeps_its_lines_whatever_they_are(source: str) -> None:
    assert "".join(split_lines(source)) == source
    cell = as_python(source)
    assert cell is None or len(split_lines(cell.text)) == len(split_lines(source))


@settings(max_examples=examples(100), deadline=None)
@given(st.binary(max_size=200).map(lambda data: b'device = "cuda"\n' + data))
def test_no_bytes_end_the_search(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("code.py", "tour.ipynb"):
            (Path(folder) / name).write_bytes(data)
        found = find(folder)
        assert len(found.files) == 2
        assert found.skipped
