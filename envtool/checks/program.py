"""The programs in this folder: words in them that this machine or this order of lines does not serve.

Only what a program here really uses is asked of the machine: nobody needs a compiler for PyTorch alone.
"""

from __future__ import annotations

from envtool.checks.check import Check, Evidence
from envtool.checks.os_packages import install_line
from envtool.data import read_table
from envtool.environment import Finding, Workplace
from envtool.machine import Found
from envtool.verdicts import Verdict, passed, skipped, warned
from envtool.versions import numbers_or_none

UNUSED = "no program in this folder uses torch.compile"
CXX = {"g++", "clang++", "c++"}
CC = {"gcc", "clang", "cc"}
WITHOUT = ", or leave torch.compile out: the results are the same"


def _at(finding: Finding) -> str:
    return finding.file if finding.file.endswith(".ipynb") else f"{finding.file}, line {finding.line},"


def _compiles(evidence: Evidence) -> tuple[Finding, Workplace] | None:
    place = evidence.workplace
    finding = place.found("compile") if place else None
    return (finding, place) if place is not None and finding is not None and evidence.torch is not None else None


def torch_is_imported_by_its_name(evidence: Evidence) -> Verdict:
    """The project is called PyTorch, the module torch."""
    place = evidence.workplace
    if place is None:
        return skipped("a plain start did not tell of the folder's programs")
    finding = place.found("import-pytorch")
    if finding is None:
        return skipped("no program in this folder imports pytorch")
    return warned(
        f"{_at(finding)} imports pytorch; the module is called torch. There is nothing to install.",
        hint=f"write `import torch` in {finding.file}",
        evidence={"file": finding.file, "line": finding.line},
    )


def gpus_are_chosen_in_time(evidence: Evidence) -> Verdict:
    """CUDA reads CUDA_VISIBLE_DEVICES once, when it starts."""
    finding = evidence.workplace.found("cvd-set-late") if evidence.workplace else None
    if finding is None:
        return skipped("no program in this folder sets CUDA_VISIBLE_DEVICES below its first use of the GPU")
    return warned(
        f"{_at(finding)} sets CUDA_VISIBLE_DEVICES, and CUDA has been started by a line above: the setting comes too "
        "late.",
        hint=f"move that line of {finding.file} above all imports",
        evidence={"file": finding.file, "line": finding.line},
    )


def workers_are_guarded(evidence: Evidence) -> Verdict:
    """Windows and macOS start a worker by importing the script anew."""
    finding = evidence.workplace.found("dataloader-spawn-main") if evidence.workplace else None
    if finding is None or evidence.machine.os not in ("windows", "macos"):
        return skipped("no program in this folder starts workers at its top level, or this system forks them")
    return warned(
        f"{_at(finding)} makes a DataLoader with workers outside of any function: each worker imports the file and "
        "starts the training again.",
        hint='put the training into a function main() and call it below `if __name__ == "__main__":`',
        evidence={"file": finding.file, "line": finding.line},
    )


# ── torch.compile ────────────────────────────────────────────────────────────────────────────────


def compile_knows_this_python(evidence: Evidence) -> Verdict:
    """torch's compiler follows a new Python months after torch itself."""
    used, env = _compiles(evidence), evidence.env
    if used is None or env is None:
        return skipped(UNUSED)
    minor = ".".join((evidence.torch_version or "").split(".")[:2])
    first = read_table("compile.toml")["first-unknown-python"].get(minor)
    found, limit = numbers_or_none(env.version), numbers_or_none(str(first or ""))
    if found is None or limit is None:
        return skipped(f"which Python is too new for torch {evidence.torch_version} is not known")
    if found < limit:
        return passed(f"torch {evidence.torch_version} compiles on Python {env.version}")
    return warned(
        f"{_at(used[0])} uses torch.compile, which torch {evidence.torch_version} refuses on Python {first} and newer; "
        f"this is {env.version}.",
        hint=f"make an environment with an older Python: uv venv --python 3.{limit[1] - 1}",
    )


def compiler_for_the_cpu(evidence: Evidence) -> Verdict:
    """On the CPU, torch.compile writes C++."""
    used = _compiles(evidence)
    if used is None or (evidence.cuda_build and evidence.gpus):
        return skipped(UNUSED if used is None else "on a GPU it needs no C++")
    finding, place = used
    windows = evidence.machine.os == "windows"
    if place.programs is None or place.variable("CXX") or ({"cl.exe"} if windows else CXX) & set(place.programs):
        return passed("there is a C++ compiler")
    hint = {
        "windows": "install the Build Tools of Visual Studio and use their prompt" + WITHOUT,
        "macos": "xcode-select --install",
    }.get(evidence.machine.os, _installs(evidence, apt="g++", dnf="gcc-c++", pacman="gcc", zypper="gcc-c++"))
    return warned(
        f"{_at(finding)} uses torch.compile, and there is no C++ compiler on PATH.",
        hint=hint,
        command=hint.startswith(("sudo", "xcode")),
    )


def _installs(evidence: Evidence, **names: str) -> str:
    """On a cluster nobody may install; a module brings the compiler."""
    if isinstance(evidence.machine.slurm, Found):
        return "load a module with a compiler, such as `module load gcc`" + WITHOUT
    return install_line(evidence.machine, **names) or "install a compiler with your system's own packages" + WITHOUT


def compiler_for_triton(evidence: Evidence) -> Verdict:
    """On a GPU, triton compiles its launcher with the C compiler."""
    used = _compiles(evidence)
    if used is None or not evidence.gpus or not evidence.cuda_build or evidence.machine.os != "linux":
        return skipped(UNUSED if used is None else "no NVIDIA GPU on Linux")
    finding, place = used
    if place.programs is None or place.variable("CC") or CC & set(place.programs):
        return passed("there is a C compiler")
    hint = _installs(evidence, apt="gcc", dnf="gcc", pacman="gcc", zypper="gcc")
    return warned(
        f"{_at(finding)} uses torch.compile, and triton finds no C compiler on PATH.",
        hint=hint,
        command=hint.startswith("sudo"),
    )


def headers_are_there(evidence: Evidence) -> Verdict:
    """What is compiled includes Python.h."""
    used, env = _compiles(evidence), evidence.env
    if used is None or env is None or used[1].headers is None:
        return skipped(UNUSED if used is None else "looked for on Linux only")
    if used[1].headers:
        return passed("Python.h is there")
    minor = ".".join(env.version.split(".")[:2])
    line = None
    if env.base_prefix == "/usr" and not isinstance(evidence.machine.slurm, Found):
        line = install_line(evidence.machine, apt=f"python{minor}-dev", dnf="python3-devel", zypper="python3-devel")
    return warned(
        f"{_at(used[0])} uses torch.compile, and the header files of Python {minor} (Python.h) are not installed.",
        hint=line or "make the environment with a Python that has them: uv venv --python 3.12",
        command=line is not None,
    )


def windows_has_triton(evidence: Evidence) -> Verdict:
    """PyTorch's wheels for Windows come without triton."""
    used, env = _compiles(evidence), evidence.env
    if used is None or env is None or evidence.machine.os != "windows" or not evidence.gpus or not evidence.cuda_build:
        return skipped(UNUSED if used is None else "not an NVIDIA GPU on Windows")
    if env.distribution("triton") or env.distribution("triton-windows"):
        return passed("triton is installed")
    return warned(
        f"{_at(used[0])} uses torch.compile on the GPU, which needs triton; PyTorch brings none on Windows. "
        "triton-windows is a build by volunteers.",
        hint=evidence.mender.install("triton-windows"),
        command=True,
    )


# ── extensions ───────────────────────────────────────────────────────────────────────────────────


def toolkit_is_there(evidence: Evidence) -> Verdict:
    """Compiling CUDA code needs the toolkit; PyTorch's wheels don't."""
    place = evidence.workplace
    finding = place.found("extension") if place else None
    if place is None or finding is None or not evidence.cuda_build or place.programs is None:
        return skipped("no program in this folder compiles CUDA code")
    if place.toolkit is not None or "nvcc" in place.programs:
        return passed("a CUDA toolkit is there")
    cuda = evidence.torch.cuda if evidence.torch else ""
    return warned(
        f"{_at(finding)} compiles CUDA code, and there is no CUDA toolkit here: no nvcc on PATH, no CUDA_HOME.",
        hint=f"look for a ready-made wheel first; else install the toolkit of CUDA {cuda} and set CUDA_HOME to it",
    )


def toolkit_has_torchs_cuda(evidence: Evidence) -> Verdict:
    """torch refuses to compile with a toolkit of another major version."""
    place = evidence.workplace
    if place is None or place.found("extension") is None or place.toolkit is None or evidence.torch is None:
        return skipped("no program in this folder compiles CUDA code, or there is no toolkit")
    folder, version = place.toolkit
    ours, theirs = numbers_or_none(evidence.torch.cuda or ""), numbers_or_none(version)
    if ours is None or theirs is None:
        return skipped("the version of the toolkit, or of torch's CUDA, is not known")
    if ours[0] == theirs[0]:
        return passed(f"toolkit {version}, torch's CUDA {evidence.torch.cuda}")
    return warned(
        f"The toolkit in {folder} is CUDA {version}, and torch was built with CUDA {evidence.torch.cuda}: compiling "
        "the extension in this folder fails.",
        hint=f"install the toolkit of CUDA {evidence.torch.cuda} and set CUDA_HOME to it, or take a ready-made wheel",
    )


NEEDS = ("torch-not-installed",)
CHECKS = (
    Check("import-pytorch", "The program imports torch, not pytorch", "Python", torch_is_imported_by_its_name),
    Check("cvd-set-late", "CUDA_VISIBLE_DEVICES is set before torch starts", "GPU", gpus_are_chosen_in_time),
    Check("dataloader-spawn-main", "A script guards its main part", "Python", workers_are_guarded),
    Check("compile-python-version", "torch.compile knows this Python", "PyTorch", compile_knows_this_python, NEEDS),
    Check("compile-no-cxx", "torch.compile finds a C++ compiler", "PyTorch", compiler_for_the_cpu, NEEDS),
    Check("compile-no-cc-cuda", "Triton finds a C compiler", "PyTorch", compiler_for_triton, NEEDS),
    Check("no-python-h", "Python's header files are there", "PyTorch", headers_are_there, NEEDS),
    Check("triton-missing-windows", "torch.compile has a triton", "PyTorch", windows_has_triton, NEEDS),
    Check("cuda-home-missing", "A toolkit is there to compile extensions", "PyTorch", toolkit_is_there, NEEDS),
    Check("nvcc-torch-mismatch", "The toolkit has torch's CUDA version", "PyTorch", toolkit_has_torchs_cuda, NEEDS),
)
