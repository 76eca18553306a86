"""The page of a known failure: that of its check where there is one, else one of its own; and what both share."""

from __future__ import annotations

from functools import cache

from envtool.data import read_table
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.report.explain import Page, pages
from envtool.report.json import CHECKS_PAGE
from envtool.report.text import WIDEST, hanging
from envtool.symptoms import WHO, Failure
from envtool.verdicts import Json

FAILURES_PAGE = "docs/reference/failures.md"  # the pages of failures without a check; the others are with the checks


@dataclass(frozen=True, eq=False, repr=False)
class OwnPage(Fact):
    """The page of a failure that no check of its name looks for. ``command`` is a line that serves everybody."""

    title: str
    page: Page
    command: str | None = None


@cache
def own_pages() -> dict[str, OwnPage]:
    """Every such page by its failure's code, from data/failures.toml."""
    return {code: _own_page(code, row) for code, row in read_table("failures.toml").items()}


def _own_page(code: str, row: object) -> OwnPage:
    needed = ("title", "symptom", "cause", "found", "mend")
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in needed):
        raise UsageError(f"failures.toml, {code}: {', '.join(needed)} are needed, each a text")
    title, symptom, cause, found, mend = (str(row[key]) for key in needed)
    sources = tuple(str(source) for source in row.get("sources", ()))
    command = row.get("command")
    return OwnPage(title, Page(symptom, cause, found, mend, sources), command if isinstance(command, str) else None)


def page_of(code: str) -> Page:
    """The page of any known failure."""
    own = own_pages().get(code)
    return own.page if own else pages()[code]


def title_of(code: str) -> str:
    """What would be right, in words."""
    own = own_pages().get(code)
    if own:
        return own.title
    from envtool.checks import ALL, of_course

    return next(check.title for check in (*ALL, *of_course()) if check.code == code)


def command_of(code: str) -> str | None:
    """The line to copy that serves everybody, None where the right line depends on the machine."""
    own = own_pages().get(code)
    return own.command if own else None


def render_own(failure: Failure) -> str:
    """The whole page of a failure without a check, for a terminal."""
    own = own_pages()[failure.code]
    sections = (
        ("What you see", own.page.symptom),
        ("What it means", own.page.cause),
        ("How to recognise it", own.page.found),
        ("How to mend it", own.page.mend),
        ("What looks for it", _looks(failure)),
    )
    blocks = [f"{failure.code}: {own.title}"]
    blocks += [f"{head}\n{paragraph(body)}" for head, body in sections]
    blocks.append(render_more(failure).rstrip("\n"))
    blocks.append("Sources\n" + "\n".join(f"  {source}" for source in own.page.sources))
    return "\n\n".join(blocks) + "\n"


def _looks(failure: Failure) -> str:
    if failure.check:
        return f"The check {failure.check} of `envtool doctor` notices it."
    return f"No check: {failure.no_check}."


def render_more(failure: Failure) -> str:
    """What the page of a check does not say: who can mend it, what would prove it, what not to do."""
    blocks = [
        f"Who can mend it\n{paragraph(WHO[failure.who][:1].upper() + WHO[failure.who][1:] + '.')}",
        f"What proves it\n{paragraph(sentence(failure.confirm))}",
    ]
    if failure.avoid:
        blocks.append(f"What not to do\n{paragraph(failure.avoid)}")
    return "\n\n".join(blocks) + "\n"


def paragraph(body: str) -> str:
    """Indented, as on the pages of the checks."""
    return hanging("  ", body, WIDEST)


def sentence(text: str) -> str:
    """The text as a sentence, unless it begins with a command."""
    return text[:1].upper() + text[1:] + "."


def failure_to_json(failure: Failure) -> dict[str, Json]:
    """What is known of a failure beside its page."""
    return {
        "check": failure.check,
        "no_check": failure.no_check,
        "who": failure.who,
        "confirm": failure.confirm,
        "avoid": failure.avoid,
        "known": failure.known,
        "url": f"{FAILURES_PAGE if failure.code in own_pages() else CHECKS_PAGE}#{failure.code}",
    }
