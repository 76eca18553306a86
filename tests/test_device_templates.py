"""What envtool renders keeps its own rule: a project has one line that names a device, whatever was answered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("cookiecutter")

from templates_rendered import combinations, rendered

from envtool.device import find
from envtool.device.change import changed
from envtool.device.values import SWITCH


def texts(kind: str) -> dict[str, set[str]]:
    """Every text that a file may have, each once, however many answers lead to it."""
    found: dict[str, set[str]] = {}
    for answers in combinations(kind):
        for name, text in rendered(kind, answers).items():
            if name.endswith((".py", ".ipynb")):
                found.setdefault(os.path.basename(name), set()).add(text)
    return found


def test_a_project_has_one_line_and_it_can_be_set(tmp_path: Path) -> None:
    lines = set()
    for name, versions in texts("project").items():
        for number, text in enumerate(sorted(versions)):
            path = tmp_path / f"{number}-{name}"
            path.write_text(text, encoding="utf-8")
            found = find(str(path))
            assert found.skipped == (), name
            assert len(found.places) == (name == "device.py"), f"{name}: {[place.text for place in found.places]}"
            for place in found.places:
                assert place.literal is not None and place.literal.kind == SWITCH
                assert changed(found, "cuda:1", str(path)).data is not None
                assert found.says_auto
                lines.add(place.text)
    assert 'DEVICE = "cpu"      # change this one line: "cuda", "mps", "xpu" or "auto"' in lines
