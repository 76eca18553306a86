"""Every check has a page, and every page says something of its own."""

import re
from collections import Counter

import pytest

from envtool.checks import every
from envtool.data import read_table
from envtool.report.explain import Page, pages, render

CHECKS = every()
CODES = [check.code for check in CHECKS]
FIELDS = ("symptom", "cause", "found", "mend")
EVERY = [(code, field) for code in pages() for field in FIELDS]


def test_every_code_has_a_page_and_every_page_a_code():
    assert set(pages()) == set(CODES)


def test_codes_are_kebab_case_and_unique():
    assert len(CODES) == len(set(CODES))
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code) for code in CODES)


def test_a_page_holds_what_explain_reads():
    for code, row in read_table("explanations.toml").items():
        assert set(row) == {*FIELDS, "sources"}, code
        assert row["sources"] and all(source.strip() for source in row["sources"]), code


@pytest.mark.parametrize("field", FIELDS)
def test_no_two_pages_say_the_same(field):
    counted = Counter(getattr(page, field) for page in pages().values())
    assert [text for text, count in counted.items() if count > 1] == []


@pytest.mark.parametrize(("code", "field"), EVERY)
def test_a_field_is_a_few_whole_sentences(code, field):
    text = getattr(pages()[code], field)
    assert text == " ".join(text.split()), "one line, single spaces"
    assert 20 <= len(text) <= 320
    assert text.endswith((".", ".”")), text[-20:]
    assert text.count("“") == text.count("”")
    # A lone backtick is the one in a loader's message (version `GLIBC_2.27' not found); else they come in pairs.
    assert text.count("`") == 1 or text.count("`") % 2 == 0


def test_no_page_tells_to_install_from_an_index():
    """Which index is right depends on the machine; only the doctor knows it."""
    for code, page in pages().items():
        said = " ".join(getattr(page, field) for field in FIELDS)
        assert "index-url" not in said and "/whl/" not in said, code


def test_sources_are_threads_or_addresses_or_words():
    for code, page in pages().items():
        for source in page.sources:
            if "#" in source and "://" not in source:
                assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", source), (code, source)
            if "://" in source:
                assert re.fullmatch(r"https://\S+", source), (code, source)


@pytest.mark.parametrize("check", CHECKS, ids=CODES)
def test_explain_shows_the_whole_page(check):
    page = pages()[check.code]
    shown = " ".join(render(check, page).split())
    for part in (check.code, check.title, *(getattr(page, field) for field in FIELDS), *page.sources):
        assert " ".join(part.split()) in shown
    assert all(len(line) <= 80 or " " not in line.strip() for line in render(check, page).splitlines())


def test_a_page_without_sources_still_renders():
    assert "Sources" not in render(CHECKS[0], Page("a", "b", "c", "d"))
