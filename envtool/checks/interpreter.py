"""Is this the Python that was meant, does it start, and does it import what it should?"""

from __future__ import annotations

import re

from envtool.checks.check import Check, Evidence, imports_torch
from envtool.checks.order import HALF_DONE
from envtool.checks.os_packages import install_line
from envtool.checks.workplace import setting, unset
from envtool.environment import BrokenEnvironment, Environment, Leak, Shadow
from envtool.machine import Absent, Found, Unknown, found_or
from envtool.shell import ALLOW_SCRIPTS, chained, shell_line
from envtool.verdicts import Verdict, failed, passed, skipped, unknown, warned

# Packages that matter to a course: their presence behind a leak is what makes the leak worth a word.
FAMILY = ("torch", "torchvision", "torchaudio", "numpy")
ACTIVATE = r"\Scripts\Activate.ps1"
NO_LIBRARY = ("encodings", "fs_encoding", "import site")  # Python's words where PYTHONHOME leads to another one


def environment_starts(evidence: Evidence) -> Verdict:
    """A venv holds links to the Python it was made from; moved, copied or after an upgrade, they lead nowhere."""
    broken = evidence.environment
    if isinstance(broken, BrokenEnvironment):
        return _dangling(evidence, broken) if broken.kind == "dangling" else skipped("another check explains it")
    if broken.ghost:
        return failed(
            f"Your shell says that {broken.ghost} is active, and there is no Python: it was moved or deleted. A moved "
            "environment does not work; make it again, and install its packages again.",
            hint=_make_new(evidence, broken.ghost),
            command=True,
        )
    if broken.local_venv_starts == Found(False):
        venv = found_or(broken.local_venv, ".venv")
        return failed(
            f"This folder's environment {venv} has lost the Python that it was made from. Make it again, and install "
            "its packages again.",
            hint=_make_again(evidence, venv),
            command=True,
        )
    return passed(f"Python {broken.version} starts")


def _dangling(evidence: Evidence, broken: BrokenEnvironment) -> Verdict:
    if broken.home is None:  # no environment: what lies beside that link must not be cleared
        return failed(
            f"{broken.executable} is a link that leads nowhere: the Python that it was made for is gone.",
            hint="delete that link, or install the Python that it leads to",
            evidence={"message": broken.message},
        )
    return failed(
        f"{broken.executable} leads nowhere: the Python in {broken.home} that this environment was made from is gone. "
        "Make it again, and install its packages again.",
        hint=_make_again(evidence, _prefix_of(broken.executable)),
        command=True,
        evidence={"message": broken.message},
    )


def _make_again(evidence: Evidence, prefix: str) -> str:
    """For a folder that is known to be an environment: all that lies in it is deleted."""
    windows = evidence.machine.os == "windows"
    words = ["py" if windows else "python3", "-m", "venv", "--clear", prefix]
    return shell_line(words, "powershell" if windows else "posix")


def _make_new(evidence: Evidence, prefix: str) -> str:
    """Where there is no Python: nothing is deleted, whatever else may lie there."""
    windows = evidence.machine.os == "windows"
    if re.search(r"[/\\](?:envs|[a-z]*conda[0-9]?|[a-z]*forge[0-9]?)(?:[/\\]|$)", prefix, re.IGNORECASE):
        words = ["conda", "create", "--prefix", prefix, "python=3.12"]
    else:
        words = ["py" if windows else "python3", "-m", "venv", prefix]
    return shell_line(words, "powershell" if windows else "posix")


def _prefix_of(executable: str) -> str:
    return executable.replace("\\", "/").rpartition("/")[0].rpartition("/")[0] or executable


def python_starts(evidence: Evidence) -> Verdict:
    """Found by default, and broken: nothing can be installed or run with it."""
    broken = evidence.environment
    if not isinstance(broken, BrokenEnvironment):
        return passed(f"Python {broken.version} starts")
    if broken.kind == "dangling":
        return skipped("another check explains it")
    return failed(
        f"{broken.executable} ({broken.chosen_by}) does not start: {broken.message}",
        hint="name another Python with `envtool doctor --python PATH`, or reinstall this one",
    )


def plain_start_works(evidence: Evidence) -> Verdict:
    """It starts alone (``python -I``) and not in your shell: a variable or a file in this folder breaks it."""
    env = _env(evidence)
    if env is None:
        return skipped("Python does not start")
    match env.plain_start:
        case Found(_):
            return passed("it starts in this folder and shell")
        case Unknown(reason):
            return unknown(f"a plain start was not tried: {reason}")
        case Absent(reason):
            led_away = _has(env, "PYTHONPATH") or any(word in reason for word in NO_LIBRARY)
            return failed(
                f"Python starts alone but not in this folder and shell: {reason}",
                hint=unset(evidence, "PYTHONHOME", "PYTHONPATH")
                if led_away
                else "start it in an empty folder; if it works there, look for the file here that breaks it",
                command=led_away,
            )


def _env(evidence: Evidence) -> Environment | None:
    return evidence.env


def _has(env: Environment, kind: str) -> bool:
    return any(leak.kind == kind for leak in env.leaks)


def python_is_64_bit(evidence: Evidence) -> Verdict:
    """torch was never built for 32 bits."""
    env = _env(evidence)
    if env is None:
        return skipped("Python does not start")
    if env.bits == 32 and imports_torch(evidence):
        return passed("32-bit, with a torch that was built for it")
    if env.bits == 32:
        return failed(
            f"This Python {env.version} is a 32-bit program; PyTorch exists for 64-bit Python only.",
            hint="install a 64-bit Python and make a new environment",
        )
    return passed("64-bit")


def python_is_not_too_new(evidence: Evidence) -> Verdict:
    """A Python that came out after the newest torch."""
    return _age(evidence, newer=True)


def python_is_not_too_old(evidence: Evidence) -> Verdict:
    """A Python that the newest torch has left behind gets an older torch, or none."""
    return _age(evidence, newer=False)


def _age(evidence: Evidence, *, newer: bool) -> Verdict:
    env = _env(evidence)
    if env is None or env.bits != 64:
        return skipped("Python does not start, or is 32-bit")
    if evidence.torch is not None:
        return passed(f"torch {evidence.torch.version} is installed for Python {env.version}")
    minor = _minor(env.version)
    served = evidence.catalog.pythons(evidence.platform)
    if not served or minor is None:
        return unknown("the catalog does not know this platform's Pythons")
    newest, oldest = max(served), min(served)
    if newer and minor > newest:
        return failed(
            f"No torch has been built for Python {env.version} yet; the newest it knows is {newest[0]}.{newest[1]}.",
            hint="make the environment with Python 3.12: uv venv --python 3.12",
        )
    if not newer and minor < oldest:
        return failed(
            f"Python {env.version} is too old: PyTorch needs {oldest[0]}.{oldest[1]} or newer.",
            hint="make the environment with Python 3.12: uv venv --python 3.12",
        )
    return passed(f"Python {env.version}")


def _minor(version: str) -> tuple[int, int] | None:
    parts = version.split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) > 1 and parts[1].isdecimal() else None


# ── what is imported in place of what was meant ──────────────────────────────────────────────────


def _shadows(evidence: Evidence, *, standard: bool, folder: bool | None = None) -> list[Shadow]:
    env = _env(evidence)
    shadows = [s for s in env.shadows if s.standard_library == standard] if env else []
    if folder is None:
        return shadows
    return [s for s in shadows if s.path.endswith(".py") != folder]


def _renamed(evidence: Evidence, path: str) -> str:
    """The line that gives a file another name, asking before it writes over one."""
    folder, _, name = path.replace("\\", "/").rpartition("/")
    env = _env(evidence)
    here = env.working_directory if env else None
    inside = here is not None and folder == here.replace("\\", "/").rstrip("/")
    if evidence.machine.os == "windows":
        return shell_line(["ren", name if inside else path, f"my_{name}"], "powershell")
    return shell_line(
        ["mv", "-i", name if inside else path, f"my_{name}" if inside else f"{folder}/my_{name}"], "posix"
    )


def no_file_is_named_torch(evidence: Evidence) -> Verdict:
    """A torch.py beside the script is imported in place of the library."""
    if _env(evidence) is None:
        return skipped("Python does not start")
    files = _shadows(evidence, standard=False, folder=False)
    if not files:
        return passed("none")
    shadow = files[0]
    return failed(
        f"{shadow.path} is imported in place of the package {shadow.module}.",
        hint=_renamed(evidence, shadow.path),
        command=True,
        evidence={"path": shadow.path, "module": shadow.module},
    )


def no_folder_is_named_torch(evidence: Evidence) -> Verdict:
    """A folder torch/, such as a clone of PyTorch, is imported in place of the library."""
    if _env(evidence) is None:
        return skipped("Python does not start")
    folders = _shadows(evidence, standard=False, folder=True)
    if not folders:
        return passed("none")
    around = folders[0].path.replace("\\", "/").rstrip("/").rpartition("/")[0]
    clone = around.rpartition("/")[2].lower() == "pytorch"  # PyTorch's own sources must keep their names
    return failed(
        f"The folder {folders[0].path} is imported in place of the package {folders[0].module}."
        + (" It looks like a clone of PyTorch's sources: work outside of it." if clone else ""),
        hint="cd .." if clone else _renamed(evidence, folders[0].path.rstrip("/\\")),
        command=True,
        evidence={"path": folders[0].path, "module": folders[0].module},
    )


def standard_library_is_reached(evidence: Evidence) -> Verdict:
    """A student's random.py breaks `import torch`, which needs the real one."""
    if _env(evidence) is None:
        return skipped("Python does not start")
    shadows = _shadows(evidence, standard=True)
    if not shadows:
        return passed("nothing hides it")
    shadow = shadows[0]
    return failed(
        f"{shadow.path} has the name of Python's own module {shadow.module}: `import torch` reads your file instead.",
        hint=_renamed(evidence, shadow.path),
        command=True,
        evidence={"path": shadow.path, "module": shadow.module},
    )


def _leaks_with_family(evidence: Evidence, kind: str) -> tuple[list[Leak], list[str]]:
    if (env := _env(evidence)) is None:
        return [], []
    leaks = [leak for leak in env.leaks if leak.kind == kind]
    paths = {leak.path for leak in leaks}
    names = [f"{d.name} {d.version}" for d in env.distributions if d.location in paths and d.name in FAMILY]
    return leaks, names


def pythonpath_brings_nothing(evidence: Evidence) -> Verdict:
    """PYTHONPATH puts another site-packages before the environment's own."""
    leaks, names = _leaks_with_family(evidence, "PYTHONPATH")
    if not leaks:
        return passed("PYTHONPATH adds nothing") if _env(evidence) else skipped("Python does not start")
    if names:
        return failed(
            f"PYTHONPATH puts {', '.join(names)} from {leaks[0].path} before this environment's own packages.",
            hint=unset(evidence, "PYTHONPATH"),
            command=True,
        )
    return passed(f"PYTHONPATH adds {leaks[0].path}, with no package of the torch family in it")


def user_site_brings_nothing(evidence: Evidence) -> Verdict:
    """Packages under ~/.local are seen by every Python of that version, conda's too; a venv's own go before them."""
    leaks, _ = _leaks_with_family(evidence, "user-site")
    if (env := _env(evidence)) is None:
        return skipped("Python does not start")
    first = [found for name in FAMILY if (found := env.distribution(name)) is not None]
    names = [f"{d.name} {d.version}" for d in first if any(leak.path == d.location for leak in leaks)]
    if not names:
        return passed("none")
    if env.manager == "system":
        return passed(f"{', '.join(names)} are installed for this user")
    hidden = [
        d for d in env.distributions if d.name == "torch" and d not in first and d.location.startswith(env.prefix)
    ]
    say = failed if hidden and hidden[0].version != first[0].version else warned  # torch is the first of the family
    return say(
        f"{', '.join(names)} come{'' if len(names) > 1 else 's'} from your user directory, not from this environment"
        + (f", which has torch {hidden[0].version}." if hidden else "."),
        hint=setting(evidence, "PYTHONNOUSERSITE", "1"),
        command=True,
    )


# ── the environment that was meant ───────────────────────────────────────────────────────────────


def pip_is_this_pythons(evidence: Evidence) -> Verdict:
    """A bare `pip` that belongs to another Python installs into that one."""
    env = _env(evidence)
    if env is None:
        return skipped("Python does not start")
    match env.pip_on_path:
        case Absent(_):
            return skipped("no pip on PATH")
        case Unknown(reason):
            return skipped(f"pip on PATH could not be read: {reason}")
        case Found(other):
            if env.chosen_by == "--python" or _same_python(other, env):
                return passed("`pip` and this Python belong together")
            without_pip = env.manager == "uv" and not isinstance(env.pip, Found)
            if without_pip and evidence.torch is not None:  # so it should be: uv installs into its environments itself
                return passed(f"uv installs here, and `pip` on PATH belongs to {other}")
            return warned(
                f"`pip` on PATH installs into {other}, not into this environment.",
                hint=f"write `{'uv' if without_pip else 'python -m'} pip` in place of `pip`",
            )


def _same_python(other: str, env: Environment) -> bool:
    folder = other.replace("\\", "/").rpartition("/")[0]
    mine = {env.executable.replace("\\", "/").rpartition("/")[0], env.prefix.replace("\\", "/") + "/bin"}
    mine |= {env.prefix.replace("\\", "/") + "/Scripts"}
    return folder in mine


def project_environment_is_active(evidence: Evidence) -> Verdict:
    """There is a .venv in this folder, and another Python answers."""
    env = _env(evidence)
    if env is None:
        return skipped("Python does not start")
    match env.local_venv:
        case Absent(_) | Unknown(_):
            return skipped("no other environment in this folder")
        case Found(path):
            if env.chosen_by == "--python":
                return skipped("--python names the environment")
            return _not_active(evidence, env, path)


def _not_active(evidence: Evidence, env: Environment, path: str) -> Verdict:
    """A failure where the Python that answers has no torch: then the other one was meant."""
    if evidence.machine.os == "windows":
        line = f"{ALLOW_SCRIPTS}; {shell_line([f'{path}{ACTIVATE}'], 'powershell')}"
    else:
        line = "source " + shell_line([f"{path}/bin/activate"], "posix")
    message = f"This folder has an environment of its own, {path}, and it is not active."
    if evidence.torch is None and not env.chosen_by.startswith("the active"):
        return failed(f"{message} The Python that answers, {env.executable}, has no PyTorch.", hint=line, command=True)
    return warned(message, hint=line, command=True)


def not_conda_base(evidence: Evidence) -> Verdict:
    """Course packages in conda's base make conda itself hard to update."""
    env = _env(evidence)
    if env is None or env.manager != "conda":
        return skipped("not a conda environment")
    if env.conda_base and isinstance(evidence.machine.container, Found):
        return passed("conda's base of an image, which is there to be used")
    if env.conda_base and evidence.torch is not None:
        return warned(
            "PyTorch is installed in conda's base environment, which conda itself needs. Make another one with the "
            "line below, switch to it with `conda activate course`, and install PyTorch there.",
            hint="conda create -n course python=3.12",
            command=True,
        )
    if env.conda_base:
        return passed("conda's base, without PyTorch")
    return passed("an environment of its own")


def pip_may_write_here(evidence: Evidence) -> Verdict:
    """Distributions forbid pip in their own Python (PEP 668)."""
    env = _env(evidence)
    if env is None:
        return skipped("Python does not start")
    if not env.externally_managed:
        return passed("pip may install here")
    if evidence.torch is not None:
        return passed("the system's Python, with torch")
    return warned(
        "This is the system's own Python, which pip may not change (PEP 668).",
        hint=_environment_here(evidence, env),
        command=True,
    )


def _environment_here(evidence: Evidence, env: Environment) -> str:
    """The line that makes an environment in this folder and switches to it."""
    if evidence.machine.os == "windows":
        return chained("py -m venv .venv", f"{ALLOW_SCRIPTS}; .venv{ACTIVATE}", "powershell")
    line = chained(shell_line([env.executable, "-m", "venv", ".venv"], "posix"), "source .venv/bin/activate", "posix")
    # in Debian and its children, what makes environments is a package apart
    first = None if env.ensurepip else install_line(evidence.machine, apt="python3-venv")
    return chained(first, line, "posix") if first else line


CHECKS = (
    Check("venv-broken", "The environment's Python exists", "Python", environment_starts, behind=HALF_DONE),
    Check("python-does-not-start", "Python starts", "Python", python_starts, behind=HALF_DONE),
    Check(
        "venv-not-active", "The project's own environment is active", "Python", project_environment_is_active,
        needs=("venv-broken",),
    ),
    Check("python-plain-start", "Python starts in this folder and shell", "Python", plain_start_works),
    Check("file-named-torch", "No file takes torch's name", "Python", no_file_is_named_torch),
    Check("folder-named-torch", "No folder takes torch's name", "Python", no_folder_is_named_torch),
    Check("stdlib-shadow", "No file takes the name of a standard module", "Python", standard_library_is_reached),
    Check("pythonpath-leak", "PYTHONPATH brings no other packages", "Python", pythonpath_brings_nothing),
    Check("user-site-leak", "No package comes from the user directory", "Python", user_site_brings_nothing),
    Check("python-32bit", "Python is a 64-bit program", "Python", python_is_64_bit),
    Check("python-too-new", "PyTorch knows this Python", "Python", python_is_not_too_new),
    Check("python-too-old", "PyTorch still serves this Python", "Python", python_is_not_too_old),
    Check("pep668", "pip may install here", "Python", pip_may_write_here),
    Check("wrong-interpreter", "pip belongs to this Python", "Python", pip_is_this_pythons),
    Check("conda-base", "PyTorch is not in conda's base", "Python", not_conda_base),
)  # fmt: skip
