"""What a wheel requires: by its .metadata file (PEP 658), else out of the wheel by range requests, never all of it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from envtool.fact import Fact
from envtool.update.client import Client, NotReadError
from envtool.update.pages import WheelFile

if TYPE_CHECKING:
    from packaging.requirements import Requirement

LARGEST = 1024 * 1024  # of a METADATA file; those of torch have 30 to 60 kB
MOST_FETCHED = 12 * 1024 * 1024  # of one wheel; the directory of torch's has 1 MB
BLOCK = 128 * 1024
_RUNTIMES = ("cuda-toolkit", "nvidia-cuda-runtime", "nvidia-cuda-runtime-cu11", "nvidia-cuda-runtime-cu12")


@dataclass(frozen=True, eq=False, repr=False)
class Needs(Fact):
    """``torch``: the versions that it names, "" for any, None where it names no torch. ``variant``: by its CUDA."""

    torch: str | None
    variant: str


def needs_of(client: Client, wheel: WheelFile, platform: str) -> Needs:
    """What a wheel needs on a platform; NotReadError where that can't be told."""
    return _needs(_metadata(client, wheel), wheel, platform)


def _metadata(client: Client, wheel: WheelFile) -> bytes:
    if wheel.metadata is not False:
        parts = urlsplit(wheel.url)
        url = urlunsplit((parts.scheme, parts.netloc, f"{parts.path}.metadata", parts.query, ""))
        try:
            body = client.get(url, accept="*/*", limit=LARGEST).body
        except NotReadError:
            if wheel.metadata:
                raise
        else:
            if wheel.metadata_sha256 and hashlib.sha256(body).hexdigest() != wheel.metadata_sha256.lower():
                raise NotReadError("has metadata that are not those that the page announced")
            return body
    return _out_of_the_wheel(client, wheel)


def _needs(body: bytes, wheel: WheelFile, platform: str) -> Needs:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    fields = BytesHeaderParser().parsebytes(body)
    try:
        version = Version(str(fields["Version"])).public
        requirements = [Requirement(str(text)) for text in fields.get_all("Requires-Dist", [])]
        asked = [r for r in requirements if r.marker is None or r.marker.evaluate(dict(_environment(platform)))]
    except (InvalidRequirement, InvalidVersion, ValueError, KeyError) as error:
        raise NotReadError(f"has metadata that can't be read ({type(error).__name__})") from None
    if (canonicalize_name(str(fields["Name"])), version) != (wheel.name.package, wheel.name.version):
        raise NotReadError("has the metadata of another package")
    torch = [str(r.specifier) for r in asked if canonicalize_name(r.name) == "torch"]
    return Needs(",".join(torch) if torch else None, _variant(asked))


def _environment(platform: str) -> Mapping[str, str]:
    system, _, arch = platform.partition("_")
    names = {"linux": ("Linux", "linux", "posix"), "macos": ("Darwin", "darwin", "posix")}
    platform_system, sys_platform, os_name = names.get(system, ("Windows", "win32", "nt"))
    return {"platform_system": platform_system, "sys_platform": sys_platform, "os_name": os_name, "extra": "",
            "platform_machine": "AMD64" if (system, arch) == ("windows", "x86_64") else arch,
            "python_version": "3.12", "python_full_version": "3.12.0"}  # fmt: skip


def _variant(requirements: list[Requirement]) -> str:
    from packaging.utils import canonicalize_name

    nvidia = False
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        nvidia = nvidia or name.startswith(("nvidia-", "cuda-"))
        if name in _RUNTIMES or name.startswith("nvidia-cuda-runtime-cu"):
            for specifier in requirement.specifier:
                parts = specifier.version.split(".")
                if specifier.operator == "==" and all(part.isdecimal() and len(part) < 4 for part in parts[:2]):
                    return f"cu{int(parts[0])}{int(parts[1])}"
    if nvidia:
        raise NotReadError("asks for NVIDIA's packages, but for none that tells the CUDA")
    return "cpu"


# ── by ranges ────────────────────────────────────────────────────────────────────────────────────


class _Ranges(io.RawIOBase):
    """A file on a server, read in blocks as they are asked for."""

    def __init__(self, client: Client, url: str) -> None:
        super().__init__()
        self._client, self._url, self._fetched, self._at = client, url, 0, 0
        answer = client.get(url, accept="*/*", limit=BLOCK, span=f"-{BLOCK}")
        assert answer.total is not None  # a range was asked for
        self._size = answer.total
        self._parts: dict[int, bytes] = {self._size - len(answer.body): answer.body}

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        body = self._have(wanted) if wanted else b""
        self._at += len(body)
        return body

    def _have(self, wanted: int) -> bytes:
        for start, part in self._parts.items():
            if start <= self._at and self._at + wanted <= start + len(part):
                return part[self._at - start : self._at - start + wanted]
        length = min(max(wanted, BLOCK), self._size - self._at)
        self._fetched += length
        if self._fetched > MOST_FETCHED:
            raise NotReadError("has a directory that is too large")
        span = f"{self._at}-{self._at + length - 1}"
        body = self._client.get(self._url, accept="*/*", limit=length, span=span).body
        if len(body) != length:
            raise NotReadError("sent another range than it was asked for")
        self._parts[self._at] = body
        return body[:wanted]


def _out_of_the_wheel(client: Client, wheel: WheelFile) -> bytes:
    try:
        with zipfile.ZipFile(_Ranges(client, wheel.url)) as archive:
            inside = [i for i in archive.infolist()
                      if i.filename.count("/") == 1 and i.filename.endswith(".dist-info/METADATA")]  # fmt: skip
            if len(inside) != 1 or inside[0].file_size > LARGEST:
                raise NotReadError("has no METADATA of a plausible size")
            with archive.open(inside[0]) as file:
                body = file.read(LARGEST + 1)  # the size in the directory may lie
    except NotReadError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever zipfile and zlib say of a hostile archive
        raise NotReadError(f"is no wheel that can be read ({type(error).__name__})") from None
    if len(body) > LARGEST:
        raise NotReadError("has no METADATA of a plausible size")
    return body
