"""docs/reference/failures.md: each known failure, what looks for it, and a page for those that no check looks for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if ROOT not in sys.path:
    sys.path.append(ROOT)

from envtool.report.failures import own_pages, sentence, title_of  # noqa: E402
from envtool.symptoms import WHO, Failure, failures, groups  # noqa: E402

SHORT = {"you": "you", "sudo": "you, with sudo", "administrator": "administrator", "nobody": "nobody"}
INTRO = """# Failures

The {all} ways in which PyTorch environments are known to break. {checked} are found by a check of `envtool doctor`, and
{own} of these by the check of their own name. For the other {unchecked} the table says why no check looks for them.
`envtool explain NAME` prints the page of each, and `envtool doctor --symptom TEXT` finds it by
[the message](../how-to/find-the-cause-of-a-message.md) that it prints.

“Who” is who can mend it: you; you with sudo (on Windows, as administrator); the administrator of the machine; or nobody,
because the hardware is too old or nothing is wrong, and the page says what works instead.

"""


def failures_page(link: Callable[[str], str], cell: Callable[[str], str]) -> str:
    known = failures()
    checked = sum(failure.check is not None for failure in known.values())
    own = sum(failure.check == code for code, failure in known.items())
    blocks = [INTRO.format(all=len(known), checked=checked, own=own, unchecked=len(known) - checked)]
    for group, title in groups().items():
        rows = ["| failure | who | what looks for it |", "| --- | --- | --- |"]
        rows += [
            f"| {_where(code)} | {SHORT[failure.who]} | {cell(_looks(failure))} |"
            for code, failure in known.items()
            if failure.group == group
        ]
        blocks.append(f"**{title}**\n\n" + "\n".join(rows) + "\n\n")
    for group, title in groups().items():
        sections = [section(f, link) for c, f in known.items() if f.group == group and c in own_pages()]
        if sections:
            blocks += [f"## {title}\n\n", *sections]
    return "".join(blocks).rstrip("\n") + "\n"


def _where(code: str) -> str:
    return f"[{code}](#{code})" if code in own_pages() else f"[{code}](checks.md#{code})"


def _looks(failure: Failure) -> str:
    if failure.check == failure.code:
        return f"check: {title_of(failure.code)}"
    if failure.check:
        return f"check [{failure.check}](checks.md#{failure.check}), which serves it, too"
    return f"no check: {failure.no_check}"


def section(failure: Failure, link: Callable[[str], str]) -> str:
    """The page of a failure without a check of its name."""
    own = own_pages()[failure.code]
    parts = [
        f"### {failure.code}",
        f"*{own.title}.*",
        f"**What you see.** {own.page.symptom}",
        f"**What it means.** {own.page.cause}",
        f"**How to recognise it.** {own.page.found}",
        f"**How to mend it.** {own.page.mend}",
        f"**Who can mend it.** {WHO[failure.who][:1].upper()}{WHO[failure.who][1:]}.",
        f"**What proves it.** {sentence(failure.confirm)}",
        f"**What not to do.** {failure.avoid}" if failure.avoid else "",
        f"Sources: {', '.join(link(source) for source in own.page.sources)}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n\n"
