"""Between the records of py-rattler and those of a lockfile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from rattler import BuildString, GenericVirtualPackage, PackageName, PackageRecord, RepoDataRecord, Version

from envtool.errors import ToolError, UsageError
from envtool.lock.channels import public
from envtool.lock.model import LockedPackage, VirtualPackage

if TYPE_CHECKING:
    from rattler.package.no_arch_type import NoArchLiteral


def locked_package(record: RepoDataRecord, mirrors: Mapping[str, str], *, lockfile: str | None = None) -> LockedPackage:
    """A record as lockfiles have it, of a channel or of a ``lockfile``; refused without a hash to check it by."""
    raw = json.loads(record.to_json())
    url = public(raw["url"], mirrors)
    if lockfile is not None and not (raw.get("sha256") or raw.get("md5")):
        raise UsageError(
            f"{lockfile}: {raw['fn']} has no hash, so nobody could check it", hint="restore the lockfile, or lock anew"
        )
    for name in ("sha256", "md5") if lockfile is None else ():
        if not raw.get(name):
            raise ToolError(
                f"the channel's index gives no {name} for {raw['fn']}, so nobody could check what they install",
                hint="index the channel again, with a tool that writes md5 and sha256 (rattler-index, conda-index)",
            )
    return LockedPackage(
        raw["name"], raw["version"], raw["build"], raw["build_number"], raw["subdir"], url,
        raw.get("md5") or "", raw.get("sha256") or "",
        raw.get("size"), tuple(raw.get("depends", ())), tuple(raw.get("constrains", ())), raw.get("license"),
        raw.get("license_family"), raw.get("noarch"), raw.get("timestamp"), _words(raw.get("track_features")),
        raw.get("python_site_packages_path"),
        tuple(sorted((name, tuple(lines)) for name, lines in (raw.get("extra_depends") or {}).items())),
    )  # fmt: skip


def _words(value: str | list[str] | None) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else tuple(value or ())


def record_of(package: LockedPackage) -> RepoDataRecord:
    """The other way: what the solver is to keep."""
    noarch: NoArchLiteral = "python" if package.noarch == "python" else "generic" if package.noarch else None
    record = PackageRecord(
        package.name, package.version, BuildString.new_unchecked(package.build), package.build_number, package.subdir,
        noarch=noarch, depends=list(package.depends), constrains=list(package.constrains),
        sha256=bytes.fromhex(package.sha256) or None, md5=bytes.fromhex(package.md5) or None, size=package.size,
        python_site_packages_path=package.python_site_packages_path,
    )  # fmt: skip
    if package.timestamp is not None:
        record.timestamp = datetime.fromtimestamp(package.timestamp / 1000, timezone.utc)
    record.track_features = list(package.track_features)
    channel = package.url.rpartition("/")[0].rpartition("/")[0]
    return RepoDataRecord(record, package.file_name, package.url, channel)


def generic(virtual: VirtualPackage) -> GenericVirtualPackage:
    """A virtual package as the solver takes it."""
    return GenericVirtualPackage(
        PackageName(virtual.name), Version(virtual.version), BuildString.new_unchecked(virtual.build)
    )
