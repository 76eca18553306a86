"""docs/reference/ is what the generator makes of the code today, and nothing is missing from it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from envtool import errors
from envtool.checks import COURSE, GROUPS, LOCK, every
from envtool.cli.app import COMMANDS
from envtool.report.json import CHECKS_PAGE

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
SCRIPT = ROOT / "scripts" / "generate_reference.py"
PAGES = ("checks.md", "cli.md", "envtool-toml.md", "exit-codes.md", "failures.md", "json.md", "smoke-tests.md")


def generate(*arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def read(name):
    return (FOLDER / name).read_text(encoding="utf-8")


def headings(name, level):
    return re.findall(rf"^{'#' * level} (.+)$", read(name), re.MULTILINE)


def anchors(text):
    """GitHub's anchors of a page's headings."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_docs_are_up_to_date():
    done = generate("--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_check_notices_a_changed_and_a_missing_file(tmp_path):
    for name in PAGES:
        shutil.copy(FOLDER / name, tmp_path / name)
    assert generate("--check", "--into", str(tmp_path)).returncode == 0
    (tmp_path / "cli.md").write_text(read("cli.md") + "more\n", encoding="utf-8")
    (tmp_path / "json.md").unlink()
    done = generate("--check", "--into", str(tmp_path))
    assert done.returncode == 1
    assert "cli.md, json.md" in done.stderr
    assert not (tmp_path / "json.md").exists()


@pytest.mark.slow
def test_it_writes_the_same_bytes_anywhere(tmp_path):
    assert generate("--into", str(tmp_path / "new")).returncode == 0
    for name in PAGES:
        assert (tmp_path / "new" / name).read_bytes() == (FOLDER / name).read_bytes()


def test_every_check_has_a_heading_in_its_group():
    groups = [*GROUPS, COURSE, LOCK]
    assert headings("checks.md", 2) == groups
    assert headings("checks.md", 3) == [check.code for group in groups for check in every() if check.group == group]


def test_the_url_of_a_verdict_leads_to_its_heading():
    assert (ROOT / CHECKS_PAGE) == FOLDER / "checks.md"
    assert {check.code for check in every()} <= anchors(read("checks.md"))


def test_every_command_has_a_heading():
    assert headings("cli.md", 2) == ["envtool", *(f"envtool {name}" for name in COMMANDS)]


def test_every_option_has_a_row():
    from click.testing import CliRunner

    from envtool.cli.app import cli

    for name in COMMANDS:
        shown = CliRunner().invoke(cli, [name, "--help"]).output
        section = read("cli.md").partition(f"\n## envtool {name}\n")[2].partition("\n## ")[0]
        for option in set(re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", shown, re.MULTILINE)):
            assert f"`{option}" in section, (name, option)


def test_every_exit_code_has_a_heading():
    codes = {str(value) for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert set(headings("exit-codes.md", 2)) == codes


def test_every_document_has_a_heading():
    text = read("json.md")
    for name in ("machine", "doctor", "plan", "error", "recording"):
        assert f"Schema `envtool.{name}/1`." in text


@pytest.mark.parametrize("name", PAGES)
def test_links_within_the_reference_lead_somewhere(name):
    text = read(name)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        page = read(file) if file else text
        assert not anchor or anchor in anchors(page), target
