"""Machines, environments and reports for tests, each healthy until told otherwise."""

from __future__ import annotations

from dataclasses import replace

from envtool.catalog import load
from envtool.checks import ALL, Evidence, run
from envtool.environment import Build, CondaPackage, Distribution, Environment, ImportReport, Leak, Shadow, Stage
from envtool.machine import (
    Absent,
    Amd,
    Apple,
    Found,
    Gpu,
    Intel,
    Libc,
    Machine,
    Nvidia,
    PciCard,
    Storage,
    Unknown,
)

GIB = 1 << 30


class Lines:
    """A mender whose lines say what was asked."""

    def reinstall(self, *, accelerator="auto", force=False):
        return f"{'REPAIR' if force else 'REINSTALL'} {accelerator}"

    def uninstall(self, *names):
        return f"UNINSTALL {' '.join(names)}"

    def install(self, *requirements):
        return f"INSTALL {' '.join(requirements)}"


class NoLines(Lines):
    """A mender that knows no build."""

    def reinstall(self, *, accelerator="auto", force=False):
        return None


def laptop(**changes) -> Machine:
    """A Debian laptop without any GPU."""
    machine = Machine(
        os="linux",
        arch="x86_64",
        os_version=Found("Debian GNU/Linux 12 (bookworm)"),
        libc=Found(Libc("glibc", "2.36")),
        wsl=Absent("not WSL"),
        container=Absent("no container"),
        rosetta=Absent("not macOS"),
        slurm=Absent("no Slurm"),
        storage=(
            Storage("packages", "/home", 80 * GIB, 200 * GIB),
            Storage("temporary files", "/tmp", 20 * GIB, 20 * GIB),
        ),
        shared_memory=Found(Storage("shared memory", "/dev/shm", 8 * GIB, 8 * GIB)),
        nvidia=Nvidia(
            status="absent",
            reason="no NVIDIA card and no driver",
            nvml_state="library-not-found",
            driver=Absent("no driver"),
            cuda_driver=Absent("no driver"),
            nodes=Found(()),
            kernel_module=Absent("not loaded"),
            module_loaded=Found(False),
            libcuda=Absent("no libcuda"),
            libcuda_path=Absent("no libcuda"),
        ),
        amd=Amd(status="absent"),
        intel=Intel(status="absent"),
        apple=Apple(status="absent", chip=Absent("not a Mac")),
        jetpack=Absent("not a Jetson"),
        l4t=Absent("not a Jetson"),
    )
    return replace(machine, **changes)


def gpu(index=0, name="NVIDIA GeForce RTX 4090", capability=(8, 9), **changes) -> Gpu:
    healthy = Gpu(
        index=index,
        name=Found(name),
        uuid=Found(f"GPU-{index:08d}-aaaa"),
        compute_capability=Found(capability),
        memory_mib=Found(24564),
        memory_used_mib=Found(400),
        processes=Found(()),
        mig=Absent("not supported"),
        mig_instances=Found(()),
        compute_mode=Found("default"),
        persistence=Found(True),
        xid=Absent("none"),
        row_remap_pending=Found(False),
        row_remap_failed=Found(False),
        retired_pages_pending=Absent("not supported"),
    )
    return replace(healthy, **changes)


def card(driver="nvidia", name="GeForce RTX 4090") -> PciCard:
    return PciCard("0000:01:00.0", "10de", "2684", "0300", Found(name), Found(driver) if driver else Absent("none"))


def nodes(*missing, **closed):
    from envtool.machine import DeviceNode

    names = ("nvidia0", "nvidiactl", "nvidia-uvm")
    return Found(
        tuple(
            DeviceNode(
                f"/dev/{n}", not closed.get("closed"), not closed.get("closed"), "0660", closed.get("group", "video")
            )
            for n in names
            if n not in missing
        )
    )


def nvidia(driver="595.71.05", cuda="13.2", gpus=None, **changes) -> Nvidia:
    healthy = Nvidia(
        status="found",
        nvml_state="ok",
        nvml_library=Found("libnvidia-ml.so.1"),
        driver=Found(driver),
        cuda_driver=Found(cuda),
        gpus=(gpu(),) if gpus is None else tuple(gpus),
        kernel_module=Found(driver),
        libcuda=Found(driver),
        libcuda_path=Found(f"/usr/lib/x86_64-linux-gnu/libcuda.so.{driver}"),
        cards=(card(),),
        nodes=nodes(),
        module_loaded=Found(True),
    )
    return replace(healthy, **changes)


def server(**changes) -> Machine:
    """A Linux machine with one RTX 4090 and a new driver; keywords change its Nvidia."""
    return laptop(nvidia=nvidia(**changes))


def silent(state, error=None, **changes) -> Machine:
    """A machine with a card whose NVML does not answer."""
    fields = {
        "status": "unknown",
        "reason": "NVML did not answer",
        "nvml_state": state,
        "nvml_error": error,
        "nvml_message": "words",
        "driver": Unknown("NVML did not answer"),
        "cuda_driver": Unknown("NVML did not answer"),
        "gpus": (),
    }
    return laptop(nvidia=replace(nvidia(), **(fields | changes)))


def build(package="torch", version="2.14.1", variant="cpu") -> Build:
    cuda = None
    if variant and variant.startswith("cu"):
        cuda = f"{variant[2:-1]}.{variant[-1]}"
    hip = variant.removeprefix("rocm") if variant and variant.startswith("rocm") else None
    return Build(package, version, variant, cuda=cuda, hip=hip, xpu="20250302" if variant == "xpu" else None)


def environment(*builds: Build, distributions=(), **changes) -> Environment:
    prefix = "/home/ana/course/.venv"
    site = f"{prefix}/lib/python3.12/site-packages"
    dists = tuple(Distribution(b.package, b.version.partition("+")[0], site, "pip") for b in builds)
    healthy = Environment(
        executable=f"{prefix}/bin/python",
        chosen_by="the active environment (VIRTUAL_ENV)",
        version="3.12.4",
        implementation="cpython",
        abi="cp312",
        bits=64,
        arch="x86_64",
        prefix=prefix,
        base_prefix="/usr",
        manager="venv",
        pip=Found("24.0"),
        ensurepip=True,
        distributions=dists + tuple(distributions),
        builds=builds,
        pip_on_path=Found(f"{prefix}/bin/python"),
        local_venv=Absent("none"),
        plain_start=Found("starts"),
    )
    return replace(healthy, **changes)


def dist(
    name, version="1.0", location="/home/ana/course/.venv/lib/python3.12/site-packages", **changes
) -> Distribution:
    return replace(Distribution(name, version, location, "pip"), **changes)


def report(*stages: Stage) -> Found[ImportReport]:
    return Found(ImportReport(stages, 1.0))


def stage(name, outcome="ok", **changes) -> Stage:
    return replace(Stage(name, outcome, 0.5), **changes)


def evidence(machine=None, env=None, imports=None, mender=None) -> Evidence:
    return Evidence(
        laptop() if machine is None else machine,
        environment(build()) if env is None else env,
        Absent("not imported") if imports is None else imports,
        load(),
        mender or Lines(),
    )


def verdicts(machine=None, env=None, imports=None, mender=None):
    """Every check's verdict by code."""
    return {v.code: v for v in run(ALL, evidence(machine, env, imports, mender))}


__all__ = [
    "CondaPackage",
    "Leak",
    "Lines",
    "NoLines",
    "Shadow",
    "build",
    "card",
    "dist",
    "environment",
    "evidence",
    "gpu",
    "laptop",
    "nodes",
    "nvidia",
    "report",
    "server",
    "silent",
    "stage",
    "verdicts",
]
