"""Do other packages agree with torch and NumPy, by what their own metadata asks for? Nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from envtool.checks.check import Check, Evidence
from envtool.checks.packages import marker_values
from envtool.environment import Distribution, Environment
from envtool.fact import Fact, dataclass
from envtool.shell import chained
from envtool.verdicts import Verdict, passed, skipped, warned

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

COMPANIONS = ("torch", "torchvision", "torchaudio", "torchtext")  # the checks of pairs judge these
# "2.1.2+pt21cu118" of PyG's wheels, "0.17.1+torch240cu121" of natten's,
# "2.5.8+cu122torch2.3cxx11abiFALSE" of flash-attn's
FOR_TORCH = re.compile(r"\+(?:.*?)(pt|torch)(\d+(?:\.\d+)*)", re.IGNORECASE)
DEFAULTS = ("defaults", "pytorch")  # Anaconda's own, and the retired one that went with it
MIXED = ("pytorch", "libtorch", "torchvision", "torchaudio", "numpy", "mkl", "intel-openmp", "llvm-openmp")


@dataclass(frozen=True, eq=False, repr=False)
class Claim(Fact):
    """A package that asks for other versions than there are."""

    dist: Distribution
    wanted: SpecifierSet


def _broken(evidence: Evidence, name: str, version: str) -> Iterator[Claim]:
    """Every package, but torch's companions, whose requirement of ``name`` shuts the installed version out."""
    env = evidence.env
    asking = [d for d in env.distributions if d.requires and d.name not in COMPANIONS] if env else []
    lines = [(dist, line) for dist in asking for line in dist.requires if re.match(rf"{name}\b(?!-)", line)]
    if not lines:
        return
    from packaging.requirements import InvalidRequirement, Requirement

    here = marker_values(evidence)
    for dist, line in lines:
        try:
            asked = Requirement(line)
        except InvalidRequirement:
            continue
        if asked.name != name or (asked.marker is not None and not asked.marker.evaluate(here)):
            continue
        if not asked.specifier.contains(version, prereleases=True):
            yield Claim(dist, asked.specifier)


def _torch_claims(evidence: Evidence) -> list[Claim]:
    torch = evidence.torch
    if torch is None:
        return []
    release = re.match(r"\d+(\.\d+)*", torch.version)  # NVIDIA's containers have 2.8.0a0, which stands for 2.8.0
    return list(_broken(evidence, "torch", release[0] if release else torch.version))


def fastai_allows_torch(evidence: Evidence) -> Verdict:
    """Each fastai names the newest torch that it was tried with."""
    env = evidence.env
    fastai = env.distribution("fastai") if env else None
    if fastai is None or evidence.torch is None:
        return skipped("torch and fastai are not both installed")
    claim = next((claim for claim in _torch_claims(evidence) if claim.dist.name == "fastai"), None)
    if claim is None:
        return skipped(
            f"fastai {fastai.version} allows torch {evidence.torch_version}; what pip said before is not known"
        )
    return warned(
        f"fastai {fastai.version} asks for torch{claim.wanted}, and torch {evidence.torch_version} is installed. If "
        "the newest fastai forbids it, too, give fastai an environment of its own.",
        hint=evidence.mender.install(f"fastai>{fastai.version}"),
        command=True,
    )


def nobody_asks_for_another_torch(evidence: Evidence) -> Verdict:
    """An install of one of the two has replaced what the other needs."""
    if evidence.torch is None:
        return skipped("torch is not installed")
    claims = [claim for claim in _torch_claims(evidence) if claim.dist.name != "fastai"]
    if not claims:
        return skipped("no package that was looked at asks for another torch; what was installed before is not known")
    first = claims[0]
    more = f" So do {', '.join(claim.dist.name for claim in claims[1:4])}." if len(claims) > 1 else ""
    return warned(
        f"{first.dist.name} {first.dist.version} asks for torch{first.wanted}, and torch {evidence.torch_version} is "
        f"installed: an install of one of them has replaced what the other needs.{more}",
        hint=f"install both with one command in a new environment, or update {first.dist.name}",
        evidence={"claims": [f"{claim.dist.name} torch{claim.wanted}" for claim in claims]},
    )


def numpy_is_not_too_old_for_others(evidence: Evidence) -> Verdict:
    """pandas and SciPy were compiled for a newer NumPy than the one that d2l's pins, or a hand, put in its place."""
    env = evidence.env
    numpy = env.distribution("numpy") if env else None
    if numpy is None:
        return skipped("NumPy is not installed")
    floors = {claim.dist: _floor(claim.wanted) for claim in _broken(evidence, "numpy", numpy.version)}
    old = {dist: floor for dist, floor in floors.items() if floor and _less(numpy.version, floor)}
    if not old:
        known = env is not None and any(line.startswith("numpy") for d in env.distributions for line in d.requires)
        return passed(f"numpy {numpy.version}") if known else skipped("no package tells which NumPy it was made for")
    dist, floor = next(iter(old.items()))
    highest = max(old.values(), key=_key)
    ceiling = evidence.torch_version and evidence.catalog.numpy2_ok(evidence.torch_version, evidence.machine.os)
    return warned(
        f"{dist.name} {dist.version} was made for numpy {floor} and newer, and numpy {numpy.version} is installed: its "
        "import may end with “numpy.dtype size changed”. In a notebook restart the kernel afterwards.",
        hint=evidence.mender.install(f"numpy>={highest}" + (",<2" if ceiling is False else "")),
        command=True,
        evidence={"packages": [f"{one.name} {one.version}" for one in old]},
    )


def _floor(wanted: SpecifierSet) -> str:
    floors = [spec.version for spec in wanted if spec.operator in (">=", "~=", "==")]
    return max((floor for floor in floors if not floor.endswith("*")), key=_key, default="")


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _less(found: str, floor: str) -> bool:
    return _key(found) < _key(floor)


def extensions_are_for_this_torch(evidence: Evidence) -> Verdict:
    """Wheels of compiled extensions carry the torch that they are for in their version."""
    env, torch = evidence.env, evidence.torch_version
    tagged = list(_tagged(env)) if env else []
    if torch is None or not tagged:
        return skipped("no extension names the torch that it was compiled for")
    minor = ".".join(torch.split(".")[:2])
    wrong = [(dist, wanted) for dist, wanted in tagged if wanted != minor]
    if not wrong:
        return skipped(f"{', '.join(dist.name for dist, _ in tagged[:3])} for torch {minor}; others don't say")
    dist, wanted = wrong[0]
    return warned(
        f"{dist.name} {dist.version} was compiled for torch {wanted}, and torch {torch} is installed: its import ends "
        "with “undefined symbol” or does without its compiled part.",
        hint=f"install the wheel of {dist.name} that names torch {minor} in its file name, or uninstall it",
        evidence={"extensions": [f"{one.name} {one.version}" for one, _ in wrong]},
    )


def _tagged(env: Environment) -> Iterator[tuple[Distribution, str]]:
    for dist in env.distributions:
        found = FOR_TORCH.search(dist.version)
        if found and dist.name not in COMPANIONS:
            yield dist, _torch_of(found[1].lower(), found[2])


def _torch_of(word: str, digits: str) -> str:
    """ "2.3" of torch2.3 and torch230, "2.13" of pt213: PyG leaves the patch number out."""
    if "." in digits:
        return ".".join(digits.split(".")[:2])
    return f"{digits[0]}.{digits[1:-1] if word == 'torch' and len(digits) > 2 else digits[1:]}"


def pynvml_is_nvidias(evidence: Evidence) -> Verdict:
    """The old package called pynvml hides NVIDIA's module; its newer versions only warn at every import."""
    env = evidence.env
    other = env.distribution("pynvml") if env else None
    if env is None or other is None:
        return passed("the package pynvml is not installed") if env else skipped("Python does not start")
    if _key(other.version) >= (12,) and env.distribution("nvidia-ml-py") is not None:
        message = (
            f"The package pynvml {other.version} is deprecated and warns at each import; nvidia-ml-py replaces it."
        )
        return warned(message, hint=evidence.mender.uninstall("pynvml"), command=True)
    shell = "powershell" if evidence.machine.os == "windows" else "posix"
    own = evidence.mender.install("--force-reinstall", "--no-deps", "nvidia-ml-py")  # both may have had a pynvml.py
    return warned(
        f"The package pynvml {other.version} takes the place of NVIDIA's own module of that name, which nvidia-ml-py "
        "brings.",
        hint=chained(evidence.mender.uninstall("pynvml"), own, shell),
        command=True,
    )


def conda_packages_come_from_one_channel(evidence: Evidence) -> Verdict:
    """conda-forge and Anaconda's own channel compile their packages differently."""
    env = evidence.env
    found = [p for p in env.conda_packages if p.name in MIXED] if env else []
    if not any(p.name in ("pytorch", "libtorch") for p in found):
        return skipped("torch is not from conda")
    forge = [p for p in found if p.channel == "conda-forge"]
    other = [p for p in found if p.channel in DEFAULTS]
    if not forge or not other:
        return passed("one channel, or channels that go together")
    return warned(
        f"conda's packages come from channels that don't go together: {forge[0].name} from conda-forge, "
        f"{other[0].name} from {other[0].channel}.",
        hint="conda create -n course -c conda-forge --override-channels python=3.12 pytorch torchvision",
        command=True,
        evidence={"packages": [f"{p.channel}::{p.name}" for p in found]},
    )


CHECKS = (
    Check("pynvml-wrong-package", "The module pynvml is NVIDIA's own", "PyTorch", pynvml_is_nvidias),
    Check(
        "conda-channel-mix", "conda's packages come from one channel", "PyTorch", conda_packages_come_from_one_channel,
        needs=("conda-plus-pip",),
    ),
    Check(
        "fastai-pin", "fastai allows this torch", "PyTorch", fastai_allows_torch,
        needs=("two-torch-installs", "pythonpath-leak"),
    ),
    Check(
        "pip-replaced-torch", "No other package has replaced torch", "PyTorch", nobody_asks_for_another_torch,
        needs=("two-torch-installs", "pythonpath-leak"),
    ),
    Check(
        "extension-abi", "Compiled extensions belong to this torch", "PyTorch", extensions_are_for_this_torch,
        needs=("two-torch-installs", "pythonpath-leak"),
    ),
    Check(
        "d2l-numpy-abi", "d2l has not replaced NumPy", "PyTorch", numpy_is_not_too_old_for_others,
        needs=("two-torch-installs", "pythonpath-leak"),
    ),
)  # fmt: skip
