"""``envtool lock --verify``: the lockfiles against what the channels say."""

from __future__ import annotations

from envtool.cli.lock_place import Place, print_document, short
from envtool.errors import EXIT_FAILED, EXIT_OK, UsageError


def verify_lock(place: Place, mirrors: tuple[str, ...], *, offline: bool, as_json: bool) -> int:
    """Is every entry what the channel has? The exit code tells."""
    import os

    from envtool.lock.channels import read_mirrors
    from envtool.lock.files import rendered
    from envtool.lock.freshness import altered
    from envtool.lock.place import read_text
    from envtool.lock.verification import differences

    lockfile = place.lockfile()
    if lockfile is None:
        raise UsageError(f"--verify: there is no lockfile in {short(place.folder)}", hint="`envtool lock` writes it")
    expected = rendered(lockfile, place.spec_name)
    told = altered(expected, {name: read_text(os.path.join(place.folder, name)) for name in expected})
    told += differences(lockfile, read_mirrors(mirrors, lockfile.channels), offline=offline)
    urls = {package.url for locked in lockfile.targets for package in locked.packages}
    count = len(urls | {wheel.url for locked in lockfile.targets for wheel in locked.wheels})
    if as_json:
        print_document("tampered" if told else "verified", lockfile=lockfile, told=(told, ()))
    elif told:
        print(f"These are not what the channel says, in {short(place.folder)}:")
        print("\n".join(f"  {line}" for line in told))
        from envtool.cli.own_name import typed

        print(
            typed("Install nothing from it. Restore the lockfiles from git, or lock again: `envtool lock --upgrade`.")
        )
    else:
        print(f"All {count} packages in {short(place.folder)} are what the channel says: address, hashes, size, needs.")
    return EXIT_FAILED if told else EXIT_OK
