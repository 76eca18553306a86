"""Machines built answer by answer; a question that none of them was given fails the test."""

from __future__ import annotations

from envtool.probe.recording import RecordedHost, Recording

GIB = 1 << 30
VARIABLES = (
    "COLAB_RELEASE_TAG",
    "KAGGLE_KERNEL_RUN_TYPE",
    "APPTAINER_CONTAINER",
    "SINGULARITY_CONTAINER",
    "KUBERNETES_SERVICE_HOST",
    "container",
    "SLURM_JOB_ID",
    "SLURM_STEP_GPUS",
    "SLURM_JOB_GPUS",
    "SLURM_GPUS_ON_NODE",
    "SLURM_JOB_PARTITION",
    "LD_LIBRARY_PATH",
)
NOT_THERE = {"absent": "no such file"}


class Answers:
    """A recording under construction; every method returns it again."""

    def __init__(self, **facts):
        self.recording = Recording()
        self.recording.keep("facts", "", facts)

    def facts(self, **facts):
        self.recording.answers["facts"][""] |= facts
        return self

    def env(self, **variables):
        for name, value in variables.items():
            self.recording.keep("env", name, value)
        return self

    def answer(self, kind, question, value):
        self.recording.keep(kind, question, value)
        return self

    def files(self, texts):
        for path, text in texts.items():
            self.recording.keep("read", path, NOT_THERE if text is None else {"found": text})
        return self

    def folders(self, names):
        for path, found in names.items():
            self.recording.keep("names", path, NOT_THERE if found is None else {"found": sorted(found)})
        return self

    def there(self, *paths, **status):
        whole = {"kind": "file", "mode": "0644", "uid": 0, "group": "root", "readable": True, "writable": True}
        for path in paths:
            self.recording.keep("stat", path, {"found": whole | status})
        return self

    def missing(self, *paths):
        for path in paths:
            self.recording.keep("stat", path, NOT_THERE)
        return self

    def space(self, path, free, total):
        self.recording.keep("disk", path, {"found": [free, total]})
        return self

    def program(self, question, stdout="", stderr="", returncode=0):
        done = {"returncode": returncode, "stdout": stdout, "stderr": stderr, "seconds": 0.01}
        self.recording.keep("start", question, {"found": done})
        return self

    def registry(self, key, values=None, keys=None):
        if values is not None:
            self.recording.keep("registry", key, {"found": values})
        if keys is not None:
            self.recording.keep("registry_keys", key, {"found": list(keys)})
        return self

    def no_registry(self, *keys):
        for key in keys:
            self.recording.keep("registry", key, NOT_THERE)
        return self

    def card(self, address, pci_class, vendor, device, driver=None):
        """A device on the Linux PCI bus."""
        at = f"/sys/bus/pci/devices/{address}"
        self.files(
            {f"{at}/class": f"0x{pci_class}00\n", f"{at}/vendor": f"0x{vendor}\n", f"{at}/device": f"0x{device}\n"}
        )
        link = {"found": f"../../../../bus/pci/drivers/{driver}"} if driver else NOT_THERE
        self.recording.keep("link", f"{at}/driver", link)
        listed = self.recording.answers.setdefault("names", {}).setdefault("/sys/bus/pci/devices", {"found": []})
        listed["found"] = sorted([*listed["found"], address])
        return self

    def host(self):
        return RecordedHost(self.recording, strict=True)


def linux(**facts):
    """A Debian machine with an x86-64 processor, 16 GiB of memory and nothing special about it."""
    known = {
        "sys_platform": "linux",
        "machine": "x86_64",
        "release": "6.1.0-21-amd64",
        "libc_name": "glibc",
        "libc_version": "2.36",
        "bits": 64,
        "cpus": 8,
        "temporary": "/tmp",
        "mac_version": None,
        "windows_version": None,
    }
    answers = Answers(**(known | facts)).env(**dict.fromkeys(VARIABLES))
    answers.missing("/.dockerenv", "/run/.containerenv", "/.singularity.d", "/dev/dxg").there("/dev/shm", kind="dir")
    answers.files(
        {
            "/run/systemd/container": None,
            "/proc/1/cgroup": "0::/init.scope\n",
            "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nID=debian\n',
            "/proc/cpuinfo": "processor\t: 0\nmodel\t\t: 151\nmodel name\t: 12th Gen Intel(R) Core(TM) i5-1240P\n",
            "/proc/meminfo": "MemTotal:       16311548 kB\nMemFree:         2011548 kB\n",
            "/sys/fs/cgroup/memory.max": None,
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": None,
        }
    )
    for program in ("sbatch", "sinfo"):
        answers.answer("which", program, {"absent": f"no {program} on PATH"})
    answers.space("/home/ada/course/.venv", 180 * GIB, 480 * GIB).space("/tmp", 7 * GIB, 8 * GIB)
    answers.space("/dev/shm", 7 * GIB, 8 * GIB)
    return answers.folders({"/sys/bus/pci/devices": []})


SYSCTL = "machdep.cpu.brand_string: {brand}\nhw.memsize: 17179869184\n"


def macos(machine="arm64", version="14.5", brand="Apple M2", extra="hw.optional.arm64: 1\nsysctl.proc_translated: 0\n"):
    """A MacBook; ``machine`` is what its Python was built for."""
    answers = Answers(
        sys_platform="darwin",
        machine=machine,
        release="23.5.0",
        libc_name=None,
        libc_version=None,
        bits=64,
        cpus=8,
        temporary="/var/folders/x/T/",
        mac_version=version,
        windows_version=None,
    )
    answers.space("/home/ada/course/.venv", 80 * GIB, 480 * GIB).space("/var/folders/x/T/", 80 * GIB, 480 * GIB)
    return answers.program("sysctl", SYSCTL.format(brand=brand) + extra)


WINDOWS_VERSION = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
PROCESSOR = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
PCI = r"SYSTEM\CurrentControlSet\Enum\PCI"
DISPLAYS = "{4d36e968-e325-11ce-bfc1-08002be10318}"


def windows(machine="AMD64", build="22631", processor="AMD Ryzen 7 7840HS w/ Radeon 780M Graphics      "):
    """A Windows 11 machine; its PCI devices are added with ``windows_card``."""
    answers = Answers(
        sys_platform="win32",
        machine=machine,
        release="11",
        libc_name=None,
        libc_version=None,
        bits=64,
        cpus=16,
        temporary="C:\\Users\\ada\\AppData\\Local\\Temp",
        mac_version=None,
        windows_version=f"10.0.{build}",
    )
    answers.space("/home/ada/course/.venv", 80 * GIB, 480 * GIB)
    answers.space("C:\\Users\\ada\\AppData\\Local\\Temp", 80 * GIB, 480 * GIB)
    answers.registry(
        WINDOWS_VERSION,
        {"ProductName": "Windows 10 Home", "DisplayVersion": "23H2", "CurrentBuildNumber": build, "UBR": 3737},
    )
    answers.registry(PROCESSOR, {"ProcessorNameString": processor})
    return answers.registry(PCI, keys=["VEN_1022&DEV_14E8&SUBSYS_14E81022&REV_00"])


def windows_card(answers, vendor, device, *, bus=1, service=None, description=None, number=0, pci_class="0300"):
    """A card on Windows' PCI bus, with the driver ``service`` if it has one."""
    model, instance = f"VEN_{vendor.upper()}&DEV_{device.upper()}&SUBSYS_00000000&REV_A1", f"4&{bus}&0&0008"
    listed = answers.recording.answers["registry_keys"][PCI]
    if model not in listed["found"]:
        listed["found"] = [*listed["found"], model]
    instances = answers.recording.answers["registry_keys"].setdefault(f"{PCI}\\{model}", {"found": []})
    instances["found"] = [*instances["found"], instance]
    values = {
        "CompatibleIDs": [
            f"PCI\\VEN_{vendor.upper()}&DEV_{device.upper()}&REV_A1",
            f"PCI\\VEN_{vendor}&CC_{pci_class}",
        ],
        "LocationInformation": f"@System32\\drivers\\pci.sys,#65536;PCI bus %1, device %2, function %3;({bus},0,0)",
    }
    if service:
        values |= {"Service": service, "Driver": f"{DISPLAYS}\\{number:04}"}
        key = f"SYSTEM\\CurrentControlSet\\Control\\Class\\{DISPLAYS}\\{number:04}"
        answers.registry(key, {"DriverDesc": description, "DriverVersion": "32.0.15.6094"})
        served = f"SYSTEM\\CurrentControlSet\\Services\\{service}\\Enum"
        answers.registry(served, {"0": f"PCI\\{model}\\{instance}", "Count": 1, "NextInstance": 1})
    return answers.registry(f"{PCI}\\{model}\\{instance}", values)
