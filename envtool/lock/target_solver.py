"""Solves each target: first with what is locked already, then anew, and checks every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from envtool.catalog import Catalog
from envtool.errors import ToolError
from envtool.lock.choose import Choice, Offers, newest
from envtool.lock.engine import Engine, Job, Unsolvable, cores
from envtool.lock.model import LockedPackage, LockedTarget, Refused, Target
from envtool.lock.offers import FAMILY, build_kind
from envtool.lock.requirements import conda_lines
from envtool.lock.system import virtual_packages
from envtool.lock.task import Task, held
from envtool.lock.verify import problems
from envtool.spec import allows, read
from envtool.versions import numbers

CATALOG_NAMES = {"pytorch": "torch"}
Packages = tuple[LockedPackage, ...]
Answers = dict[Target, LockedTarget | Refused]
Tell = Callable[[str], None]


class TargetSolver:
    """The targets of one task."""

    def __init__(self, task: Task, catalog: Catalog, engine: Engine, tell: Tell) -> None:
        self._task = task
        self._catalog = catalog
        self._engine = engine
        self._tell = tell
        self._done = 0
        self.notes: list[str] = []

    async def all(self, choices: Mapping[Target, Choice | Refused]) -> Answers:
        """Each choice solved; what was refused before stays refused."""
        results = await asyncio.gather(*(self._one(choice) for choice in choices.values()))
        return dict(zip(choices, results, strict=True))

    async def in_step(self, answers: Answers, offers: Offers) -> Answers:
        """Where a platform had to take an older torch, the others of its variant follow if they can."""
        kept = held(self._task)
        for variant in dict.fromkeys(target.variant for target in answers):
            mine = {t: a for t, a in answers.items() if t.variant == variant and isinstance(a, LockedTarget)}
            torches = {target: _torch(answer) for target, answer in mine.items()}
            if len(set(torches.values())) < 2 or any(target in kept for target in mine):
                continue
            oldest = min(torches.values(), key=numbers)
            follow = await self._following({t: a for t, a in mine.items() if torches[t] != oldest}, oldest, offers)
            if follow is not None:
                answers |= follow
                self.notes += [f"{t}: torch {oldest}, not {torches[t]}, which not every platform has" for t in follow]
            else:
                told = ", ".join(f"{torch} on {target.subdir}" for target, torch in torches.items())
                self.notes.append(f"{variant}: not the same torch everywhere: {told}")
        return answers

    async def _following(
        self, ahead: Mapping[Target, LockedTarget], torch: str, offers: Offers
    ) -> dict[Target, LockedTarget] | None:
        """Targets solved with an older torch; None where one of them can't be."""
        found = {}
        for target, locked in ahead.items():
            choice = newest(self._task.request, self._catalog, target, locked.python, f"=={torch}", offers)
            if not isinstance(choice, Choice):
                return None
            specs = self._specs(choice, choice.exact())
            answer = await self._locked(choice, specs, self._job(choice, specs))
            if answer is None:
                return None
            found[target] = answer
        return found

    async def with_pip(self, answers: Answers) -> Answers:
        """Each target with its pip section."""
        request = self._task.request
        if not request.pip_packages:
            return answers
        from envtool.lock.pip_part import uv_program, with_wheels

        program = uv_program()  # once: to look for it in several threads at a time is not safe
        seats = asyncio.Semaphore(cores())

        async def one(answer: LockedTarget | Refused) -> LockedTarget | Refused:
            if isinstance(answer, Refused):
                return answer
            before = self._task.before.target(answer.target) if self._task.before else None
            kept = tuple(w for w in before.wheels if w.name not in self._task.moving) if before else ()
            async with seats:
                return await asyncio.to_thread(with_wheels, answer, request, program, kept)

        found = await asyncio.gather(*(one(answer) for answer in answers.values()))
        return dict(zip(answers, found, strict=True))

    async def _one(self, choice: Choice | Refused) -> LockedTarget | Refused:
        if isinstance(choice, Refused):
            return choice
        answer = await self._again(choice) or await self._anew(choice)
        self._done += 1
        self._tell(f"{choice.target}: {'no solution' if isinstance(answer, Refused) else 'solved'}")
        return answer

    # ── what is locked already ────────────────────────────────────────────────────────────────────

    async def _again(self, choice: Choice) -> LockedTarget | None:
        """The locked packages, moved as little as possible; None where nothing was locked, or where it can't stay."""
        before = self._task.before.target(choice.target) if self._task.before else None
        if before is None:
            return None
        specs = self._specs(choice, self._family(choice, before))
        moving = [package for package in before.packages if package.name in self._task.moving]
        kept = tuple(package for package in before.packages if package not in moving)
        if not moving:
            pinned = await self._locked(choice, specs, self._job(choice, specs, pinned=kept))
            return pinned or await self._locked(choice, specs, self._job(choice, specs, favored=kept))
        raised = tuple(f"{package.name} >{package.version}" for package in moving)
        for lines in dict.fromkeys((raised, *((line,) for line in raised), ())):
            job = self._job(choice, (*specs, *lines), favored=kept)
            answer = await self._locked(choice, specs, job)
            if answer is not None:
                return answer
        return None

    def _family(self, choice: Choice, before: LockedTarget) -> tuple[str, ...]:
        """What was asked for PyTorch when it was locked, where it is still the answer; else what is chosen now."""
        names = [spec.partition(" ")[0] for spec in choice.exact()]
        found = {spec.partition(" ")[0]: spec for spec in before.specs}
        if any(name not in found for name in names) or "pytorch" in self._task.moving:
            return choice.exact()
        wanted = read(self._task.request.torch, None, "conda")
        for name in names:
            package = before.package(name)
            if (
                name in FAMILY
                and package
                and not allows(wanted.specifier(CATALOG_NAMES.get(name, name)), package.version)
            ):
                return choice.exact()
        return tuple(found[name] for name in names) if before.build == choice.build else choice.exact()

    # ── from nothing ──────────────────────────────────────────────────────────────────────────────

    async def _anew(self, choice: Choice) -> LockedTarget | Refused:
        specs = self._specs(choice, choice.exact())
        answer = await self._locked(choice, specs, self._job(choice, specs))
        if answer is not None:
            return answer
        loose = self._specs(choice, choice.loose(self._task.request))
        found = await self._engine.solve(self._job(choice, loose))
        if not isinstance(found, Unsolvable):
            torch = next(package for package in found if package.name == "pytorch")
            other = newest(self._task.request, self._catalog, choice.target, choice.python, f"=={torch.version}")
            if isinstance(other, Choice) and torch.build.startswith(other.build):
                if other.torch != choice.torch:
                    note = f"torch {other.torch} ({other.build}): with {choice.torch} there is no solution"
                    self.notes.append(f"{choice.target}: {note}")
                return self._checked(other, _as_found(loose, found), found)
        from envtool.lock.reasons import explain

        alone = await self._engine.solve(self._job(choice, choice.exact()))
        asked = loose if isinstance(alone, Unsolvable) else specs  # then the exact builds are not the spec's fault
        return await explain(self._engine, self._task.request, choice, lambda lines: self._job(choice, lines), asked)

    # ── one question ──────────────────────────────────────────────────────────────────────────────

    def _specs(self, choice: Choice, family: tuple[str, ...]) -> tuple[str, ...]:
        lines = conda_lines(self._task.request, choice.target, choice.python)
        names = {line.partition(" ")[0] for line in family}
        return (*family, *(line for line in lines if line.partition(" ")[0] not in names))

    def _job(self, choice: Choice, specs: tuple[str, ...], *, pinned: Packages = (), favored: Packages = ()) -> Job:
        subdir = choice.target.subdir
        return Job(subdir, specs, virtual_packages(subdir, choice.build), pinned, favored)

    async def _locked(self, choice: Choice, specs: tuple[str, ...], job: Job) -> LockedTarget | None:
        found = await self._engine.solve(job)
        return None if isinstance(found, Unsolvable) else self._checked(choice, specs, found)

    def _checked(self, choice: Choice, specs: tuple[str, ...], found: Packages) -> LockedTarget:
        locked = LockedTarget(
            choice.target, choice.build, choice.python, specs, virtual_packages(choice.target.subdir, choice.build),
            found, fingerprint=self._task.request.fingerprint(choice.target),
        )  # fmt: skip
        wrong = problems(locked)
        if wrong:
            raise ToolError(
                f"the solver's answer for {choice.target} breaks a promise; nothing is written",
                hint="report it with these lines", details=wrong[:8],
            )  # fmt: skip
        return locked


def _as_found(loose: tuple[str, ...], found: Packages) -> tuple[str, ...]:
    """A looser question, with PyTorch's versions and builds as the answer has them."""
    answer = {package.name: package for package in found}
    return tuple(
        f"{name} {answer[name].version} {build_kind(answer[name].build)}*" if name in FAMILY else spec
        for spec in loose for name in [spec.partition(" ")[0]]
    )  # fmt: skip


def _torch(locked: LockedTarget) -> str:
    torch = locked.package("pytorch")
    assert torch is not None
    return torch.version
