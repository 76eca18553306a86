"""``@EXPLICIT`` lists, one for each variant and platform: the lockfile that plain conda reads."""

from __future__ import annotations

from envtool.lock.model import LockedPackage, LockedTarget, Lockfile
from envtool.lock.verify import spec_name


def dumps(lockfile: Lockfile, locked: LockedTarget, spec_file: str) -> str:
    """The text of ``<name>-<variant>-<subdir>.txt``. Its hashes are MD5, which every conda checks."""
    name = f"{lockfile.name}-{locked.target.variant}"
    lines = [
        f"# Made by `envtool lock` from {spec_file}; do not edit.",
        f"# Install: conda create --name {name} --file {name}-{locked.target.subdir}.txt",
        f"# platform: {locked.target.subdir}",
        f"# spec: sha256:{locked.fingerprint}",
        "@EXPLICIT",
        *(f"{package.url}#{package.md5}" for package in in_order(locked.packages)),
        *(f"# pip {wheel.name} @ {wheel.url}#sha256={wheel.sha256}" for wheel in locked.wheels),
    ]
    return "\n".join(lines) + "\n"


def in_order(packages: tuple[LockedPackage, ...]) -> tuple[LockedPackage, ...]:
    """What a package needs comes before it; a circle is entered at its first name."""
    by_name = {package.name: package for package in packages}
    found: dict[str, LockedPackage] = {}
    entered: set[str] = set()
    for start in packages:
        stack = [(start, False)]
        while stack:
            package, done = stack.pop()
            if done:
                found.setdefault(package.name, package)
            elif package.name not in entered:
                entered.add(package.name)
                stack.append((package, True))
                needs = sorted({spec_name(line) for line in package.depends} & by_name.keys(), reverse=True)
                stack += [(by_name[name], False) for name in needs]
    return tuple(found.values())
