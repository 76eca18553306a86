"""The machines of the comparison: what each has, what is asked for, and which trap lies there."""

from __future__ import annotations

from dataclasses import dataclass

TRIO = ("torch", "torchvision", "torchaudio")
PAIR = ("torch", "torchvision")


@dataclass(frozen=True)
class Described:
    """A machine and a request. ``system`` is the glibc on Linux and the release on macOS."""

    key: str
    title: str
    packages: tuple[str, ...] = TRIO
    platform: str = "linux_x86_64"
    python: str = "3.12"
    free_threaded: bool = False
    system: str = "2.35"
    musl: bool = False
    driver: str | None = None
    gpus: tuple[str, ...] = ()
    gfx: tuple[str, ...] = ()
    intel: str | None = None
    xpu: bool = False  # PyTorch names the Intel GPU
    wsl: bool = False
    jetpack: str | None = None

    @property
    def os(self) -> str:
        """linux, windows or macos."""
        return self.platform.partition("_")[0]

    @property
    def arch(self) -> str:
        """x86_64, aarch64 or arm64."""
        return self.platform.partition("_")[2]

    @property
    def abi(self) -> str:
        """The ABI tag: cp312, cp313t."""
        return "cp" + "".join(self.python.split(".")[:2]) + ("t" if self.free_threaded else "")

    @property
    def system_told(self) -> str:
        """The system in words."""
        name = {"linux": "musl" if self.musl else f"glibc {self.system}", "macos": f"macOS {self.system}"}
        return f"{name.get(self.os, 'Windows')} on {self.arch}"

    def takes(self, tag: str, floors: list[tuple[int, ...]]) -> bool:
        """Does a wheel with this platform tag install here? ``floors``: what an index asks on top of it."""
        if self.os == "windows":
            return tag == ("win_amd64" if self.arch == "x86_64" else "win_arm64")
        if not tag.endswith(f"_{self.arch}") or self.musl:
            return False
        head = tag[: -len(self.arch) - 1]
        if head in {"manylinux1", "manylinux2014"}:
            head = "manylinux_2_17"
        kind, *numbers = head.split("_")
        needed = max([tuple(map(int, numbers)), *floors])
        here = tuple(map(int, self.system.split(".")))
        return kind == {"linux": "manylinux", "macos": "macosx"}[self.os] and here + (0,) >= needed

    def document(self) -> dict[str, object]:
        """The machine document that ``envtool pick --machine`` reads."""
        gpus = [
            {"index": i, "name": f"GPU of {c}", "uuid": None, "compute_capability": c, "memory_mib": None, "mig": False}
            for i, c in enumerate(self.gpus)
        ]
        nothing = {"status": "absent", "reason": None, "gpus": []}
        nvidia = {**nothing, "nvml_error": None, "driver": self.driver, "cuda_driver": None}
        found: dict[str, object] = {
            "schema": "envtool.machine/1", "os": self.os, "arch": self.arch, "wsl": self.wsl, "container": None,
            "os_version": self.system if self.os == "macos" else "not told",
            "libc": {"name": "musl" if self.musl else "glibc", "version": self.system} if self.os == "linux" else None,
            "python": {"version": self.python, "abi": self.abi, "executable": None},
            "nvidia": {**nvidia, "status": "found", "gpus": gpus} if gpus else nvidia,
            "amd": {**nothing, "status": "found", "gpus": [{"name": f"AMD {g}", "gfx": g} for g in self.gfx]}
            if self.gfx else nothing,
            "intel": {**nothing, "status": "found", "gpus": [{"name": self.intel}]} if self.intel else nothing,
            "apple": {"status": "found", "reason": None, "chip": "Apple M2"}
            if self.platform == "macos_arm64" else {"status": "absent", "reason": None, "chip": None},
        }  # fmt: skip
        return {**found, "jetpack": self.jetpack} if self.jetpack else found


NEW, OLD = "595.71.05", "550.54.14"

MACHINES = (
    # ── A: packages that no longer fit together ──
    Described("A1", "RTX 4090, newest driver", driver=NEW, gpus=("8.9",)),
    Described("A1-vision", "RTX 4090, newest driver", PAIR, driver=NEW, gpus=("8.9",)),
    Described("A1-torch", "RTX 4090, newest driver", ("torch",), driver=NEW, gpus=("8.9",)),
    Described("A2", "RTX 4090, a pinned torch", ("torch==2.5.1", "torchvision", "torchaudio"), driver=OLD,
              gpus=("8.9",)),
    Described("A2-audio", "RTX 4090, a pinned torch", ("torch==2.5.1", "torchaudio"), driver=OLD, gpus=("8.9",)),
    Described("A2-210", "RTX 4090, a pinned torch", ("torch==2.10.0", "torchaudio"), driver=NEW, gpus=("8.9",)),
    Described("A3", "RTX 4090, torchaudio alone", ("torchaudio",), driver=NEW, gpus=("8.9",)),
    Described("A5", "no GPU"),
    Described("A7", "A100, torch 2.0.1", ("torch==2.0.1", "torchvision", "torchaudio"), python="3.10", driver="535.161.08",
              gpus=("8.0",)),
    Described("A8", "Graviton, torch 1.13.1", ("torch==1.13.1", "torchvision", "torchaudio"), "linux_aarch64", "3.10"),
    # ── B: CUDA against the driver ──
    Described("B10", "RTX 4090, driver 550", driver=OLD, gpus=("8.9",)),
    Described("B11", "RTX 4090, torch 2.15.0, driver 550", ("torch==2.15.0",), driver=OLD, gpus=("8.9",)),
    Described("B13", "A100, driver 525", driver="525.60.13", gpus=("8.0",)),
    Described("B14", "T4, driver 520", driver="520.61.05", gpus=("7.5",)),
    Described("B15", "Windows, RTX 3060, driver 552", platform="windows_x86_64", driver="552.22", gpus=("8.6",)),
    Described("B16", "WSL, RTX 3060, Windows driver 527.41", driver="527.41", gpus=("8.6",), wsl=True),
    # ── C: compiled code ──
    Described("C18", "GTX 1080 Ti, driver 580", driver="580.95.05", gpus=("6.1",)),
    Described("C19-win", "Windows, GTX 970, driver 580", platform="windows_x86_64", driver="580.88", gpus=("5.2",)),
    Described("C20", "GTX 1080 Ti, torch 2.8.0", ("torch==2.8.0", "torchvision"), driver="580.95.05", gpus=("6.1",)),
    Described("C21", "V100, driver 580", driver="580.95.05", gpus=("7.0",)),
    Described("C21-pin", "V100, torch 2.11.0", ("torch==2.11.0",), driver="570.124.06", gpus=("7.0",)),
    Described("C22", "K80, driver 470", driver="470.256.02", gpus=("3.7",), python="3.10"),
    Described("C23", "RTX 5090, torch 2.7.0", ("torch==2.7.0", "torchvision"), driver=NEW, gpus=("12.0",)),
    Described("C24", "RTX 5090, driver 570", driver="570.148.08", gpus=("12.0",)),
    Described("C25", "V100 and RTX 5090", driver="580.95.05", gpus=("7.0", "12.0")),
    Described("C25-none", "GTX 1080 Ti and RTX 5090", driver="580.95.05", gpus=("6.1", "12.0")),
    Described("C25-t4", "T4 and H100, driver 550", driver=OLD, gpus=("7.5", "9.0")),
    Described("C26", "B300, newest driver", driver=NEW, gpus=("10.3",)),
    # ── D: Jetson and aarch64 ──
    Described("D29", "Jetson Orin, JetPack 6.2", platform="linux_aarch64", python="3.10", driver="540.4.0",
              gpus=("8.7",), jetpack="6.2"),
    Described("D30", "Jetson Orin, JetPack 7.2", PAIR, "linux_aarch64", driver=NEW, gpus=("8.7",), jetpack="7.2"),
    Described("D32", "GH200, torch 2.10.0", ("torch==2.10.0", "torchvision"), "linux_aarch64", driver=NEW,
              gpus=("9.0",)),
    Described("D32-cpu", "Graviton, newest", platform="linux_aarch64"),
    Described("D33", "GH200, driver 550", platform="linux_aarch64", driver=OLD, gpus=("9.0",)),
    Described("D34", "GH200, torch 2.5.1", ("torch==2.5.1", "torchvision"), "linux_aarch64", driver=OLD, gpus=("9.0",)),
    # ── E: system ──
    Described("E35", "CentOS 7 (glibc 2.17), A100", driver=OLD, gpus=("8.0",), system="2.17", python="3.11"),
    Described("E38", "Alpine (musl)", musl=True, system="1.2"),
    Described("E39", "Intel Mac", platform="macos_x86_64", system="13.0", python="3.11"),
    Described("E40", "Apple silicon, macOS 13", platform="macos_arm64", system="13.0"),
    Described("E40-14", "Apple silicon, macOS 15", platform="macos_arm64", system="15.0"),
    Described("E41", "Windows, RTX 5090, driver 572", platform="windows_x86_64", driver="572.83", gpus=("12.0",)),
    Described("E41-cpu", "Windows, no GPU", platform="windows_x86_64"),
    # ── F: Python ──
    Described("F43-310", "Python 3.10, RTX 4090", python="3.10", driver=NEW, gpus=("8.9",)),
    Described("F43-39", "Python 3.9, RTX 4090", python="3.9", driver=NEW, gpus=("8.9",)),
    Described("F43-38", "Python 3.8, RTX 4090", python="3.8", driver=NEW, gpus=("8.9",)),
    Described("F43-315", "Python 3.15, RTX 4090", PAIR, python="3.15", driver=NEW, gpus=("8.9",)),
    Described("F44", "Python 3.14.1, RTX 4090", python="3.14.1", driver=NEW, gpus=("8.9",)),
    Described("F45", "Python 3.13t, RTX 4090", python="3.13", free_threaded=True, driver=NEW, gpus=("8.9",)),
    # ── G: others ──
    Described("G48", "torch 2.2.2 and NumPy, RTX 4090", ("torch==2.2.2", "torchvision"), python="3.11", driver=OLD,
              gpus=("8.9",)),
    Described("G50", "MI300X", gfx=("gfx942",)),
    Described("G51", "RX 6700 XT (gfx1031)", gfx=("gfx1031",)),
    Described("G51-halo", "Strix Halo (gfx1151)", gfx=("gfx1151",)),
    Described("G52", "Windows, RX 7900 XTX", platform="windows_x86_64", gfx=("gfx1100",)),
    Described("G53", "Intel UHD 770", intel="Intel UHD Graphics 770"),
    Described("G53-arc", "Intel Arc B580", intel="Intel Arc B580", xpu=True),
)  # fmt: skip
