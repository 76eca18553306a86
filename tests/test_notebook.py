"""``envtool.doctor()`` in a cell: lazily there, shown as a part of the notebook's page, run by a real kernel."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import builders
import pytest
from test_report_html import Page, dump_dom, healthy, hostile, mismatch

import envtool
from envtool.environment import NOT_IMPORTED
from envtool.errors import UsageError
from envtool.examination import judge
from envtool.notebook import Examination
from envtool.report.html import _IN_A_CELL, render, render_part
from envtool.report.html_style import NOTEBOOK_STYLE


def test_the_function_costs_nothing_until_it_is_called():
    code = "import sys, envtool; assert 'envtool.notebook' not in sys.modules; print(callable(envtool.doctor))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    with pytest.raises(AttributeError, match="surgeon"):
        _ = envtool.surgeon


@pytest.mark.parametrize("make", [healthy, mismatch, hostile])
def test_the_part_says_what_the_page_says(make):
    part, page = Page(f"<html><body>{render_part(make())}</body></html>"), Page(render(make()))
    assert not {"script", "img", "link", "iframe", "object", "form", "html", "body", "main"} & set(part.tags[2:])
    assert not [a for a in part.attributes if a[1] in ("id", "src", "href", "style") or a[1].startswith("on")]
    words = [data for where, data in part.texts if "style" not in where]
    said = "".join(words)
    told = "".join(data for where, data in page.texts if "title" not in where and "style" not in where)
    for cell in _IN_A_CELL.values():
        said = said.replace(cell, "a terminal")
    assert said.replace("!", "").split() == told.replace("!", "").split()


def test_the_style_touches_nothing_outside():
    depth = 0
    for line in re.sub(r"/\*.*?\*/", "", NOTEBOOK_STYLE, flags=re.DOTALL).splitlines():
        if depth == 0 and "{" in line:
            assert line.split("{")[0].strip().endswith(".envtool-doctor") or line.startswith("@media"), line
        depth += line.count("{") - line.count("}")
    assert depth == 0


def test_a_prompt_shows_the_screen():
    shown = Examination(mismatch())
    assert "torchvision-mismatch" in repr(shown) and "<" not in repr(shown)
    assert not shown.ok and Examination(healthy()).ok
    assert shown._repr_html_() == render_part(shown.diagnosis)


def test_a_wrong_python_is_an_error_without_our_frames(tmp_path):
    with pytest.raises(UsageError) as caught:
        envtool.doctor(tmp_path / "nope")
    assert caught.value._render_traceback_()[0].startswith("UsageError: ")
    hint = UsageError("a", hint="b", details=("c",))._render_traceback_()
    assert hint == ["UsageError: a", "  c", "hint: b"]


CUDA = builders.environment(builders.build(version="2.14.1+cu130", variant="cu130"))


@pytest.mark.parametrize(
    ("machine", "env", "line", "place"),
    [
        (builders.laptop(), mismatch().environment, "!", "a cell, run it"),
        (builders.server(visible_devices=builders.Found("")), CUDA, "import os; os.environ.pop", "first cell"),
        (replace(builders.server(visible_devices=builders.Found("")), os="windows"), CUDA, "Remove-Item", "PowerShell"),
    ],
)
def test_the_fix_is_a_line_for_a_cell_where_a_cell_can_run_it(machine, env, line, place):
    text = render_part(judge(machine, env, NOT_IMPORTED))
    body = re.sub(r"</?span>", "", re.search(r"<pre><code>(.*?)</code></pre>", text)[1])
    assert body.startswith(line) and place in text


# ── a real kernel, a real browser ────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_kernel_shows_the_page(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    cells = ["import envtool\nfound = envtool.doctor(imports=False)\nfound", "import sys\nprint(found.diagnosis.environment.executable == sys.executable, 'torch' in sys.modules)", "envtool.doctor('nope')"]  # fmt: skip
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    kernel = tmp_path / "data" / "kernels" / "mine"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "m", "language": "python"}))
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="mine", allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    shown, own, wrong = (cell.outputs for cell in notebook.cells)
    data = next(output["data"] for output in shown if output.output_type == "execute_result")
    assert data["text/html"].startswith('<div class="envtool-doctor">')
    assert "the Python that runs this" in data["text/plain"]
    assert not [output for output in shown if output.get("name") == "stderr"]
    assert "".join(output["text"] for output in own) == "True False\n"
    assert wrong[0]["traceback"][0].startswith("UsageError: --python nope")


PROBE = """
<p id="told"></p><script>
const part = document.querySelector(".envtool-doctor");
const look = (rule) => { const of = getComputedStyle(part.querySelector(rule)); return of.color + " " + of.backgroundColor; };
document.getElementById("told").textContent = JSON.stringify({
  ground: getComputedStyle(part).backgroundColor, row: look("tbody tr"), mark: look(".mark.fail"), code: look("pre"),
  outside: getComputedStyle(document.querySelector("h1.theirs")).fontSize});
</script>
"""
THEIRS = (
    "<style>h1 { font-size: 40px } tr:nth-child(odd) { background: yellow } pre, code, td { color: #fefefe }</style>"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "ground"),
    [
        ('data-jp-theme-light="true"', "rgb(255, 255, 255)"),
        ('data-jp-theme-light="false"', "rgb(15, 19, 24)"),
        ('class="vscode-dark"', "rgb(15, 19, 24)"),
    ],
)
def test_a_browser_shows_the_notebooks_theme(said, ground, tmp_path):
    page = tmp_path / "notebook.html"
    theirs = f'<!doctype html><html><head>{THEIRS}</head><body {said}><h1 class="theirs">Week 1</h1>'
    page.write_text(f"{theirs}{render_part(mismatch())}{PROBE}</body></html>", encoding="utf-8")
    told = json.loads(re.search(r'<p id="told">(.*?)</p>', dump_dom(page, tmp_path), re.DOTALL)[1])
    assert told["ground"] == ground and told["outside"] == "40px"
    assert told["row"].endswith("rgba(0, 0, 0, 0)") and "254, 254, 254" not in told["code"]
    assert told["mark"] == (
        "rgb(155, 16, 32) rgb(253, 228, 228)" if ground.startswith("rgb(255") else "rgb(255, 170, 165) rgb(72, 21, 25)"
    )
