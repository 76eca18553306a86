"""conda-lock's content hash, so that its ``--check-input-hash`` agrees: of environment.yml and the virtual packages."""

from __future__ import annotations

import hashlib
import json

from envtool.lock.channels import short
from envtool.lock.environment_yml import Common, common
from envtool.lock.model import LockedTarget, Lockfile, VirtualPackage

_TIME = 1577854800000  # of all virtual packages, in conda-lock's terms


def content_hashes(lockfile: Lockfile, variant: str) -> dict[str, str]:
    """By subdir, the hash that conda-lock 2 and newer compute of the variant's environment.yml."""
    targets = lockfile.of_variant(variant)
    asked = common(targets)
    channels = [json.dumps({"url": short(channel), "used_env_vars": []}, separators=(",", ":"))
                for channel in lockfile.channels]  # fmt: skip
    found = {}
    for locked in targets:
        content = {
            "channels": channels,
            "specs": _specs(asked),
            "virtual_package_hash": _virtual(locked),
        }
        found[locked.target.subdir] = hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()
    return found


def _specs(asked: Common) -> list[dict[str, object]]:
    found = {("conda", line.split(" ")[0]): _conda(line) for line in asked.lines}
    for requirement in asked.pip:
        told = _pip(requirement)
        found["pip", str(told["name"])] = told
    if asked.pip:
        found["conda", "pip"] = _dependency("pip", "conda", "*", None)
    return [found[key] for key in sorted(found)]


def _conda(line: str) -> dict[str, object]:
    name, version, build = (*line.split(" "), "", "")[:3]
    return _dependency(name, "conda", version, build or None)


def _pip(text: str) -> dict[str, object]:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    requirement = Requirement(text)
    version = ",".join(sorted(str(part) for part in requirement.specifier)) or "*"
    told = _dependency(canonicalize_name(requirement.name), "pip", version, None)
    told["extras"] = sorted(requirement.extras)
    if ";" in text:
        told["markers"] = text.rpartition(";")[2].strip()
    return told


def _dependency(name: str, manager: str, version: str, build: str | None) -> dict[str, object]:
    return {
        "name": name, "manager": manager, "category": "main", "extras": [], "version": version, "build": build,
        "conda_channel": None, "hash": None,
    }  # fmt: skip


def _virtual(locked: LockedTarget) -> dict[str, object]:
    """The index of a channel that has nothing but the virtual packages."""
    subdir = locked.target.subdir
    packages = dict(_record(virtual, subdir) for virtual in locked.virtual)
    return {
        "noarch": {"info": {"subdir": "noarch"}, "packages": {}},
        subdir: {"info": {"subdir": subdir}, "packages": packages},
    }


def _record(virtual: VirtualPackage, subdir: str) -> tuple[str, dict[str, object]]:
    text = "" if virtual.build == "0" else virtual.build
    build = f"{text}_0" if text else "0"
    return f"{virtual.name}-{virtual.version}-{build}.tar.bz2", {
        "name": virtual.name, "version": virtual.version, "build_string": text, "build_number": 0, "noarch": "",
        "depends": [], "timestamp": _TIME, "package_type": "virtual_system", "build": build, "subdir": subdir,
    }  # fmt: skip
