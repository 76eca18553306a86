"""conda-lock's unified lockfile, version 1, which conda-lock, micromamba and mamba install; one for each variant."""

from __future__ import annotations

from collections.abc import Iterator

from envtool.lock.channels import short
from envtool.lock.content_hash import content_hashes
from envtool.lock.model import LockedPackage, LockedWheel, Lockfile
from envtool.lock.yaml_text import scalar


def dumps(lockfile: Lockfile, variant: str, spec_name: str, spec_digest: str) -> str:
    """The text of ``<name>-<variant>.conda-lock.yml``. The ending matters: micromamba knows a lockfile by it."""
    targets = sorted(lockfile.of_variant(variant), key=lambda one: one.target.subdir)
    name = f"{lockfile.name}-{variant}"
    lines = [
        f"# Made by `envtool lock` from {spec_name}; do not edit. Install with one of:",
        f"#   envtool install --lock {name}.conda-lock.yml",
        f"#   micromamba create --name {name} --file {name}.conda-lock.yml",
        f"#   conda-lock install --name {name} {name}.conda-lock.yml",
        f"# spec: sha256:{spec_digest}",
        "version: 1",
        "metadata:",
        "  content_hash:",
        *(f"    {subdir}: {scalar(text)}" for subdir, text in sorted(content_hashes(lockfile, variant).items())),
        "  channels:",
    ]
    for channel in lockfile.channels:
        lines += [f"  - url: {scalar(short(channel))}", "    used_env_vars: []"]
    lines += ["  platforms:", *(f"  - {locked.target.subdir}" for locked in targets)]
    lines += ["  sources:", f"  - {name}.environment.yml", "package:"]
    entries = [
        (("conda", package.name, locked.target.subdir), _conda(package, locked.target.subdir))
        for locked in targets for package in locked.packages
    ]  # fmt: skip
    entries += [
        (("pip", wheel.name, locked.target.subdir), _pip(wheel, locked.target.subdir))
        for locked in targets for wheel in locked.wheels
    ]  # fmt: skip
    for _, entry in sorted(entries, key=lambda one: one[0]):
        lines += entry
    return "\n".join(lines) + "\n"


def _conda(package: LockedPackage, subdir: str) -> Iterator[str]:
    yield f"- name: {scalar(package.name)}"
    yield f"  version: {scalar(package.version)}"
    yield "  manager: conda"
    yield f"  platform: {subdir}"
    needs = {name: rest for line in package.depends for name, _, rest in [line.partition(" ")]}
    if needs:
        yield "  dependencies:"
        yield from (f"    {scalar(name)}: {scalar(needs[name])}" for name in sorted(needs))
    else:
        yield "  dependencies: {}"
    yield f"  url: {scalar(package.url)}"
    yield "  hash:"
    yield f"    md5: {scalar(package.md5)}"
    yield f"    sha256: {scalar(package.sha256)}"
    yield "  category: main"
    yield "  optional: false"


def _pip(wheel: LockedWheel, subdir: str) -> Iterator[str]:
    yield f"- name: {scalar(wheel.name)}"
    yield f"  version: {scalar(wheel.version)}"
    yield "  manager: pip"
    yield f"  platform: {subdir}"
    yield "  dependencies: {}"
    yield f"  url: {scalar(wheel.url)}"
    yield "  hash:"
    yield f"    sha256: {scalar(wheel.sha256)}"
    yield "  category: main"
    yield "  optional: false"
