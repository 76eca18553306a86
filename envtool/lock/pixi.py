"""pixi.lock, version 7: full records. It is what envtool itself reads again; the other files are made from it.

What pixi has no field for stands in comments at the top, one JSON value a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.lock.model import LockedPackage, LockedTarget, LockedWheel, Lockfile, Missing, Target
from envtool.lock.system import virtual_packages
from envtool.lock.yaml_text import scalar, sequence

FILE_NAME = "pixi.lock"
_HEADER = "# Made by `envtool lock`; do not edit. The other lockfiles in this folder are made from this one."
_CONFLICT = re.compile(r"^<{7} ", re.MULTILINE)
_COMMENT = re.compile(r"# (name|channels|spec|target|missing): (.*)")
_BUILD_NUMBER = re.compile(r"(?:^|_)(\d+)$")


def dumps(lockfile: Lockfile) -> str:
    """The text of a pixi.lock: an environment for each variant."""
    lines = [_HEADER, f"# name: {json.dumps(lockfile.name)}", f"# spec: {lockfile.spec}"]
    lines.insert(2, f"# channels: {json.dumps(lockfile.channels)}")
    lines += [f"# target: {_comment(locked)}" for locked in lockfile.targets]
    lines += [f"# missing: {_without(missing)}" for missing in lockfile.missing]
    lines += ["version: 7", "platforms:"]
    for subdir in sorted({locked.target.subdir for locked in lockfile.targets}):
        lines.append(f"- name: {subdir}")
        lines += sequence("virtual-packages", [str(one) for one in virtual_packages(subdir, "cpu")], "  ")
    lines.append("environments:")
    for variant in lockfile.variants:
        lines += [f"  {scalar(variant)}:", "    channels:"]
        lines += [f"    - url: {scalar(channel)}/" for channel in lockfile.channels]
        lines.append("    packages:")
        for locked in sorted(lockfile.of_variant(variant), key=lambda one: one.target.subdir):
            lines.append(f"      {locked.target.subdir}:")
            lines += [f"      - conda: {scalar(package.url)}" for package in locked.packages]
            lines += [f"      - pypi: {scalar(wheel.url)}" for wheel in locked.wheels]
    lines.append("packages:")
    packages = {package.url: package for locked in lockfile.targets for package in locked.packages}
    for package in sorted(packages.values(), key=lambda one: (one.name, one.url)):
        lines += _conda(package)
    wheels = {wheel.url: wheel for locked in lockfile.targets for wheel in locked.wheels}
    for wheel in sorted(wheels.values(), key=lambda one: (one.name, one.url)):
        lines += _pypi(wheel)
    return "\n".join(lines) + "\n"


def _comment(locked: LockedTarget) -> str:
    return json.dumps(
        {
            "variant": locked.target.variant, "subdir": locked.target.subdir, "build": locked.build,
            "python": locked.python, "fingerprint": locked.fingerprint, "specs": locked.specs,
            "pip": locked.pip_specs,
        },
        ensure_ascii=False,
    )  # fmt: skip


def _without(missing: Missing) -> str:
    target = missing.target
    told = {
        "variant": target.variant,
        "subdir": target.subdir,
        "fingerprint": missing.fingerprint,
        "why": missing.reason,
    }
    return json.dumps(told, ensure_ascii=False)


def _conda(package: LockedPackage) -> Iterator[str]:
    """One record. What the file's name tells is left out, as pixi does."""
    yield f"- conda: {scalar(package.url)}"
    number = _BUILD_NUMBER.search(package.build)
    stem = package.file_name.removesuffix(".conda").removesuffix(".tar.bz2")
    told = stem == f"{package.name}-{package.version}-{package.build}"
    if not told:
        yield f"  name: {scalar(package.name)}"
        yield f"  version: {scalar(package.version)}"
        yield f"  build: {scalar(package.build)}"
    if number is None or int(number[1]) != package.build_number or len(number[1]) > 1:
        yield f"  build_number: {package.build_number}"
    if not told or f"/{package.subdir}/" not in package.url:
        yield f"  subdir: {package.subdir}"
    if package.noarch is not None:
        yield f"  noarch: {package.noarch}"
    yield f"  sha256: {scalar(package.sha256)}"
    yield f"  md5: {scalar(package.md5)}"
    yield from sequence("depends", package.depends, "  ")
    if package.extra_depends:
        yield "  extra_depends:"
        for name, lines in package.extra_depends:
            yield from sequence(scalar(name), lines, "    ")
    yield from sequence("constrains", package.constrains, "  ")
    yield from sequence("track_features", package.track_features, "  ")
    for key in ("license", "license_family"):
        value = getattr(package, key)
        if value is not None:
            yield f"  {key}: {scalar(value)}"
    if package.size is not None:
        yield f"  size: {package.size}"
    if package.timestamp is not None:
        yield f"  timestamp: {package.timestamp}"
    if package.python_site_packages_path is not None:
        yield f"  python_site_packages_path: {scalar(package.python_site_packages_path)}"


def _pypi(wheel: LockedWheel) -> Iterator[str]:
    yield f"- pypi: {scalar(wheel.url)}"
    yield f"  name: {scalar(wheel.name)}"
    yield f"  version: {scalar(wheel.version)}"
    yield f"  sha256: {scalar(wheel.sha256)}"
    yield from sequence("requires_dist", wheel.requires, "  ")
    if wheel.requires_python is not None:
        yield f"  requires_python: {scalar(wheel.requires_python)}"


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, repr=False)
class Head(Fact):
    """What stands in the comments at the top."""

    name: str
    channels: tuple[str, ...]
    spec: str
    targets: tuple[dict[str, object], ...]
    missing: tuple[Missing, ...]

    @property
    def fingerprints(self) -> dict[Target, str]:
        """The request that each target was locked for, or left out."""
        locked = {Target(str(told["variant"]), str(told["subdir"])): str(told["fingerprint"]) for told in self.targets}
        return locked | {missing.target: missing.fingerprint for missing in self.missing}


def head(text: str, where: str) -> Head:
    """The comments of a pixi.lock, read without a YAML parser; UsageError where envtool didn't write it."""
    _refuse_conflict(text, where)
    found: dict[str, object] = {}
    spec, targets, missing = "", [], []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        match = _COMMENT.fullmatch(line)
        if match is None:
            continue
        if match[1] == "spec":
            spec = match[2]
            continue
        try:
            value = json.loads(match[2])
        except ValueError:
            raise damaged(where, f"the line {line[:40]!r} can't be read") from None
        if match[1] == "missing" and isinstance(value, dict) and {"variant", "subdir", "fingerprint"} <= set(value):
            target = Target(str(value["variant"]), str(value["subdir"]))
            missing.append(Missing(target, str(value.get("why", "")), str(value["fingerprint"])))
        elif match[1] in {"name", "channels"}:
            found[match[1]] = value
        elif isinstance(value, dict) and {"variant", "subdir", "build", "python", "fingerprint"} <= set(value):
            targets.append(value)
    channels = found.get("channels")
    if "name" not in found or not targets or not isinstance(channels, list):
        raise damaged(where, "it was not made by `envtool lock`")
    return Head(str(found["name"]), tuple(map(str, channels)), spec, tuple(targets), tuple(missing))


def is_of_pixi(text: str) -> bool:
    """Did pixi itself write it? What is empty, or in the middle of a merge, nobody wrote."""
    return text.startswith("version:") and not _CONFLICT.search(text)


def _refuse_conflict(text: str, where: str) -> None:
    """Two people added a package each, and git could not merge it: what is locked on one side is a good start."""
    if _CONFLICT.search(text):
        raise UsageError(
            f"{where} holds the marks of a merge that was not ended",
            hint="mend the spec, take one side of the folder (`git checkout --ours lockfiles`), then `envtool lock`",
        )


def damaged(where: str, why: str) -> UsageError:
    """A lockfile that can't be used."""
    return UsageError(
        f"{where}: {why}", hint="restore it, or remove it and run `envtool lock`, which may move versions"
    )


def load(path: str, text: str, where: str) -> Lockfile:
    """A lockfile that ``dumps`` wrote; UsageError says why ``where`` can't be read."""
    top = head(text, where)
    from rattler import LockFile

    try:
        read = LockFile.from_path(path)  # type: ignore[arg-type]
        environments = dict(read.environments())
        targets = [_target(told, environments, where) for told in top.targets]
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise damaged(where, f"{error} is missing" if isinstance(error, KeyError) else str(error)) from None
    except Exception as error:
        if type(error).__module__ != "exceptions":
            raise
        raise damaged(where, str(error).splitlines()[0]) from None
    return Lockfile(top.name, top.channels, top.spec, tuple(targets), top.missing)


def _target(told: dict[str, object], environments: Mapping[str, object], where: str) -> LockedTarget:
    from rattler import CondaLockedBinaryPackage, Environment, PypiLockedPackage

    from envtool.lock.records import locked_package

    target = Target(str(told["variant"]), str(told["subdir"]))
    environment = environments[target.variant]
    assert isinstance(environment, Environment)
    platform = next(one for one in environment.platforms() if one.name == target.subdir)
    packages, wheels = [], []
    for one in environment.packages(platform) or []:
        if isinstance(one, CondaLockedBinaryPackage):
            packages.append(locked_package(one.repo_data_record(), {}, lockfile=where))
        elif isinstance(one, PypiLockedPackage):
            digest = one.hashes.sha256 if one.hashes else None
            if digest is None:
                raise ValueError(f"{one.name} has no sha256")
            wheels.append(LockedWheel(
                one.name, str(one.version), one.location, digest.hex(), tuple(one.requires_dist), one.requires_python
            ))  # fmt: skip
    build = str(told["build"])
    packages.sort(key=lambda one: one.name)
    wheels.sort(key=lambda one: one.name)
    return LockedTarget(
        target, build, str(told["python"]), _texts(told["specs"]), virtual_packages(target.subdir, build),
        tuple(packages), tuple(wheels), _texts(told["pip"]), str(told["fingerprint"]),
    )  # fmt: skip


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return tuple(str(one) for one in value)
