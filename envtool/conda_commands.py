"""A conda-forge plan as one line to paste, for conda, mamba and pixi, correct in the shell that it is pasted into."""

from __future__ import annotations

from collections.abc import Sequence

from envtool.catalog.conda import CondaBuild
from envtool.plan.answers import Pin, Plan
from envtool.plan.conda import CHANNEL, cuda_override
from envtool.shell import quoted, shell_line
from envtool.spec import CONDA_INSTALLERS
from envtool.versions import cuda_of, dotted

_NAMES = {"torch": "pytorch"}


def conda_command(
    plan: Plan, installer: str = "conda", shell: str = "posix", *, name: str = "torch", without_driver: bool = False
) -> str:
    """The line that makes a new environment, or a new pixi project, called ``name``.

    A new one is the safe one: what another environment holds can make the solver choose an older torch.
    ``without_driver``: the line will run where conda finds no driver, such as on a login node.
    """
    if installer == "pixi":
        return _pixi(plan, shell, name)
    specs = conda_specs(plan)
    words = [installer, "create", "-n", name, "-c", CHANNEL, "--override-channels", *specs]
    line = _line(words, shell)
    value = cuda_override(plan)
    return _with_variable("CONDA_OVERRIDE_CUDA", value, line, shell) if without_driver and value else line


def conda_commands(plan: Plan) -> dict[str, str]:
    """The lines by installer: for PowerShell where the plan is for Windows, with the same for cmd beside it."""
    if not plan.build.platform.startswith("windows"):
        return {installer: conda_command(plan, installer) for installer in CONDA_INSTALLERS}
    lines = {installer: conda_command(plan, installer, "powershell") for installer in CONDA_INSTALLERS}
    return lines | {f"{installer}-cmd": conda_command(plan, installer, "cmd") for installer in CONDA_INSTALLERS}


def conda_specs(plan: Plan, *, spaced: bool = False) -> list[str]:
    """What to ask the solver for: versions and builds, so that neither can be another one.

    ``spaced`` writes "pytorch ==2.13.0 cuda129*" for "pytorch=2.13.0=cuda129*": pixi's strict reading refuses the "=".
    """
    build = plan.build
    assert isinstance(build, CondaBuild)
    variants = {pin.package: _variant(build, pin) for pin in plan.pins}
    specs = [f"python={plan.python}"]
    for pin in plan.pins:
        package = _NAMES.get(pin.package, pin.package)
        specs.append(_spec(package, pin.version, f"{variants[pin.package]}*", spaced=spaced))
    cudas = [cuda for variant in variants.values() if (cuda := cuda_of(variant)) is not None]
    if cudas:
        specs.append(f"cuda-version={dotted(max(cudas))}")
    if build.arm is not None:
        specs.append(_spec("arm-variant", "*", build.arm, spaced=spaced))
    return [*specs, *plan.constraints]


def _spec(package: str, version: str, build: str, *, spaced: bool) -> str:
    if spaced:
        return f"{package} {version if version == '*' else f'=={version}'} {build}"
    return f"{package}={version}={build}"


def _variant(build: CondaBuild, pin: Pin) -> str:
    """A torchvision may be built with another minor version of CUDA than torch."""
    for wheel in build.companions.get(pin.package, ()):
        if wheel.version == pin.version:
            return wheel.variant
    return build.variant


# ── shells ───────────────────────────────────────────────────────────────────────────────────────


def _line(words: Sequence[str], shell: str) -> str:
    """cmd hands a line on to conda.bat, where a bare "=" parts words: quote every word that has one."""
    if shell == "cmd":
        return " ".join(f'"{word}"' if set(word) & set("=<>* ") else quoted(word, shell) for word in words)
    return shell_line(words, shell)


def _with_variable(variable: str, value: str, line: str, shell: str) -> str:
    if shell == "powershell":
        return f"$env:{variable} = '{value}'; {line}"
    return f'set "{variable}={value}" && {line}' if shell == "cmd" else f"{variable}={value} {line}"


def _chain(lines: Sequence[str], shell: str) -> str:
    """One after the other, as long as all goes well. Windows PowerShell knows no ``&&``."""
    if shell != "powershell":
        return " && ".join(lines)
    first, *rest = lines
    return f"{first}; if ($?) {{ {_chain(rest, shell)} }}" if rest else first


# ── pixi ─────────────────────────────────────────────────────────────────────────────────────────


def _pixi(plan: Plan, shell: str, name: str) -> str:
    """pixi solves for the system that its file declares, not for this machine: the file must say what the plan needs.

    A table in the file is read by every pixi; the commands that write it have changed their names.
    """
    needs = _requirements(plan)
    lines = [
        _line(["pixi", "init", name, "--channel", CHANNEL], shell),
        _line(["cd", name], shell),
        *([_append("pixi.toml", ["[system-requirements]", *needs], shell)] if needs else []),
        _line(["pixi", "add", *conda_specs(plan, spaced=True)], shell),
    ]
    return _chain(lines, shell)


def _requirements(plan: Plan) -> list[str]:
    assert isinstance(plan.build, CondaBuild)
    floor = dotted(max(plan.build.wheel.floors.values()))
    found = {"linux": [f'libc = "{floor}"'], "macos": [f'macos = "{floor}"']}.get(plan.build.platform.split("_")[0], [])
    cuda = cuda_override(plan)
    return [f'cuda = "{cuda}"', *found] if cuda else found


def _append(file: str, lines: Sequence[str], shell: str) -> str:
    if shell == "powershell":
        return f"Add-Content {file} {','.join(quoted(line, shell) for line in ['', *lines])}"
    if shell == "cmd":
        return f"(echo.& {'& '.join(f'echo {line}' for line in lines)})>> {file}"
    return f"printf '%s\\n' '' {' '.join(quoted(line, shell) for line in lines)} >> {file}"
