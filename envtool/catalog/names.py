"""GPUs by name, for machines that are described in words and for drivers too old to tell a compute capability."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from envtool.catalog.rows import File
from envtool.fact import Fact

Capability = tuple[int, int]

# Words that say nothing about the chip: who made it, how it is mounted, how much memory is on it.
_MAKERS = {"nvidia", "amd", "intel", "tesla", "geforce", "radeon", "instinct", "corporation", "graphics"}
_FITTINGS = re.compile(r"^(pcie|sxm\d*|nvl|hbm\d*e?|hgx|dgx|gpu|laptop|max|q|mobile|with|design|\d+gi?b?)$")
_MIG = re.compile(r"\bmig\b.*$")
_SERIES = ("rtx", "gtx", "rx", "gt", "mx")  # "RTX4090" is written as often as "RTX 4090", and "4090" too
_GLUED = re.compile(rf"^({'|'.join(_SERIES)})?(\d{{3,4}})(ti|super|xtx|xt|gre)?$")


def simplified(name: str) -> str:
    """The words of a name that tell the chip: "v100" of "Tesla V100-SXM2-32GB"."""
    text = _MIG.sub("", name.lower().replace("(r)", "").replace("(tm)", ""))
    words = [part for word in re.split(r"[\s\-/()\[\],]+", text) for part in _apart(word)]
    return " ".join(word for word in words if word and word not in _MAKERS and not _FITTINGS.match(word))


def _apart(word: str) -> list[str]:
    """ "rtx4090ti" as "rtx", "4090", "ti"; any other word as it is."""
    glued = _GLUED.match(word)
    return [part for part in glued.groups() if part] if glued else [word]


def _table(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values by simplified name, and by the name without what stands in brackets: "GB10" of "GB10 (DGX Spark)"."""
    table: dict[str, str] = {}
    for name, value in pairs:
        table[simplified(name)] = value
        table.setdefault(simplified(name.partition("(")[0]), value)
    return table


@dataclass(frozen=True, eq=False, repr=False)
class GpuNames(Fact):
    """Values by simplified name: a compute capability, a gfx target, or whether PyTorch's XPU names it."""

    nvidia: dict[str, str]
    amd: dict[str, str]
    intel: dict[str, str]

    @staticmethod
    def read(file: File) -> GpuNames:
        """From the file of GPU names."""
        nvidia = file.each("nvidia", lambda r: (r.names("names"), r.text("capability"), r.text("architecture")))
        amd = file.each("amd", lambda r: (r.names("names"), r.text("gfx")))
        intel = file.each("intel", lambda r: (r.names("names"), r.text("codename"), str(r.flag("xpu"))))
        return GpuNames(
            _table((name, capability) for names, capability, _ in nvidia for name in names),
            _table((name, gfx) for names, gfx in amd for name in names),
            _table((name, xpu) for names, _, xpu in intel for name in names),
        )

    def capability(self, name: str) -> Capability | None:
        """The compute capability of an NVIDIA GPU; a capability itself, "8.6" or "sm_86", is understood too."""
        found = _lookup(self.nvidia, name)
        if found is not None:
            major, _, minor = found.partition(".")
            return int(major), int(minor)
        match = re.fullmatch(r"(?:sm_?)?(\d{1,2})(\d)[af]?|(\d{1,2})\.(\d)", name.strip().lower())
        if match is None:
            return None
        major, minor = (match[1], match[2]) if match[1] else (match[3], match[4])
        return int(major), int(minor)

    def gfx(self, name: str) -> str | None:
        """The gfx target of an AMD GPU; a target itself is understood too."""
        if re.fullmatch(r"gfx[0-9a-f]+", name.strip().lower()):
            return name.strip().lower()
        return _lookup(self.amd, name)

    def xpu(self, name: str) -> bool | None:
        """Does PyTorch name this Intel GPU as validated for XPU? None where the name isn't known."""
        found = _lookup(self.intel, name)
        return None if found is None else found == "True"


def _lookup(table: dict[str, str], name: str) -> str | None:
    """By the longest known name that it starts with ("RTX 3080 Ti" by "RTX 3080"), else by what it begins."""
    words = simplified(name).split()
    for length in range(len(words), 0, -1):
        found = table.get(" ".join(words[:length]))
        if found is not None:
            return found
    if words and words[0].isdecimal():
        series = {table[name] for one in _SERIES if (name := f"{one} {' '.join(words)}") in table}
        if len(series) == 1:
            return series.pop()
    begun = " ".join(words) + " "
    longer = {value for known, value in table.items() if words and known.startswith(begun)}
    return longer.pop() if len(longer) == 1 else None
