"""The folder, the shell and the notebook: what of them stands in the way of a program that would work elsewhere?"""

from __future__ import annotations

from envtool.checks.check import Check, Evidence
from envtool.environment import Environment, Workplace
from envtool.machine import Found
from envtool.shell import shell_line
from envtool.verdicts import Verdict, passed, skipped, warned

UNSEEN = "a plain start did not tell of the folder and the shell"
SNAP = ("GTK_PATH", "GIO_MODULE_DIR", "LD_LIBRARY_PATH")
INLINE = ("module://matplotlib_inline.backend_inline", "inline")
LONG = 60  # characters of the environment's folder: torch's own files add up to 200


def unset(evidence: Evidence, *names: str) -> str:
    """The line that removes variables from this terminal."""
    if evidence.machine.os == "windows":
        return "; ".join(f"Remove-Item Env:{name}" for name in names)
    return f"unset {' '.join(names)}"


def setting(evidence: Evidence, name: str, value: str) -> str:
    """The line that sets a variable in this terminal."""
    return f'$env:{name} = "{value}"' if evidence.machine.os == "windows" else f"export {name}={value}"


def _seen(evidence: Evidence) -> tuple[Environment, Workplace] | None:
    env = evidence.env
    return (env, env.workplace) if env is not None and env.workplace is not None else None


def text_is_utf8(evidence: Evidence) -> Verdict:
    """What Python prints. Windows' terminals take Unicode whatever the encoding of a pipe."""
    seen = _seen(evidence)
    if seen is None or seen[1].encoding is None or evidence.machine.os == "windows":
        return skipped(UNSEEN)
    encoding = seen[1].encoding
    if encoding.lower().replace("-", "").replace("_", "").startswith("utf8"):
        return skipped(f"{encoding}; whether the terminal's language is installed is not asked")
    return warned(
        f"Python prints {encoding} in this terminal: a program ends at the first sign that is not in it.",
        # that variable goes before Python's UTF-8 mode
        hint=unset(evidence, "PYTHONIOENCODING") if seen[1].variable("PYTHONIOENCODING") else "export PYTHONUTF8=1",
        command=True,
    )


def terminal_is_free_of_snap(evidence: Evidence) -> Verdict:
    """VS Code from snap hands its own libraries on to what is started in its terminal."""
    seen = _seen(evidence)
    if seen is None:
        return skipped(UNSEEN)
    names = [name for name in SNAP if "/snap/" in (seen[1].variable(name) or "")]
    if not names:
        return passed("none")
    return warned(
        f"{' and '.join(names)} point{'' if len(names) > 1 else 's'} into /snap: programs that are started here may "
        "load snap's libraries.",
        hint=unset(evidence, *names),
        command=True,
    )


def caches_can_be_written(evidence: Evidence) -> Verdict:
    """Downloads of models, and what triton and inductor compile."""
    seen = _seen(evidence)
    if seen is None:
        return skipped(UNSEEN)
    if not seen[1].closed:
        return passed("they can")
    name, path = seen[1].closed[0]
    named = "Your home folder's" if name == "HOME" else f"The folder that {name} names for"
    return warned(
        f"{named} downloads and compiled kernels can't be written: {path}.",
        hint="export XDG_CACHE_HOME=/scratch/$USER/cache, or another folder that you may write to"
        if name in ("HOME", "XDG_CACHE_HOME")
        else unset(evidence, name),
        command=name not in ("HOME", "XDG_CACHE_HOME"),
    )


def paths_are_short(evidence: Evidence) -> Verdict:
    """Windows cuts paths at 260 characters unless its registry says otherwise."""
    seen = _seen(evidence)
    if seen is None or evidence.machine.os != "windows" or seen[1].long_paths is None:
        return skipped("not Windows")
    env, place = seen
    if place.long_paths:
        return passed("Windows allows them")
    if len(env.prefix) <= LONG or evidence.torch is not None:
        return skipped(f"Windows cuts at 260 characters, of which this environment takes {len(env.prefix)}")
    return warned(
        f"Windows allows no paths over 260 characters here, and {env.prefix} is {len(env.prefix)} long already: an "
        "install of PyTorch breaks off.",
        hint="make the environment in a short folder such as C:\\venv",
    )


def editor_uses_this_environment(evidence: Evidence) -> Verdict:
    """The folder's own settings of VS Code; what it remembers elsewhere can't be seen."""
    seen = _seen(evidence)
    if seen is None or seen[1].editor is None:
        return skipped("VS Code's settings of this folder name no Python")
    env, (path, there) = seen[0], seen[1].editor
    choose = "in VS Code press Ctrl+Shift+P and choose “Python: Select Interpreter”, then the one in .venv"
    if not there:
        return warned(f"VS Code's settings of this folder name {path}, and there is no such Python.", hint=choose)
    if _plain(path).startswith(_plain(env.prefix)) or not _in_folder(env):
        return skipped(f"{path}; what VS Code remembers elsewhere can't be seen")
    return warned(f"VS Code's settings of this folder name {path}, and its environment is {env.prefix}.", hint=choose)


def _in_folder(env: Environment) -> bool:
    folder = env.working_directory
    return folder is not None and _plain(env.prefix).startswith(_plain(folder) + "/")


def _plain(path: str) -> str:
    plain = path.replace("\\", "/").rstrip("/")
    return plain.lower() if plain[1:2] == ":" else plain


def kernel_is_this_python(evidence: Evidence) -> Verdict:
    """Which Python do notebooks start? VS Code asks for it; Jupyter goes by what is written down."""
    seen = _seen(evidence)
    if seen is None or seen[0].distribution("ipykernel") is None:
        return skipped("no notebooks are meant here: ipykernel is not installed")
    env, place = seen
    own = [kernel for kernel in place.kernels if kernel.own]
    if place.variable("TERM_PROGRAM") == "vscode" or any(kernel.mine and kernel.there for kernel in own):
        return skipped("a kernel starts this Python; which one a notebook has chosen is not known")
    first = next((kernel for kernel in own if kernel.name == "python3"), None)
    if _has_jupyter(env):
        if first is None or _own_kernel_first(env):
            return skipped("Jupyter takes this environment's kernel; which one a notebook has chosen is not known")
    elif "jupyter" not in (place.programs or ()):
        return skipped("there is no Jupyter here")
    gone = "" if first is None or first.there else ", which is gone"
    why = (
        f"Jupyter's kernel “python3” is written down in your home folder and starts {first.program}{gone}"
        if first is not None
        else "`jupyter` on PATH belongs to another Python"
    )
    return warned(
        f"{why}, and no kernel of yours starts this environment. After the line below choose the kernel “course” in "
        "the notebook's menu.",
        hint=shell_line(
            [env.executable, "-m", "ipykernel", "install", "--user", "--name", "course"],
            "powershell" if evidence.machine.os == "windows" else "posix",
        ),
        command=True,
    )


def _has_jupyter(env: Environment) -> bool:
    return any(env.distribution(name) for name in ("jupyter-server", "notebook", "jupyterlab"))


def _own_kernel_first(env: Environment) -> bool:
    """jupyter_core 5 and newer look into an environment before they look into the home folder."""
    core = env.distribution("jupyter-core")
    number = core.version.partition(".")[0] if core else ""
    apart = env.prefix != env.base_prefix or (env.manager == "conda" and not env.conda_base)
    return apart and number.isdecimal() and int(number) >= 5


def kernel_knows_the_install(evidence: Evidence) -> Verdict:
    """The doctor was started from a notebook whose kernel still has deleted libraries in its memory."""
    seen = _seen(evidence)
    if seen is None:
        return skipped(UNSEEN)
    if not seen[1].replaced:
        return skipped("not started from a notebook, or nothing was replaced under it")
    return warned(
        f"This notebook's kernel has the old {', '.join(seen[1].replaced[:4])} in its memory; newer files were "
        "installed since it started.",
        hint="Runtime > Restart session, then run the cells below the install"
        if evidence.machine.colab
        else "choose Kernel > Restart in the notebook, and run the cells again",
    )


def plots_appear(evidence: Evidence) -> Verdict:
    """matplotlib in a notebook: the backend is named, and its package must be there."""
    seen = _seen(evidence)
    if seen is None or seen[0].distribution("matplotlib") is None:
        return skipped("matplotlib is not installed")
    env, place = seen
    backend = (place.variable("MPLBACKEND") or "").strip()
    has_inline = env.distribution("matplotlib-inline") is not None
    if not has_inline and (backend in INLINE or env.distribution("ipykernel") is not None):
        return warned(
            "matplotlib-inline is not installed in this environment: notebooks show no plot, or end with “No module "
            "named 'matplotlib_inline'”.",
            hint=evidence.mender.install("matplotlib-inline"),
            command=True,
        )
    if backend.lower() == "agg" and place.variable("JPY_PARENT_PID"):
        return warned(
            "MPLBACKEND is Agg in this notebook: plots are drawn and never shown.",
            hint="run `unset MPLBACKEND` where Jupyter is started, or `%matplotlib inline` in the notebook",
        )
    return passed("matplotlib can draw in notebooks") if has_inline else skipped("no notebooks here")


def clock_is_right(evidence: Evidence) -> Verdict:
    """Python's own files can't be from tomorrow."""
    seen = _seen(evidence)
    if seen is None:
        return skipped(UNSEEN)
    days = seen[1].days_behind
    if days < 1:
        return skipped("not before Python's own files; no server is asked for the time")
    linux = evidence.machine.os == "linux" and not isinstance(evidence.machine.container, Found)
    return warned(
        f"The clock is wrong: Python's own files are {days:,} day{'s' if days > 1 else ''} newer than today. Secure "
        "connections fail with “certificate is not yet valid”.",
        hint="sudo timedatectl set-ntp true" if linux else "switch on the automatic time in the system's settings",
        command=linux,
    )


CHECKS = (
    Check("clock-skew", "The computer's clock is right", "System", clock_is_right),
    Check("cache-not-writable", "The folders for downloads can be written", "System", caches_can_be_written),
    Check("long-paths", "Windows allows long paths", "System", paths_are_short),
    Check("locale", "The terminal's encoding is UTF-8", "System", text_is_utf8),
    Check("snap-terminal", "The terminal is free of snap's libraries", "System", terminal_is_free_of_snap),
    Check(
        "vscode-interpreter", "VS Code uses the project's environment", "Python", editor_uses_this_environment,
        needs=("venv-not-active",),
    ),
    Check("jupyter-kernel-differs", "The notebook's kernel is the Python of your terminal", "Python",
          kernel_is_this_python),
    Check("stale-module-in-kernel", "The kernel has started since the install", "Python", kernel_knows_the_install),
    Check("matplotlib-backend", "Plots appear in the notebook", "Python", plots_appear),
)  # fmt: skip
