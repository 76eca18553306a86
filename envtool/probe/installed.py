"""From what the two children answered to an Environment: what is installed, what leaks in, what is shadowed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envtool.environment import Build, CondaPackage, Distribution, Leak, Shadow
from envtool.fact import Fact, dataclass
from envtool.probe.answer import Answer, object_of, objects_of, text_of, texts_of
from envtool.probe.builds import Beside, read_build

_FOREIGN = (
    "torch",
    "torchvision",
    "torchaudio",
    "torchtext",
    "triton",
    "numpy",
    "PIL",
    "pytorch",
    "functorch",
    "torchgen",
)
_PROVIDERS = {"PIL": "pillow", "functorch": "torch", "torchgen": "torch"}  # module: distribution, where they differ


@dataclass(frozen=True, eq=False, repr=False)
class Entry(Fact):
    """One directory of a plain start's path, with what was read there. ``leak`` is its kind, None where it is none."""

    path: str
    answer: Answer
    leak: str | None
    before_standard_library: bool


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries_of(isolated: Answer, plain: Answer | None) -> tuple[Entry, ...]:
    """The directories of the path in the order of a plain start (of the isolated one where no plain start works)."""
    scans = {_identity(scan): scan for scan in objects_of(isolated, "entries")}
    known = set(scans)
    if plain is None:
        return tuple(Entry(_path(scan), scan, None, False) for scan in scans.values())
    scans |= {_identity(scan): scan for scan in objects_of(plain, "entries")}
    by_path = {_path(scan): scan for scan in scans.values()}
    cwd, home = text_of(plain, "cwd") or "", (text_of(plain, "home") or "").replace("\\", "/")
    ordered: dict[str, Entry] = {}
    before = True
    for place, path in enumerate(texts_of(plain, "path")):
        before = before and path.replace("\\", "/") != home
        scan = by_path.get(path or cwd)
        if scan is not None and _identity(scan) not in ordered:
            leak = None if _identity(scan) in known else _kind(path, place, plain)
            ordered[_identity(scan)] = Entry(_path(scan), scan, leak, before)
    return tuple(ordered.values())


def _identity(scan: Answer) -> str:
    return text_of(scan, "identity") or _path(scan)


def _path(scan: Answer) -> str:
    return text_of(scan, "path") or ""


def _kind(path: str, place: int, plain: Answer) -> str:
    cwd = text_of(plain, "cwd")
    if path == "" or (place == 0 and path == cwd):
        return "working-directory"
    named = {_absolute(entry, cwd or "") for entry in texts_of(plain, "pythonpath")}
    if path in named or path.rstrip("/\\") in named:
        return "PYTHONPATH"
    return "user-site" if path == text_of(plain, "user_site") else "other"


def _absolute(entry: str, cwd: str) -> str:
    if entry in (".", ""):
        return cwd
    rooted = entry.startswith(("/", "\\")) or entry[1:2] == ":"
    path = entry if rooted else f"{cwd}/{entry.removeprefix('./')}"
    return path.rstrip("/\\") or path


def leaks_of(entries: tuple[Entry, ...]) -> tuple[Leak, ...]:
    """The directories that only a plain start has."""
    return tuple(Leak(entry.leak, entry.path) for entry in entries if entry.leak is not None)


# ── distributions and builds ─────────────────────────────────────────────────────────────────────


def _installed(entries: tuple[Entry, ...]) -> Iterator[tuple[Entry, Answer]]:
    """What a package may be imported from for good: a project's own egg-info in the working directory is none."""
    for entry in entries:
        if entry.leak != "working-directory":
            for found in objects_of(entry.answer, "distributions"):
                yield entry, found


def distributions_of(entries: tuple[Entry, ...]) -> tuple[Distribution, ...]:
    """Every distribution in the order of the path, copies of one name included."""
    links = {normalised(link) for entry in entries for link in texts_of(entry.answer, "links")}
    return tuple(
        Distribution(
            name=normalised(text_of(found, "name") or ""),
            version=text_of(found, "version") or "",
            location=entry.path,
            installer=text_of(found, "installer"),
            requires=texts_of(found, "requires"),
            metadata_path=_join(entry.path, text_of(found, "metadata") or ""),
            editable=found.get("editable") is True or normalised(text_of(found, "name") or "") in links,
        )
        for entry, found in _installed(entries)
        if found.get("readable") is True and text_of(found, "name")
    )


def invalid_of(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Metadata folders without readable metadata: what an interrupted removal leaves behind."""
    return tuple(
        _join(entry.path, text_of(found, "metadata") or "")
        for entry, found in _installed(entries)
        if found.get("readable") is not True
    )


def leftovers_of(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Packages that pip had put aside ("~orch") and never brought back or removed."""
    return tuple(
        _join(entry.path, name)
        for entry in entries
        if entry.leak != "working-directory"
        for name in texts_of(entry.answer, "leftovers")
        if name[1:2].isalnum() or name[1:2] in ("~", "-", "_")
    )


def closed_of(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """The folders of packages that this user may not read."""
    ours = (entry for entry in entries if entry.leak != "working-directory")
    return tuple(path for entry in ours for path in texts_of(entry.answer, "closed"))


def _join(folder: str, name: str) -> str:
    separator = "\\" if "\\" in folder and "/" not in folder else "/"
    return folder.rstrip("/\\") + separator + name


def builds_of(
    entries: tuple[Entry, ...], found: tuple[Distribution, ...], conda: tuple[CondaPackage, ...], platform: str
) -> tuple[Build, ...]:
    """Every copy of torch, torchvision and torchaudio that could be imported, the one that is imported first."""
    runtime = next((one.version for one in found if one.name.startswith("nvidia-cuda-runtime")), None)
    builds = []
    for entry in entries:
        if entry.leak == "working-directory":
            continue
        for one in objects_of(entry.answer, "builds"):
            package = text_of(one, "package") or ""
            here = next((dist for dist in found if dist.name == package and dist.location == entry.path), None)
            records = {record.name: record for record in conda}
            record = records.get("pytorch" if package == "torch" else package)
            beside = Beside(platform, here.version if here else None, record.build if record else None, runtime)
            shipped = texts_of(one, "shipped")
            builds.append(read_build(package, text_of(one, "version_py"), shipped, beside, location=entry.path))
    return tuple(builds)


# ── conda ────────────────────────────────────────────────────────────────────────────────────────


def conda_packages_of(isolated: Answer) -> tuple[CondaPackage, ...]:
    """The records of conda-meta whose channel was read: those of the packages that matter here."""
    records = (object_of(isolated, "conda") or {}).get("records")
    found = []
    for record in records if isinstance(records, list) else []:
        if isinstance(record, list) and len(record) == 4 and all(isinstance(part, str) for part in record):
            name, version, build, channel = map(str, record)
            found.append(CondaPackage(name, version, build, channel_name(channel)))
    return tuple(found)


def channel_name(channel: str) -> str:
    """ "conda-forge" of "https://conda.anaconda.org/conda-forge/linux-64", "defaults" of Anaconda's own."""
    parts = [part for part in channel.rsplit("://", maxsplit=1)[-1].split("/") if part]
    if len(parts) > 1 and re.match(r"^(noarch|(linux|osx|win|emscripten|wasi)-\w+)$", parts[-1]):
        parts.pop()
    if parts[:2] in (["repo.anaconda.com", "pkgs"], ["repo.continuum.io", "pkgs"]):
        return "defaults"
    return "/".join(parts[1:] if len(parts) > 1 and "." in parts[0] else parts)


def is_conda_base(isolated: Answer) -> bool:
    """Is this the environment that conda itself lives in?"""
    answer = object_of(isolated, "conda")
    if answer is None:
        return False
    return answer.get("condabin") is True or any(one.name == "conda" for one in conda_packages_of(isolated))


# ── shadows ──────────────────────────────────────────────────────────────────────────────────────


def shadows_of(
    entries: tuple[Entry, ...], found: tuple[Distribution, ...], builds: tuple[Build, ...]
) -> tuple[Shadow, ...]:
    """Files and folders in leaked directories that are imported in place of the module they are named after."""
    shadows = []
    for entry in entries:
        for one in objects_of(entry.answer, "shadows"):
            module, file = text_of(one, "module") or "", text_of(one, "file") or ""
            standard = module not in _FOREIGN
            if entry.leak is None or not _wins(entry, one, module, found, builds):
                continue
            shadows.append(Shadow(module, _join(entry.path, file), entry.leak, standard))
    return tuple(shadows)


def _wins(entry: Entry, one: Answer, module: str, found: tuple[Distribution, ...], builds: tuple[Build, ...]) -> bool:
    if module == "pytorch":  # the module is called torch: a folder or a file of this name stands in nobody's way
        return False
    provider = _PROVIDERS.get(module, module)
    if one.get("namespace") is True:  # a folder without __init__.py loses against any real package on the path
        installed = {dist.name for dist in found} | {build.package for build in builds}
        return module in _FOREIGN and provider not in installed
    if module not in _FOREIGN:
        return entry.before_standard_library
    return not any(dist.name == provider and dist.location == entry.path for dist in found)
