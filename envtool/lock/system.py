"""What the solver is told of a system that is not this one: the virtual packages of a target, at their floors."""

from __future__ import annotations

from envtool.lock.model import VirtualPackage
from envtool.lock.request import DEFAULT_GLIBC, DEFAULT_MACOS
from envtool.versions import cuda_of

_LINUX = "5.10"  # the kernel that conda-lock tells too; packages ask for less
_WINDOWS = "10.0"
# as archspec names the oldest processor of each
_ARCHSPEC = {
    "linux-64": "x86_64", "osx-64": "x86_64", "win-64": "x86_64", "linux-aarch64": "aarch64", "osx-arm64": "m1",
}  # fmt: skip


def virtual_packages(subdir: str, build: str) -> tuple[VirtualPackage, ...]:
    """Those of the least machine that a build, "cpu" or "cuda129", is to run on; sorted by name."""
    found = [VirtualPackage("__archspec", "1", _ARCHSPEC[subdir])]
    cuda = cuda_of(build)
    if cuda is not None:
        found.append(VirtualPackage("__cuda", f"{cuda[0]}.0"))
    if subdir.startswith("linux"):
        found += [VirtualPackage("__glibc", DEFAULT_GLIBC), VirtualPackage("__linux", _LINUX)]
    elif subdir.startswith("osx"):
        found.append(VirtualPackage("__osx", DEFAULT_MACOS))
    found.append(VirtualPackage("__win", _WINDOWS) if subdir.startswith("win") else VirtualPackage("__unix", "0"))
    return tuple(sorted(found, key=lambda one: one.name))
