"""Notebooks: magics, other languages, old versions, and cells that are no Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envtool.device import find
from envtool.device.cell import as_python
from envtool.errors import ToolError


def notebook(*cells: str, **metadata: object) -> dict[str, object]:
    made = [{"cell_type": "markdown", "metadata": {}, "source": ['device = "cuda"']}]
    made += [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": cell} for cell in cells
    ]
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def places(tmp_path: Path, document: object) -> list[tuple[int | None, int]]:
    path = tmp_path / "tour.ipynb"
    path.write_text(json.dumps(document), encoding="utf-8")
    found = find(str(path))
    assert found.skipped == ()
    return [(place.cell, place.line) for place in found.places]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('device = "cuda"', [1]),
        ('%matplotlib inline\ndevice = "cuda"', [2]),
        ('!pip install torch \\\n  torchvision\ndevice = "cuda"', [3]),
        ('pip install torch\ndevice = "cuda"', [2]),
        ('files = !ls\ndevice = "cuda"', [2]),
        ('torch.cuda?\ndevice = "cuda"', [2]),
        ('?torch.cuda\ndevice = "cuda"', [2]),
        ("if gpu:\n    %time model.cuda()", [2]),
        ("%timeit -n 10 x.cuda()", [1]),
        ("x = (3\n     % 2)\nx.cuda()", [3]),
        ('%%time\ndevice = "cuda"', [2]),
        ('%%capture out\n\n\ndevice = "cuda"', [4]),
        ('%%writefile train.py\ndevice = "cuda"', [2]),
        ('%%writefile -a src/train.py\ndevice = "cuda"', [2]),
        ('%%writefile notes.md\ndevice = "cuda"', []),
        ("%%bash\npython train.py --device cuda", []),
        ('%%javascript\nvar device = "cuda"', []),
        ("!python train.py --device cuda", [1]),
        ("!python train.py \\\n  --policy.device=cuda:1", [2]),
        ("!CUDA_VISIBLE_DEVICES=0 python train.py", [1]),
        ("%env CUDA_VISIBLE_DEVICES=1,2", [1]),
        ("%env DEVICE=cuda", [1]),
        ("!nvidia-smi", []),
        ("!pip install cuda-python", []),
        ("!conda install pytorch-cuda=12.1 -c nvidia", []),
        ("!python train.py --device $DEVICE", []),
        ("", []),
    ],
)
def test_a_cell(tmp_path: Path, cell: str, expected: list[int]) -> None:
    assert places(tmp_path, notebook(cell)) == [(2, line) for line in expected]
    assert places(tmp_path, notebook(cell.splitlines(keepends=True))) == [(2, line) for line in expected]


def test_a_cell_keeps_its_lines() -> None:
    source = "%time x = 1\n!ls \\\n  -l\ny = 2\n"
    cell = as_python(source)
    assert cell is not None
    assert cell.text == "x = 1\npass\n#\ny = 2\n"
    assert cell.cut == {1: len("%time ")}


def test_an_import_counts_in_all_cells(tmp_path: Path) -> None:
    cells = ("import torch as th", "stream = th.cuda.Stream()", 'where = "mps"', "x.to(where)")
    assert places(tmp_path, notebook(*cells)) == [(3, 1), (4, 1)]


def test_other_languages_are_left_alone(tmp_path: Path) -> None:
    document = notebook('device <- "cuda"; device = "cuda"', kernelspec={"language": "R", "name": "ir"})
    assert places(tmp_path, document) == []


def test_version_3(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "heading", "source": "cuda"},
        {"cell_type": "code", "language": "python", "input": ['device = "cuda"\n', "x.cuda()"], "outputs": []},
        {"cell_type": "code", "language": "julia", "input": 'device = "cuda"', "outputs": []},
    ]
    document = {"worksheets": [{"cells": cells}, {"cells": cells[1:2]}], "nbformat": 3, "metadata": {}}
    assert places(tmp_path, document) == [(2, 1), (2, 2), (4, 1), (4, 2)]


@pytest.mark.parametrize(
    "text",
    ['{"cells": [', "[]", '{"metadata": {}, "device": 1}', "cuda", '{"cells": "cuda"}', "", "[" * 100_000],
)
def test_what_is_no_notebook_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tour.ipynb"
    path.write_text(text)
    assert len(find(str(tmp_path)).skipped) == 1
    with pytest.raises(ToolError):
        find(str(path))


def test_one_broken_cell_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "tour.ipynb"
    path.write_text(json.dumps(notebook('device = "cuda', "x.cuda()")))
    found = find(str(path))
    assert [(place.cell, place.line) for place in found.places] == [(3, 1)]
    assert [(skipped.cell, skipped.reason[:7]) for skipped in found.skipped] == [(2, "line 1:")]


def test_a_tab_in_the_json_spoils_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tour.ipynb"
    path.write_text('{"cells": [{"cell_type": "code", "source": "if x:\tDEVICE = \'cpu\'"}]}')
    (place,) = find(str(path)).places
    assert place.text == "if x:\tDEVICE = 'cpu'"
