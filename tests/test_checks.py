"""Every check on a machine where it fails and on one where it does not. Pure tables, nothing patched."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from builders import (
    CondaPackage,
    Leak,
    NoLines,
    Shadow,
    build,
    card,
    dist,
    environment,
    gpu,
    laptop,
    nodes,
    nvidia,
    report,
    server,
    silent,
    stage,
    verdicts,
)
from checks_more import BAD as MORE_BAD

from envtool.checks import ALL, GROUPS, Check, run
from envtool.environment import BrokenEnvironment
from envtool.machine import Absent, AmdGpu, Apple, Found, GpuProcess, Libc, Slurm, Storage, Unknown
from envtool.verdicts import Status, failed, passed

GIB = 1 << 30
HERE = "/home/ana/course"
LEAK = Leak("working-directory", HERE)
CUDA = build("torch", "2.14.1+cu130", "cu130")
CPU = build("torch", "2.14.1+cpu", "cpu")


def amd(status="found", gfx="gfx1100"):
    machine = laptop()
    return replace(machine, amd=replace(machine.amd, status=status, gpus=(AmdGpu(Found("RX 7900 XTX"), Found(gfx)),)))


def container(machine):
    return replace(machine, container=Found("docker"))


def room(free):
    return laptop(
        storage=(Storage("packages", "/home", free, 9 * GIB), Storage("temporary files", "/tmp", free, 9 * GIB))
    )


def broken(kind):
    return BrokenEnvironment("/home/ana/old/.venv/bin/python", "VIRTUAL_ENV", kind, "No such file", "/opt/python3.9")


def import_error(name, message, kind="ImportError", **changes):
    return report(stage("torch"), stage(name, "error", error_type=kind, message=message, **changes))


def torch_error(message, **changes):
    return report(stage("torch", "error", error_type="ImportError", message=message, **changes))


def gpu_error(message):
    return report(stage("torch"), stage("cpu"), stage("cuda:0", "error", error_type="RuntimeError", message=message))


def mac(**changes):
    chip = Apple(status="found", chip=Found("Apple M2"))
    return laptop(
        os="macos", arch="arm64", os_version=Found("14.5"), libc=Absent("macOS"), apple=chip,
        rosetta=Found(False), shared_memory=Absent("macOS"), **changes,
    )  # fmt: skip


# code: (what makes it fail, status it then has, words that must be there)
BAD: dict[str, tuple[dict, str, tuple[str, ...]]] = {
    # interpreter
    "install-interrupted": (
        {"env": replace(environment(CPU), half_done="/home/ana/course/.venv.envtool")},
        "fail",
        ("interrupted in /home/ana/course/.venv,",),
    ),
    "venv-broken": ({"env": broken("dangling")}, "fail", ("/opt/python3.9", "gone")),
    "python-does-not-start": ({"env": broken("does-not-start")}, "fail", ("No such file",)),
    "python-plain-start": (
        {"env": environment(CPU, plain_start=Absent("Fatal Python error: init_fs_encoding"))},
        "fail",
        ("init_fs_encoding",),
    ),
    "python-32bit": ({"env": environment(bits=32)}, "fail", ("32-bit", "64-bit")),
    "file-named-torch": (
        {"env": environment(CPU, leaks=(LEAK,), shadows=(Shadow("torch", f"{HERE}/torch.py", LEAK.kind, False),))},
        "fail",
        (f"{HERE}/torch.py", "in place of"),
    ),
    "folder-named-torch": (
        {"env": environment(CPU, leaks=(LEAK,), shadows=(Shadow("torch", f"{HERE}/torch", LEAK.kind, False),))},
        "fail",
        (f"{HERE}/torch",),
    ),
    "stdlib-shadow": (
        {"env": environment(CPU, leaks=(LEAK,), shadows=(Shadow("random", f"{HERE}/random.py", LEAK.kind, True),))},
        "fail",
        ("random", "your file"),
    ),
    "pythonpath-leak": (
        {
            "env": environment(
                CPU,
                leaks=(Leak("PYTHONPATH", "/opt/ros/site"),),
                distributions=(dist("numpy", "1.21", "/opt/ros/site"),),
            )
        },
        "fail",
        ("numpy 1.21", "/opt/ros/site"),
    ),
    "user-site-leak": (
        {
            "env": environment(
                manager="conda",
                leaks=(Leak("user-site", "/home/ana/.local/lib"),),
                distributions=(dist("torch", "1.9", "/home/ana/.local/lib"),),
            )
        },
        "warn",
        ("torch 1.9", "user directory"),
    ),
    "python-too-new": ({"env": environment(version="3.19.0", abi="cp319")}, "fail", ("3.19.0",)),
    "python-too-old": ({"env": environment(version="3.6.15", abi="cp36m")}, "fail", ("3.6.15",)),
    "venv-not-active": ({"env": environment(CPU, local_venv=Found(".venv"), chosen_by="python3 on PATH")}, "warn", (".venv",)),
    "pep668": ({"env": environment(manager="system", externally_managed=True)}, "warn", ("PEP 668",)),
    "wrong-interpreter": ({"env": environment(CPU, pip_on_path=Found("/usr/bin/python3"))}, "warn", ("/usr/bin/python3",)),
    "conda-base": ({"env": environment(CPU, manager="conda", conda_base=True)}, "warn", ("base",)),
    # system
    "musl": ({"machine": laptop(libc=Found(Libc("musl", "1.2.5")))}, "fail", ("musl 1.2.5", "glibc")),
    "glibc-too-old": ({"machine": laptop(libc=Found(Libc("glibc", "2.17"))), "env": environment()}, "warn", ("2.17", "2.28")),
    "rosetta-python": ({"machine": replace(mac(), arch="x86_64", rosetta=Found(True))}, "fail", ("Rosetta", "2.2.2")),
    "intel-mac": (
        {
            "machine": replace(mac(), arch="x86_64", rosetta=Absent("Intel"), apple=Apple(status="absent", chip=Absent())),
            "env": environment(),
        },
        "warn",
        ("2.2.2",),
    ),
    "win-arm64": (
        {"machine": laptop(os="windows", arch="arm64", libc=Absent()), "env": environment(arch="arm64")},
        "fail",
        ("Windows on Arm",),
    ),
    "shm-small": (
        {"machine": laptop(shared_memory=Found(Storage("shared memory", "/dev/shm", 64 << 20, 64 << 20)))},
        "warn",
        ("64 MiB", "DataLoader"),
    ),
    "disk-full": ({"machine": room(GIB), "env": environment()}, "warn", ("1.0 GiB",)),
    "tmpdir-small": ({"machine": room(GIB), "env": environment()}, "warn", ("/tmp",)),
    "slurm-no-gres": (
        {"machine": laptop(slurm=Found(Slurm("17", None))), "env": environment(CUDA)},
        "fail",
        ("17", "no GPU"),
    ),
    "colab-no-gpu": ({"machine": laptop(colab=True)}, "warn", ("Colab",)),
    # driver
    "container-without-gpus": (
        {
            "machine": container(
                laptop(nvidia=replace(laptop().nvidia, module_loaded=Found(True), kernel_module=Found("550.54.14")))
            ),
            "env": environment(CUDA),
        },
        "fail",
        ("container", "without its GPUs"),
    ),
    "container-lost-gpus": ({"machine": container(silent("unknown-error", 999))}, "fail", ("lost them", "999")),
    "wsl-lib-path": (
        {
            "machine": replace(
                silent("library-not-found", 12, libcuda_path=Found("/usr/lib/wsl/lib/libcuda.so.1")), wsl=Found(2)
            )
        },
        "fail",
        ("/usr/lib/wsl/lib",),
    ),
    "nouveau-loaded": (
        {"machine": silent("driver-not-loaded", 9, cards=(card("nouveau"),)), "env": environment(CUDA)},
        "fail",
        ("nouveau", "RTX 4090"),
    ),
    "nova-core-loaded": (
        {"machine": silent("driver-not-loaded", 9, cards=(card("nova_core"),)), "env": environment(CUDA)},
        "fail",
        ("nova_core",),
    ),
    "driver-missing": (
        {"machine": silent("library-not-found", 12, cards=(card(None, "GeForce GTX 1060"),)), "env": environment(CUDA)},
        "fail",
        ("GTX 1060", "no NVIDIA driver"),
    ),
    "driver-library-mismatch": (
        {"machine": silent("library-mismatch", 18, kernel_module=Found("550.54.14"), libcuda=Found("550.163.01"))},
        "fail",
        ("550.54.14", "550.163.01", "not restarted"),
    ),
    "dev-nvidia-permission": (
        {"machine": silent("no-permission", 4, nodes=nodes(closed=True, group="video"))},
        "fail",
        ("/dev/nvidia0", "0660", "video"),
    ),
    "driver-not-loaded": ({"machine": silent("driver-not-loaded", 9)}, "fail", ("kernel module is not loaded",)),
    "driver-ancient": ({"machine": silent("function-not-found", 13), "env": environment(CUDA)}, "fail", ("too old",)),
    "nvml-error": ({"machine": silent("memory", 20)}, "fail", ("20", "words")),
    "driver-no-devices": ({"machine": server(gpus=())}, "fail", ("finds no GPU",)),
    "nvml-library-hidden": (
        {"machine": server(nvml_library=Found("/usr/lib/wsl/lib/libnvidia-ml.so.1"))},
        "warn",
        ("/usr/lib/wsl/lib",),
    ),
    "uvm-missing": ({"machine": server(nodes=nodes("nvidia-uvm"))}, "fail", ("/dev/nvidia-uvm",)),
    "driver-too-old-for-wheel": (
        {"machine": server(driver="550.54.14", cuda="12.4"), "env": environment(CUDA)},
        "fail",
        ("580.65.06", "550.54.14", "2.14.1"),
    ),
    # packages
    "pip-install-pytorch": ({"env": environment(distributions=(dist("pytorch", "0.1.2"),))}, "fail", ("torch",)),
    "torch-not-installed": ({"env": environment()}, "fail", ("not installed",)),
    "two-torch-installs": (
        {"env": environment(CPU, distributions=(dist("torch", "2.1.0"),))},
        "fail",
        ("2 times", "2.1.0", "2.14.1"),
    ),
    "conda-plus-pip": (
        {
            "env": environment(
                CPU, manager="conda", conda_packages=(CondaPackage("pytorch", "2.5.1", "py312", "pytorch"),)
            )
        },
        "fail",
        ("pytorch 2.5.1", "conda"),
    ),
    "tilde-leftovers": ({"env": environment(CPU, leftovers=("~orch-2.1.0.dist-info",))}, "warn", ("~orch",)),
    "cu11-cu12-mix": (
        {
            "env": environment(
                build("torch", "2.5.1+cu124", "cu124"),
                distributions=(dist("nvidia-cublas-cu11"), dist("nvidia-cublas-cu12")),
            )
        },
        "fail",
        ("cu11 and cu12",),
    ),
    "no-deps-install": (
        {
            "env": replace(
                environment(CUDA),
                distributions=(dist("torch", "2.14.1", requires=('nvidia-cudnn-cu13==9.2; platform_system == "Linux"',)),),
            )
        },
        "fail",
        ("nvidia-cudnn-cu13",),
    ),
    "xpu-or-rocm-wheel-elsewhere": (
        {"machine": server(), "env": environment(build("torch", "2.14.1+rocm7.2", "rocm7.2"))},
        "fail",
        ("ROCm", "AMD"),
    ),
    "jetson-wheel": (
        {"machine": laptop(arch="aarch64", l4t=Found("36.4.0"), jetpack=Found("6.1"))},
        "fail",
        ("Jetson", "36.4.0"),
    ),
    "conda-cpu-build": (
        {
            "machine": server(),
            "env": environment(
                CPU, manager="conda", conda_packages=(CondaPackage("pytorch", "2.9.1", "cpu_mkl_py312", "conda-forge"),)
            ),
        },
        "fail",
        ("cpu_mkl_py312",),
    ),
    "cpu-wheel-on-gpu-box": ({"machine": server()}, "fail", ("CPU build", "RTX 4090")),
    "torchvision-mismatch": (
        {"env": environment(build("torch", "2.13.0+cpu", "cpu"), build("torchvision", "0.28.0+cu130", "cu130"))},
        "fail",
        ("torchvision 0.28.0 (CUDA 13.0)", "torch 2.13.0 (CPU)"),
    ),
    "torchaudio-mismatch": (
        {"env": environment(build("torch", "2.5.1+cpu", "cpu"), build("torchaudio", "2.11.0+cpu", "cpu"))},
        "fail",
        ("2.5.1",),
    ),
    "torchaudio-cuda-mismatch": (
        {
            "machine": server(),
            "env": environment(build("torch", "2.15.0+cu132", "cu132"), build("torchaudio", "2.11.0+cu130", "cu130")),
        },
        "fail",
        ("13.2", "13.0"),
    ),
    "numpy2-old-torch": (
        {"env": environment(build("torch", "2.1.2+cpu", "cpu"), distributions=(dist("numpy", "2.1.0"),))},
        "fail",
        ("2.1.2", "numpy 2.1.0"),
    ),
    "torchtext-dead": ({"env": environment(CPU, distributions=(dist("torchtext", "0.18.0"),))}, "fail", ("0.18.0",)),
    "rocm-wheel-missing": ({"machine": amd()}, "warn", ("RX 7900 XTX",)),
    "no-nvidia-gpu": ({"env": environment(CUDA)}, "warn", ("no NVIDIA GPU",)),
    # gpu
    "gpu-lost": (
        {"machine": server(gpus=(gpu(0), gpu(1, error_code=15, error="GPU is lost")))},
        "fail",
        ("GPU 1", "fell off the bus"),
    ),
    "gpu-reset-required": ({"machine": server(gpus=(gpu(0, error_code=16, error="reset"),))}, "fail", ("reset",)),
    "power-cable": ({"machine": server(gpus=(gpu(0, error_code=8, error="power"),))}, "fail", ("power",)),
    "irq-issue": ({"machine": server(gpus=(gpu(0, error_code=11, error="irq"),))}, "fail", ("interrupts",)),
    "gpu-error": ({"machine": server(gpus=(gpu(0, error_code=17, error="OS blocks"),))}, "fail", ("OS blocks", "17")),
    "cvd-empty": ({"machine": server(visible_devices=Found(""))}, "fail", ("hides every GPU",)),
    "cvd-invalid": ({"machine": server(visible_devices=Found("0,9"))}, "fail", ("'9'",)),
    "compute-mode-prohibited": ({"machine": server(gpus=(gpu(compute_mode=Found("prohibited")),))}, "fail", ("prohibited",)),
    "compute-mode-exclusive": (
        {
            "machine": server(
                gpus=(gpu(compute_mode=Found("exclusive-process"), processes=Found((GpuProcess(42, 100, "python"),))),)
            )
        },
        "fail",
        ("42", "one process at a time"),
    ),
    "mig-no-instances": ({"machine": server(gpus=(gpu(mig=Found(True), mig_instances=Found(())),))}, "fail", ("MIG",)),
    "sm-not-in-wheel": (
        {
            "machine": server(gpus=(gpu(name="NVIDIA GeForce RTX 5090", capability=(12, 0)),)),
            "env": environment(build("torch", "2.6.0+cu124", "cu124")),
        },
        "fail",
        ("12.0", "9.0", "RTX 5090"),
    ),
    "gpu-dropped": (
        {"machine": server(gpus=(gpu(name="GTX 1080 Ti", capability=(6, 1)),)), "env": environment(CUDA)},
        "fail",
        ("6.1", "7.5", "1080 Ti"),
    ),
    "ecc-row-remap-pending": ({"machine": server(gpus=(gpu(row_remap_pending=Found(True)),))}, "warn", ("rows",)),
    "ecc-retirement-pending": ({"machine": server(gpus=(gpu(retired_pages_pending=Found(True)),))}, "warn", ("pages",)),
    "xid-recent": ({"machine": server(gpus=(gpu(xid=Found(79)),))}, "warn", ("Xid 79",)),
    "gpu-memory-held": (
        {
            "machine": server(
                gpus=(gpu(memory_used_mib=Found(24000), processes=Found((GpuProcess(42, 23900, "python", True),))),)
            )
        },
        "warn",
        ("564", "42 (python)"),
    ),
    "device-order": ({"machine": server(gpus=(gpu(0), gpu(1, name="Tesla T4", capability=(7, 5))))}, "warn", ("cuda:0",)),
    # imports
    "noexec-mount": (
        {"imports": torch_error("libc10.so: failed to map segment from shared object")},
        "fail",
        ("noexec",),
    ),
    "cpu-too-old": ({"imports": report(stage("torch", "crash", signal="SIGILL"))}, "fail", ("SIGILL", "instruction")),
    "glibcxx": ({"imports": torch_error("libstdc++.so.6: version `GLIBCXX_3.4.32' not found")}, "fail", ("libstdc++",)),
    "nvjitlink-mismatch": (
        {"imports": torch_error("undefined symbol: __nvJitLinkAddData_12_1, version libnvJitLink.so.12")},
        "fail",
        ("another version",),
    ),
    "nccl-symbol": ({"imports": torch_error("undefined symbol: ncclCommRegister")}, "fail", ("NCCL",)),
    "mkl-ijit": ({"imports": torch_error("undefined symbol: iJIT_NotifyEvent")}, "fail", ("MKL",)),
    "openmp-duplicate": (
        {"imports": report(stage("torch", "crash", exit_code=3, last_lines=("OMP: Error #15: Initializing",)))},
        "fail",
        ("OpenMP",),
    ),
    "vcredist-missing": (
        {"imports": torch_error("[WinError 1114] A dynamic link library (DLL) initialization routine failed")},
        "fail",
        ("Visual C++",),
    ),
    "app-control": ({"imports": torch_error("[WinError 4551] An Application Control policy")}, "fail", ("control",)),
    "memory-kill": ({"imports": report(stage("torch", "crash", signal="SIGKILL"))}, "fail", ("memory",)),
    "torch-import": ({"imports": torch_error("libfoo.so.1: cannot open shared object file")}, "fail", ("libfoo.so.1",)),
    "torchvision-import": (
        {"imports": import_error("torchvision", "no image backend")},
        "fail",
        ("import torchvision", "no image backend"),
    ),
    "torchaudio-import": ({"imports": report(stage("torch"), stage("torchaudio", "timeout"))}, "fail", ("did not end",)),
    "numpy-bridge": (
        {"imports": import_error("numpy-bridge", "Numpy is not available", "RuntimeError")},
        "fail",
        ("Numpy is not available",),
    ),
    "import-not-tried": (
        {"imports": report(stage("start", "crash", signal="SIGSEGV"), stage("torch", "not-reached"))},
        "fail",
        ("SIGSEGV", "before anything was imported"),
    ),
    "crash-at-exit": (
        {"imports": report(stage("torch"), stage("cpu"), stage("exit", "crash", signal="SIGABRT"))},
        "warn",
        ("SIGABRT", "at its end"),
    ),
    "cpu-computes": ({"imports": import_error("cpu", "wrong result", "AssertionError")}, "fail", ("wrong result",)),
    "fabricmanager": ({"machine": server(), "env": environment(CUDA), "imports": gpu_error("Error 802: system not yet initialized")}, "fail", ("802",)),
    "cuda-803": ({"machine": server(), "env": environment(CUDA), "imports": gpu_error("Error 803: unsupported display driver")}, "fail", ("803",)),
    "cuda-compat": ({"machine": server(), "env": environment(CUDA), "imports": gpu_error("Error 804: forward compatibility was attempted")}, "fail", ("804",)),
    "cuda-stub-library": ({"machine": server(), "env": environment(CUDA), "imports": gpu_error("CUDA driver is a stub library")}, "fail", ("stub",)),
    "cuda-unknown-error": ({"machine": server(), "env": environment(CUDA), "imports": gpu_error("CUDA unknown error")}, "fail", ("999",)),
    "cuda-init": ({"machine": server(cuda_init=Found(100)), "env": environment(CUDA)}, "fail", ("cuInit answers 100", "1 GPU")),
    "gpu-computes": ({"machine": server(), "env": environment(CUDA), "imports": gpu_error("the result is wrong")}, "fail", ("cuda:0",)),
}  # fmt: skip
BAD |= MORE_BAD
NEVER_BAD = {"login-node"}  # a fact worth a line, never a fault

HEALTHY = {
    "a CPU-only laptop": {"env": environment(CPU)},
    "a server with an RTX 4090": {"machine": server(), "env": environment(CUDA)},
    "a Mac": {"machine": mac(), "env": environment(CPU, arch="arm64")},
    "a login node": {"machine": laptop(slurm=Found(Slurm(None, None))), "env": environment(CUDA)},
    "a laptop whose torch was imported": {
        "env": environment(CPU, build("torchvision", "0.29.1+cpu", "cpu"), distributions=(dist("numpy", "2.2.0"),)),
        "imports": report(stage("torch"), stage("torchvision"), stage("numpy-bridge"), stage("cpu")),
    },
    "a server that computed": {
        "machine": server(),
        "env": environment(CUDA, build("torchaudio", "2.11.0+cu130", "cu130")),
        "imports": report(stage("torch"), stage("torchaudio"), stage("cpu"), stage("cuda:0")),
    },
}


@pytest.mark.parametrize("code", sorted(BAD))
def test_it_fails_where_it_should(code):
    arguments, status, words = BAD[code]
    verdict = verdicts(**arguments)[code]
    assert verdict.status.value == status, verdict
    assert verdict.hint
    for word in words:
        assert word in verdict.message, (word, verdict.message)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_machine_is_healthy(name):
    judged = verdicts(**HEALTHY[name])
    bad = {c: v.message for c, v in judged.items() if v.status not in (Status.PASS, Status.SKIP)}
    assert not bad


def test_every_check_has_a_case():
    assert {check.code for check in ALL} == set(BAD) | NEVER_BAD


def test_codes_are_unique_and_in_kebab_case():
    codes = [check.code for check in ALL]
    assert len(codes) == len(set(codes))
    assert all(code == code.lower() and " " not in code and "_" not in code for code in codes)


def test_every_check_has_a_group_and_needs_what_exists():
    codes = [check.code for check in ALL]
    for place, check in enumerate(ALL):
        assert check.group in GROUPS
        for need in (*check.needs, *check.behind):
            assert codes.index(need) < place, f"{check.code} waits for {need}, which is judged later"


def test_a_check_that_crashes_hides_nothing():
    def crash(evidence):
        raise ZeroDivisionError("oh")

    checks = (Check("a", "A", "Python", crash), Check("b", "B", "Python", lambda e: passed("fine")))
    from builders import evidence

    first, second = run(checks, evidence())
    assert first.status is Status.UNKNOWN and "oh" in first.message
    assert second.status is Status.PASS


def test_a_check_whose_need_failed_is_skipped():
    from builders import evidence

    checks = (
        Check("a", "A", "Python", lambda e: failed("bad", hint="mend")),
        Check("b", "B", "Python", lambda e: failed("worse", hint="mend"), needs=("a",)),
    )
    assert [v.status for v in run(checks, evidence())] == [Status.FAIL, Status.SKIP]


# ── cases that a simple rule gets wrong ──────────────────────────────────────────────────────────


def test_minor_version_compatibility_is_nvidias_promise():
    machine = server(driver="525.60.13", cuda="12.0")
    env = environment(build("torch", "2.14.1+cu126", "cu126"))
    assert verdicts(machine, env)["driver-too-old-for-wheel"].status is Status.PASS


def test_wsl_counts_with_the_windows_driver():
    machine = replace(server(driver="527.00", libcuda_path=Found("/usr/lib/wsl/lib/libcuda.so.1")), wsl=Found(2))
    env = environment(build("torch", "2.14.1+cu126", "cu126"))
    assert verdicts(machine, env)["driver-too-old-for-wheel"].status is Status.FAIL


def test_unknown_is_never_healthy():
    machine = server()
    machine = replace(machine, nvidia=replace(machine.nvidia, gpus=(gpu(compute_capability=Unknown("not read")),)))
    verdict = verdicts(machine, environment(CUDA))["gpu-dropped"]
    assert verdict.status is Status.UNKNOWN


def test_a_hanging_driver_is_unknown():
    verdict = verdicts(silent("timeout", nvml_message="no answer within 10 s"))["nvml-error"]
    assert verdict.status is Status.UNKNOWN and "10 s" in verdict.message


def test_a_gpu_that_no_build_serves_leaves_the_cpu_build_alone():
    machine = server(gpus=(gpu(name="Tesla K20", capability=(3, 5)),))
    assert verdicts(machine, mender=NoLines())["cpu-wheel-on-gpu-box"].status is Status.PASS


def test_a_card_without_a_driver_beside_a_cpu_build_is_only_a_chance_missed():
    machine = silent("library-not-found", 12, cards=(card(None),), status="unknown")
    assert verdicts(machine)["driver-missing"].status is Status.WARN


def test_what_works_is_never_called_broken():
    env = environment(build("torch", "2.13.0+cpu", "cpu"), build("torchvision", "0.27.0+cpu", "cpu"))
    judged = verdicts(env=env, imports=report(stage("torch"), stage("torchvision")))
    assert judged["torchvision-mismatch"].status is Status.WARN
    assert judged["torchvision-import"].status is Status.PASS


def test_the_mismatch_explains_the_failed_import():
    env = environment(build("torch", "2.13.0+cpu", "cpu"), build("torchvision", "0.28.0+cu130", "cu130"))
    judged = verdicts(env=env, imports=import_error("torchvision", "operator torchvision::nms does not exist"))
    assert "operator torchvision::nms does not exist" in judged["torchvision-mismatch"].message
    assert judged["torchvision-import"].status is Status.SKIP


def test_a_repeated_index_hides_everything():
    assert verdicts(server(visible_devices=Found("0,0")))["cvd-invalid"].status is Status.FAIL
    assert verdicts(server(visible_devices=Found("²")))["cvd-invalid"].status is Status.FAIL
    assert verdicts(server(visible_devices=Found("GPU-00000000-aaaa")))["cvd-invalid"].status is Status.PASS


def test_torchs_own_list_is_believed_before_the_catalog():
    machine = server(gpus=(gpu(name="GTX 1080 Ti", capability=(6, 1)),))
    imports = report(stage("torch", details=(("arch_list", "sm_61 sm_80"),)))
    assert verdicts(machine, environment(CUDA), imports)["gpu-dropped"].status is Status.PASS


def test_two_vendors_do_not_disturb_each_other():
    both = replace(amd(), nvidia=nvidia())
    judged = verdicts(both, environment(CUDA))
    assert judged["rocm-wheel-missing"].status is Status.SKIP


# ── what newcomers fell over ─────────────────────────────────────────────────────────────────────


def test_a_forgotten_activation_is_the_thing_to_mend():
    env = environment(
        chosen_by="python3 on PATH", local_venv=Found("/home/ana/course/.venv"), executable="/usr/bin/python3"
    )
    judged = verdicts(env=env)
    assert judged["venv-not-active"].status is Status.FAIL
    assert judged["venv-not-active"].hint == "source /home/ana/course/.venv/bin/activate"
    assert judged["torch-not-installed"].status is Status.SKIP


def test_a_moved_environment_is_named():
    env = environment(chosen_by="python3 on PATH", ghost="/home/ana/old/.venv", local_venv=Found("/home/ana/new/.venv"))
    judged = verdicts(env=env)
    assert "/home/ana/old/.venv" in judged["venv-broken"].message and "moved" in judged["venv-broken"].message
    assert judged["venv-broken"].hint == "python3 -m venv /home/ana/old/.venv", "whatever lies there stays"
    assert judged["venv-not-active"].status is judged["torch-not-installed"].status is Status.SKIP


@pytest.mark.parametrize(
    ("kind", "words"), [("docker", "--gpus all"), ("podman", "nvidia.com/gpu=all"), ("apptainer", "--nv")]
)
def test_each_kind_of_container_is_given_gpus_in_its_own_way(kind, words):
    machine = replace(silent("library-not-found", nodes=Found(())), container=Found(kind))
    assert words in verdicts(machine=machine)["container-without-gpus"].hint


def test_a_copy_that_nobody_imports_is_no_fault():
    """The user's own torch beside the one of a venv that sees it: the venv's is first on the path."""
    theirs = "/home/ana/.local/lib/python3.12/site-packages"
    leak = Leak("user-site", theirs)
    both = environment(CPU, distributions=(dist("torch", "2.1.0", location=theirs),), leaks=(leak,))
    judged = verdicts(env=both)
    assert judged["two-torch-installs"].status is judged["user-site-leak"].status is Status.PASS
    turned = replace(both, distributions=both.distributions[::-1])
    assert verdicts(env=turned)["user-site-leak"].status is Status.FAIL  # another torch than the environment's
    lone = replace(both, distributions=both.distributions[1:])
    assert verdicts(env=lone)["user-site-leak"].status is Status.WARN
    elsewhere = replace(both, leaks=())
    verdict = verdicts(env=elsewhere)["two-torch-installs"]
    assert verdict.status is Status.FAIL and not verdict.command and ".pth" in verdict.hint


def test_only_what_is_an_environment_is_cleared():
    """A link to a Python that is gone lies in ~/bin, say: its folder's folder is no environment."""
    link = BrokenEnvironment(
        "/home/ana/bin/python", "python on PATH", "dangling", "a link to /opt/python, which is gone"
    )
    verdict = verdicts(env=link)["venv-broken"]
    assert verdict.status is Status.FAIL and not verdict.command and "venv" not in verdict.hint
    verdict = verdicts(env=replace(link, home="/opt/python/bin"))["venv-broken"]
    assert verdict.hint == "python3 -m venv --clear /home/ana"
    gone = environment(chosen_by="python3 on PATH", ghost="/opt/miniforge3/envs/dl")
    assert verdicts(env=gone)["venv-broken"].hint == "conda create --prefix /opt/miniforge3/envs/dl python=3.12"


def test_a_broken_environment_in_the_folder_is_named_though_it_is_not_active():
    env = environment(chosen_by="python3 on PATH", local_venv=Found("/x/.venv"), local_venv_starts=Found(False))
    assert verdicts(env=env)["venv-broken"].hint == "python3 -m venv --clear /x/.venv"


def test_a_damaged_torch_is_laid_down_again():
    judged = verdicts(imports=torch_error("No module named 'torch.version'"))
    assert judged["torch-import"].hint == "REPAIR auto"


def test_a_torch_with_a_record_and_no_files_is_not_called_absent():
    judged = verdicts(env=environment(distributions=(dist("torch", "2.13.0"),)))
    assert "2.13.0 is recorded" in judged["torch-not-installed"].message
    assert judged["torch-not-installed"].hint == "REPAIR auto"


def test_a_slow_import_is_not_a_damaged_one():
    judged = verdicts(imports=report(stage("torch", "timeout", seconds=1.0)))
    assert "--timeout" in judged["torch-import"].hint and "REPAIR" not in judged["torch-import"].hint


def test_a_shadow_elsewhere_is_named_by_its_whole_path():
    leak = Leak("PYTHONPATH", f"{HERE}/lib")
    shadow = Shadow("random", f"{HERE}/lib/random.py", "PYTHONPATH", True)
    env = environment(CPU, leaks=(LEAK, leak), shadows=(shadow,), working_directory=HERE)
    assert verdicts(env=env)["stdlib-shadow"].hint == f"mv -i {HERE}/lib/random.py {HERE}/lib/my_random.py"
    inside = replace(env, shadows=(Shadow("random", f"{HERE}/random.py", LEAK.kind, True),))
    assert verdicts(env=inside)["stdlib-shadow"].hint == "mv -i random.py my_random.py"


def test_nothing_is_said_of_imports_that_were_not_tried():
    judged = verdicts(env=environment(), imports=report(stage("torch", "not-installed")))
    assert judged["vcredist-missing"].status is judged["noexec-mount"].status is Status.SKIP


def test_every_package_that_torch_requires_is_missed():
    asks = ("typing-extensions>=4.10.0", "Jinja2", 'optree>=0.13; extra == "optree"', "not a requirement !!")
    both = (dist("torch", "2.14.1", requires=asks), dist("jinja2", "3.1.4"))
    lone = replace(environment(CPU), distributions=both)
    judged = verdicts(env=lone)["no-deps-install"]
    assert judged.status is Status.WARN and judged.evidence == {"missing": ["typing-extensions"]}
    assert judged.hint == "INSTALL typing-extensions>=4.10.0"
    stopped = verdicts(env=lone, imports=torch_error("No module named 'typing_extensions'"))
    assert stopped["no-deps-install"].status is Status.FAIL
    assert stopped["torch-import"].status is Status.SKIP  # one cause, one fix
    from_conda = replace(lone, distributions=(replace(lone.distributions[0], installer="conda"),))
    assert verdicts(env=from_conda)["no-deps-install"].status is Status.PASS


def test_a_torch_that_pip_left_half_removed_is_named():
    rest = replace(environment(), leftovers=("~orch", "~orch-2.1.0.dist-info"))
    judged = verdicts(env=rest)
    assert "left ~orch" in judged["torch-not-installed"].message
    assert "~" not in verdicts(env=replace(environment(), leftovers=("~umpy",)))["torch-not-installed"].message


def test_what_an_extra_requires_is_not_even_parsed(monkeypatch):
    """Loading the parser would take a third of the whole start of the doctor."""
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    asks = ('optree>=0.13.0; extra == "optree"', "jinja2")
    whole = replace(environment(CPU), distributions=(dist("torch", "2.14.1", requires=asks), dist("jinja2", "3.1.4")))
    assert verdicts(env=whole)["no-deps-install"].status is Status.PASS
