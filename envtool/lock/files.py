"""All files of a lockfile, by name: what ``envtool lock`` writes, and what ``--check`` expects to find."""

from __future__ import annotations

import hashlib

from envtool.lock import conda_lock_v1, environment_yml, explicit, pixi
from envtool.lock.model import Lockfile


def rendered(lockfile: Lockfile, spec_name: str) -> dict[str, str]:
    """Text by file name. ``spec_name``: the file that was locked, "envtool.toml"."""
    found = {pixi.FILE_NAME: pixi.dumps(lockfile)}
    for variant in lockfile.variants:
        name, digest = f"{lockfile.name}-{variant}", _digest(lockfile, variant)
        found[f"{name}.conda-lock.yml"] = conda_lock_v1.dumps(lockfile, variant, spec_name, digest)
        found[f"{name}.environment.yml"] = environment_yml.environment_yml(lockfile, variant, spec_name, digest)
        found[f"{name}.virtual-packages.yml"] = environment_yml.virtual_packages_yml(lockfile, variant)
        for locked in lockfile.of_variant(variant):
            found[f"{name}-{locked.target.subdir}.txt"] = explicit.dumps(lockfile, locked, spec_name)
    return found


def _digest(lockfile: Lockfile, variant: str) -> str:
    """Of all in the spec that concerns a variant: a platform that is new in another one changes no file of this."""
    text = " ".join(sorted(locked.fingerprint for locked in lockfile.of_variant(variant)))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
