"""Which PyTorch each target gets: the catalog decides, within what the channel has, so that a class stays in step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from envtool.catalog import Catalog
from envtool.catalog.conda import SUBDIRS
from envtool.conda_commands import conda_specs
from envtool.fact import Fact, dataclass
from envtool.lock.model import Refused, Target
from envtool.lock.offers import FAMILY, Offer
from envtool.lock.request import DEFAULT_DRIVER, DEFAULT_GLIBC, DEFAULT_MACOS, LockRequest, cuda_word, plan_request
from envtool.plan import NoPlan, Plan, resolve
from envtool.plan.outlook import is_about_newer
from envtool.spec import allows, read
from envtool.target import read_target
from envtool.versions import at_least, cuda_of, numbers

PYTHONS = ("3.14", "3.13", "3.12", "3.11", "3.10", "3.9", "3.8")


@dataclass(frozen=True, eq=False, repr=False)
class Choice(Fact):
    """What a target is to get."""

    target: Target
    python: str
    plan: Plan
    notes: tuple[str, ...] = ()

    @property
    def torch(self) -> str:
        """The version of torch that was chosen."""
        return self.plan.packages["torch"]

    @property
    def build(self) -> str:
        """The beginning of the build that must come out: "cpu", "cuda129"."""
        return self.plan.variant

    def exact(self) -> tuple[str, ...]:
        """Versions and builds as the catalog has them."""
        return tuple(_spaced(spec) for spec in conda_specs(self.plan, spaced=True))

    def loose(self, request: LockRequest) -> tuple[str, ...]:
        """The same, with the versions that the spec itself allows and any CUDA of that major."""
        kind = f"cuda{cuda[0]}*" if (cuda := cuda_of(self.build)) else "cpu*"
        given = _given(request)
        specs = []
        for spec in self.exact():
            name = spec.split(" ", 1)[0]
            if name == "pytorch":
                specs.append(f"pytorch {given.get('pytorch') or '*'} {kind}")
            elif name in FAMILY:
                specs.append(f"{name} {given.get(name, '')}".strip())
            elif name == "cuda-version" and cuda:
                specs.append(f"cuda-version >={cuda[0]},<{cuda[0] + 1}")
            else:
                specs.append(spec)
        return tuple(specs)


def _spaced(spec: str) -> str:
    """``pytorch ==2.13.0 cuda129*`` as ``pytorch 2.13.0 cuda129*``, ``python=3.12`` as ``python 3.12.*``."""
    if " " in spec:
        return spec.replace(" ==", " ", 1)
    match = re.fullmatch(r"([a-z0-9_-]+)=([0-9.]+)", spec)
    if match is None:
        return re.sub(r"(?<=[a-z0-9])(?=[<>])", " ", spec, count=1)
    name, version = match.groups()
    return f"{name} {version}.*" if name == "python" else f"{name} {version}"


def _given(request: LockRequest) -> dict[str, str]:
    """The versions that the spec allows of PyTorch and its companions, by conda's names."""
    wanted = read(request.torch, None, "conda")
    return {
        {"torch": "pytorch"}.get(name, name): ",".join(sorted(part for part in specifier.split(",") if part))
        for name, specifier in wanted.specifiers
    }


# ── a target as a machine ────────────────────────────────────────────────────────────────────────


def machine_line(target: Target, request: LockRequest, python: str, catalog: Catalog) -> str:
    """The least machine that the target must run on, as ``--target`` writes one."""
    words = [target.subdir, f"py{python}"]
    if target.subdir.startswith("linux"):
        words.append(f"glibc={DEFAULT_GLIBC}")
    elif target.subdir.startswith("osx"):
        words.append(f"macos={DEFAULT_MACOS}")
    if cuda_word(target.variant) is None or target.subdir.startswith("osx"):
        return ",".join([*words, "driver=none", "gpu=none"])
    words.append(f"driver={_least_driver(target, request, catalog)}")
    if request.capability:
        words.append(f"gpu={request.capability}")
    return ",".join(words)


def _least_driver(target: Target, request: LockRequest, catalog: Catalog) -> str:
    """The spec's; else the one that all of CUDA 12 runs on, or the first that knows the weakest GPU."""
    driver = _driver(target, request.driver or DEFAULT_DRIVER, catalog)
    if request.driver or not request.capability:
        return driver
    major, minor = numbers(request.capability)[:2]
    first = catalog.first_driver((major, minor), "windows" if target.subdir.startswith("win") else "linux")
    return max(driver, first or driver, key=numbers)


def _driver(target: Target, driver: str, catalog: Catalog) -> str:
    """The spec tells Linux's driver; Windows numbers its own: the one that runs the same CUDA there."""
    if not target.subdir.startswith("win"):
        return driver
    floors = [
        windows for major in range(11, 31)
        if (linux := catalog.driver_floor(f"cuda{major}0", "linux")) and at_least(numbers(driver), numbers(linux))
        and (windows := catalog.driver_floor(f"cuda{major}0", "windows"))
    ]  # fmt: skip
    return max(floors, key=numbers, default=driver)


# ── the choice ───────────────────────────────────────────────────────────────────────────────────

Offers = Mapping[str, tuple[Offer, ...]]  # by subdir
Held = Mapping[Target, tuple[str, str]]  # Python and torch


def choose(
    request: LockRequest, targets: tuple[Target, ...], catalog: Catalog, offers: Offers, held: Held
) -> dict[Target, Choice | Refused]:
    """For each target the newest torch that all platforms of its variant have, on the Python that serves most of them.

    ``held``: the Python and the torch of what is locked already; they stay where they are still right.
    """
    chooser = _Chooser(request, catalog, offers)
    kept = {target: choice for target in targets if (choice := chooser.kept(target, held))}
    python = next((c.python for c in kept.values()), None) or chooser.others_python(held) or chooser.python(targets)
    if python is None:
        message = f"the spec allows no Python that is known here: {request.python}"
        return {t: Refused(t, message, f"allow one of {', '.join(reversed(PYTHONS))}") for t in targets}
    answers: dict[Target, Choice | Refused] = dict(kept)
    for variant in dict.fromkeys(target.variant for target in targets):
        mine = [target for target in targets if target.variant == variant and target not in kept]
        answers |= chooser.beside(mine, python, held) or chooser.in_step(mine, python)
    first = next((target for target in targets if isinstance(answers[target], Choice)), None)
    older = chooser.why_older(targets, python)
    if first is not None and older is not None:
        answers[first] = _with_note(answers[first], older)
    return {target: answers[target] for target in targets}


def newest(
    request: LockRequest, catalog: Catalog, target: Target, python: str, torch: str, offers: Offers | None = None
) -> Choice | Refused:
    """What the catalog says of one torch, "==2.12.1"; with ``offers``, only if the channel has it."""
    return _Chooser(request, catalog, offers or {}).newest(target, python, torch)


class _Chooser:
    """The catalog and what the channel has, asked for one request."""

    def __init__(self, request: LockRequest, catalog: Catalog, offers: Offers) -> None:
        self._request = request
        self._catalog = catalog
        self._offers = offers

    def kept(self, target: Target, held: Held) -> Choice | None:
        """What is locked already, if the spec and the catalog still allow it."""
        if target not in held:
            return None
        python, torch = held[target]
        if python not in self.pythons():
            return None
        choice = newest(self._request, self._catalog, target, python, f"=={torch}")
        return choice if isinstance(choice, Choice) else None

    def pythons(self) -> Iterator[str]:
        """Those that the spec allows, the newest first."""
        return (python for python in PYTHONS if _allows_python(self._request.python, python))

    def python(self, targets: tuple[Target, ...]) -> str | None:
        """The newest that serves every target, or as many as any does."""
        best: tuple[int, str | None] = (-1, None)
        for python in self.pythons():
            served = sum(isinstance(self._search(target, python, None), Choice) for target in targets)
            if served == len(targets):
                return python
            if served > best[0]:
                best = (served, python)
        return best[1]

    def why_older(self, targets: tuple[Target, ...], python: str) -> str | None:
        """What keeps the newest Python that the spec allows from being taken; None where it is."""
        newest = next(self.pythons())
        for target in targets if newest != python else ():
            found = self._search(target, newest, None)
            if not isinstance(found, Choice):
                refused = self._refused(target, found) if found is not None else self._not_there(target, newest)
                return f"Python {python}, not {newest}: {refused.message}"
        return None

    def others_python(self, held: Held) -> str | None:
        """The Python of what is locked: a platform that is new in the spec gets that one too."""
        pythons = {python for python, _ in held.values()}
        return next((python for python in self.pythons() if python in pythons), None)

    def beside(self, targets: list[Target], python: str, held: Held) -> dict[Target, Choice | Refused]:
        """The one torch that the other platforms of the variant have locked, if it is there for all; else nothing."""
        torches = {torch for target, (_, torch) in held.items() if targets and target.variant == targets[0].variant}
        found = {target: self.newest(target, python, f"=={torch}") for torch in torches for target in targets}
        return found if len(torches) == 1 and all(isinstance(one, Choice) for one in found.values()) else {}

    def in_step(self, targets: list[Target], python: str) -> dict[Target, Choice | Refused]:
        """One torch for all platforms of a variant, where there is one that all have."""
        own = {target: self.newest(target, python) for target in targets}
        found = {target: choice for target, choice in own.items() if isinstance(choice, Choice)}
        oldest = min((choice.torch for choice in found.values()), key=numbers, default=None)
        if oldest is None or all(choice.torch == oldest for choice in found.values()):
            return own
        common = {target: self.newest(target, python, f"=={oldest}") for target in found}
        if all(isinstance(choice, Choice) for choice in common.values()):
            return own | {target: _told(choice, found[target]) for target, choice in common.items()}
        return own

    def newest(self, target: Target, python: str, torch: str | None = None) -> Choice | Refused:
        """The newest torch of a target that the catalog allows and the channel has."""
        found = self._search(target, python, torch)
        if isinstance(found, Choice):
            return found
        refused = self._refused(target, found) if found is not None else self._not_there(target, python)
        hints = [refused.hint]
        if torch is None and (looser := self._without_limits(target, python)):
            hints.insert(0, looser)
        pythons = dict.fromkeys((*self.pythons(), *(PYTHONS if torch is None else ())))  # the spec's own come first
        others = (p for p in pythons if p != python and isinstance(self._search(target, p, torch), Choice))
        hints += [f"take Python {other}" for other in [next(others, None)] if other]
        return replace(refused, hint=", or ".join(hints))

    def _without_limits(self, target: Target, python: str) -> str | None:
        """What to ask for in place of versions of the spec that are to blame; None where they are not."""
        limited = [text for text in self._request.torch if re.search(r"[<>=!~]", text)]
        bare = tuple(re.split(r"[\s<>=!~\[]", text, maxsplit=1)[0] for text in self._request.torch)
        if not limited:
            return None
        found = _Chooser(replace(self._request, torch=bare), self._catalog, self._offers)._search(target, python, None)
        return f"take torch {found.torch} in place of {', '.join(limited)}" if isinstance(found, Choice) else None

    def _search(self, target: Target, python: str, torch: str | None) -> Choice | NoPlan | None:
        """The choice; the catalog's refusal; None where the catalog would take something that the channel lacks."""
        cpu_instead = cuda_word(target.variant) is not None and target.subdir.startswith("osx")
        meant = replace(target, variant="cpu") if cpu_instead else target
        notes = (f"{target.subdir} has no CUDA: it gets the CPU build, which runs on MPS",) if cpu_instead else ()
        machine = read_target(machine_line(meant, self._request, python, self._catalog), self._catalog)
        limit = torch
        while True:
            plan = resolve(machine, plan_request(self._request, meant, limit), self._catalog)
            if isinstance(plan, NoPlan):
                return plan if limit == torch else None
            choice = Choice(target, python, plan, (*notes, *(w for w in plan.warnings if is_about_newer(w))))
            if has_all(choice, self._offers.get(target.subdir)):
                return choice
            older = None if torch is not None else self._next(choice)
            if older is None:
                return None
            limit = f"<={older}"

    def _next(self, choice: Choice) -> str | None:
        """The newest torch below a choice that the channel has for its Python, on the CPU or with CUDA."""
        kind = "cuda" if cuda_of(choice.build) else "cpu"
        there = {
            one.version for one in self._offers.get(choice.target.subdir, ())
            if one.package == FAMILY[0] and one.python in {None, choice.python} and one.build.startswith(kind)
        }  # fmt: skip
        return max((v for v in there if numbers(v) < numbers(choice.torch)), key=numbers, default=None)

    def _refused(self, target: Target, plan: NoPlan) -> Refused:
        platform = SUBDIRS.get(target.subdir, target.subdir)
        return Refused(target, plan.message.replace(platform, target.subdir), _hint(plan, target), plan.warnings)

    def _not_there(self, target: Target, python: str) -> Refused:
        """The channel lacks what the catalog would take: say which package, if it is one of them."""
        names = [name for name in _given(self._request) if name in FAMILY]
        kind = "cuda" if cuda_word(target.variant) and not target.subdir.startswith("osx") else "cpu"
        there = {
            one.package for one in self._offers.get(target.subdir, ())
            if one.python in {None, python} and one.build.startswith(kind)
        }  # fmt: skip
        absent = [name for name in names if name not in there]
        where = f"for Python {python} on {target.subdir}{' with CUDA' if kind == 'cuda' else ''}"
        if not absent:
            message = f"the channel has no {' and '.join(names)} {where} that go together"
        else:
            message = f"the channel has no {' and no '.join(absent)} {where}"
        hint = f"leave {target.subdir} out of platforms, or name a channel that has them"
        if absent and FAMILY[0] not in absent:
            hint = f"take {' and '.join(absent)} out of torch in the spec, or {target.subdir} out of platforms"
        if self._request.exclude_newer:
            hint = f"take a later day for --exclude-newer, or {hint}"
        return Refused(target, message, hint)


def _hint(plan: NoPlan, target: Target) -> str:
    package = plan.message.partition(" ")[0]
    if plan.error_kind == "no_wheel_for_platform" and package in FAMILY[1:]:
        return f"take {package} out of torch in the spec, or {target.subdir} out of platforms"
    if plan.error_kind in {"driver_too_old", "gpu_arch_unsupported"}:
        return (
            f"raise the floors of [gpu] in the spec, ask for an older torch, or take {target.variant} out of variants"
        )
    return f"change torch or python in the spec, or take {target.subdir} out of platforms"


def _told(choice: Choice | Refused, own: Choice) -> Choice:
    assert isinstance(choice, Choice)
    if choice.torch == own.torch:
        return choice
    return _with_note(choice, f"{choice.target}: torch {choice.torch}, not {own.torch}, which not every platform has")


def _with_note(choice: Choice | Refused, note: str) -> Choice:
    assert isinstance(choice, Choice)
    return replace(choice, notes=(*choice.notes, note))


def has_all(choice: Choice, offers: tuple[Offer, ...] | None) -> bool:
    """Does the channel have every build that the choice names? True where the channel was not asked."""
    if offers is None:
        return True
    for spec in choice.exact():
        words = spec.split(" ")
        if words[0] in FAMILY:
            name, version, build = words
            if not any(
                (offer.package, offer.version) == (name, version)
                and offer.build.startswith(build.rstrip("*"))
                and offer.python in {None, choice.python}
                for offer in offers
            ):
                return False
    return True


def _allows_python(specifier: str, python: str) -> bool:
    """Some patch release of a minor version is allowed: ">=3.10.4" allows 3.10."""
    return any(allows(specifier, f"{python}.{patch}") for patch in (99, 0, 1, 5, 10))
