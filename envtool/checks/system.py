"""Does the machine itself stand in the way: its libc, its age, its disk, its shared memory?"""

from __future__ import annotations

from envtool.checks.check import Check, Evidence, imports_torch
from envtool.machine import Absent, Found, Libc, Storage, Unknown, found_or
from envtool.verdicts import Json, Verdict, failed, passed, skipped, unknown, warned

GIB = 1 << 30
CPU_INSTALL = 2 * GIB  # torch, torchvision, torchaudio and what they need, CPU build, unpacked
CUDA_INSTALL = 8 * GIB  # … CUDA build; see failure mode disk-full
SMALL_SHM = GIB  # containers start with 64 MiB


def libc_is_glibc(evidence: Evidence) -> Verdict:
    """No wheel of torch was ever made for musl."""
    match evidence.machine.libc:
        case Absent(reason):
            return skipped(reason or "not Linux")
        case Unknown(reason):
            return unknown(f"the C library could not be told: {reason}")
        case Found(libc):
            if libc.name == "musl" and imports_torch(evidence):
                return passed(f"musl {libc.version}, with a torch that was built for it")
            if libc.name == "musl":
                return failed(
                    f"This system uses musl {libc.version}; every wheel of torch needs glibc.",
                    hint="use a Debian-based image such as python:3.12-slim",
                )
            return passed(f"{libc.name} {libc.version}")


def glibc_is_new_enough(evidence: Evidence) -> Verdict:
    """torch 2.7 and newer need glibc 2.28."""
    libc = found_or(evidence.machine.libc, Libc("", ""))
    if libc.name != "glibc":
        return skipped("not a glibc system")
    if evidence.torch is not None:
        return passed(f"glibc {libc.version}, and torch is installed")
    floor = evidence.catalog.newest_glibc_floor(evidence.platform)
    if floor is None:
        return skipped("the catalog knows no floor for this platform")
    return _glibc_verdict(evidence, libc.version, floor)


def _glibc_verdict(evidence: Evidence, version: str, floor: str) -> Verdict:
    from packaging.version import InvalidVersion, Version

    try:
        enough = Version(version) >= Version(floor)
    except InvalidVersion:
        return unknown(f"glibc calls itself {version!r}")
    if enough:
        return passed(f"glibc {version}")
    mend = evidence.mender.reinstall()
    return warned(
        f"glibc {version} is too old for the newest torch, which needs {floor}; an older torch fits.",
        hint=mend or "use a newer system or a container",
        command=mend is not None,
    )


def python_runs_natively(evidence: Evidence) -> Verdict:
    """An Intel Python on Apple silicon gets Intel wheels, which ended with torch 2.2.2."""
    if evidence.machine.os != "macos":
        return skipped("not macOS")
    translated = evidence.machine.rosetta == Found(True)
    env = evidence.env
    chip = isinstance(evidence.machine.apple.chip, Found)
    if translated or (env is not None and env.arch == "x86_64" and chip):
        return failed(
            "This is an Intel Python, translated by Rosetta on Apple silicon: torch for it ended with 2.2.2, and it "
            "can't use the GPU.",
            hint="install an arm64 Python (python.org, or `uv python install 3.12`) and make a new environment",
        )
    return passed("native")


def mac_is_supported(evidence: Evidence) -> Verdict:
    """Intel Macs: the last wheels are 2.2.2."""
    if evidence.machine.os != "macos":
        return skipped("not macOS")
    if evidence.machine.arch != "x86_64" or evidence.machine.rosetta == Found(True):
        return passed("Apple silicon")
    if evidence.torch is not None:
        return passed(f"an Intel Mac with torch {evidence.torch.version}")
    mend = evidence.mender.reinstall()
    return warned(
        "This is an Intel Mac: the last torch for it is 2.2.2, for Python 3.12 and older.",
        hint=mend or "make an environment with Python 3.11 or 3.12, or use Colab",
        command=mend is not None,
    )


def windows_is_x64(evidence: Evidence) -> Verdict:
    """The package index has no torch for Windows on Arm."""
    if evidence.machine.os != "windows":
        return skipped("not Windows")
    env = evidence.env
    if evidence.machine.arch in ("arm64", "aarch64") and env is not None and env.arch in ("arm64", "aarch64"):
        if evidence.torch is not None:
            return passed(f"torch {evidence.torch.version} is installed")
        return failed(
            "The Python package index has no torch for Windows on Arm.",
            hint="install the x64 Python (it runs emulated), or use WSL",
        )
    return passed("x86_64")


def shared_memory_is_enough(evidence: Evidence) -> Verdict:
    """DataLoader workers hand batches over in /dev/shm; containers start with 64 MiB of it."""
    match evidence.machine.shared_memory:
        case Absent(reason):
            return skipped(reason or "no /dev/shm here")
        case Unknown(reason):
            return unknown(f"the size of /dev/shm could not be read: {reason}")
        case Found(shm):
            if shm.total_bytes >= SMALL_SHM:
                return passed(f"/dev/shm has {shm.total_bytes >> 20:,} MiB")
            container = isinstance(evidence.machine.container, Found)
            return warned(
                f"/dev/shm has only {shm.total_bytes >> 20:,} MiB: a DataLoader with workers may die with “Bus error”.",
                hint="start the container with --shm-size=8g, or use num_workers=0"
                if container
                else "sudo mount -o remount,size=50% /dev/shm",
                command=not container,
            )


def disk_has_room(evidence: Evidence) -> Verdict:
    """Where packages go."""
    return _room(evidence, "packages")


def temporary_has_room(evidence: Evidence) -> Verdict:
    """pip unpacks in the temporary directory, which is often a small memory disk."""
    return _room(evidence, "temporary files")


def _room(evidence: Evidence, purpose: str) -> Verdict:
    place = next((s for s in evidence.machine.storage if s.purpose == purpose), None)
    if place is None:
        return unknown(f"the free space for {purpose} could not be read")
    needed = CUDA_INSTALL if evidence.machine.nvidia.gpus else CPU_INSTALL
    free = f"{place.free_bytes / GIB:.1f} GiB"
    if place.free_bytes >= needed or (evidence.torch is not None and place.free_bytes >= GIB // 2):
        return passed(f"{free} free in {place.path}")
    return _tight(evidence, place, needed, free)


def _tight(evidence: Evidence, place: Storage, needed: int, free: str) -> Verdict:
    message = f"{place.path} has {free} free for {place.purpose}; installing PyTorch needs about {needed // GIB} GiB."
    if place.purpose == "packages":
        line = _empties_the_cache(evidence)
        told: dict[str, Json] = {"free_bytes": place.free_bytes}
        none_fits = evidence.torch is None and place.free_bytes < needed // 4  # whichever build is taken
        say = failed if none_fits else warned
        return say(message, hint=line or "delete what you don't need any more", command=bool(line), evidence=told)
    if evidence.machine.os == "windows":
        return warned(message, hint="set TEMP and TMP to a folder on a larger disk before installing")
    return warned(message, hint="before installing: export TMPDIR=/scratch/$USER, or another folder on a larger disk")


def _empties_the_cache(evidence: Evidence) -> str | None:
    """The line that deletes what pip or uv keeps of earlier downloads; None where neither is there."""
    env = evidence.env
    if env is None or not isinstance(env.pip, Found):
        return "uv cache clean" if env is not None and env.manager == "uv" else None
    active = env.chosen_by.startswith("the active")
    python = "python" if active else "py" if evidence.machine.os == "windows" else "python3"
    return f"{python} -m pip cache purge"


def job_has_a_gpu(evidence: Evidence) -> Verdict:
    """A Slurm job that did not ask for a GPU gets none, whatever the node has."""
    match evidence.machine.slurm:
        case Absent(_) | Unknown(_):
            return skipped("not a Slurm cluster")
        case Found(slurm):
            if slurm.job_id is None:
                return skipped("a login node: jobs run elsewhere")
            if slurm.gpus or evidence.machine.nvidia.gpus:
                return passed(f"job {slurm.job_id} has GPU {slurm.gpus or 'access'}")
            if evidence.cuda_build:
                return failed(
                    f"Slurm job {slurm.job_id} was given no GPU, and torch here is a CUDA build.",
                    hint="ask for one: srun --gres=gpu:1 --pty bash",
                )
            return skipped(f"job {slurm.job_id} asked for no GPU")


def not_on_a_login_node(evidence: Evidence) -> Verdict:
    """A login node without a GPU is as it should be; only a CUDA build can't be tried there."""
    slurm = evidence.machine.slurm
    if not isinstance(slurm, Found) or slurm.value.job_id is not None or evidence.machine.nvidia.gpus:
        return skipped("not a login node without a GPU")
    return passed("a login node: GPUs are in jobs (srun --gres=gpu:1 --pty bash)")


def colab_has_a_gpu(evidence: Evidence) -> Verdict:
    """Colab starts without a GPU unless the runtime type asks for one."""
    if not evidence.machine.colab:
        return skipped("not Colab")
    if evidence.machine.nvidia.gpus:
        return passed("the runtime has a GPU")
    return warned(
        "This Colab runtime has no GPU.",
        hint="Runtime > Change runtime type > T4 GPU",
    )


CHECKS = (
    Check("musl", "The C library is glibc", "System", libc_is_glibc),
    Check("glibc-too-old", "glibc is new enough", "System", glibc_is_new_enough, needs=("musl",)),
    Check("rosetta-python", "Python runs natively on Apple silicon", "System", python_runs_natively),
    Check("intel-mac", "PyTorch still serves this Mac", "System", mac_is_supported, needs=("rosetta-python",)),
    Check("win-arm64", "PyTorch has builds for this Windows", "System", windows_is_x64),
    Check("shm-small", "Shared memory is large enough", "System", shared_memory_is_enough),
    Check("disk-full", "There is room for packages", "System", disk_has_room),
    Check("tmpdir-small", "There is room for temporary files", "System", temporary_has_room),
    Check("slurm-no-gres", "The Slurm job has a GPU", "System", job_has_a_gpu),
    Check("login-node", "This is a login node", "System", not_on_a_login_node),
    Check("colab-no-gpu", "The Colab runtime has a GPU", "System", colab_has_a_gpu),
)
