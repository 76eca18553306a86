"""A plan as a command to paste, correct in the shell that it is pasted into."""

from __future__ import annotations

from collections.abc import Mapping

from envtool.plan.answers import Pin, Plan
from envtool.shell import SHELLS, chained, quoted, shell_line
from envtool.versions import public

__all__ = ["SHELLS", "install_command", "quoted", "shell_line"]

_NOTHING: Mapping[str, str] = {}


def install_command(
    plan: Plan,
    *,
    installer: str = "pip",
    python: str | None = None,
    shell: str = "posix",
    replacing: Mapping[str, str] = _NOTHING,
    force: bool = False,
) -> str:
    """The install command of a plan.

    ``replacing`` holds the installed versions of the packages. It matters where the plan's version has no local part:
    to pip and uv an installed 2.13.0+cpu satisfies ``==2.13.0``, so a plain pin would change nothing. ``===`` compares
    the text and does; two builds with the same text can only be told apart by installing again. ``force`` lays the
    files down again in any case, for an installation that is damaged.
    """
    again = [pin.package for pin in plan.pins if force or _same_text(plan, pin, replacing.get(pin.package))]
    pins = [_requirement(pin, replacing.get(pin.package)) for pin in plan.pins]
    # uv's --index-url gives way to a UV_DEFAULT_INDEX in the environment, as of a company's mirror; this does not
    option = "--default-index" if installer == "uv" else "--index-url"
    index = [option, plan.index_url] if plan.index_url else []
    if installer == "uv":
        start = ["uv", "pip", "install", *(["--python", python] if python else [])]
        reinstall = [word for package in again for word in ("--reinstall-package", package)]
        return shell_line([*start, *reinstall, *pins, *plan.constraints, *index], shell)
    start = [python or "python", "-m", "pip", "install"]
    whole = shell_line([*start, *pins, *plan.constraints, *index], shell)
    if not again:
        return whole
    # without --no-deps, pip would fetch gigabytes of unchanged libraries again; the second command adds missing ones
    stale = [text for pin, text in zip(plan.pins, pins, strict=True) if pin.package in again]
    first = shell_line([*start, "--force-reinstall", "--no-deps", *stale, *index], shell)
    return chained(first, whole, shell)


def _requirement(pin: Pin, installed: str | None) -> str:
    shadowed = installed is not None and pin.local is None and installed != pin.full and public(installed) == pin.full
    return f"{pin.package}{'===' if shadowed else '=='}{pin.full}"


def _same_text(plan: Plan, pin: Pin, installed: str | None) -> bool:
    """Is another build installed under the very version that this index gives to its own?"""
    return installed == pin.full and pin.local is None and plan.source != "pypi"
