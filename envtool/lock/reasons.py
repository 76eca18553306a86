"""Why a target has no solution, in words that a student understands first; the solver's own words come after them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from difflib import get_close_matches

from envtool.lock.choose import PYTHONS, Choice
from envtool.lock.engine import Engine, Job, Unsolvable
from envtool.lock.model import Refused
from envtool.lock.offers import FAMILY
from envtool.lock.request import LockRequest
from envtool.lock.verify import spec_name
from envtool.spec import allows

_MISSING = re.compile(r"No candidates were found for (.+?)\.?(?:\n|$)")
_OURS = {*FAMILY, "python", "cuda-version", "arm-variant"}  # no lines of the spec
_LINES = 12  # of the solver's own explanation


async def explain(
    engine: Engine, request: LockRequest, choice: Choice, job: Callable[[tuple[str, ...]], Job], specs: tuple[str, ...]
) -> Refused:
    """Find the lines of the spec that are to blame, by solving without them."""
    answer = await engine.solve(job(specs))
    assert isinstance(answer, Unsolvable)
    details = tuple(line.rstrip() for line in answer.reason.splitlines())[:_LINES]
    own = [spec for spec in specs if spec_name(spec) not in _OURS]
    unknown = await _unknown(engine, choice, own)
    if unknown is not None:
        return Refused(choice.target, *unknown, details)
    missing = await _without_any_build(engine, choice, job, own)
    if missing is not None:
        return Refused(choice.target, *missing, details)
    blamed = await _blamed(engine, job, specs, own)
    python = await _other_python(engine, request, choice, job, specs)
    return Refused(choice.target, *_said(choice, specs, blamed, python), details)


async def _unknown(engine: Engine, choice: Choice, own: list[str]) -> tuple[str, str] | None:
    """A package that the channel does not have under that name, with the nearest names."""
    names = await engine.names(choice.target.subdir)
    known = set(names)
    for spec in own:
        name = spec_name(spec)
        if name not in known:
            near = get_close_matches(name, names, n=3, cutoff=0.75)
            subdir = choice.target.subdir
            other = f"take {name} out of packages, or {subdir} out of platforms, or write it under [pip]"
            hint = f"did you mean {' or '.join(near)}?" if near else other
            return f"the channel has no package {name!r} for {subdir}", hint
    return None


async def _without_any_build(
    engine: Engine, choice: Choice, job: Callable[[tuple[str, ...]], Job], own: list[str]
) -> tuple[str, str] | None:
    """A line that has no answer even alone: no such version, or not for this platform."""
    answers = await asyncio.gather(*(engine.solve(job((spec,))) for spec in own))
    for spec, answer in zip(own, answers, strict=True):
        if isinstance(answer, Unsolvable) and _MISSING.match(answer.reason):
            hint = f"ask for another version of {spec_name(spec)}, or take it out of packages"
            return f"the channel has no {spec!r} for {choice.target.subdir}", hint
    return None


async def _blamed(
    engine: Engine, job: Callable[[tuple[str, ...]], Job], specs: tuple[str, ...], own: list[str]
) -> list[str]:
    """The lines of which one is enough to leave out; the packages of the spec before PyTorch itself."""
    lines = [*own, *(spec for spec in specs if spec_name(spec) in FAMILY[1:])]
    rests = [tuple(spec for spec in specs if spec != line) for line in lines]
    answers = await asyncio.gather(*(engine.solve(job(rest)) for rest in rests))
    return [line for line, answer in zip(lines, answers, strict=True) if not isinstance(answer, Unsolvable)]


async def _other_python(
    engine: Engine, request: LockRequest, choice: Choice, job: Callable[[tuple[str, ...]], Job], specs: tuple[str, ...]
) -> str | None:
    """The newest other Python of the spec with which the same lines have a solution."""
    others = [p for p in PYTHONS if p != choice.python and allows(request.python, f"{p}.99")]
    jobs = [job(tuple(f"python {p}.*" if spec.startswith("python ") else spec for spec in specs)) for p in others]
    answers = await asyncio.gather(*(engine.solve(one) for one in jobs))
    return next((p for p, answer in zip(others, answers, strict=True) if not isinstance(answer, Unsolvable)), None)


def _said(choice: Choice, specs: tuple[str, ...], blamed: list[str], python: str | None) -> tuple[str, str]:
    torch = f"torch {choice.torch} ({choice.build}) on Python {choice.python}"
    subdir = choice.target.subdir
    take = f"take Python {python}" if python else ""
    if not blamed:
        message = f"no one line of the spec is to blame: nothing fits beside {torch} on {subdir}"
        if len(specs) == sum(spec_name(spec) in _OURS for spec in specs):
            message = f"the channel lacks something that {torch} needs on {subdir}"
        return message, take or f"ask for an older torch, or take {subdir} out of platforms"
    if len(blamed) == 1:
        name = spec_name(blamed[0])
        message = f"{blamed[0]!r} does not go with {torch} on {subdir}"
        hint = f"loosen {name} or drop it there"
    else:
        message = f"these do not go together beside {torch} on {subdir}: {', '.join(map(repr, blamed))}"
        hint = f"loosen or drop one of {', '.join(spec_name(line) for line in blamed)}"
    return message, f"{hint}, or {take}" if take else hint
