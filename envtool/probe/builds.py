"""What a package's own files say of its build: version.py, read as text, and the libraries that came with it."""

from __future__ import annotations

import re

from envtool.environment import Build
from envtool.fact import Fact, dataclass

# __version__ = '2.13.0+cpu'     cuda: Optional[str] = None     hip: Optional[str] = '7.2.26015-fc0010cf6a'
_ASSIGNMENT = re.compile(
    r"^(__version__|cuda|hip|rocm|xpu)[ \t]*(?::[^=\n]*)?=[ \t]*"
    r"""(?:(None)|'([^'\n]*)'|"([^"\n]*)")[ \t]*(?:\#.*)?\r?$""",
    re.MULTILINE,
)
_LOCAL = re.compile(r"^(?:cpu|xpu|cu\d{2,3}|rocm\d+(?:\.\d+)*)(?![a-z0-9])")
# cuda126_py312h…, py3.11_cuda12.1_cudnn8.9.2_0, py311_cu121, cpu_mkl_py312h…, rocm64_…
_CONDA_CUDA = re.compile(r"(?:^|_)(?:cuda|cu)_?(\d{1,2})\.?(\d)(?![\d])")
_CONDA_CPU = re.compile(r"(?:^|_)cpu(?:_|$)")
_CUDART = re.compile(r"cudart.*\.so\.(\d+)|cudart64_(\d{2})")


@dataclass(frozen=True, eq=False, repr=False)
class Beside(Fact):
    """What stands beside a package's files and can decide where they don't."""

    platform: str  # sys.platform of the interpreter
    distribution_version: str | None = None
    conda_build: str | None = None
    cuda_runtime: str | None = None  # the version of NVIDIA's own runtime package


def assignments(version_py: str) -> dict[str, str | None]:
    """The plain assignments of a version.py; what is computed there is left out."""
    found: dict[str, str | None] = {}
    for match in _ASSIGNMENT.finditer(version_py):
        name, none, single, double = match.groups()
        found[name] = None if none else (single if single is not None else double)
    return found


def local_variant(version: str) -> str | None:
    """The variant in a version's local part: "cu130" of "0.28.0+cu130"; None where it names none."""
    found = _LOCAL.match(version.partition("+")[2])
    return found.group(0) if found else None


def cuda_version(variant: str) -> str | None:
    """ "13.0" of "cu130", "11.8" of "cu118"; None for a variant without CUDA."""
    digits = variant[2:] if variant.startswith("cu") else ""
    return f"{digits[:-1]}.{digits[-1]}" if digits.isdecimal() else None


def read_build(
    package: str, version_py: str | None, shipped: tuple[str, ...], beside: Beside, *, location: str | None = None
) -> Build:
    """The build, as far as the files tell: version.py first, then the local version, conda, the libraries."""
    said = assignments(version_py or "")
    version = said.get("__version__") or beside.distribution_version or "unknown"
    local = local_variant(version) or local_variant(beside.distribution_version or "")
    cuda, hip, xpu = said.get("cuda"), said.get("hip") or said.get("rocm"), said.get("xpu")
    variant = _from_runtimes(cuda, hip, xpu, local)
    if variant is None and package == "torch" and {"cuda", "hip"} <= said.keys():
        variant = "xpu" if local == "xpu" or _has(shipped, "torch_xpu") else "cpu"
    if variant is None:
        variant = local or _by_platform(beside.platform) or _from_conda(beside.conda_build)
    if variant is None:
        variant, cuda = _from_libraries(package, shipped, beside.cuda_runtime)
    if variant is not None and cuda is None:
        cuda = cuda_version(variant)
    return Build(package, version, variant, cuda=cuda, hip=hip, xpu=xpu, location=location)


def _from_runtimes(cuda: str | None, hip: str | None, xpu: str | None, local: str | None) -> str | None:
    if cuda:
        return "cu" + "".join(cuda.split(".")[:2])
    if hip:
        return local if local and local.startswith("rocm") else "rocm" + ".".join(hip.split(".")[:2])
    return "xpu" if xpu else None


def _by_platform(platform: str) -> str | None:
    return "cpu" if platform == "darwin" else None  # there is no other build for macOS


def _from_conda(build: str | None) -> str | None:
    found = _CONDA_CUDA.search(build or "")
    if found:
        return f"cu{found.group(1)}{found.group(2)}"
    return "cpu" if _CONDA_CPU.search(build or "") else None


def _from_libraries(package: str, shipped: tuple[str, ...], cuda_runtime: str | None) -> tuple[str | None, str | None]:
    """A variant and a CUDA version. Libraries tell the major version at best; NVIDIA's runtime package tells more."""
    if package == "torch" and _has(shipped, "torch_cuda"):
        if cuda_runtime:
            cuda = ".".join(cuda_runtime.split(".")[:2])
            return "cu" + cuda.replace(".", ""), cuda
        return None, None
    if package == "torch" and _has(shipped, "torch_cpu") and not _has(shipped, "hip") and not _has(shipped, "xpu"):
        return "cpu", None
    runtime = next((found for found in map(_CUDART.search, shipped) if found), None)
    return None, (runtime.group(1) or runtime.group(2)) if runtime else None


def _has(names: tuple[str, ...], word: str) -> bool:
    return any(word in name for name in names)
