"""What is asked for: packages, an accelerator, a way to install."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from envtool.errors import UsageError
from envtool.fact import Fact
from envtool.versions import numbers, public

FAMILY = ("torch", "torchvision", "torchaudio")
_ALSO_TORCH = frozenset({*FAMILY, "triton", "torchtext", "torchdata"})
_NO_CUDA = frozenset({"nvidia-ml-py", "nvidia-ml-py3"})  # NVML's Python, without a library of CUDA's
ACCELERATORS = ("auto", "gpu", "cpu", "cuda", "rocm", "xpu", "mps")
INSTALLERS = ("pip", "uv", "conda", "mamba", "pixi")
CONDA_INSTALLERS = ("conda", "mamba", "pixi")


@dataclass(frozen=True, eq=False, repr=False)
class Request(Fact):
    """What a plan should serve. ``packages`` are requirements, "torch==2.8.0"; none means the whole family."""

    packages: tuple[str, ...] = ()
    accelerator: str = "auto"
    variant: str | None = None
    installer: str = "pip"
    channel: str | None = None
    include_unverified: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Wanted(Fact):
    """A request, read: specifiers by package (always one for torch), and the variant that it names, if any."""

    specifiers: tuple[tuple[str, str], ...]
    variant: str | None
    contradiction: str | None = None  # two variants are asked for at once

    def specifier(self, package: str) -> str:
        """The version specifier of a package, "" for any version."""
        return dict(self.specifiers).get(package, "")

    @property
    def companions(self) -> tuple[str, ...]:
        """The companions of torch that are wanted."""
        return tuple(name for name, _ in self.specifiers if name in FAMILY[1:])


@lru_cache(maxsize=4096)
def allows(specifier: str, version: str) -> bool:
    """Does a version specifier, "" for any, allow a release?"""
    from packaging.specifiers import SpecifierSet

    return not specifier or SpecifierSet(specifier).contains(version, prereleases=True)


@lru_cache(maxsize=256)
def rules_out_numpy_1(specifier: str) -> bool:
    """Does a specifier of numpy ask for 2 or newer?"""
    from packaging.specifiers import SpecifierSet

    floors = {"==", "===", ">=", ">", "~="}
    return any(s.operator in floors and numbers(s.version) >= (2,) for s in SpecifierSet(specifier))


@lru_cache(maxsize=1024)
def read(packages: tuple[str, ...], variant: str | None, installer: str = "pip") -> Wanted:
    """The packages of a request, checked. A local version, "torch==2.5.1+cu124", names the variant."""
    specifiers: dict[str, str] = {}
    variants = {variant} if variant else set()
    for text in packages or FAMILY:
        name, specifier, local = _requirement(text, installer)
        both = (specifiers.get(name, ""), specifier)
        specifiers[name] = ",".join(part for part in both if part)
        variants |= {local} if local else set()
    ordered = {"torch": specifiers.pop("torch", ""), **specifiers}
    contradiction = f"{' and '.join(sorted(variants))} are asked for at once" if len(variants) > 1 else None
    return Wanted(tuple(ordered.items()), min(variants) if variants else None, contradiction)


def _requirement(text: str, installer: str) -> tuple[str, str, str | None]:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(f"{text!r} is not a requirement: {error}", hint="write it as in 'torch==2.8.0'") from None
    name = canonicalize_name(requirement.name)
    if name == "pytorch" and installer in CONDA_INSTALLERS:
        name = canonicalize_name("torch")
    if name == "pytorch":
        raise UsageError(
            f"{text!r}: pip's name is torch; {requirement.name} is conda's", hint="write it as in 'torch==2.8.0'"
        )
    if name not in FAMILY and name != "numpy":
        raise UsageError(f"no builds are known of {name!r}", hint=f"name {', '.join(FAMILY)} or numpy")
    if requirement.url or requirement.marker or requirement.extras:
        raise UsageError(f"{text!r}: only a name and versions can be asked for", hint="write it as in 'torch==2.8.0'")
    local = None
    parts = []
    for specifier in sorted(requirement.specifier, key=str):
        if specifier.operator in {"==", "==="} and "+" in specifier.version:
            local = specifier.version.partition("+")[2]
            parts.append(f"=={public(specifier.version)}")
        else:
            parts.append(str(specifier))
    return name, ",".join(parts), local


def is_torch_of_pypi(name: str) -> bool:
    """Would a package of PyPI stand beside conda's PyTorch as a second one, or as a part of one?"""
    return name in _ALSO_TORCH or (name.startswith("nvidia-") and name not in _NO_CUDA)
