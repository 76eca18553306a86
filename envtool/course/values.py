"""The values that an envtool.toml may hold, but for packages: each is read, or refused with what may stand there."""

from __future__ import annotations

import re
import unicodedata

from envtool.course.forms import Misfit, either, near, shown, text, without_secrets
from envtool.course.ranges import can_be_met
from envtool.target import SUBDIRS

PLACES = ("laptop", "colab", "kaggle", "binder", "codespaces", "cluster:SITE")
VARIANT_FORMS = ("cpu", "cuda", "rocm", "xpu", "or one variant such as cu126 or rocm7.2")


def in_ascii(found: str) -> str:
    """The letters without their marks: "Ubung" of "Übung", "Grosse" of "Größe"."""
    return unicodedata.normalize("NFKD", found.replace("ß", "ss")).encode("ascii", "ignore").decode()


def name(value: object) -> str:
    """A name that files, conda and pip can all bear."""
    found = text(value, "deep-learning")
    if re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", found):
        return found
    plain = re.sub(r"[^a-z0-9._]+", "-", in_ascii(found).lower()).strip("-._")[:64]
    meant = f'; write it as in "{plain or "deep-learning"}"'
    raise Misfit(f"{shown(found)} is not a name of letters, digits, '-', '_' and '.'{meant}")


def python(value: object) -> str:
    """A version specifier of Python."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    example = ">=3.10,<3.14"
    found = text(value, example)
    try:
        specifier = SpecifierSet(found)
    except InvalidSpecifier:
        exact = re.fullmatch(r"=?\s*(3\.\d{1,2})(\.\*)?", found)
        example = f"=={exact[1]}.*" if exact else example
        raise Misfit(f'{shown(found)} is not a range of versions; write it as in "{example}"') from None
    if not can_be_met(specifier):
        raise Misfit(f"no Python can be {shown(found)}: its parts contradict each other")
    if not any(specifier.contains(f"3.{minor}.{patch}") for minor in range(6, 60) for patch in range(0, 40)):
        raise Misfit(f'{shown(found)} leaves no Python 3 over; write it as in "{example}"')
    return re.sub(r"\s+", "", found)


def platform(value: object) -> str:
    """A conda subdir."""
    found = text(value, "linux-64")
    if found in SUBDIRS:
        return found
    word = re.sub(r"^(macos|mac|darwin)", "osx", re.sub(r"^windows", "win", found.lower()))
    same = [subdir for subdir in SUBDIRS if subdir.startswith(word) or subdir.replace("-", "") == word]
    meant = f"did you mean {' or '.join(same)}?" if same else near(word, SUBDIRS, f"it may be {either(SUBDIRS)}")
    raise Misfit(f"{shown(found)} is not a platform; {meant}")


def variant(value: object) -> str:
    """A kind of build, or one variant by its name."""
    found = text(value, "cuda")
    if found in ("cpu", "cuda", "rocm", "xpu") or re.fullmatch(r"cu[1-9][0-9]{2}|rocm[0-9]{1,2}\.[0-9]{1,2}", found):
        return found
    meant = {"gpu": "cuda", "mps": "cpu", "metal": "cpu", "nvidia": "cuda", "amd": "rocm", "intel": "xpu"}
    dotted = re.fullmatch(r"cu(?:da)?[-_ =]?([1-9][0-9])\.?([0-9])(?:\.[0-9]+)?", found.lower())
    if dotted:
        raise Misfit(f"{shown(found)} is not a variant; did you mean cu{dotted[1]}{dotted[2]}?")
    if found.lower() == "mps":
        raise Misfit(f"{shown(found)} is not a variant of its own; macOS has one build, which is called cpu")
    word = meant.get(found.lower())
    if word:
        raise Misfit(f"{shown(found)} is not a variant; did you mean {word}?")
    raise Misfit(f"{shown(found)} is not a variant; it may be {', '.join(VARIANT_FORMS)}")


def place(value: object) -> str:
    """Where the course runs."""
    found = text(value, "laptop")
    if found in PLACES[:-1] or re.fullmatch(r"cluster:[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", found):
        return found
    if found.startswith("cluster"):
        raise Misfit(f'{shown(found)} names no site; write it as in "cluster:generic", in small letters')
    raise Misfit(f"{shown(found)} is not a place; {near(found, PLACES[:-1], f'it may be {either(PLACES)}')}")


def link(value: object) -> str:
    """An address on the web."""
    return _address(text(value, "https://example.org/course"))


def channel(value: object) -> str:
    """A conda channel, by name or address."""
    found = text(value, "conda-forge")
    if "://" in found:
        return _address(found)
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*", found) and ".." not in found:
        return found
    raise Misfit(f'{shown(found)} is not a channel; write its name as in "conda-forge", or its address')


def folder(value: object) -> str:
    """A folder beside the file or below it, with slashes on every system; "." is the file's own."""
    found = text(value, ".")
    parts = found.split("/")
    if re.match(r"[A-Za-z]:|[~/\\]", found) or "\\" in found or ".." in parts or not found.isprintable():
        raise Misfit(f'{shown(found)} is not a folder beside this file; write it as in "." or "packages/plots"')
    return "/".join(part for part in parts if part not in ("", ".")) or "."


def _address(found: str) -> str:
    without_secrets(found)
    if not re.fullmatch(r"https?://[^\s\"'`<>\\{}|^]+", found):
        raise Misfit(f"{shown(found)} is not an address; it begins with https:// and holds no spaces")
    return found


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def gibibytes(value: object) -> float:
    """An amount of memory in GiB."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Misfit(f"{shown(value)} is not a number of GiB; write it without quotes, as in 8")
    if not 0 < value <= 4096:  # nan fails as well
        raise Misfit(f"{value} GiB can't be meant; write the memory of one GPU, as in 8")
    return float(value)


def capability(value: object) -> tuple[int, int]:
    """A compute capability."""
    found = text(value, "7.0")
    parts = re.fullmatch(r"(?:sm_?)?([0-9]{1,2})\.([0-9])", found) or re.fullmatch(r"sm_?([0-9]{1,2})([0-9])", found)
    if parts is None:
        raise Misfit(f'{shown(found)} is not a compute capability; write it as in "7.0"')
    return int(parts[1]), int(parts[2])


def driver(value: object) -> str:
    """A version of NVIDIA's driver."""
    found = text(value, "525.60.13")
    if not re.fullmatch(r"[0-9]{3,4}(\.[0-9]{1,4}){0,3}", found):
        raise Misfit(f'{shown(found)} is not a driver version; write it as in "525.60.13"')
    return found
