"""What the Python probe makes of answers that this machine can't give: other systems, other builds."""

from __future__ import annotations

import pytest

from envtool.environment import Environment
from envtool.probe.builds import Beside, read_build
from envtool.probe.child import Completed
from envtool.probe.installed import channel_name, normalised
from envtool.probe.interpreter import Choice
from envtool.probe.prefix import abi_of, arch_of, manager_of, venv_settings
from envtool.probe.python import start
from envtool.probe.recording import RecordedHost, Recording, _completed_to_json
from envtool.verdicts import Json

TORCH = "__version__ = {!r}\ncuda: Optional[str] = {!r}\nhip: Optional[str] = {!r}\nxpu: Optional[str] = {!r}\n"


@pytest.mark.parametrize(
    ("version", "cuda", "hip", "xpu", "variant"),
    [
        ("2.13.0+cpu", None, None, None, "cpu"),
        ("2.15.0+cu132", "13.2", None, None, "cu132"),
        ("2.7.1", "12.6", None, None, "cu126"),
        ("2.8.0+rocm6.4", None, "6.4.43482-0f2d60242", None, "rocm6.4"),
        ("2.14.1", None, "7.2.26015-fc0010cf6a", None, "rocm7.2"),
        ("2.8.0+xpu", None, None, "20250101", "xpu"),
        ("2.5.0+xpu", None, None, None, "xpu"),
        ("2.2.2", None, None, None, "cpu"),
        ("2.5.0a0+872d972e41.nv24.08", "12.6", None, None, "cu126"),
    ],
)
def test_torch_says_its_build(version: str, cuda: str | None, hip: str | None, xpu: str | None, variant: str) -> None:
    build = read_build("torch", TORCH.format(version, cuda, hip, xpu), (), Beside("linux"))
    assert (build.version, build.variant, build.cuda, build.hip) == (version, variant, cuda, hip)


@pytest.mark.parametrize(
    ("package", "version_py", "shipped", "beside", "variant", "cuda"),
    [
        ("torchvision", "__version__ = '0.28.0+cu130'\n", (), Beside("linux", "0.28.0"), "cu130", "13.0"),
        ("torchvision", '__version__ = "0.17.2+cpu"\n', (), Beside("win32"), "cpu", None),
        ("torchvision", "__version__ = '0.23.0'\n", (), Beside("darwin"), "cpu", None),
        ("torchvision", "__version__ = '0.23.0'\n", (), Beside("linux"), None, None),
        ("torchvision", "__version__ = '0.23.0'\n", ("libcudart.faf08d9a.so.13",), Beside("linux"), None, "13"),
        ("torchvision", "__version__ = '0.14.1'\n", ("cudart64_110.dll",), Beside("win32"), None, "11"),
        ("torchaudio", "__version__ = '2.1.0a0+1ed9f7d'\n", (), Beside("linux", "2.1.0+cu118"), "cu118", "11.8"),
        ("torchvision", None, (), Beside("linux", "0.22.0", conda_build="cuda129_py312_h1_0"), "cu129", "12.9"),
        ("torchvision", None, (), Beside("linux", "0.20.1", conda_build="py311_cu121"), "cu121", "12.1"),
        ("torchvision", None, (), Beside("linux", "0.20.1", conda_build="cpu_py312_h1_1"), "cpu", None),
        ("torchvision", None, (), Beside("linux", "0.20.1", conda_build="py312_h1_1"), None, None),
        ("torch", None, (), Beside("linux", "2.1.0", conda_build="py3.11_cuda12.1_cudnn8.9.2_0"), "cu121", "12.1"),
        (
            "torch",
            "",
            ("libtorch_cpu.so", "libtorch_cuda.so"),
            Beside("linux", cuda_runtime="12.6.77"),
            "cu126",
            "12.6",
        ),
        ("torch", "", ("libtorch_cpu.so", "libtorch_cuda.so"), Beside("linux"), None, None),
        ("torch", "", ("libtorch_cpu.so",), Beside("linux"), "cpu", None),
        ("torch", "", ("libtorch_cpu.so", "libc10_hip.so"), Beside("linux"), None, None),
        ("torch", "", (), Beside("linux"), None, None),
    ],
)
def test_what_else_tells_a_build(
    package: str,
    version_py: str | None,
    shipped: tuple[str, ...],
    beside: Beside,
    variant: str | None,
    cuda: str | None,
) -> None:
    build = read_build(package, version_py, shipped, beside)
    assert (build.variant, build.cuda) == (variant, cuda)


ABI = {
    "cp312": {"version": "3.12.4", "suffixes": [".cpython-312-x86_64-linux-gnu.so"], "implementation": "cpython"},
    "cp313t": {"version": "3.13.0", "suffixes": [".cpython-313t-x86_64-linux-gnu.so"], "implementation": "cpython"},
    "cp314t": {"version": "3.14.0", "suffixes": [".cp314t-win_amd64.pyd"], "implementation": "cpython"},
    "pp310": {"version": "3.10.14", "suffixes": [".pypy310-pp73-x86_64-linux-gnu.so"], "implementation": "pypy"},
}


@pytest.mark.parametrize(("abi", "answer"), ABI.items())
def test_abi(abi: str, answer: dict[str, Json]) -> None:
    assert abi_of(answer) == abi


@pytest.mark.parametrize(
    ("suffix", "platform", "machine", "arch"),
    [
        (".cpython-312-x86_64-linux-gnu.so", "linux", "x86_64", "x86_64"),
        (".cpython-312-i386-linux-gnu.so", "linux", "x86_64", "i686"),  # a 32-bit Python on a 64-bit kernel
        (".cpython-312-aarch64-linux-gnu.so", "linux", "aarch64", "aarch64"),
        (".cpython-312-x86_64-linux-musl.so", "linux", "x86_64", "x86_64"),
        (".cpython-312-darwin.so", "darwin", "arm64", "arm64"),
        (".cpython-312-darwin.so", "darwin", "x86_64", "x86_64"),  # under Rosetta
        (".cp312-win_amd64.pyd", "win32", "", "x86_64"),
        (".cp312-win_arm64.pyd", "win32", "", "aarch64"),
        (".cp312-win32.pyd", "win32", "", "i686"),
    ],
)
def test_arch(suffix: str, platform: str, machine: str, arch: str) -> None:
    answer: dict[str, Json] = {"suffixes": [suffix], "platform": platform, "machine": machine, "bits": 64}
    assert arch_of(answer) == arch


@pytest.mark.parametrize(
    ("prefix", "base", "pyvenv", "conda", "manager"),
    [
        ("/w/.venv", "/usr", "home = /usr/bin\n", None, "venv"),
        ("/w/.venv", "/h/.local/share/uv/python/cpython-3.12", "home = x\nuv = 0.9\n", None, "uv"),
        ("/w/.venv", "/usr", "home = x\nvirtualenv = 20.0\n", None, "virtualenv"),
        ("/w/.venv", "/opt/conda", "home = /opt/conda/bin\n", None, "venv"),
        ("/opt/conda/envs/dl", "/opt/conda/envs/dl", None, {"records": []}, "conda"),
        ("/usr", "/usr", None, None, "system"),
        ("/h/.pyenv/versions/3.12.1", "/h/.pyenv/versions/3.12.1", None, None, "pyenv"),
        ("/h/.local/share/uv/python/cpython-3", "/h/.local/share/uv/python/cpython-3", None, None, "uv-python"),
        (r"C:\Program Files\WindowsApps\Py", r"C:\Program Files\WindowsApps\Py", None, None, "windows-store"),
        (r"C:\Users\me\AppData\Local\Programs\Python\Python312",) * 2 + (None, None, "python.org"),
        ("/opt/homebrew/Cellar/p/Python.framework/Versions/3.12",) * 2 + (None, None, "homebrew"),
        ("/Library/Frameworks/Python.framework/Versions/3.12",) * 2 + (None, None, "python.org"),
        ("/opt/python", "/opt/python", None, None, "other"),
    ],
)
def test_manager(prefix: str, base: str, pyvenv: str | None, conda: Json, manager: str) -> None:
    answer: dict[str, Json] = {"prefix": prefix, "base_prefix": base, "conda": conda}
    assert manager_of(answer, venv_settings(pyvenv)) == manager


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        ("https://conda.anaconda.org/conda-forge/linux-64", "conda-forge"),
        ("https://conda.anaconda.org/pytorch/noarch", "pytorch"),
        ("https://repo.anaconda.com/pkgs/main/osx-arm64", "defaults"),
        ("https://repo.anaconda.com/pkgs/main", "defaults"),
        ("conda-forge", "conda-forge"),
        ("https://prefix.dev/conda-forge/", "conda-forge"),
        ("", ""),
    ],
)
def test_channel_names(channel: str, name: str) -> None:
    assert channel_name(channel) == name


def test_names_are_compared_as_pep_503_says() -> None:
    assert normalised("Nvidia_CUBLAS.cu12") == "nvidia-cublas-cu12"


def windows(isolated: dict[str, Json], plain: dict[str, Json] | None) -> Environment:
    """An environment on Windows, replayed."""
    import json

    recording = Recording()
    for question, answer in (("environment", isolated), ("environment-plain", plain)):
        text = f"envtool-environment:{json.dumps(answer)}\r\n".replace("\r\n", "\n") if answer else ""
        done = Completed(0 if answer else 1, text, "" if answer else "init_fs_encoding failed\n", 0.1)
        recording.keep("start", question, {"found": _completed_to_json(done)})
    recording.keep("which", "pip", {"absent": "no pip on PATH"})
    for path in (".venv", "venv"):
        recording.keep("stat", rf"C:\work\{path}\pyvenv.cfg", {"absent": "no such file"})
    recording.keep("stat", r"C:\Py.envtool", {"absent": "no such file"})
    found = start(RecordedHost(recording, strict=True), Choice("python", "python on PATH"))()
    assert isinstance(found, Environment)
    return found


SITE = r"C:\Py\Lib\site-packages"
ISOLATED: dict[str, Json] = {
    "version": "3.12.4",
    "implementation": "cpython",
    "suffixes": [".cp312-win_amd64.pyd", ".pyd"],
    "platform": "win32",
    "bits": 64,
    "executable": r"C:\Py\python.exe",
    "prefix": r"C:\Py",
    "base_prefix": r"C:\Py",
    "home": "C:/Py/Lib",
    "cwd": r"C:\work",
    "path": [r"C:\Py\python312.zip", r"C:\Py\DLLs", r"C:\Py\Lib", r"C:\Py", SITE],
    "entries": [
        {
            "path": SITE,
            "identity": "1:2",
            "distributions": [
                {"name": "torch", "version": "2.9.0", "metadata": "torch-2.9.0.dist-info", "readable": True}
            ],
            "builds": [{"package": "torch", "version_py": TORCH.format("2.9.0+cpu", None, None, None), "shipped": []}],
        }
    ],
}
SHADOWS: list[Json] = [{"module": "random", "file": "random.py", "namespace": False}]


def test_windows_replayed() -> None:
    entry: dict[str, Json] = {"path": r"C:\work", "identity": "1:3", "shadows": SHADOWS}
    user = r"C:\Users\me\AppData\Roaming\Python\Python312\site-packages"
    roaming: dict[str, Json] = {"path": user, "identity": "1:4", "shadows": SHADOWS}
    plain: dict[str, Json] = {
        **{key: ISOLATED[key] for key in ("version", "home", "cwd")},
        "path": ["", r"C:\Py\python312.zip", r"C:\Py\DLLs", r"C:\Py\Lib", r"C:\Py", user, SITE],
        "user_site": user,
        "pythonpath": [],
        "entries": [entry, roaming],
    }
    found = windows(ISOLATED, plain)
    assert (found.abi, found.arch, found.manager) == ("cp312", "x86_64", "other")
    assert [(leak.kind, leak.path) for leak in found.leaks] == [("working-directory", r"C:\work"), ("user-site", user)]
    assert [shadow.path for shadow in found.shadows] == [r"C:\work\random.py"]  # the user site comes too late
    torch = found.distribution("torch")
    assert torch is not None and torch.metadata_path == SITE + r"\torch-2.9.0.dist-info"
    assert found.site_packages == SITE


def test_without_a_plain_start_the_isolated_one_is_read() -> None:
    found = windows(ISOLATED, None)
    assert found.plain_start.reason == "exit code 1: init_fs_encoding failed"  # type: ignore[union-attr]
    assert found.leaks == () and found.build("torch") is not None
