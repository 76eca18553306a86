"""What tells who somebody is, or opens a door, taken out of texts that are shown to others. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TypeVar

from envtool.fact import Fact, dataclass

T = TypeVar("T")
SHORTEST = 3  # a name shorter than this is only looked for within paths
SHORTEST_SECRET = 5

# Names that tell nothing: of systems, of images, of hosted notebooks.
_OF_NOBODY = """
root user users home admin administrator ubuntu debian fedora centos ec2-user jovyan runner student students nobody
vscode codespace colab kaggle content default public shared localhost localdomain local host hostname computer desktop
laptop linux windows macos mac python torch numpy cuda nvidia conda gpu cpu test
"""
NOBODY = frozenset(_OF_NOBODY.split())
# Parts of paths that show the kind of an environment; every other part below a home tells of its owner.
_KNOWN_PART = re.compile(
    r"\.?(?:config|venv|env|virtualenvs?|conda|local|cache|pyenv|uv|tools|opt|lib|lib64|bin|Scripts|DLLs|Library|Lib|share"
    r"|include|envs|pkgs|versions|site-packages|dist-packages|miniconda3?|anaconda3?|miniforge3?|mambaforge|micromamba|AppData"
    r"|Local|Roaming|Programs|Python|Microsoft|WindowsApps|Desktop|Documents|Downloads|Temp|tmp|OneDrive|Jupyter"
    r"|jupyter|kernels|pip|uvx?|python(?:\d[\d.]*)?w?(?:\.exe)?|Python\d+|pythoncore-[\w.-]+|cpython-[\w.-]+"
    r"|\d+\.\d+(?:\.\d+)?t?|activate|Activate\.ps1|pip\.conf|pyvenv\.cfg|\.bashrc|\.zshrc|\.profile|\.condarc)",
)
_PACKAGES = ("site-packages", "dist-packages")
_FAMILY = r"torch|torchvision|torchaudio|torchtext|torchgen|functorch|triton|numpy|PIL|pytorch"

_PATH_END = r"[^\s\"'`<>|,;:()\[\]{}*?\\/]"
_HOMES = re.compile(
    rf"(?i:(?<![\w.~-])(?P<posix>/home/|/Users/|/usr/home/|/export/home/)|(?P<windows>\b[a-z]:[\\/]+Users[\\/]+))"
    rf"(?P<name>{_PATH_END}*[^\s\"'`<>|,;:()\[\]{{}}*?\\/.])"
)
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*)://([^\s\"'`<>]*)", re.IGNORECASE)
# Public places that the doctor itself names; any other host is somebody's own.
PUBLIC = (
    "pytorch.org", "nvidia.com", "github.com", "python.org", "anaconda.org", "anaconda.com", "conda.io",
    "microsoft.com", "aka.ms", "apple.com", "amd.com", "intel.com", "astral.sh", "readthedocs.io", "jupyter.org",
    "google.com", "kaggle.com", "debian.org", "ubuntu.com", "numpy.org",
)  # fmt: skip
_TOKENS = re.compile(
    r"\b(?:gh[opsur]_\w{16,}|github_pat_\w{20,}|glpat-[\w-]{10,}|hf_\w{10,}|sk-[\w-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|xox[abeoprs]-[\w-]{10,}|pypi-[\w-]{20,}|npm_\w{20,}|AIza[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_NAMED_SECRET = re.compile(
    r"(?i)\b([\w.-]*(?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
    r"|authorization|auth)(?:s|[_-][\w-]+)?)(\s*[=:](?!=)\s*)((?:bearer |basic )?)(?!<|bearer |basic )[^\s\"',;&]+"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic) (?!<)[A-Za-z0-9+/_.=-]{8,}")
_MAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_GPU_ID = re.compile(r"\b(GPU|MIG|MIG-GPU)-[0-9a-f][0-9a-f-]{5,}(?![\w])", re.IGNORECASE)
_SERIAL = re.compile(r"(?i)\b(serial(?: ?(?:number|no\.?))?\s*[:=#]?\s*)(?!<)(?=[\w-]*\d)[\w-]{5,}")
_LONG_HEX = re.compile(r"\b[0-9a-f]{32,}\b", re.IGNORECASE)
_MAC = re.compile(r"(?<![\w:-])[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}(?![\w:-])", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3})(?![\w]|\.\d)")
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[:.]*[0-9a-f])(?=[0-9a-f:.]*::|(?:[0-9a-f]{1,4}:){7})[0-9a-f:.]*:[0-9a-f:.]*(?:%\w+)?(?![\w:])",
    re.I,
)
_HARMLESS = ("127.0.0.1", "0.0.0.0", "255.255.255.255")  # noqa: S104 - of no machine in particular

SECRET_NAME = re.compile(r"(?i)token|secret|passw|passphrase|api_?key|access_?key|private_?key|credential|auth|cookie")
# Fields whose words are envtool's own.
_OWN_WORDS = {"schema", "code", "status", "title", "outcome", "kind", "manager", "os", "arch", "nvml_state", "abi"}


@dataclass(frozen=True, eq=False, repr=False)
class Redactor(Fact):
    """Takes out what it is told of, and what looks like it. The same text comes out however often it is applied.

    ``homes``, ``users`` and ``hosts`` are this machine's; ``own`` are names of files and kernels that its user chose;
    ``secrets`` are words that must not appear at all; ``versions`` are dotted numbers that are no addresses.
    """

    homes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    versions: frozenset[str] = frozenset()

    def __call__(self, text: str) -> str:
        """The text without them."""
        text = self._home(text)  # before the names in it are gone
        for secret in self._secrets:
            text = text.replace(secret, "<secret>")
        text = _URL.sub(self._url, text)
        for pattern, by in _FORMS:
            text = pattern.sub(by, text)
        return self._names(_IPV4.sub(self._ipv4, text))

    @cached_property
    def _secrets(self) -> tuple[str, ...]:
        long = {secret for secret in self.secrets if len(secret) >= SHORTEST_SECRET}
        return tuple(sorted(long, key=lambda secret: (-len(secret), secret)))

    def _url(self, match: re.Match[str]) -> str:
        scheme, rest = match[1], match[2]
        if scheme.lower() == "file":
            return match[0]
        authority, slash, path = rest.partition("/")
        host = authority.rpartition("@")[2]
        if not host:  # taken out already
            return match[0]
        if not _is_public(host.partition(":")[0]):
            end = re.search(r"[.,;:)\]]*$", rest)
            return f"{scheme}://<host>{end[0] if end else ''}"
        return f"{scheme}://{host}{slash}{path.partition('?')[0]}"

    def _ipv4(self, match: re.Match[str]) -> str:
        text, before = match[1], match.string[: match.start()]
        version = text in self.versions or before.endswith(("==", ">=", "<=", "~=", "!=", "<", ">"))
        in_a_file_name = before.endswith("-") and match.string[match.end() :].startswith(("-", ".dist-info", ".tar"))
        is_address = all(int(part) < 256 for part in text.split("."))
        return text if version or in_a_file_name or not is_address or text in _HARMLESS else "<address>"

    # ── paths ────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _own_homes(self) -> re.Pattern[str] | None:
        homes = {home.rstrip("/\\") for home in self.homes if len(home.strip("/\\.:")) > 1}
        if not homes:
            return None
        words = sorted(homes, key=lambda home: (-len(home), home))
        anywhere = "|".join(r"[\\/]+".join(re.escape(part) for part in re.split(r"[\\/]+", home)) for home in words)
        return re.compile(rf"(?i:(?<![\w.~-])(?:{anywhere}))(?![\w-]|\.\w)")

    def _home(self, text: str) -> str:
        if self._own_homes is not None:
            text = self._own_homes.sub("~", text)
        text = _HOMES.sub("~", text)
        return _BELOW_HOME.sub(_below, text)

    def _names(self, text: str) -> str:
        for pattern, by in self._name_patterns:
            text = pattern.sub(by, text)
        return text

    @cached_property
    def _name_patterns(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        found = []
        for names, by in ((self.hosts, "<host>"), (self.own, "<name>"), (self.users, "<user>")):
            for name in sorted({n for n in names if n.strip()}, key=lambda n: (-len(n), n)):
                if name.lower() in NOBODY:
                    continue
                if len(name) < SHORTEST:
                    found.append((re.compile(rf"(?<=[\\/]){re.escape(name)}(?=[\\/]|$)"), by))
                else:
                    found.append((re.compile(rf"(?<![A-Za-z0-9<]){re.escape(name)}(?![A-Za-z0-9>])", re.I), by))
        return tuple(found)


_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_TOKENS, "<secret>"),
    (_NAMED_SECRET, r"\1\2\3<secret>"),
    (_BEARER, r"\1 <secret>"),
    (_MAIL, "<address>"),
    (_GPU_ID, r"\1-<id>"),
    (_UUID, "<id>"),
    (_SERIAL, r"\1<id>"),
    (_LONG_HEX, "<id>"),
    (_MAC, "<address>"),
    (_IPV6, "<address>"),
)
_BELOW_HOME = re.compile(r"~((?:[\\/]+[^\s\"'`|,;:()\[\]{}*?\\/]*(?: [^\s\"'`|,;:()\[\]{}*?\\/]+(?=[\\/]))?)+)")


def _is_public(host: str) -> bool:
    return any(host.lower() == public or host.lower().endswith("." + public) for public in PUBLIC)


def _below(match: re.Match[str]) -> str:
    """A path below a home: what shows the kind of place stays, what its owner chose goes."""
    parts = re.split(r"([\\/]+)", match[1])
    out: list[str] = []
    within = False
    last = len(parts) - 1
    for place, part in enumerate(parts):
        if place % 2 or not part or within:
            out.append(part)
            continue
        end = re.search(r"[.!]*$", part) if place == last else None
        tail = end[0] if end else ""
        name = part[: len(part) - len(tail)] if tail else part
        known = _KNOWN_PART.fullmatch(name) or (place == last and _is_a_module(name)) or name == "<folder>"
        out.append(part if known else f"<folder>{tail}")
        within = name in _PACKAGES
    return "~" + "".join(out)


def _is_a_module(name: str) -> bool:
    """A file or folder that takes a module's name: that name is the whole finding."""
    import sys

    stem = name.removesuffix(".py").removeprefix("my_")
    return stem in sys.stdlib_module_names or re.fullmatch(_FAMILY, stem) is not None


# ── whole values ─────────────────────────────────────────────────────────────────────────────────


def redacted(value: T, clean: Callable[[str], str]) -> T:
    """A fact, or JSON, with every text cleaned; fields that hold envtool's own words are left alone."""
    result: object = value
    if isinstance(value, Enum) or value is None:
        return value
    if isinstance(value, str):
        result = clean(value)
    elif isinstance(value, tuple):
        result = tuple(redacted(item, clean) for item in value)
    elif isinstance(value, list):
        result = [redacted(item, clean) for item in value]
    elif isinstance(value, Mapping):
        result = {
            clean(key) if isinstance(key, str) else key: item if key in _OWN_WORDS else redacted(item, clean)
            for key, item in value.items()
        }
    elif is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: redacted(getattr(value, f.name), clean) for f in fields(value) if f.name not in _OWN_WORDS}
        result = replace(value, **changed)
    return result  # type: ignore[return-value]  # of the same shape


def secrets_in(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables that are named like secrets, and what stands before the @ of URLs."""
    found: list[str] = []
    for name, value in environment.items():
        if SECRET_NAME.search(name) and not value.startswith(("/", "\\", "unix:")):
            found.append(value)
        for inside in re.findall(r"://([^\s/@]+)@", value):
            user, colon, password = inside.partition(":")
            found.append(password if colon else user)  # a token alone stands where the user would
    return tuple(found)


def hosts_in(texts: Iterable[str]) -> tuple[str, ...]:
    """The hosts of the URLs in texts that are nobody's but the user's: of a mirror, of a proxy."""
    found = [host for text in texts for host in re.findall(r"://(?:[^\s/@]*@)?([^\s/:@\"'<>]+)", text)]
    return tuple(dict.fromkeys(host for host in found if not _is_public(host) and not host.isdecimal()))


def users_in(paths: Iterable[str]) -> tuple[str, ...]:
    """The names of the users in whose homes paths lie, for a machine that says it in no other way."""
    found = [match["name"] for path in paths for match in _HOMES.finditer(path)]
    return tuple(dict.fromkeys(found))


def names_in(texts: Iterable[str | None]) -> tuple[str, ...]:
    """Names that are there, each once, and the first label of a dotted one."""
    found: dict[str, None] = {}
    for text in texts:
        if text and text.strip():
            found[text.strip()] = None
            first, dot, rest = text.strip().partition(".")
            if dot and first and not first.isdecimal():
                found[first] = None
                if "." in rest:
                    found[rest] = None
    return tuple(found)
