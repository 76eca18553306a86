"""A diagnosis as one page to send to somebody, or under a notebook's cell: no script, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from html import escape

from envtool import __version__
from envtool.diagnosis import Diagnosis, NextStep
from envtool.mending import what_not, who_mends, who_words
from envtool.report import facts
from envtool.report.explain import pages
from envtool.report.html_style import NOTEBOOK_STYLE, STYLE
from envtool.report.text import MARKS, SMOKE, avoided, checks_of, group_lines, group_status, person
from envtool.shell import in_a_cell
from envtool.verdicts import Status, Verdict

# Control characters (line ends and tabs are none here), the signs that turn the direction of writing, which can make
# a path look like another one, and halves of characters, which no UTF-8 file can hold.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_CODE = re.compile("`([^`]+)`")
# Without a source for scripts, none can run, whatever a path is called.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_WORDS = {Status.PASS: "All is well", Status.WARN: "It works, with warnings", Status.FAIL: "Something is wrong"}


def render(diagnosis: Diagnosis) -> str:
    """The whole page, a text that is the same for the same diagnosis."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>envtool doctor: {_text(_WORDS[diagnosis.status])}</title>\n<style>\n{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{_body(diagnosis)}\n</main>\n</body>\n</html>\n"
    )


def render_part(diagnosis: Diagnosis) -> str:
    """The same as a part of somebody else's page, a notebook's: nothing outside it changes its look."""
    body = _body(diagnosis, notebook=True)
    return f'<div class="envtool-doctor">\n<style>\n{NOTEBOOK_STYLE}</style>\n{body}\n</div>\n'


def _body(diagnosis: Diagnosis, *, notebook: bool = False) -> str:
    parts = (_head(diagnosis, _WORDS[diagnosis.status]), _groups(diagnosis), _problems(diagnosis),
             _all_verdicts(diagnosis), _last(diagnosis, notebook=notebook))  # fmt: skip
    return "\n".join(part for part in parts if part)


def _text(words: str) -> str:
    """Any text as HTML text or attribute value."""
    return escape(_UNPRINTABLE.sub("\ufffd", words), quote=True)


def _prose(words: str) -> str:
    """A sentence; what stands between backticks is code."""
    return _CODE.sub(r"<code>\1</code>", _text(words))


def _mark(status: Status | None) -> str:
    word = MARKS[status][0]
    kind = status.value if status else "none"
    return f'<span class="mark {kind}">{_text(word)}</span>'


def _head(diagnosis: Diagnosis, words: str) -> str:
    return (
        f'<header>\n<p class="by">envtool doctor {_text(__version__)}</p>\n<h1>{_text(words)}</h1>\n'
        f'<p class="environment"><span class="label">Environment</span> '
        f"{_text(facts.environment_line(diagnosis.environment))}</p>\n</header>"
    )


def _groups(diagnosis: Diagnosis) -> str:
    lines = group_lines(diagnosis)
    rows = (
        f"<div><dt>{_mark(group_status(diagnosis, group))} {_text(group)}</dt><dd>{_text(lines[group])}</dd></div>"
        for group in lines
    )
    return '<section aria-label="Facts">\n<dl class="groups">\n' + "\n".join(rows) + "\n</dl>\n</section>"


def _problems(diagnosis: Diagnosis) -> str:
    problems, step = diagnosis.problems, diagnosis.next_step
    if not problems:
        return ""
    items = "\n".join(
        _problem(verdict, diagnosis, last=step is not None and step.code == verdict.code) for verdict in problems
    )
    return f'<section aria-label="Problems">\n<h2>{_count(problems)}</h2>\n{items}\n</section>'


def _count(problems: tuple[Verdict, ...]) -> str:
    """ "1 failure, 2 warnings": the heading above the problems."""
    names = ((Status.FAIL, "failure"), (Status.WARN, "warning"), (Status.UNKNOWN, "open question"))
    counted = ((sum(v.status is status for v in problems), name) for status, name in names)
    return ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name in counted if count)


def _problem(verdict: Verdict, diagnosis: Diagnosis, *, last: bool) -> str:
    """One problem; ``last`` where the page ends with its hint."""
    return (
        f'<article class="problem {verdict.status.value}">\n'
        f"<h3>{_mark(verdict.status)} <code>{_text(verdict.code)}</code></h3>\n"
        f"<p>{_prose(verdict.message)}</p>\n{_more(verdict, diagnosis, hint=not last)}</article>"
    )


def _more(verdict: Verdict, diagnosis: Diagnosis, *, hint: bool) -> str:
    """The check's page and the verdict's own hint, folded away: only the first hint is the next step."""
    page = pages().get(verdict.code)
    rows = [("What it means", _prose(page.cause)), ("How to mend it", _prose(page.mend))] if page else []
    if hint and verdict.hint:
        body = f"<code>{_unbroken(verdict.hint)}</code>" if verdict.command else _prose(verdict.hint)
        rows.append(("On this machine", body))
    who, avoid = who_mends(verdict, diagnosis.machine), what_not(verdict)
    if who:
        words = who_words(who, diagnosis.machine)
        rows.append(("Who can mend it", _prose(words[:1].upper() + words[1:] + ".")))
    if avoid:
        rows.append(("What not to do", _prose(avoid)))
    if not rows:
        return ""
    inner = "\n".join(f"<dt>{head}</dt><dd>{body}</dd>" for head, body in rows)
    summary = f"<summary>More about <code>{_text(verdict.code)}</code></summary>"
    return f"<details>\n{summary}\n<dl>\n{inner}\n</dl>\n</details>\n"


def _all_verdicts(diagnosis: Diagnosis) -> str:
    verdicts = diagnosis.all_verdicts
    groups = {check.code: check.group for check in checks_of(diagnosis)}
    groups |= {verdict.code: SMOKE for verdict in verdicts[len(diagnosis.verdicts) :]}
    rows = "\n".join(
        f"<tr><td>{_mark(v.status if v.status is not Status.SKIP else None)}</td>"
        f'<th scope="row"><code>{_text(v.code)}</code> <span class="group">{_text(groups.get(v.code, ""))}</span></th>'
        f"<td>{_prose(v.message)}</td></tr>"
        for v in verdicts
    )
    word = "The" if diagnosis.partial else "All"
    return (
        f"<section>\n<details>\n<summary>{word} {len(verdicts)} checks</summary>\n<table>\n"
        '<thead><tr><th scope="col">Verdict</th><th scope="col">Check</th><th scope="col">Finding</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>\n</details>\n</section>"
    )


def _last(diagnosis: Diagnosis, *, notebook: bool) -> str:
    step = diagnosis.next_step
    if step is not None:
        terminal = "PowerShell" if diagnosis.machine.os == "windows" else "a terminal"
        who, avoid = person(diagnosis, step.code), avoided(diagnosis, step.code)
        return _fix(step, who, avoid, terminal=terminal, notebook=notebook and diagnosis.machine.os != "windows")
    if diagnosis.status is not Status.PASS:
        return ""
    count = sum(v.status is Status.PASS for v in diagnosis.all_verdicts)
    return f'<section class="last">\n<p>{count} checks passed. There is nothing to do.</p>\n</section>'


# What changes files needs a new kernel; what sets a variable is gone with the kernel.
_IN_A_CELL = {
    "file": "a cell, run it, and restart the kernel",
    "variable": "the notebook's first cell, and run all cells",
}


def _fix(step: NextStep, who: str, avoid: str | None, *, terminal: str, notebook: bool) -> str:
    """The end of the page; ``who`` as ``person`` words it."""
    code = f"<code>{_text(step.code)}</code>"
    whose = f" ({_text(who.rstrip('; '))})" if who else ""
    if step.command:
        line = in_a_cell(step.text) if notebook else None  # what asks for a password needs a terminal
        place = terminal if line is None else _IN_A_CELL["file" if line.startswith("!") else "variable"]
        title, lead = "The fix", f"Copy this line into {place}; it mends {code}{whose}:"
        body = f"<pre><code>{_unbroken(line or step.text)}</code></pre>"
    else:
        title, lead = "The next step", f"To mend {code}{whose}:"
        body = f'<p class="step">{_prose(step.text)}</p>'
    warning = f'<p class="not">{_prose(avoid)}</p>\n' if avoid else ""
    head = f'<section class="last" aria-label="{title}">\n<h2>{title}</h2>\n'
    return f"{head}{warning}<p>{lead}</p>\n{body}\n</section>"


def _unbroken(command: str) -> str:
    """The command with each word in one piece, so that no line on the page ends within "-m"."""
    return "".join(
        f"<span>{_text(piece)}</span>" if piece.strip() else piece for piece in re.split(r"( +)", command) if piece
    )
