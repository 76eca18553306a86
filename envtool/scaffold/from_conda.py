"""An environment.yml of conda, carried over into an envtool.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from envtool.course.belongings import plain_name
from envtool.course.forms import Misfit
from envtool.course.packages import conda_requirement
from envtool.course.values import channel as checked_channel
from envtool.errors import ToolError, UsageError
from envtool.extras import line_for
from envtool.scaffold.carried import Carried
from envtool.scaffold.from_pip import Read, an_option, logical_lines, requirement, requirements_file
from envtool.spec import FAMILY
from envtool.target import SUBDIRS

DEEPEST = 20
LARGEST = 256 << 10  # characters: a whole environment's export has a tenth of it
_OF_TORCH = {"pytorch": "torch", "pytorch-gpu": "torch", "pytorch-cpu": "torch", "torchvision": "torchvision",
             "torchaudio": "torchaudio", "torch": "torch", "libtorch": "torch"}  # fmt: skip
_EXPORT = "it is what conda resolved on one machine; `conda env export --from-history` lists what was asked for"


def load(text: str, where: str) -> dict[str, Any]:
    """The YAML document, all of its scalars as texts. Anchors are refused: a few can be made to fill the memory."""
    try:
        import yaml
    except ModuleNotFoundError:
        raise ToolError("reading YAML needs the package PyYAML", hint=f"install it: {line_for('init')}") from None
    if len(text) > LARGEST:
        raise UsageError(f"{where} is larger than {LARGEST >> 10} KiB", hint="name an environment.yml")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            if isinstance(event, yaml.AliasEvent):
                raise UsageError(f"{where}: anchors and aliases are not read", hint="write out what they stand for")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:  # the parser's time grows with the square of it
                raise UsageError(f"{where}: it is nested too deeply", hint="name an environment.yml")
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes texts, lists and tables, no objects
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it is nested too deeply"
        raise UsageError(f"{where}{line}: not YAML: {what}", hint="mend that line") from None
    if isinstance(document, dict) and not isinstance(document.get("dependencies") or [], list):
        raise UsageError(f"{where}: dependencies is no list", hint="begin each line of it with '- ', as in - numpy")
    if not isinstance(document, dict) or not ({"dependencies", "channels", "name"} & set(document)):
        raise UsageError(f"{where}: not an environment.yml: it has no dependencies", hint="name an environment.yml")
    return document


def environment(document: dict[str, Any], path: str, carried: Carried, read: Read) -> None:
    """All keys of an environment.yml."""
    name = document.get("name")
    carried.name = name if isinstance(name, str) and name not in ("base", "root") else None
    _channels(_texts(document.get("channels")), carried)
    carried.platforms += [p for p in _texts(document.get("platforms")) if p in SUBDIRS]
    listed = document.get("dependencies")
    entries = listed if isinstance(listed, list) else []
    texts = [entry for entry in entries if isinstance(entry, str)]
    exported = sum(_parts(text)[2] is not None for text in texts) > max(3, len(texts) // 2)
    if exported:
        carried.note("the builds in the list", _EXPORT)
    for text in texts:
        _dependency(text, carried, exported=exported)
    for entry in entries:
        if isinstance(entry, dict):
            for line in _texts(entry.get("pip")):
                _pip_line(line, path, carried, read)
            for other in (key for key in entry if key != "pip"):
                carried.note(other, "only conda and pip are known here")
    for key, why in (("prefix", "a path of one machine"), ("variables", "variables are set where the course runs")):
        if document.get(key):
            carried.note(key, why)
    for key in document:
        if key not in ("name", "channels", "dependencies", "platforms", "prefix", "variables"):
            carried.note(key, "conda itself doesn't know that key")


def is_listing(text: str) -> bool:
    """Is it what `conda list --export` writes? Many a requirements.txt is."""
    return "conda create --name <env> --file" in text or "\n@EXPLICIT" in f"\n{text}"


def listing(text: str, where: str, carried: Carried) -> None:
    """Every package of one machine: what conda's own libraries are is left out."""
    lines = list(logical_lines(text))
    if "@EXPLICIT" in lines:
        raise UsageError(f"{where} lists files of packages, not what is asked for", hint="name an environment.yml")
    carried.note("the builds in the list", _EXPORT)
    for line in lines:
        name, version, build = _parts(line)
        if build == "pypi_0":
            requirement(
                f"{name}{specifier(f'={version}' if version[:1].isdecimal() else version)}", carried, pip_only=True
            )
        else:
            _dependency(line, carried, exported=True)


def _texts(value: object) -> list[str]:
    return [item.strip() for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _pip_line(line: str, path: str, carried: Carried, read: Read) -> None:
    for text in logical_lines(line):
        option = re.match(r"(-[a-zA-Z]|--[a-z-]+)[ =]?\s*(.*)", text)
        if option is None:
            requirement(text, carried, pip_only=True)
        elif option[1] in ("-r", "--requirement") and "://" not in option[2]:
            folder = re.match(r"(.*[\\/])", path)
            requirements_file(f"{folder[1] if folder else ''}{option[2].strip()}", carried, read)
        else:
            an_option(option[1], option[2], text, carried, pip_only=True)


def _channels(names: Iterable[str], carried: Carried) -> None:
    """conda-forge and what else can be had; channels that ended or that conda-forge replaces are told."""
    ended = carried.catalog.ended_channels
    for name in names:
        short = name.rstrip("/").rpartition("/")[2] if "://" in name else name
        if short in ended:
            last, instead = ended[short]
            carried.note(f"channel {short}", f"it ended with torch {last}; {instead} has what came after")
        elif short in ("defaults", "main", "anaconda"):
            carried.note(f"channel {short}", "conda-forge is used: the two don't mix")
        elif short == "nvidia":
            carried.note("channel nvidia", "conda-forge has CUDA for its own builds")
        elif short != "nodefaults":
            try:
                carried.channels.append(checked_channel(name))
            except Misfit as misfit:
                carried.note(f"channel {name}", misfit.problem)
    if "conda-forge" not in carried.channels:
        carried.channels.append("conda-forge")
    carried.channels[:] = list(dict.fromkeys(carried.channels))


# ── one dependency ───────────────────────────────────────────────────────────────────────────────


def _parts(text: str) -> tuple[str, str, str | None]:
    """Name, version and build of a match spec: "numpy=1.26=py311_0", "numpy >=1.26,<2", "pytorch::torchvision"."""
    bare, _, brackets = text.strip().partition("[")
    bare = bare.strip().rpartition("::")[2]
    inside = re.search(r"version\s*=\s*['\"]?([^'\"\]]+)", brackets)
    if inside:
        bare = f"{bare} {inside[1]}"
    found = re.fullmatch(r"([A-Za-z0-9_][A-Za-z0-9._-]*)\s*(.*)", bare)
    if found is None:
        return bare, "", None
    name, rest = found[1], found[2].strip()
    exact = re.fullmatch(r"(==?)\s*([^=<>!~,|\s]+)(?:\s*=\s*|\s+)(\S+)", rest) or re.fullmatch(
        r"()([^=<>!~,|\s]+)\s+(\S+)", rest
    )
    if exact:
        return name, f"{exact[1]}{exact[2]}", exact[3]
    return name, rest, None


def specifier(version: str) -> str | None:
    """A conda version as pip writes it: "=1.26" is "==1.26.*"; None where pip has no words for it."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    if version in ("", "*"):
        return ""
    parts = []
    for part in re.sub(r"\s+", "", version).split(","):
        fuzzy = re.fullmatch(r"=?([0-9][0-9A-Za-z.]*?)(\.?\*)?", part)
        if fuzzy is None:
            parts.append(part)
        elif fuzzy[2] or (part.startswith("=") and fuzzy[1].count(".") < 2):
            parts.append(f"=={fuzzy[1]}.*")
        else:
            parts.append(f"=={fuzzy[1]}")
    try:
        return str(SpecifierSet(",".join(parts))) and ",".join(parts)
    except InvalidSpecifier:
        return None


def _dependency(text: str, carried: Carried, *, exported: bool) -> None:
    name, version, build = _parts(text)
    key, names = plain_name(name), carried.names
    if "[" in text and "version" not in text:
        carried.note(text, "what stands in brackets was left out")
    if key == "python":
        _python(text, version, carried)
    elif name.lower() in _OF_TORCH:
        _torch(name.lower(), version, build, text, carried)
    elif key == "cpuonly":
        carried.add_variant("cpu")
        carried.note(text, "became the variant cpu")
    elif key == "pytorch-cuda" or names.comes_with_torch(name):
        if key in ("pytorch-cuda", "cudatoolkit", "cuda-toolkit", "cuda-version"):
            carried.add_variant("cuda")
        carried.note(text, "comes with torch; which CUDA it is follows from variants and [gpu]")
    elif key in names.needless:
        if not exported:
            carried.note(text, "need not be named")
    elif exported and name.lower().startswith(names.library_starts):
        carried.note("libraries of conda's own", "conda resolves them anew on each machine")
    elif key in names.conda_only or text.rpartition("::")[0] not in ("", "conda-forge", "defaults", "main"):
        _of_conda(key, text, build, carried)
    else:
        _shared(name, version, text, carried)


def _python(text: str, version: str, carried: Carried) -> None:
    found = specifier(version)
    patch = re.fullmatch(r"={1,2}(3\.[0-9]+)\.[0-9]+(\.\*)?", found or "")
    if found is None:
        carried.note(text, "is no range that pip could compare")
    elif patch:
        carried.python = f"=={patch[1]}.*"
        carried.note(text, f"any Python {patch[1]} will do; a course pins no patch release")
    else:
        carried.python = found


def _torch(name: str, version: str, build: str | None, text: str, carried: Carried) -> None:
    found = specifier(version)
    if found is None:
        carried.note(text, "the version is none that pip could compare; it was left out")
    variant = "cpu" if name == "pytorch-cpu" or "cpu" in (build or "") else None
    if name == "pytorch-gpu" or re.search(r"cu(da)?_?[0-9]", build or ""):
        variant = "cuda"
    carried.add_torch(_OF_TORCH[name], found or "", variant)
    assert _OF_TORCH[name] in FAMILY


def _of_conda(key: str, text: str, build: str | None, carried: Carried) -> None:
    name, version, _ = _parts(text)
    channel = text.strip().rpartition("::")[0]
    if build is not None:
        carried.note(text, "a build belongs to one platform; the version is kept")
    spec = f"{f'{channel}::' if channel and channel != 'conda-forge' else ''}{name}{version}"
    try:
        carried.conda[key] = conda_requirement(spec)
    except Misfit as misfit:
        carried.note(text, misfit.problem)


def _shared(name: str, version: str, text: str, carried: Carried) -> None:
    found = specifier(version)
    if found is None:
        carried.note(text, "the version is none that pip could compare; it was left out")
    pypi = carried.names.pypi(name)
    carried.add_shared(name, found or "", pypi=pypi)
    if pypi is None:
        carried.assumed.append(name)
