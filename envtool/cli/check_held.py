"""What an environment holds, by the records that its installers keep."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from envtool.drift import CONDA, PIP, Drift, Held, Locked
from envtool.drift.compare import normalised

if TYPE_CHECKING:
    from envtool.environment import Distribution, Environment
    from envtool.install.conda_state import CondaRecord

_METADATA = (".dist-info/METADATA", ".egg-info/PKG-INFO", ".egg-info")


def is_conda(env: Environment) -> bool:
    """Does conda, or a tool of its kind, keep this environment?"""
    return env.manager == "conda" or os.path.isdir(os.path.join(env.prefix, "conda-meta"))


def records_of(env: Environment) -> dict[str, CondaRecord]:
    """conda's records; none outside of a conda environment."""
    from envtool.install.conda_state import read_records

    return read_records(env.prefix) if is_conda(env) else {}


def held_by_conda(records: Mapping[str, CondaRecord]) -> tuple[Held, ...]:
    """conda's packages, each with the distributions that are in it."""
    return tuple(
        Held(
            one.name, one.version, CONDA, one.build,
            tuple(f"{kind}:{text}" for kind, text in (("sha256", one.sha256), ("md5", one.md5)) if text),
            tuple(dict.fromkeys(normalised(name) for name in _distributions(one.files))),
        )
        for one in records.values()
    )  # fmt: skip


def _distributions(files: Iterable[str]) -> Iterator[str]:
    for file in files:
        if file.endswith(_METADATA):
            folder = next(part for part in file.split("/") if part.endswith((".dist-info", ".egg-info")))
            yield folder.partition("-")[0].removesuffix(".egg")


def held_by_pip(env: Environment, records: Mapping[str, CondaRecord]) -> tuple[Held, ...]:
    """Every distribution on the path; those whose metadata a conda package owns are conda's."""
    owned = {
        os.path.normcase(os.path.join(env.prefix, *file.split("/")[: _depth(file)]))
        for one in records.values() for file in one.files if file.endswith(_METADATA)
    }  # fmt: skip
    return tuple(_held(one, owned) for one in env.distributions)


def _depth(file: str) -> int:
    """How many parts of a path lead to the folder, or the file, that is the metadata."""
    parts = file.split("/")
    return next(index for index, part in enumerate(parts, 1) if part.endswith((".dist-info", ".egg-info")))


def _held(one: Distribution, owned: set[str]) -> Held:
    place = os.path.normcase(one.metadata_path or "")
    conda = place in owned and one.installer in {None, "conda"}
    hashes = _hash_on_record(one.metadata_path) if not conda else ()
    return Held(one.name, one.version, CONDA if conda else PIP, hashes=hashes, editable=one.editable)


def _hash_on_record(metadata: str | None) -> tuple[str, ...]:
    """Of what was installed by its address, pip writes the archive's hash into direct_url.json (PEP 610)."""
    import json

    try:
        with open(os.path.join(metadata or "", "direct_url.json"), encoding="utf-8") as file:
            told = json.load(file)["archive_info"]
        hashes = told.get("hashes") or dict([str(told["hash"]).split("=", 1)])
        return tuple(f"{kind}:{text}" for kind, text in hashes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def lost_files(env: Environment, drift: Drift, locked: Locked, records: Mapping[str, CondaRecord]) -> Iterator[
    tuple[str, str]
]:  # fmt: skip
    """The locked packages of whose files one is gone, and that file."""
    from envtool.install.conda_state import missing_file as missing_of_conda
    from envtool.install.installed import Installed, missing_file

    metadata = {one.name: one.metadata_path for one in reversed(env.distributions)}
    for pin in locked.pins:
        if pin.manager == CONDA:
            record = records.get(pin.name)
            lost = missing_of_conda(env.prefix, [record]) if record else None
            over = record and any(
                (held := drift.pip_by_name.get(normalised(name))) and held.manager == PIP
                for name in _distributions(record.files)
            )
            if lost is not None and not over:  # what pip laid over it is another check's
                yield pin.name, lost[1]
            continue
        held, folder = drift.pip_by_name.get(pin.name), metadata.get(pin.name)
        if held is None or folder is None or held.manager == CONDA or held.editable:
            continue
        if folder.endswith(".dist-info"):
            file = missing_file(Installed(pin.name, held.version, (), folder), imported=True)
            if file is not None:
                yield pin.name, file
