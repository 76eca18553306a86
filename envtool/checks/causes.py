"""Causes that the words of a failed import give away. Data, and how it is looked up."""

from __future__ import annotations

from envtool.checks.check import Evidence
from envtool.environment import Stage
from envtool.fact import Fact, dataclass
from envtool.machine import Found


def reinstall(evidence: Evidence) -> tuple[str, bool]:
    """The files may be damaged: they are laid down again, or the line would change nothing."""
    mend = evidence.mender.reinstall(force=True)
    return (mend, True) if mend else ("make a new environment and install PyTorch there", False)


@dataclass(frozen=True, eq=False, repr=False)
class Cause(Fact):
    """A known cause: any of ``words`` in the failure's text, one of ``signals``, or one of CUDA's ``codes``.

    ``contained``: the hint in a container, where it is another one.
    ``folder``: the name of a folder that LD_LIBRARY_PATH should not lead to.
    ``library_path``: where LD_LIBRARY_PATH is set, that is where it comes from, and unsetting it is the mend.
    """

    message: str
    hint: str
    words: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    contained: str | None = None
    folder: str | None = None
    command: bool = False
    library_path: bool = False

    def mend(self, evidence: Evidence) -> tuple[str, bool]:
        """The hint here, and whether it is a command."""
        if self.library_path and isinstance(evidence.machine.ld_library_path, Found):
            return "unset LD_LIBRARY_PATH", True
        if self.hint == REINSTALL:
            return reinstall(evidence)
        return self.hint, self.command


REINSTALL = "reinstall"  # in place of a hint: the line that reinstalls the trio
CAUSES: dict[str, Cause] = {
    "noexec-mount": Cause(
        "The environment lies on a file system that forbids running programs (mounted noexec).",
        "make the environment on another file system",
        words=("failed to map segment from shared object",),
    ),
    "cpu-too-old": Cause(
        "This processor lacks an instruction that torch was compiled with.",
        "on a virtual machine, set the CPU type to “host”; on old hardware install an older torch",
        signals=("SIGILL", "0xC000001D"),
    ),
    "glibcxx": Cause(
        "An older libstdc++ is loaded before the one that is needed.",
        "use a newer system or container, or in conda: conda install -c conda-forge libstdcxx-ng",
        words=("GLIBCXX_", "CXXABI_"),
        library_path=True,
    ),
    "nvjitlink-mismatch": Cause(
        "CUDA libraries of another version are found first.",
        REINSTALL,
        words=("__nvJitLink",),
        library_path=True,
    ),
    "nccl-symbol": Cause(
        "Another NCCL library is found before torch's own.",
        REINSTALL,
        words=("undefined symbol: nccl",),
        library_path=True,
    ),
    "mkl-ijit": Cause(
        "MKL 2024.1 and newer lack a symbol that this build of torch needs.",
        "conda install 'mkl<2024.1'",
        words=("iJIT_NotifyEvent",),
        command=True,
    ),
    "openmp-duplicate": Cause(
        "Two OpenMP libraries were loaded into one process.",
        "install numpy and torch from one source, in a new environment",
        words=("OMP: Error #15",),
    ),
    "mkl-threading": Cause(
        "MKL and torch were loaded with two different thread libraries.",
        "export MKL_THREADING_LAYER=GNU",
        words=("MKL_THREADING_LAYER",),
        command=True,
    ),
    "fbgemm-dll": Cause(
        "torch 2.4.0 for Windows lacks a file, libomp140; 2.4.1 and newer have it. Don't fetch the DLL from elsewhere.",
        REINSTALL,
        words=("fbgemm.dll",),
    ),
    "vcredist-missing": Cause(
        "The Visual C++ runtime is missing or too old.",
        "install https://aka.ms/vc14/vc_redist.x64.exe and open a new terminal",
        words=("WinError 1114", "WinError 126"),
    ),
    "app-control": Cause(
        "Windows' application control blocks torch's libraries.",
        "ask the machine's administrator to allow this folder, or use WSL",
        words=("WinError 4551",),
    ),
    "memory-kill": Cause(
        "The system ended Python, most likely for want of memory.",
        "close other programs, or install the CPU build, which needs less",
        signals=("SIGKILL",),
    ),
}


def _matches(cause: Cause, stage: Stage) -> bool:
    text = "\n".join((stage.message or "", *stage.last_lines, stage.detail("warnings") or ""))
    return any(word in text for word in cause.words) or (stage.signal or "") in cause.signals


def known(stage: Stage, causes: dict[str, Cause]) -> str | None:
    """The code of the first cause that a failed stage gives away, None where it gives away none."""
    return next((code for code, cause in causes.items() if _matches(cause, stage)), None)
