"""Will what is in use last the term, and is the device named once?"""

from __future__ import annotations

from collections.abc import Iterator

from envtool.catalog import Catalog
from envtool.checks.check import LOCK, Check, Evidence
from envtool.checks.lockfile import listed
from envtool.drift import Term
from envtool.machine import Absent, Found, Unknown
from envtool.verdicts import Verdict, failed, passed, skipped, unknown, warned
from envtool.versions import numbers


def nothing_ends_within_the_term(evidence: Evidence) -> Verdict:
    """A Python, an index or a channel that gets no more releases: it works today, and no mend will come."""
    term = evidence.drift.term if evidence.drift else None
    if term is None:
        return skipped("no term was named")
    ends = tuple(_ends(evidence, term))
    if not ends:
        return passed(f"nothing in use ends until {term.until}, as the catalog of {evidence.catalog.date} knows it")
    return warned(
        f"No more releases come by {term.until}: {listed(ends)}.",
        hint="plan the move to a newer one: `envtool pick` names the builds that fit",
        evidence={"ends": list(ends), "until": term.until},
    )


def _ends(evidence: Evidence, term: Term) -> Iterator[str]:
    pythons = (evidence.env.version,) if evidence.env else evidence.drift.pythons if evidence.drift else ()
    for version in pythons:
        yield from _python(version, term)
    yield from _index(evidence, term)
    yield from _channels(evidence)


def _python(version: str, term: Term) -> Iterator[str]:
    minor = ".".join(version.split(".")[:2])
    month = dict(term.pythons).get(minor)
    if month is not None and month <= term.until[:7]:
        word = "ended" if month < term.today[:7] else "ends"
        yield f"Python {minor} {word} in {month}"


def _index(evidence: Evidence, term: Term) -> Iterator[str]:
    """The newest torch that will be out has no build of this variant."""
    torch, env, catalog = evidence.torch, evidence.env, evidence.catalog
    record = env.distribution("torch") if env else None
    if torch is None or torch.variant is None or (record is not None and record.installer == "conda"):
        return
    newest = newest_of(catalog, evidence.platform, torch.variant)
    out = next((r for r in catalog.releases if r.date <= term.until), None)
    if newest is not None and out is not None and numbers(newest) < numbers(out.torch):
        yield f"the index {torch.variant} ends with torch {newest}; torch {out.torch} ({out.date}) has no such build"


def newest_of(catalog: Catalog, platform: str, variant: str) -> str | None:
    """The newest torch with a build of a variant, seen or only planned; None where there never was one."""
    found = [build.torch for build in catalog.builds(platform) if build.variant == variant]
    return max(found, key=numbers, default=None)


def _channels(evidence: Evidence) -> Iterator[str]:
    course, drift = evidence.course, evidence.drift
    used = set(course.channels) if course else set()
    if drift and drift.locked:
        used |= {part for pin in drift.locked.pins for part in pin.url.split("/")[3:4] if pin.manager == "conda"}
    for name, (last, instead) in evidence.catalog.ended_channels.items():
        if name in used:
            yield f"the channel {name} ended with torch {last}; {instead} has the newer ones"


def the_device_is_named_once(evidence: Evidence) -> Verdict:
    """Asked only with --max-devices."""
    drift = evidence.drift
    if drift is None or drift.most_devices is None:
        return skipped("not asked; --max-devices 1 does")
    match drift.devices:
        case Found(lines):
            return _counted(lines, drift.most_devices)
        case Absent(reason) | Unknown(reason):
            return unknown(f"the lines that name a device could not be counted: {reason}")


def _counted(lines: tuple[str, ...], most: int) -> Verdict:
    count = f"{len(lines)} line{'' if len(lines) == 1 else 's'}"
    if len(lines) <= most:
        return passed(f"{count} name{'s' if len(lines) == 1 else ''} a device")
    return failed(
        f"{count} name{'s' if len(lines) == 1 else ''} a device, and {most} may: {listed(lines)}.",
        hint='keep one line, DEVICE = "cpu", and write .to(DEVICE) and device=DEVICE in the others',
        evidence={"lines": list(lines), "max": most},
    )


CHECKS = (
    Check("device-lines", "The device is named in one line", LOCK, the_device_is_named_once),
    Check("catalog-ends", "Nothing in use ends within the term", LOCK, nothing_ends_within_the_term),
)
