"""From a request to locked targets: reads the channels, chooses, solves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from envtool.lock.engine import Engine
from envtool.lock.model import LockedTarget, Refused
from envtool.lock.task import Outcome, Task, held

if TYPE_CHECKING:
    from envtool.catalog import Catalog

Tell = Callable[[str], None]


def solved(
    task: Task, load: Callable[[], Catalog], mirrors: Mapping[str, str], tell: Tell, *, offline: bool = False
) -> Outcome:
    """Solve every target of a task; one that has no answer doesn't hide the others."""
    found: list[Outcome] = []

    async def run() -> None:  # asyncio writes out the result of what it runs, in an error that it drops: let it be None
        found.append(await _solved(task, load, mirrors, tell, offline=offline))

    asyncio.run(run())
    return found[0]


async def _solved(
    task: Task, load: Callable[[], Catalog], mirrors: Mapping[str, str], tell: Tell, *, offline: bool
) -> Outcome:
    engine = Engine(task.request, mirrors, offline=offline)
    tell(f"reading {len({t.subdir for t in task.targets})} platforms")
    subdirs = tuple(dict.fromkeys(target.subdir for target in task.targets))
    reading = asyncio.create_task(engine.offers(subdirs))
    await asyncio.sleep(0)  # py-rattler's threads read the channels while this one learns what the catalog would take
    try:
        from envtool.lock.choose import Choice, choose
        from envtool.lock.target_solver import TargetSolver

        catalog = load()
        choose(task.request, task.targets, catalog, {}, {})
    finally:
        offers = await reading
    choices = choose(task.request, task.targets, catalog, offers, held(task))
    solver = TargetSolver(task, catalog, engine, tell)
    answers = await solver.all(choices)
    answers = await solver.with_pip(await solver.in_step(answers, offers))
    locked = tuple(answer for answer in answers.values() if isinstance(answer, LockedTarget))
    refused = tuple(answer for answer in answers.values() if isinstance(answer, Refused))
    notes = [note for choice in choices.values() if isinstance(choice, Choice) for note in choice.notes]
    return Outcome(locked, refused, tuple(dict.fromkeys([*notes, *solver.notes])))
