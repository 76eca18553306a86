"""What the system probe makes of machines that were recorded."""

from __future__ import annotations

import pytest
from recorded_machines import GIB, linux, macos, windows

from envtool.machine import Absent, Found, Libc, Slurm, Storage, Unknown
from envtool.probe import apple, pci, surroundings, system
from envtool.probe.everything import start_machine
from envtool.probe.host import LiveHost
from envtool.probe.recording import RecordedHost, RecordingHost

VENV = "/home/ada/course/.venv"


def probe(answers):
    return system.start(answers.host(), VENV)()


def asked_programs(answers):
    return set(answers.recording.answers.get("start", {}))


# ── Linux ────────────────────────────────────────────────────────────────────────────────────────


def test_a_debian_laptop():
    machine = probe(linux())
    assert (machine.os, machine.arch) == ("linux", "x86_64")
    assert machine.os_version == Found("Debian GNU/Linux 12 (bookworm)")
    assert machine.kernel == Found("6.1.0-21-amd64")
    assert machine.libc == Found(Libc("glibc", "2.36"))
    assert isinstance(machine.wsl, Absent)
    assert isinstance(machine.container, Absent)
    assert isinstance(machine.rosetta, Absent)
    assert isinstance(machine.slurm, Absent)
    assert machine.cpu_model == Found("12th Gen Intel(R) Core(TM) i5-1240P")
    assert machine.cpus == Found(8)
    assert machine.memory_mib == Found(15929)
    assert machine.storage == (
        Storage("packages", VENV, 180 * GIB, 480 * GIB),
        Storage("temporary files", "/tmp", 7 * GIB, 8 * GIB),
    )
    assert machine.shared_memory == Found(Storage("shared memory", "/dev/shm", 7 * GIB, 8 * GIB))
    assert isinstance(machine.l4t, Absent)
    assert isinstance(machine.jetpack, Absent)
    assert machine.colab is False
    assert isinstance(machine.ld_library_path, Absent)


def test_alpine_has_musl_and_its_loader_knows_the_version():
    answers = linux(libc_name=None, libc_version=None)
    answers.files({"/etc/os-release": None, "/usr/lib/os-release": "NAME='Alpine'\nPRETTY_NAME='Alpine Linux v3.20'\n"})
    answers.folders({"/lib": ["apk", "ld-musl-x86_64.so.1", "libc.musl-x86_64.so.1"]})
    answers.program("musl", stderr="musl libc (x86_64)\nVersion 1.2.5\nDynamic Program Loader\n", returncode=1)
    machine = probe(answers)
    assert machine.libc == Found(Libc("musl", "1.2.5"))
    assert machine.os_version == Found("Alpine Linux v3.20")


def test_musl_without_a_version_is_still_musl():
    answers = linux(libc_name=None, libc_version=None).folders({"/lib": ["ld-musl-aarch64.so.1"]})
    answers.answer("start", "musl", {"unknown": "permission denied"})
    assert probe(answers).libc == Found(Libc("musl", ""))


def test_a_libc_that_is_neither_is_unknown():
    answers = linux(libc_name=None, libc_version=None).folders({"/lib": ["modules"]})
    assert isinstance(probe(answers).libc, Unknown)


def test_a_python_that_names_musl_itself_is_believed():
    assert probe(linux(libc_name="musl", libc_version="1.2.5")).libc == Found(Libc("musl", "1.2.5"))


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("5.15.153.1-microsoft-standard-WSL2", 2),
        ("4.19.104-microsoft-standard", 2),
        ("4.4.0-19041-Microsoft", 1),
        ("6.6.0-mine-WSL2-microsoft", 2),
    ],
)
def test_wsl_by_its_kernel(release, version):
    assert probe(linux(release=release)).wsl == Found(version)


def test_wsl_with_a_kernel_of_one_s_own():
    assert probe(linux(release="6.9.0-mine").there("/dev/dxg", kind="char")).wsl == Found(2)


def test_systemd_in_wsl_is_no_container():
    answers = linux(release="5.15.153.1-microsoft-standard-WSL2").files({"/run/systemd/container": "wsl\n"})
    machine = probe(answers)
    assert machine.wsl == Found(2)
    assert isinstance(machine.container, Absent)


def test_a_docker_container_with_small_shared_memory():
    answers = linux().there("/.dockerenv").space("/dev/shm", 64 << 20, 64 << 20)
    answers.files({"/sys/fs/cgroup/memory.max": "4294967296\n"})
    machine = probe(answers)
    assert machine.container == Found("docker")
    assert machine.shared_memory == Found(Storage("shared memory", "/dev/shm", 64 << 20, 64 << 20))
    assert machine.memory_mib == Found(4096)


@pytest.mark.parametrize(
    ("text", "mib"), [("max\n", 15929), ("9223372036854771712\n", 15929), ("", 15929), ("2147483648\n", 2048)]
)
def test_the_smaller_of_memory_and_limit_counts(text, mib):
    assert probe(linux().files({"/sys/fs/cgroup/memory.max": text})).memory_mib == Found(mib)


@pytest.mark.parametrize(
    ("variable", "kind"),
    [
        ("COLAB_RELEASE_TAG", "colab"),
        ("KAGGLE_KERNEL_RUN_TYPE", "kaggle"),
        ("APPTAINER_CONTAINER", "apptainer"),
        ("SINGULARITY_CONTAINER", "singularity"),
        ("KUBERNETES_SERVICE_HOST", "kubernetes"),
    ],
)
def test_a_platform_s_own_variable_is_worth_more_than_a_file(variable, kind):
    machine = probe(linux().env(**{variable: "x"}).there("/.dockerenv"))
    assert machine.container == Found(kind)
    assert machine.colab is (kind == "colab")


def test_other_signs_of_a_container():
    assert probe(linux().there("/run/.containerenv")).container == Found("podman")
    assert probe(linux().there("/.singularity.d", kind="dir")).container == Found("apptainer")
    assert probe(linux().files({"/run/systemd/container": "systemd-nspawn\n"})).container == Found("systemd-nspawn")
    assert probe(linux().env(container="lxc")).container == Found("lxc")
    cgroup = "11:memory:/kubepods/burstable/pod5a1b\n0::/kubepods\n"
    assert probe(linux().files({"/proc/1/cgroup": cgroup})).container == Found("kubernetes")
    refused = linux().answer("read", "/proc/1/cgroup", {"unknown": "permission denied"})
    assert isinstance(probe(refused).container, Unknown)


def test_a_slurm_job_and_what_it_got():
    answers = linux().env(SLURM_JOB_ID="4711", SLURM_JOB_GPUS="0,3", SLURM_GPUS_ON_NODE="2", SLURM_JOB_PARTITION="gpu")
    assert probe(answers).slurm == Found(Slurm("4711", "0,3", "gpu"))
    assert probe(linux().env(SLURM_JOB_ID="4712")).slurm == Found(Slurm("4712", None, None))
    assert probe(linux().env(SLURM_JOB_ID="1", SLURM_GPUS_ON_NODE="4")).slurm == Found(Slurm("1", "4"))


def test_a_login_node():
    answers = linux().answer("which", "sinfo", {"found": "/usr/bin/sinfo"})
    assert probe(answers).slurm == Found(Slurm(None, None))


def test_library_path_and_missing_shared_memory():
    machine = probe(linux().env(LD_LIBRARY_PATH="/usr/local/cuda/lib64:").missing("/dev/shm"))
    assert machine.ld_library_path == Found("/usr/local/cuda/lib64:")
    assert isinstance(machine.shared_memory, Absent)


def test_a_disk_that_hangs_is_left_out_and_stops_nothing():
    answers = linux().answer("disk", VENV, {"unknown": "no answer within 2 s"})
    answers.answer("disk", "/dev/shm", {"unknown": "no answer within 2 s"})
    machine = probe(answers)
    assert [place.purpose for place in machine.storage] == ["temporary files"]
    assert machine.shared_memory == Unknown("no answer within 2 s")
    assert machine.memory_mib == Found(15929)


def test_no_program_is_started_on_a_linux_with_glibc():
    answers = linux()
    probe(answers)  # a strict recording without any program: a start would have failed
    assert asked_programs(answers) == set()


# ── Jetson ───────────────────────────────────────────────────────────────────────────────────────


def jetson(release):
    answers = linux(machine="aarch64", release="5.15.148-tegra", libc_version="2.35")
    answers.files(
        {
            "/etc/os-release": 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
            "/etc/nv_tegra_release": release,
            "/proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
            "/proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 62.50\nCPU implementer\t: 0x41\nCPU part\t: 0xd42\n",
        }
    )
    return answers.folders({"/sys/bus/pci/devices": None, "/sys/bus": ["cpu", "platform"]})


@pytest.mark.parametrize(
    ("revision", "l4t", "jetpack"),
    [
        ("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64", "36.4.3", Found("6.2")),
        ("# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic", "36.4.0", Found("6.1")),
        ("# R36 (release), REVISION: 3.0, GCID: 36106755", "36.3.0", Found("6.0")),
        ("# R35 (release), REVISION: 4.1, GCID: 33958178", "35.4.1", Found("5.1.2")),
        ("# R32 (release), REVISION: 7.1, GCID: 29818004", "32.7.1", Found("4.6.1")),
        ("# R35 (release), REVISION: 1, GCID: 1", "35.1.0", Found("5.0.2")),
        ("# R99 (release), REVISION: 1.0, GCID: 1", "99.1.0", Unknown("no JetPack is known for L4T 99.1.0")),
    ],
)
def test_a_jetson_orin(revision, l4t, jetpack):
    machine = probe(jetson(revision + "\n"))
    assert machine.arch == "aarch64"
    assert machine.l4t == Found(l4t)
    assert machine.jetpack == jetpack
    assert machine.cpu_model == Found("NVIDIA Jetson AGX Orin Developer Kit")


def test_a_jetson_that_hides_its_release():
    machine = probe(jetson(None))
    assert isinstance(machine.l4t, Unknown)
    assert "Jetson AGX Orin" in machine.l4t.reason
    assert isinstance(machine.jetpack, Unknown)


def test_a_jetson_without_pci_says_so():
    assert isinstance(pci.read_cards(jetson(None).host()), Absent)


# ── macOS ────────────────────────────────────────────────────────────────────────────────────────


def mac(answers):
    host = answers.host()
    sysctl = apple.start_sysctl(host)
    return system.start(host, VENV, sysctl)(), apple.start(host, sysctl)()


def test_an_apple_silicon_mac():
    machine, chip = mac(macos())
    assert (machine.os, machine.arch, machine.os_version) == ("macos", "arm64", Found("14.5"))
    assert machine.rosetta == Found(False)
    assert machine.memory_mib == Found(16384)
    assert machine.cpu_model == Found("Apple M2")
    assert isinstance(machine.libc, Absent)
    assert isinstance(machine.shared_memory, Absent)
    assert isinstance(machine.wsl, Absent)
    assert isinstance(machine.container, Absent)
    assert (chip.status, chip.chip) == ("found", Found("Apple M2"))


@pytest.mark.parametrize(
    ("brand", "extra", "chip"),
    [
        ("Apple M3 Pro", "hw.optional.arm64: 1\nsysctl.proc_translated: 1\n", Found("Apple M3 Pro")),
        ("VirtualApple @ 2.50GHz processor", "sysctl.proc_translated: 1\n", None),
        ("Apple M1", "hw.optional.arm64: 1\n", Found("Apple M1")),
    ],
)
def test_an_intel_python_under_rosetta(brand, extra, chip):
    machine, apple_facts = mac(macos("x86_64", brand=brand, extra=extra))
    assert machine.arch == "x86_64"
    assert machine.rosetta == Found(True)
    assert apple_facts.status == "found"
    assert apple_facts.chip == chip if chip else isinstance(apple_facts.chip, Unknown)


def test_an_intel_mac():
    machine, chip = mac(macos("x86_64", "13.6", "Intel(R) Core(TM) i7-8850H CPU @ 2.60GHz", extra=""))
    assert machine.rosetta == Found(False)
    assert machine.cpu_model == Found("Intel(R) Core(TM) i7-8850H CPU @ 2.60GHz")
    assert chip.status == "absent"


def test_sysctl_that_hangs():
    answers = macos("x86_64").program("sysctl", returncode=None)
    machine, chip = mac(answers)
    assert machine.rosetta == Unknown("sysctl gave no answer within 2 s")
    assert isinstance(machine.memory_mib, Unknown)
    assert chip.status == "unknown"
    machine, chip = mac(macos().program("sysctl", returncode=None))
    assert machine.rosetta == Found(False)
    assert (chip.status, chip.chip) == ("found", Unknown("sysctl gave no answer within 2 s"))


def test_an_old_python_on_a_new_macos():
    plist = "<key>ProductName</key><string>macOS</string>\n<key>ProductVersion</key>\n\t<string>14.5</string>\n"
    version_file = system.MACOS_VERSION_FILE
    assert mac(macos(version="10.16").files({version_file: plist}))[0].os_version == Found("14.5")
    assert isinstance(mac(macos(version="10.16").files({version_file: None}))[0].os_version, Unknown)


# ── Windows ──────────────────────────────────────────────────────────────────────────────────────


def test_windows_11():
    machine = probe(windows())
    assert (machine.os, machine.arch) == ("windows", "x86_64")
    assert machine.os_version == Found("Windows 11 23H2 (build 22631)")
    assert machine.cpu_model == Found("AMD Ryzen 7 7840HS w/ Radeon 780M Graphics")
    assert isinstance(machine.memory_mib, Unknown)
    assert [place.purpose for place in machine.storage] == ["packages", "temporary files"]
    assert isinstance(machine.libc, Absent)


def test_windows_on_arm():
    machine = probe(windows("ARM64", "26100", "Snapdragon(R) X Elite - X1E78100 - Qualcomm(R) Oryon(TM) CPU"))
    assert machine.arch == "arm64"
    assert machine.os_version == Found("Windows 11 23H2 (build 26100)")


def test_other_windows_versions():
    assert probe(windows(build="19045")).os_version == Found("Windows 10 23H2 (build 19045)")
    server = windows(build="20348").registry(
        system.WINDOWS_VERSION_KEY, {"ProductName": "Windows Server 2022 Datacenter", "CurrentBuildNumber": "20348"}
    )
    assert probe(server).os_version == Found("Windows Server 2022 Datacenter (build 20348)")
    assert probe(windows().no_registry(system.WINDOWS_VERSION_KEY)).os_version == Found("Windows 11 (build 22631)")


def test_windows_without_a_temporary_folder_in_its_variables():
    answers = windows().facts(temporary=None).env(LOCALAPPDATA=None, SystemRoot="C:\\Windows")
    answers.space("C:\\Windows\\Temp", GIB, 2 * GIB)
    assert probe(answers).storage[1] == Storage("temporary files", "C:\\Windows\\Temp", GIB, 2 * GIB)


@pytest.mark.parametrize(
    ("of", "machine", "name"),
    [
        ("linux", "x86_64", "x86_64"),
        ("windows", "AMD64", "x86_64"),
        ("linux", "arm64", "aarch64"),
        ("macos", "arm64", "arm64"),
        ("windows", "ARM64", "arm64"),
        ("linux", "i386", "i686"),
        ("windows", "x86", "i686"),
        ("linux", "armv7l", "armv7l"),
        ("linux", "ppc64le", "ppc64le"),
    ],
)
def test_one_name_for_each_architecture(of, machine, name):
    assert system.architecture(of, machine) == name


# ── this machine ─────────────────────────────────────────────────────────────────────────────────


def test_this_machine_is_the_same_when_replayed():
    live = RecordingHost(LiveHost())
    machine = start_machine(live, packages_path=".")()
    assert start_machine(RecordedHost(live.recording, strict=True), packages_path=".")() == machine
    assert isinstance(machine.kernel, Found)


def test_wsl_is_not_asked_of_other_systems():
    assert isinstance(surroundings.wsl(macos().host()), Absent)


def test_a_working_directory_that_was_deleted(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    try:
        gone.rmdir()
    except OSError:  # Windows holds on to it
        pytest.skip("this system doesn't let a working directory go")
    assert LiveHost().facts()["cwd"] is None
