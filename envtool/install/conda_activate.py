"""The scripts that make a conda environment the one that is meant, for shells without conda. Pure.

conda and micromamba activate it as well (`conda activate ./.conda`). These do the same without them: PATH, the
variables that packages set, the scripts in etc/conda/activate.d, and `deactivate`, which takes all of it back.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping

_POSIX = """\
# Source this: . {quoted}/bin/activate
if [ "$(command -v deactivate)" = deactivate ]; then deactivate; fi
deactivate() {{
    _envtool_flags="$-"; set +eu
    for _envtool_script in $(ls -r "$CONDA_PREFIX/etc/conda/deactivate.d" 2>/dev/null); do
        case "$_envtool_script" in *.sh) . "$CONDA_PREFIX/etc/conda/deactivate.d/$_envtool_script" ;; esac
    done
    case "$_envtool_flags" in *e*) set -e ;; esac
    case "$_envtool_flags" in *u*) set -u ;; esac
    PATH="$_ENVTOOL_OLD_PATH"; export PATH
    if [ -n "${{_ENVTOOL_OLD_PS1-}}" ]; then PS1="$_ENVTOOL_OLD_PS1"; fi
    if [ -n "${{_ENVTOOL_OLD_PREFIX-}}" ]; then CONDA_PREFIX="$_ENVTOOL_OLD_PREFIX"; else unset CONDA_PREFIX; fi
    unset CONDA_DEFAULT_ENV _ENVTOOL_OLD_PATH _ENVTOOL_OLD_PS1 _ENVTOOL_OLD_PREFIX _envtool_script _envtool_flags{names}
    unset -f deactivate
    hash -r 2>/dev/null || true
}}
_ENVTOOL_OLD_PATH="$PATH"
_ENVTOOL_OLD_PREFIX="${{CONDA_PREFIX-}}"
_ENVTOOL_OLD_PS1="${{PS1-}}"
CONDA_PREFIX={quoted}; CONDA_DEFAULT_ENV="$CONDA_PREFIX"
PATH="$CONDA_PREFIX/bin:$PATH"
export CONDA_PREFIX CONDA_DEFAULT_ENV PATH
{exports}if [ -n "${{PS1-}}" ]; then PS1="({name}) $PS1"; fi
_envtool_flags="$-"; set +eu # what packages bring was not written for a job with set -eu
for _envtool_script in $(ls "$CONDA_PREFIX/etc/conda/activate.d" 2>/dev/null); do
    case "$_envtool_script" in *.sh) . "$CONDA_PREFIX/etc/conda/activate.d/$_envtool_script" ;; esac
done
case "$_envtool_flags" in *e*) set -e ;; esac
case "$_envtool_flags" in *u*) set -u ;; esac
unset _envtool_script _envtool_flags
hash -r 2>/dev/null || true
"""
_FISH = """\
# Source this: source {quoted}/bin/activate.fish
if functions -q deactivate; deactivate; end
function deactivate
    for script in $CONDA_PREFIX/etc/conda/deactivate.d/*.fish; source $script; end
    set -gx PATH $_ENVTOOL_OLD_PATH
    set -e _ENVTOOL_OLD_PATH; set -e CONDA_DEFAULT_ENV; set -e CONDA_PREFIX{names}
    if set -q _ENVTOOL_OLD_PREFIX; set -gx CONDA_PREFIX $_ENVTOOL_OLD_PREFIX; set -e _ENVTOOL_OLD_PREFIX; end
    functions -e deactivate
end
set -g _ENVTOOL_OLD_PATH $PATH
if set -q CONDA_PREFIX; set -g _ENVTOOL_OLD_PREFIX $CONDA_PREFIX; end
set -gx CONDA_PREFIX {quoted}
set -gx CONDA_DEFAULT_ENV $CONDA_PREFIX
set -gx PATH $CONDA_PREFIX/bin $PATH
{exports}for script in $CONDA_PREFIX/etc/conda/activate.d/*.fish; source $script; end
"""
_POWERSHELL = """\
# Run this: & {quoted}
function global:deactivate {{
    Get-ChildItem (Join-Path $Env:CONDA_PREFIX 'etc/conda/deactivate.d/*.ps1') -ErrorAction SilentlyContinue | Sort-Object -Descending | ForEach-Object {{ . $_.FullName }}
    $Env:PATH = $global:_EnvtoolOldPath
    $Env:CONDA_PREFIX = $global:_EnvtoolOldPrefix
    $Env:CONDA_DEFAULT_ENV = $null
{names}    Remove-Item function:deactivate
}}
$global:_EnvtoolOldPath = $Env:PATH
$global:_EnvtoolOldPrefix = $Env:CONDA_PREFIX
$Env:CONDA_PREFIX = {prefix}
$Env:CONDA_DEFAULT_ENV = $Env:CONDA_PREFIX
$Env:PATH = (@({folders} | ForEach-Object {{ Join-Path $Env:CONDA_PREFIX $_ }}) + $Env:PATH) -join [IO.Path]::PathSeparator
{exports}Get-ChildItem (Join-Path $Env:CONDA_PREFIX 'etc/conda/activate.d/*.ps1') -ErrorAction SilentlyContinue | Sort-Object | ForEach-Object {{ . $_.FullName }}
"""  # noqa: E501
_BATCH = """\
@rem Run this: "{path}"
@set "CONDA_PREFIX={prefix}"
@set "CONDA_DEFAULT_ENV={prefix}"
@set "PATH={folders};%PATH%"
{exports}@if exist "%CONDA_PREFIX%\\etc\\conda\\activate.d" for %%f in ("%CONDA_PREFIX%\\etc\\conda\\activate.d\\*.bat") do @call "%%f"
"""  # noqa: E501
# on Windows, programs and libraries lie in all of these
_WINDOWS = ("", "Library\\mingw-w64\\bin", "Library\\usr\\bin", "Library\\bin", "Scripts", "bin")


def scripts(prefix: str, subdir: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The scripts by their path in the environment. ``variables``: what packages ask to be set."""
    name = os.path.basename(prefix.rstrip("/\\"))
    if subdir.startswith("win"):
        return _windows(prefix, variables)
    names = "".join(f" {key}" for key in variables)
    posix = _POSIX.format(
        quoted=shlex.quote(prefix), name="".join(c for c in name if c.isalnum() or c in "._-"), names=names,
        exports="".join(f"{key}={shlex.quote(value)}; export {key}\n" for key, value in variables.items()),
    )  # fmt: skip
    fish = _FISH.format(
        quoted=_fish(prefix), names="".join(f"; set -e {key}" for key in variables),
        exports="".join(f"set -gx {key} {_fish(value)}\n" for key, value in variables.items()),
    )  # fmt: skip
    return {"bin/activate": posix, "bin/activate.fish": fish}


def made_in(script: str) -> str | None:
    """The folder that a POSIX script of ours was written for; None where it is not ours."""
    first = script.partition("\n")[0]
    if not first.startswith("# Source this: . "):
        return None
    try:
        words = shlex.split(first.removeprefix("# Source this: . "))
    except ValueError:
        return None
    return words[0].removesuffix("/bin/activate") if len(words) == 1 else None


def _windows(prefix: str, variables: Mapping[str, str]) -> dict[str, str]:
    path = prefix.rstrip("\\")
    powershell = _POWERSHELL.format(
        quoted=_ps(f"{path}\\Scripts\\Activate.ps1"), prefix=_ps(path), folders=", ".join(map(_ps, _WINDOWS)),
        names="".join(f"    $Env:{key} = $null\n" for key in variables),
        exports="".join(f"$Env:{key} = {_ps(value)}\n" for key, value in variables.items()),
    )  # fmt: skip
    escaped = path.replace("%", "%%")
    batch = _BATCH.format(
        path=f"{escaped}\\Scripts\\activate.bat", prefix=escaped,
        folders=";".join(f"{escaped}\\{folder}".rstrip("\\") for folder in _WINDOWS),
        exports="".join(f'@set "{key}={value.replace("%", "%%")}"\n' for key, value in variables.items()),
    )  # fmt: skip
    return {"Scripts/Activate.ps1": powershell, "Scripts/activate.bat": batch.replace("\n", "\r\n")}


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _ps(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def package_variables(texts: Mapping[str, str]) -> dict[str, str]:
    """What the files of etc/conda/env_vars.d set, by their names in order; what is no variable is left out."""
    found: dict[str, str] = {}
    for _, text in sorted(texts.items()):
        try:
            read = json.loads(text)
        except ValueError:
            continue
        if isinstance(read, dict):
            found |= {k: str(v) for k, v in read.items() if isinstance(k, str) and _is_name(k) and "\n" not in str(v)}
    return found


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier()
