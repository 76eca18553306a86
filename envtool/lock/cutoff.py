"""The moment that ``--exclude-newer`` names."""

from __future__ import annotations

from datetime import datetime, timezone

from envtool.errors import UsageError


def cutoff(text: str | None) -> datetime | None:
    """The moment of ``--exclude-newer``: the end of that day where no time is told."""
    if text is None:
        return None
    whole = f"{text}T23:59:59" if len(text) == len("2026-08-01") else text.replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(whole)
    except ValueError:
        raise UsageError(f"--exclude-newer: {text!r} is no date", hint="as in 2026-08-01") from None
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
