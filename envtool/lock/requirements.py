"""The packages of a spec as a conda solver takes them: ``numpy>=1.26,<3`` becomes ``numpy >=1.26,<3``."""

from __future__ import annotations

from envtool.errors import UsageError
from envtool.lock.model import Target
from envtool.lock.request import LockRequest

# what a marker of a requirement may ask, by the beginning of a subdir
_MARKERS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "osx": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    "win": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}
_MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64", "osx-64": "x86_64", "osx-arm64": "arm64",
             "win-64": "AMD64"}  # fmt: skip


def marker_environment(subdir: str, python: str) -> dict[str, str]:
    """What a marker is told on a platform."""
    return {
        **_MARKERS[subdir.partition("-")[0]], "platform_machine": _MACHINES[subdir], "python_version": python,
        "python_full_version": f"{python}.0", "implementation_version": f"{python}.0", "implementation_name": "cpython",
        "platform_python_implementation": "CPython", "platform_release": "", "platform_version": "", "extra": "",
    }  # fmt: skip


def conda_lines(request: LockRequest, target: Target, python: str) -> tuple[str, ...]:
    """Everything but Python and PyTorch that conda is asked for on a target; sorted, each name once."""
    found = {}
    for text in request.packages:
        line = _line(text, target, python)
        if line is not None:
            found[line.partition(" ")[0]] = line
    for text in request.conda_packages:
        line = " ".join(text.split())
        name = _matched(line, text)
        if name in found and found[name] != line:
            raise UsageError(f"{name} is asked for twice: {found[name]!r} and {line!r}", hint="keep one of them")
        found[name] = line
    if request.pip_packages:
        found.setdefault("pip", "pip")
    return tuple(found[name] for name in sorted(found))


def _line(text: str, target: Target, python: str) -> str | None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(f"packages: {text!r} is no requirement: {error}", hint="as in 'numpy>=1.26'") from None
    if requirement.url or requirement.extras:
        raise UsageError(
            f"packages: {text!r}: conda knows no addresses and no extras",
            hint="write name and versions, or move it to packages under [pip]",
        )
    if requirement.marker and not requirement.marker.evaluate(marker_environment(target.subdir, python)):
        return None
    name = requirement.name.lower()
    name = {"torch": "pytorch"}.get(name, name)
    parts = sorted(str(part) for part in requirement.specifier)
    return f"{name} {_versions(parts)}".strip()


def _versions(parts: list[str]) -> str:
    """Conda's form. "==1.26.4" is written "1.26.4", as conda's own parser gives it back."""
    return ",".join(part.lstrip("=") if part.startswith("==") else part for part in parts)


def _matched(line: str, text: str) -> str:
    from envtool.lock.verify import match_spec, spec_name

    try:
        match_spec(line)
    except Exception as error:  # noqa: BLE001 - py-rattler has many kinds of these
        message = str(error).splitlines()[0]
        raise UsageError(
            f"[conda] packages: {text!r} is no conda package: {message}", hint="as in 'ffmpeg >=6'"
        ) from None
    return spec_name(line)
