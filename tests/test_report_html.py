"""The HTML report: well-formed, self-contained, escaped, in the screen's order, and really shown by a browser."""

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import builders
import pytest

from envtool.checks import ALL, GROUPS, run
from envtool.diagnosis import Diagnosis
from envtool.environment import BrokenEnvironment
from envtool.report.html import render
from envtool.report.html_style import STYLE
from envtool.verdicts import Status, Verdict

VOID = {"meta", "link", "br", "img", "hr", "input"}
HOSTILE = "<script>alert('x')</script>\" onload=\"y & \x1b[31m\u202egpj\ud800"


class Page(HTMLParser):
    """Reads a page strictly: every tag is closed in its turn."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if data.strip():
            self.texts.append(("/".join(self.open[2:]), data))

    def text(self):
        return "".join(data for _, data in self.texts)


def diagnosis(evidence):
    return Diagnosis(evidence.machine, evidence.environment, evidence.imports, run(ALL, evidence))


def mismatch():
    env = builders.environment(
        builders.build(version="2.14.1"), builders.build("torchvision", "0.28.0"), leftovers=("~orch-2.1.0.dist-info",)
    )
    return diagnosis(builders.evidence(env=env))


def healthy():
    return diagnosis(builders.evidence())


def hostile():
    env = BrokenEnvironment(f"/home/{HOSTILE}/bin/python", HOSTILE, "does-not-start", HOSTILE)
    verdicts = (
        Verdict(Status.FAIL, HOSTILE, hint=HOSTILE, command=True, code=HOSTILE, title=HOSTILE),
        Verdict(Status.WARN, HOSTILE, hint=HOSTILE, code="musl", title=HOSTILE),
        Verdict(Status.UNKNOWN, f"`{HOSTILE}`", hint=HOSTILE, command=True, code="disk-full"),
    )
    machine = builders.laptop(os_version=builders.Found(HOSTILE))
    return Diagnosis(machine, env, builders.Absent(HOSTILE), verdicts)


@pytest.mark.parametrize("make", [healthy, mismatch, hostile])
def test_a_page_is_well_formed_and_needs_nothing_else(make):
    text = render(make())
    page = Page(text)
    assert not {"script", "img", "link", "iframe", "object", "form"} & set(page.tags)
    assert not [a for a in page.attributes if a[1] in ("src", "href", "style") or a[1].startswith("on")]
    assert "url(" not in text and "@import" not in text
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    labels = {value for _, name, value in page.attributes if name == "aria-labelledby"}
    assert labels <= set(ids)
    assert page.tags.count("h1") == 1 and page.tags.count("main") == 1


def test_hostile_words_stay_words():
    text = render(hostile())
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "\x1b" not in text and "\u202e" not in text
    assert "<script>alert('x')</script>" in Page(text).text()
    text.encode("utf-8")  # half a character from a path that is no UTF-8 would raise here


def test_the_order_is_that_of_the_screen():
    found = mismatch()
    text = Page(render(found)).text()
    marks = [
        found.environment.prefix,
        *GROUPS,
        found.problems[0].message.partition("`")[0],
        "~orch-2.1.0.dist-info",
        f"All {len(found.verdicts)} checks",
        "The fix",
    ]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)


def test_the_fix_stands_last_and_alone():
    found = mismatch()
    assert found.next_step.command
    body = re.search(r"<pre><code>(.*?)</code></pre>", render(found))[1]
    assert re.sub(r"</?span>", "", body) == found.next_step.text
    assert re.sub(r"<[^>]*>|\s", "", render(found).rpartition("</pre>")[2]) == ""


def test_every_verdict_is_in_the_table():
    found = mismatch()
    text = render(found)
    table = text[text.index("<table>") : text.index("</table>")]
    assert table.count("<tr>") == len(ALL) + 1
    for check in ALL:
        assert f"<code>{check.code}</code>" in table


def test_a_healthy_page_has_no_problems_and_no_fix():
    text = render(healthy())
    assert "All is well" in text and "<article" not in text and "<pre>" not in text


def test_a_problem_carries_its_page_and_its_own_hint():
    found = mismatch()
    text = render(found)
    second = found.problems[1]
    assert text.count("What it means") == len(found.problems)
    assert second.hint in text and text.count(found.next_step.text) <= 1


def test_the_same_diagnosis_gives_the_same_bytes():
    assert render(mismatch()) == render(mismatch())


# ── colours ──────────────────────────────────────────────────────────────────────────────────────


def luminance(colour):
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_can_be_read_on_its_ground(scheme):
    block = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    pairs = [(kind, f"{kind}-ground") for kind in ("pass", "warn", "fail", "unknown", "none")]
    pairs += [(name, ground) for name in ("text", "quiet", "focus") for ground in ("ground", "panel")]
    for name, ground in pairs:
        assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


# ── a real browser ───────────────────────────────────────────────────────────────────────────────


FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--dump-dom",
)  # fmt: skip


def browser():
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        pytest.skip("no Chromium is installed")
    return found


def dump_dom(page, home):
    environment = {**os.environ, "HOME": str(home)}
    done = subprocess.run(
        [browser(), *FLAGS, f"--user-data-dir={home}/profile", page.as_uri()],
        capture_output=True, timeout=100, check=True, env=environment,
    )  # fmt: skip
    return done.stdout.decode("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("make", [mismatch, hostile])
def test_a_browser_shows_what_was_written(make, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(render(make()), encoding="utf-8")
    shown, written = Page(dump_dom(page, tmp_path)), Page(page.read_text(encoding="utf-8"))
    assert [tag for tag in shown.tags if tag != "tbody"] == [tag for tag in written.tags if tag != "tbody"]
    assert shown.text().split() == written.text().split()
