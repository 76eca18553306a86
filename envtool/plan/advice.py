"""What to say about an answer: the decisive refusal, the next step, and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from envtool.catalog import Catalog
from envtool.catalog.builds import Build
from envtool.fact import Fact
from envtool.machine import Found, Machine
from envtool.plan.answers import NoPlan, Refusal
from envtool.plan.judge import Failure
from envtool.plan.targets import Target
from envtool.spec import Wanted, allows
from envtool.versions import dotted, kind_of, numbers, numbers_or_none, variant_key

# From what is mended most easily to what can't be: of several builds, the nearest one tells why there is no plan,
# and of its reasons the hardest.
_EASE = (
    "no_such_variant",
    "no_wheel_for_python",
    "macos_too_old",
    "glibc_too_old",
    "driver_unknown",
    "driver_too_old",
    "conflicting_pins",
    "no_wheel_for_platform",
    "gpu_arch_unsupported",
)


@dataclass(frozen=True, eq=False, repr=False)
class Tried(Fact):
    """A build, and everything that speaks against it."""

    build: Build
    failures: tuple[Failure, ...]
    distance: tuple[int, int]  # how far the build is from fitting

    @property
    def hardest(self) -> Failure:
        """The failure that is hardest to mend."""
        return max(self.failures, key=lambda failure: _EASE.index(failure[0]))


def all_tried(found: Sequence[tuple[Build, tuple[Failure, ...]]]) -> list[Tried]:
    """Builds with what speaks against them, measured."""
    return [Tried(build, failures, _distance(*[kind for kind, _ in failures])) for build, failures in found]


@lru_cache(maxsize=1024)
def _distance(*told: str) -> tuple[int, int]:
    """Few kinds of failure are near; but one that only nobody verified says less than one that is known."""
    kinds = set(told)
    unverified = kinds == {"no_such_variant"}
    return len(kinds) + unverified, len(_EASE) if unverified else max(map(_EASE.index, kinds))


_UNVERIFIED = _distance("no_such_variant")
_OLD_DRIVER = _distance("driver_too_old")


def nearest(tried: Sequence[Tried]) -> Tried:
    """The build that is nearest to fitting: its hardest failure decides. Of equals the newest, which stands first."""
    return min(tried, key=lambda one: one.distance)


def sentence(torch: str | None, variant: str | None, reason: str) -> str:
    """A reason with its build in front, unless it names the package itself."""
    if torch is None or reason.startswith(("torch ", "torchvision ", "torchaudio ")):
        return reason
    return f"torch {torch} ({variant}) {reason}" if variant else f"torch {torch}: {reason}"


def nothing_built(wanted: Wanted, catalog: Catalog, platform: str, kind: str) -> NoPlan:
    """There is not one build to try."""
    pin = wanted.specifier("torch")
    place = platform.replace("_", " on ", 1)
    if wanted.variant is None:
        message = f"there is no {kind} build of torch{pin} for {place}"
        vendor = catalog.vendor_builds.get(platform) if kind == "cuda" else None
        elsewhere = f"see {vendor}, or " if vendor else ""
        return NoPlan("no_wheel_for_platform", message, f"{elsewhere}`envtool pick --accelerator cpu`")
    variants = {b.variant for b in catalog.builds(platform) if allows(pin, b.torch)}
    known = ", ".join(sorted(variants, key=lambda name: (kind_of(name) != "cpu", kind_of(name), variant_key(name))))
    message = f"there is no {wanted.variant} build of torch{pin} for {place}"
    return NoPlan("no_such_variant", message, f"choose among {known}" if known else "choose another platform")


def hint_for(kind: str, tried: Sequence[Tried], catalog: Catalog) -> str:
    """The next step after a refusal of that kind."""
    if any(one.distance == _UNVERIFIED for one in tried):
        return "add --include-unverified to try a build that nobody has verified"
    near = nearest(tried)
    build = near.build
    if kind == "no_wheel_for_platform" and build.kind == "cpu":  # there is nothing to fall back to
        missing = dict.fromkeys(reason.split()[0] for inner, reason in near.failures if inner == kind)
        return f"leave out {' and '.join(missing)}" if missing else hint_for(near.hardest[0], tried, catalog)
    pythons = ", ".join(build.wheel.pythons)
    hints = {
        "driver_too_old": _driver_hint(tried),
        "driver_unknown": "name the driver: `envtool pick --target driver=550.54.14`",
        "no_wheel_for_python": f"use a Python that torch {build.torch} has wheels for: {pythons}",
        "glibc_too_old": "use a newer system or a container, or ask for an older torch",
        "macos_too_old": "update macOS, or ask for an older torch",
        "gpu_arch_unsupported": "ask for another torch, or `envtool pick --accelerator cpu`",
        "conflicting_pins": f"leave out a pin: the newest torch is {catalog.releases[0].torch}",
    }
    return hints.get(kind, "`envtool pick --accelerator cpu`")


def _driver_hint(tried: Sequence[Tried]) -> str:
    """The lowest driver among those that builds ask for, when nothing else is wrong with them."""
    for one in reversed(tried):
        if one.distance == _OLD_DRIVER:
            needed = one.failures[0][1].partition(">= ")[2].partition(",")[0]
            return f"update the NVIDIA driver to {needed} or newer, or `envtool pick --accelerator cpu`"
    return "update the NVIDIA driver, or `envtool pick --accelerator cpu`"


NEWER = "a newer torch does not fit here: "
UNSEEN = "not been verified on"
NOTHING_TO_DO = " Nothing to do."


# ── with a plan ──────────────────────────────────────────────────────────────────────────────────


def constraints(build: Build, machine: Machine, wanted: Wanted) -> tuple[str, ...]:
    """NumPy as a requirement, where it was asked for or where this torch breaks with NumPy 2."""
    asked = [specifier for name, specifier in wanted.specifiers if name == "numpy"]
    if machine.os in build.numpy2:
        return tuple(f"numpy{specifier}" for specifier in asked)
    parts = [*(part for specifier in asked for part in specifier.split(",") if part and part != "<2"), "<2"]
    return (f"numpy{','.join(parts)}",)


def warnings(
    build: Build, machine: Machine, target: Target, refusals: Sequence[Refusal], catalog: Catalog
) -> tuple[str, ...]:
    """What a user should know of the choice, one line each."""
    found = [target.note] if target.note else []
    if not build.verified:
        found.append(f"{build} has not been verified on its index")
    if target.capabilities and build.kernels is not None and not build.kernels.verified:
        found.append(f"which GPUs {build} has code for was not read from the build itself")
    found += _newer(build, refusals)
    found += _outdated_gpus(target, catalog)
    if machine.os == "linux" and not isinstance(machine.libc, Found):
        floor = min(build.wheel.floors.values(), default=())
        found.append(f"the libc is not known; {build} needs glibc {dotted(floor)} or newer")
    if machine.os not in build.numpy2:
        found.append(f"torch {build.torch} works with NumPy 1 only")
    return tuple(found)


def _newer(build: Build, refusals: Sequence[Refusal]) -> list[str]:
    """The newest torch that was passed over, and why."""
    newer = [r for r in refusals if r.torch and numbers(r.torch) > numbers(build.torch)]
    if not newer:
        return []
    first = newer[0]
    waiting = not_checked_yet(first, build.torch)
    return [waiting or f"{NEWER}{sentence(first.torch, first.variant, first.reason)}"]


def not_checked_yet(newer: Refusal, torch: str) -> str | None:
    """What is said of a newer torch that only waits for somebody to have seen it; None for any other refusal."""
    if newer.kind != "no_such_variant" or UNSEEN not in newer.reason:
        return None
    package = newer.reason.split()[0]
    what = f"its {package} isn't" if package in ("torchvision", "torchaudio") else "it isn't"
    return f"torch {newer.torch} is newer; {what} checked yet, so torch {torch} is taken.{NOTHING_TO_DO}"


def _outdated_gpus(target: Target, catalog: Catalog) -> list[str]:
    """GPUs that the installed driver branch no longer serves: the driver, not the build, will ignore them."""
    driver = numbers_or_none(target.driver.value) if isinstance(target.driver, Found) else None
    found = []
    for capability, name in target.capabilities:
        last = catalog.last_driver(capability)
        if driver is not None and last is not None and driver[0] > numbers(last)[0]:
            found.append(f"driver branch {last} is the last that serves {name}; found {driver[0]}")
    return found
