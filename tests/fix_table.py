"""The checks whose fix is run in the tests: what breaks an environment so that the doctor prints that fix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fix_cases import (
    AUDIO,
    TORCH,
    VISION,
    WORKS,
    another_libcuda,
    broken,
    by_uv,
    claims,
    clone_of_pytorch,
    companion,
    course,
    course_for_the_cpu,
    deleted,
    few_files,
    folder_named_torch,
    foreign_library,
    gpus,
    half_removed,
    held_by_oneself,
    imported,
    leak,
    lost_base,
    no_index,
    no_inline,
    not_active,
    nothing_installed,
    numpy_2,
    numpy_damaged,
    other_kernel,
    pair,
    placeholder,
    seen,
    shadow,
    silent_proxy,
    somebody_elses,
    system_python,
    twice,
    two_families,
    user_site,
    variable,
    wants_d2l,
    without_libraries,
    wrong_home,
    wrong_pynvml,
)
from fix_room import FixRoom, family_wheel
from loopback_wheels import Wheel


@dataclass(frozen=True)
class Case:
    """``then``: what comes to light once the fix has worked, and is mended in its turn. ``repeat``: its own, too."""

    plant: Callable[[FixRoom], None]
    then: tuple[str, ...] = ()
    line: str | None = None  # what the fix must be, where that is a matter of its own
    repeat: bool = False
    one_shell: bool = False  # the line after it needs what it has set


# By the check; a word behind a colon tells a second case of it from the first.
CASES: dict[str, Case] = {
    "venv-broken": Case(lost_base, then=("torch-not-installed",)),
    "venv-not-active": Case(not_active),
    "venv-broken:deleted": Case(deleted, then=("torch-not-installed",)),
    "python-plain-start": Case(wrong_home, line="unset PYTHONHOME PYTHONPATH"),
    "file-named-torch": Case(shadow("torch.py"), line="mv -i torch.py my_torch.py"),
    "folder-named-torch": Case(folder_named_torch, line="mv -i torch my_torch"),
    "folder-named-torch:clone": Case(clone_of_pytorch, line="cd .."),
    "stdlib-shadow": Case(shadow("random.py")),
    "pythonpath-leak": Case(leak, line="unset PYTHONPATH"),
    "user-site-leak": Case(user_site, line="export PYTHONNOUSERSITE=1"),
    "pep668": Case(system_python, then=("torch-not-installed",), one_shell=True),
    "jupyter-kernel-differs": Case(other_kernel),
    "matplotlib-backend": Case(no_inline),
    "offline": Case(no_index, then=("torch-not-installed",), line="unset PIP_NO_INDEX", one_shell=True),
    "proxy": Case(silent_proxy, line="unset HTTPS_PROXY"),
    "tls-inspection": Case(variable("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem"), line="unset REQUESTS_CA_BUNDLE"),
    "d2l-install": Case(wants_d2l),
    "cache-not-writable": Case(variable("HF_HOME", "/dev/null/hf"), line="unset HF_HOME"),
    "locale": Case(variable("PYTHONUTF8", "0", LC_ALL="C"), line="export PYTHONUTF8=1"),
    "locale:named": Case(variable("PYTHONIOENCODING", "latin-1"), line="unset PYTHONIOENCODING"),
    "snap-terminal": Case(variable("GTK_PATH", "/snap/code/172/usr/lib/gtk-3.0"), line="unset GTK_PATH"),
    "too-many-files": Case(few_files, line="ulimit -n 4096"),
    "gloo-ifname": Case(variable("GLOO_SOCKET_IFNAME", "eth99")),
    # PyTorch
    "torch-not-installed": Case(nothing_installed),
    "pip-install-pytorch": Case(placeholder),
    "two-torch-installs": Case(twice, then=("torch-not-installed",), repeat=True),
    "tilde-leftovers": Case(half_removed),
    "cu11-cu12-mix": Case(two_families),
    "no-deps-install": Case(without_libraries, line=".venv/bin/python -m pip install torch==2.14.1"),
    "torchvision-mismatch": Case(pair(family_wheel("torchvision", "0.28.0", "cu130", "cu130"))),
    "torchaudio-mismatch": Case(pair(family_wheel("torchaudio", "2.11.0", "cpu", "cpu"), torch="2.5.1")),
    "torchaudio-cuda-mismatch": Case(
        pair(family_wheel("torchaudio", "2.11.0", "cu130", "cu130"), torch="2.15.0", local="cu132"), then=("no-nvidia-gpu",)
    ),
    "numpy2-old-torch": Case(numpy_2),
    "torchtext-dead": Case(pair(Wheel("torchtext", "0.18.0"))),
    "no-nvidia-gpu": Case(pair(local="cu126")),
    "xpu-or-rocm-wheel-elsewhere": Case(pair(local="rocm7.2")),
    "foreign-cuda-libs": Case(foreign_library, line="unset LD_LIBRARY_PATH"),
    "pynvml-wrong-package": Case(wrong_pynvml),
    "fastai-pin": Case(claims("fastai", "2.7.18", "torch<2.6,>=1.10", Wheel("fastai", "2.8.12", ("torch<3",)))),
    "d2l-numpy-abi": Case(claims("pandas", "2.2.3", "numpy>=1.26.0", Wheel("numpy", "1.26.4"))),
    # the course
    "spec-torch": Case(course(torch="2.12.0")),
    "spec-packages": Case(course(packages='"einops"')),
    "spec-variant": Case(course_for_the_cpu),
    # GPUs
    "cpu-wheel-on-gpu-box": Case(gpus(TORCH, "cpu")),
    "driver-too-old-for-wheel": Case(gpus(TORCH, "cu130")),
    "sm-not-in-wheel": Case(gpus("2.6.0", "cu124", "595.71.05", gpu__0__cc="12.0")),
    "gpu-dropped": Case(gpus(TORCH, "cu130", "595.71.05", gpu__0__cc="6.1")),
    "cvd-empty": Case(seen(""), line="unset CUDA_VISIBLE_DEVICES"),
    "cvd-invalid": Case(seen("0,9"), line="export CUDA_VISIBLE_DEVICES=0,1"),
    "gpu-busy": Case(somebody_elses, line="export CUDA_VISIBLE_DEVICES=1"),
    "cuda-stub-library": Case(another_libcuda("lib64/stubs", 34)),
    "cuda-compat": Case(another_libcuda("compat", 804)),
    "gpu-memory-held": Case(held_by_oneself),
    "device-order": Case(gpus(TORCH, "cu126", count=2, gpu__1__name="Tesla V100"), line="export CUDA_DEVICE_ORDER=PCI_BUS_ID"),
    # imports
    "torch-import": Case(imported(broken("libfoo.so.1: cannot open shared object file"))),
    "cpu-computes": Case(imported(f"{WORKS}\nTensor.__matmul__ = None")),
    "torchvision-import": Case(companion("torchvision", "0.29.1", VISION)),
    "torchaudio-import": Case(companion("torchaudio", "2.11.0", AUDIO)),
    "numpy-bridge": Case(numpy_damaged),
    "glibcxx": Case(
        imported(
            broken("/opt/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found"),
            unless="'LD_LIBRARY_PATH' not in os.environ", LD_LIBRARY_PATH="/opt/lib",
        ),
        line="unset LD_LIBRARY_PATH",
    ),
    "nvjitlink-mismatch": Case(
        imported(
            broken("undefined symbol: __nvJitLinkAddData_12_1, version libnvJitLink.so.12"),
            unless="'LD_LIBRARY_PATH' not in os.environ", LD_LIBRARY_PATH="/opt/lib",
        ),
        line="unset LD_LIBRARY_PATH",
    ),
    "nccl-symbol": Case(imported(broken("undefined symbol: ncclCommRegister"))),
    "torch-not-installed:uv": Case(by_uv(nothing_installed)),
    "no-deps-install:uv": Case(by_uv(without_libraries)),
    "cu11-cu12-mix:uv": Case(by_uv(two_families)),
    "torch-import:uv": Case(by_uv(imported(broken("libfoo.so.1: cannot open shared object file")))),
    "torchvision-mismatch:uv": Case(by_uv(pair(family_wheel("torchvision", "0.28.0", "cu130", "cu130")))),
    "mkl-threading": Case(
        imported(
            broken("MKL_THREADING_LAYER=INTEL is incompatible with libgomp-a34b3233.so.1 library."),
            unless="os.environ.get('MKL_THREADING_LAYER') == 'GNU'",
        ),
        line="export MKL_THREADING_LAYER=GNU",
    ),
}  # fmt: skip
