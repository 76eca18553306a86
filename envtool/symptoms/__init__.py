"""Known failures, and which of them a pasted text speaks of. Pure; loaded only when somebody pastes one."""

from envtool.symptoms.failures import WHO, Failure, failures, groups
from envtool.symptoms.normal import Normal, normal
from envtool.symptoms.rank import Candidate, candidates
from envtool.symptoms.reading import LIMIT, reduced

__all__ = [
    "LIMIT",
    "WHO",
    "Candidate",
    "Failure",
    "Normal",
    "candidates",
    "failures",
    "groups",
    "normal",
    "reduced",
]
