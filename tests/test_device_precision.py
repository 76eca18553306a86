"""The labels and the script that measures with them; the repositories themselves are not needed here."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from envtool.device import find

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("measure", ROOT / "scripts" / "measure_device_precision.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["measure"] = module
    spec.loader.exec_module(module)
    return module


def test_the_labels_are_as_many_as_the_page_says(script) -> None:
    labels = script.read_labels()
    counted = Counter(label for spots in labels.values() for label in spots.values())
    page = (ROOT / "docs" / "explanation" / "device-precision.md").read_text(encoding="utf-8")
    assert f"{counted.total()} lines, in the order" in page
    assert counted["yes"] + counted["cpu"] >= 150 and counted["no"] >= 100
    assert len(labels) == 18 and all(re.fullmatch("[0-9a-f]{40}", commit) for _, _, commit in labels)


def test_right_wrong_missed_and_told(script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text('x.cuda()\ny.to("cpu")\nz.to("cuda")\nprint("cuda")\nwhere = "cuda"\n')
    Path("b.py").write_bytes(b"\xff")
    labels = {
        ("a.py", None, 1): "yes",
        ("a.py", None, 2): "cpu",
        ("a.py", None, 3): "no",
        ("a.py", None, 4): "no",
        ("a.py", None, 5): "yes",
        ("b.py", None, 1): "yes",
    }
    tally = script.judge(find("."), labels, "o/n")
    assert (tally.right, tally.right_cpu, tally.silent) == (1, 1, 1)
    assert tally.wrong == ["o/n a.py line 3"]
    assert tally.missed == ["o/n a.py line 5"]
    assert tally.told == ["o/n b.py line 1"]
    assert script.share(1, 3) == "1 of 3 = 33.3 %"
