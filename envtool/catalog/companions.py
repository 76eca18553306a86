"""Does this torchvision or torchaudio go with this torch?"""

from __future__ import annotations

from dataclasses import dataclass

from envtool.catalog import Catalog
from envtool.fact import Fact
from envtool.versions import cuda_of, kind_of, public

OK = "ok"
WRONG_VERSION = "wrong-version"
WRONG_CUDA = "wrong-cuda"
CPU_BESIDE_CUDA = "cpu-beside-cuda"
UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Fact):
    """The answer: ``kind`` is one of the words above, ``message`` names what was needed and what was found."""

    kind: str
    message: str

    @property
    def ok(self) -> bool:
        """Do the two go together? An unknown is not ok."""
        return self.kind == OK


def fits(
    catalog: Catalog,
    torch: str,
    torch_variant: str | None,
    package: str,
    version: str,
    variant: str | None,
) -> Fit:
    """Judge a pair by version and by build; a variant of None means that it is not known."""
    companions = catalog.companions(torch)
    here, there = f"{package} {version}", f"torch {torch}"
    if companions is None:
        return Fit(UNKNOWN, f"the catalog does not know {there}")
    wanted = companions.of(package)
    if public(version) not in wanted:
        return Fit(WRONG_VERSION, f"{there} needs {package} {' or '.join(wanted)}; found {version}")
    if torch_variant is None or variant is None:
        what = there if torch_variant is None else here
        return Fit(UNKNOWN, f"what {what} was built for is not known")
    return _variants(catalog.cuda_rules.get(package, "same-minor"), (there, torch_variant), (here, variant))


def _variants(rule: str, torch: tuple[str, str], companion: tuple[str, str]) -> Fit:
    (there, torch_variant), (here, variant) = torch, companion
    if torch_variant == variant:
        return Fit(OK, f"{here} goes with {there}, both {variant}")
    needed, found = cuda_of(torch_variant), cuda_of(variant)
    if needed is None or found is None:
        kind = CPU_BESIDE_CUDA if "cpu" in {torch_variant, variant} else WRONG_CUDA
        return Fit(kind, f"{there} is a {_named(torch_variant)} build and needs the same of {here}; "
                         f"found a {_named(variant)} build")  # fmt: skip
    if needed == found or (rule == "same-major" and needed[0] == found[0]):
        return Fit(OK, f"{here} ({variant}) goes with {there} ({torch_variant})")
    exact = f"{needed[0]}.x" if rule == "same-major" else f"{needed[0]}.{needed[1]}"
    return Fit(WRONG_CUDA, f"{there} is built for CUDA {needed[0]}.{needed[1]} and needs {here} built for "
                           f"CUDA {exact}; found CUDA {found[0]}.{found[1]}")  # fmt: skip


def _named(variant: str) -> str:
    cuda = cuda_of(variant)
    if cuda is not None:
        return f"CUDA {cuda[0]}.{cuda[1]}"
    return {"cpu": "CPU", "xpu": "XPU", "rocm": variant.replace("rocm", "ROCm ")}.get(kind_of(variant), variant)
