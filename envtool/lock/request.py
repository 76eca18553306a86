"""What is to be locked, with every default filled in; its fingerprint tells whether a lockfile is still fresh."""

from __future__ import annotations

import hashlib
import json

from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.lock.channels import channel_url
from envtool.lock.model import SUBDIRS, Target
from envtool.spec import FAMILY, Request, read
from envtool.versions import cuda_of

# Minor-version compatibility begins here for CUDA 12, which runs on every GPU from Maxwell to Blackwell.
DEFAULT_DRIVER = "525.60.13"
# The C library of RHEL 8 and Ubuntu 20.04; conda-forge's CUDA libraries need it.
DEFAULT_GLIBC = "2.28"
DEFAULT_MACOS = "13.0"
DEFAULT_CHANNEL = "conda-forge"


@dataclass(frozen=True, eq=False, repr=False)
class LockRequest(Fact):
    """A spec in the terms of a solver. ``packages`` bear one name on conda and on PyPI, but for ``pip_names``."""

    name: str
    python: str = ""  # ">=3.10,<3.14"
    torch: tuple[str, ...] = FAMILY
    packages: tuple[str, ...] = ()
    conda_packages: tuple[str, ...] = ()
    pip_packages: tuple[str, ...] = ()
    pip_names: tuple[tuple[str, str], ...] = ()
    subdirs: tuple[str, ...] = ("linux-64", "linux-aarch64", "osx-arm64", "win-64")
    variants: tuple[str, ...] = ("cpu",)
    channels: tuple[str, ...] = (DEFAULT_CHANNEL,)
    driver: str | None = None
    capability: str | None = None
    exclude_newer: str | None = None  # "2026-08-01" or with a time

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every variant on every platform, in the order of the spec."""
        return tuple(Target(variant, subdir) for variant in self.variants for subdir in self.subdirs)

    def to_json(self) -> str:
        """One line, the same for the same request; ``from_json`` reads it."""
        return json.dumps({name: getattr(self, name) for name in _FIELDS}, separators=(", ", ": "), ensure_ascii=False)

    def fingerprint(self, target: Target) -> str:
        """A hash of what concerns a target: another platform in the spec makes no lockfile stale."""
        apart = {"name", "subdirs", "variants", "exclude_newer"}
        if cuda_word(target.variant) is None:
            apart |= {"driver", "capability"}
        # what is not asked for is left out, so that a key which a later envtool knows changes nothing
        told = {
            name: getattr(self, name) for name, field in self.__dataclass_fields__.items()
            if name not in apart and getattr(self, name) != field.default
        }  # fmt: skip
        text = json.dumps([told, target.variant, target.subdir], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


_FIELDS = tuple(LockRequest.__dataclass_fields__)


def from_json(text: str) -> LockRequest | None:
    """A request as ``to_json`` wrote it; None where it is of another envtool, or damaged."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if not isinstance(document, dict) or not set(document) <= set(_FIELDS):
        return None
    values = {name: _frozen(value) for name, value in document.items()}
    return LockRequest(**values) if isinstance(values.get("name"), str) else None  # type: ignore[arg-type]


def _frozen(value: object) -> object:
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value


def cuda_word(variant: str) -> str | None:
    """ "cuda" for the newest CUDA that the floors allow, "cuda126" for one CUDA; None for the CPU."""
    if variant == "cpu":
        return None
    if variant == "cuda" or cuda_of(variant) is None:
        return "cuda"
    return variant if variant.startswith("cuda") else f"cuda{variant[2:]}"


def checked(request: LockRequest) -> LockRequest:
    """The request with its channels as addresses; UsageError names what can't be locked."""
    for subdir in request.subdirs:
        if subdir not in SUBDIRS:
            raise UsageError(f"{subdir!r} is no platform that can be locked", hint=f"one of {', '.join(SUBDIRS)}")
    for variant in request.variants:
        if variant not in {"cpu", "cuda"} and cuda_of(variant) is None:
            raise UsageError(
                f"{variant!r} can't be locked: conda-forge builds PyTorch for the CPU and for CUDA",
                hint="write cpu, cuda or a CUDA version such as cu126 in variants",
            )
    read(request.torch, None, "conda")
    names = {field: getattr(request, field) for field in _FIELDS}
    names["channels"] = tuple(channel_url(channel) for channel in request.channels)
    return LockRequest(**names)


def plan_request(request: LockRequest, target: Target, torch: str | None) -> Request:
    """The same for the catalog's resolver; ``torch`` limits it to one version, "==2.12.1", or from above, "<2.12"."""
    word = cuda_word(target.variant)
    packages = request.torch + ((f"torch{torch}",) if torch else ())
    return Request(
        packages, "cuda" if word else "cpu", word if word not in {None, "cuda"} else None, "conda", DEFAULT_CHANNEL
    )
