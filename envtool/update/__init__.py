"""Brings the catalog up to date: asks the indexes, compares, validates. What comes of it is text, not yet written.

What an index says counts; what it doesn't say changes nothing. So a mirror with half of the versions, or an index that
can't be reached, takes nothing away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from envtool.catalog import Catalog, parse
from envtool.catalog.difference import Change, differences
from envtool.errors import ToolError
from envtool.extras import line_for
from envtool.fact import Fact
from envtool.update.settings import Settings, shown

PYTORCH_INDEX = "https://download.pytorch.org/whl"
INSTALL = line_for("catalog")
ANSWER_SECONDS = 30.0


@dataclass(frozen=True, eq=False, repr=False)
class Outcome(Fact):
    """What an update would write, and what is to be said of it. ``unread``: what stays as it was, and why."""

    texts: dict[str, str]
    date: str
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    unread: tuple[str, ...]


def outcome(
    catalog: Catalog, settings: Settings, pytorch_url: str, *, seconds: float, full: bool, tell: Callable[[str], None]
) -> Outcome:
    """The new catalog, out of what the indexes say; ToolError where nothing was read, or where it is unfit for use."""
    need_the_extra()
    from datetime import datetime, timezone

    from envtool.update.audit import disagreements
    from envtool.update.client import Client
    from envtool.update.merge import merge
    from envtool.update.survey import survey
    from envtool.update.validate import problems

    deadline = time.monotonic() + seconds
    client = Client(
        certificates=settings.certificates,
        seconds=min(ANSWER_SECONDS, seconds),
        deadline=deadline,
        index_url=settings.index_url,
    )
    read = survey(client, (settings.index_url, pytorch_url), catalog, full=full, tell=tell)
    if not read.pypi and not read.indexes:
        raise ToolError(
            f"no index could be read; the catalog of {catalog.date} stays as it is",
            hint=f"check the network, the proxy and the index ({settings.told_by}), or name one with --index-url",
            details=read.unread[:8],
        )
    tell("comparing and checking")
    merged = merge(catalog, read, datetime.now(timezone.utc).date().isoformat())
    wrong = problems(catalog, merged.texts)
    if wrong:
        message = f"what {shown(settings.index_url)} says would break the catalog; it stays as it is"
        raise ToolError(message, hint="report it with these lines", details=tuple(wrong[:8]))
    new = parse(merged.texts)
    notes = (*merged.notes, *disagreements(catalog, read))
    return Outcome(merged.texts, new.date, differences(catalog, new), notes, read.unread)


def need_the_extra() -> None:
    """Raise ToolError with the line that installs what an update needs, where it is missing."""
    try:
        import pypi_simple  # noqa: F401
        import requests  # noqa: F401
    except ImportError as error:
        message = f"`envtool catalog update` needs {error.name}, which is not installed"
        raise ToolError(message, hint=INSTALL) from None
