"""The machine without its GPUs: operating system, C library, processor, memory, storage and surroundings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from envtool.machine import Absent, Found, Libc, Machine, Reading, Unknown
from envtool.probe import hardware, surroundings
from envtool.probe.apple import Sysctl, is_apple_silicon, start_sysctl
from envtool.probe.child import Child
from envtool.probe.host import Host
from envtool.verdicts import Json

OS_NAMES = {"linux": "linux", "darwin": "macos", "win32": "windows"}
ARCHES = {"amd64": "x86_64", "x64": "x86_64", "i386": "i686", "i586": "i686", "x86": "i686"}
WINDOWS_VERSION_KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
MACOS_VERSION_FILE = "/System/Library/CoreServices/.SystemVersionPlatform.plist"


def start(host: Host, packages_path: str | None, sysctl: Sysctl | None = None) -> Callable[[], Machine]:
    """Every fact but the GPUs'. ``packages_path`` is where packages will go; ``sysctl`` a question already started."""
    match operating_system(host):
        case "linux":
            return _start_linux(host, packages_path)
        case "macos":
            return _start_macos(host, packages_path, sysctl if sysctl is not None else start_sysctl(host))
        case _:
            machine = _windows(host, packages_path)
            return lambda: machine


def operating_system(host: Host) -> str:
    """linux, macos or windows; another Unix keeps Python's own name."""
    name = str(host.facts().get("sys_platform"))
    return OS_NAMES.get(name, name)


def architecture(system: str, machine: str) -> str:
    """One name for each instruction set; 64-bit ARM is aarch64 on Linux and arm64 elsewhere, as in wheel tags."""
    name = machine.lower()
    if name in ("aarch64", "arm64"):
        return "aarch64" if system == "linux" else "arm64"
    return ARCHES.get(name, name)


def _common(host: Host, packages_path: str | None) -> Machine:
    facts = host.facts()
    system = operating_system(host)
    cpus, release = facts.get("cpus"), facts.get("release")
    return Machine(
        os=system,
        arch=architecture(system, str(facts.get("machine") or "")),
        kernel=Found(str(release)) if release else Unknown("Python names no kernel release"),
        libc=Absent("not on Linux"),
        wsl=surroundings.wsl(host),
        container=surroundings.container(host),
        rosetta=Absent("not on macOS"),
        slurm=Absent("not on Linux"),
        cpus=Found(cpus) if isinstance(cpus, int) else Unknown("Python can't count the processors"),
        storage=hardware.storage(host, packages_path),
        shared_memory=hardware.shared_memory(host),
        jetpack=Absent("no Jetson board"),
        l4t=Absent("no Jetson board"),
        ld_library_path=Absent("not on Linux"),
    )


# ── Linux ────────────────────────────────────────────────────────────────────────────────────────


def _start_linux(host: Host, packages_path: str | None) -> Callable[[], Machine]:
    libc = _start_libc(host)
    library_path = host.env("LD_LIBRARY_PATH")
    release = surroundings.l4t(host)
    machine = replace(
        _common(host, packages_path),
        os_version=_distribution(host),
        slurm=surroundings.slurm(host),
        cpu_model=hardware.cpu_model_linux(host),
        memory_mib=hardware.memory_linux(host),
        l4t=release,
        jetpack=surroundings.jetpack(release),
        colab=bool(host.env("COLAB_RELEASE_TAG")),
        ld_library_path=Found(library_path) if library_path else Absent("LD_LIBRARY_PATH is not set"),
    )
    return lambda: replace(machine, libc=libc())


def _distribution(host: Host) -> Reading[str]:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        text = host.read(path)
        if isinstance(text, Found):
            # PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
            found = re.search(r"""^PRETTY_NAME=["']?(.*?)["']?\s*$""", text.value, re.MULTILINE)
            return Found(found[1]) if found and found[1] else Unknown(f"{path} has no PRETTY_NAME")
    return Unknown("there is no os-release file")


def _start_libc(host: Host) -> Callable[[], Reading[Libc]]:
    name, version = host.facts().get("libc_name"), host.facts().get("libc_version")
    if name in ("glibc", "musl") and version:
        known = Found(Libc(str(name), str(version)))
        return lambda: known
    # Python can't tell musl; its dynamic loader is called after it. The loader is the one program that is
    # started on Linux, and only there: it prints its version, which no file holds in readable form.
    names = host.names("/lib")
    loaders = [n for n in names.value if re.fullmatch(r"ld-musl-.*\.so\.1", n)] if isinstance(names, Found) else []
    if not loaders:
        return lambda: Unknown("neither glibc nor musl was recognised")
    child = host.start("musl", [f"/lib/{loaders[0]}"], timeout=2.0)
    return lambda: Found(Libc("musl", _musl_version(child)))


def _musl_version(child: Child) -> str:
    """ "1.2.5", or "" where the loader doesn't say: that it is musl is certain all the same."""
    done = child.result()
    # musl libc (x86_64)
    # Version 1.2.5
    found = re.search(r"^Version (\d[\d.]*)", done.value.stderr, re.MULTILINE) if isinstance(done, Found) else None
    return found[1] if found else ""


# ── macOS ────────────────────────────────────────────────────────────────────────────────────────


def _start_macos(host: Host, packages_path: str | None, sysctl: Sysctl) -> Callable[[], Machine]:
    machine = replace(_common(host, packages_path), os_version=_macos_version(host))

    def collect() -> Machine:
        answer = sysctl()
        return replace(
            machine,
            rosetta=_rosetta(machine.arch, answer),
            cpu_model=hardware.cpu_model_macos(answer),
            memory_mib=hardware.memory_macos(answer),
        )

    return collect


def _macos_version(host: Host) -> Reading[str]:
    version = host.facts().get("mac_version")
    if not isinstance(version, str) or not version:
        return Unknown("Python names no macOS version")
    if version.startswith("10.16"):  # what macOS 11 and later tell a Python that was built for older ones
        text = host.read(MACOS_VERSION_FILE)
        pattern = r"<key>ProductVersion</key>\s*<string>([\d.]+)</string>"
        found = re.search(pattern, text.value) if isinstance(text, Found) else None
        return Found(found[1]) if found else Unknown("macOS 11 or later tells this Python only 10.16")
    return Found(version)


def _rosetta(arch: str, answer: Reading[Mapping[str, str]]) -> Reading[bool]:
    if arch != "x86_64":
        return Found(False)
    if not isinstance(answer, Found):
        return Unknown(answer.reason)
    return Found(is_apple_silicon(answer.value, native=False))


# ── Windows ──────────────────────────────────────────────────────────────────────────────────────


def _windows(host: Host, packages_path: str | None) -> Machine:
    values = host.registry(WINDOWS_VERSION_KEY)
    return replace(
        _common(host, packages_path),
        os_version=_windows_version(host.facts(), values.value if isinstance(values, Found) else {}),
        cpu_model=hardware.cpu_model_windows(host),
        memory_mib=Unknown("Windows does not keep the size of memory where it can be read as text"),
    )


def _windows_version(facts: Mapping[str, Json], values: Mapping[str, Json]) -> Reading[str]:
    # 10.0.22631: Windows 11 still calls itself version 10, and "Windows 10 Pro" in the registry
    told = str(facts.get("windows_version") or "")
    build = str(values.get("CurrentBuildNumber") or told.rpartition(".")[2])
    if not build.isdecimal():
        return Unknown("neither Python nor the registry names a Windows build")
    product = str(values.get("ProductName") or "")
    if "Server" not in product:
        product = "Windows 11" if int(build) >= 22000 else f"Windows {told.partition('.')[0] or '10'}"
    release = f" {values['DisplayVersion']}" if values.get("DisplayVersion") else ""
    return Found(f"{product}{release} (build {build})")
