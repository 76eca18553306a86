"""Which known failures a text speaks of, best first."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.fact import Fact, dataclass
from envtool.symptoms.failures import Failure, failures
from envtool.symptoms.normal import Normal
from envtool.symptoms.pattern import Pattern

SURE, LIKELY, MAYBE = 6.0, 4.0, 2.0
MORE = 0.5  # for a second and a third pattern that fits
CONTEXT = 1.5  # what surrounds the message suits: lifts a likely failure, and never above a sure one
COMMON = 0.25  # settles a tie
AGAINST = 3.0
WORST = 2.0
BEHIND = 3.5  # a candidate this far behind the best is no answer any more
FAINT = 3.0  # nor is one that only hints speak for


@dataclass(frozen=True, eq=False, repr=False)
class Candidate(Fact):
    """A failure that the text speaks of: how well it fits, and the words that gave it away."""

    failure: Failure
    score: float
    matched: tuple[str, ...]


def candidates(text: Normal, *, faint: bool = False) -> tuple[Candidate, ...]:
    """The failures that the text speaks of, best first; of two equals, the one with the longer words.

    ``faint`` keeps those that are no answer by themselves: a check may find them true.
    """
    found = [candidate for failure in failures().values() if (candidate := _judged(failure, text))]
    found.sort(key=lambda candidate: (-candidate.score, -max(map(len, candidate.matched))))
    least = max(found[0].score - BEHIND, FAINT) if found else 0.0
    return tuple(candidate for candidate in found if faint or candidate.score > least)


def _judged(failure: Failure, text: Normal) -> Candidate | None:
    matched: list[str] = []
    best = 0.0
    for weight, patterns in ((SURE, failure.sure), (LIKELY, failure.likely), (MAYBE, failure.maybe)):
        hits = _found(patterns, text)
        if hits and not best:
            best = weight
        matched += [hit for hit in hits if hit not in matched]
    if not best:
        return None
    score = best + MORE * min(2, len(matched) - 1)
    score += COMMON if failure.common else 0
    score += CONTEXT if _found(failure.context, text, first=True) else 0
    score = score if best == SURE else min(score, SURE - COMMON)
    score -= AGAINST if _found(failure.unless, text, first=True) else 0
    return Candidate(failure, score, tuple(matched)) if score >= WORST else None


def _found(patterns: Iterable[Pattern], text: Normal, *, first: bool = False) -> list[str]:
    """The stretches of the text that fit; without its spaces it is searched only for what fits nowhere else."""
    hits: list[str] = []
    for pattern in patterns:
        hit = pattern.found(text.flat)
        if hit is None and text.squeezed is not None:
            hit = pattern.text if pattern.found(text.squeezed, squeezed=True) else None
        if hit is not None:
            hits.append(hit)
            if first:
                break
    return hits
