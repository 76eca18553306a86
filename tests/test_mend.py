"""The lines that the doctor hands out, for every kind of environment."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from builders import CondaPackage, build, dist, environment, gpu, laptop, nvidia, server

from envtool.catalog import load
from envtool.checks.mend import EnvironmentMender
from envtool.environment import BrokenEnvironment
from envtool.machine import Absent, Found

CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def mender(env, machine=None):
    return EnvironmentMender(machine or laptop(), env, load())


def test_an_active_environment_is_just_python():
    line = mender(environment()).reinstall()
    assert line.startswith("python -m pip install torch==") and line.endswith(f"--index-url {CPU_INDEX}")
    assert "torchvision==" in line and "torchaudio==" in line


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"chosen_by": "--python"}, "/home/ana/course/.venv/bin/python"),
        ({"chosen_by": "--python", "working_directory": "/home/ana/course"}, ".venv/bin/python"),
        ({"chosen_by": "--python", "executable": "/home/ana b/bin/python"}, "'/home/ana b/bin/python'"),
    ],
)
def test_a_named_environment_is_spelled_out(changes, word):
    assert mender(environment(**changes)).install("numpy<2") == f"{word} -m pip install 'numpy<2'"


def test_the_installed_torch_is_kept_where_a_build_of_it_fits():
    env = environment(build("torch", "2.13.0+cpu", "cpu"), build("torchvision", "0.28.0+cu130", "cu130"))
    line = mender(env).reinstall()
    assert "torch==2.13.0+cpu torchvision==0.28.0+cpu" in line and "torchaudio" not in line


def test_a_gpu_is_served_before_the_installed_version_is_kept():
    env = environment(build("torch", "2.15.0+cu132", "cu132"))
    machine = server(driver="550.54.14", cuda="12.4")
    line = mender(env, machine).reinstall()
    assert "torch==2.14.1+cu126" in line and line.endswith("/cu126")


def test_a_gpu_that_no_build_serves_gets_the_cpu_build():
    machine = server(gpus=(gpu(name="Tesla K20", capability=(3, 5)),))
    env = environment(build("torch", "2.14.1+cu130", "cu130"))
    assert mender(env, machine).reinstall().endswith("/cpu")
    assert mender(env, machine).reinstall(accelerator="cuda") is None


def test_the_systems_python_is_left_alone():
    env = environment(
        executable="/usr/bin/python3", prefix="/usr", base_prefix="/usr", manager="system", externally_managed=True,
        chosen_by="python3 on PATH",
    )  # fmt: skip
    line = mender(env).reinstall()
    assert line.startswith("/usr/bin/python3 -m venv .venv && .venv/bin/python -m pip install torch==")
    line = mender(replace(env, ensurepip=False)).reinstall()
    assert line.startswith("sudo apt update && sudo apt install python3-venv && /usr/bin/python3 -m venv")


def test_without_pip_it_is_fetched_first():
    env = environment(pip=Absent("no pip"))
    assert mender(env).install("x") == "python -m ensurepip && python -m pip install x"


def test_an_environment_of_uv_is_mended_by_uv():
    env = environment(pip=Absent("no pip"), manager="uv")
    assert mender(env).reinstall().startswith("uv pip install --python python torch==")
    assert mender(env).uninstall("torchtext") == "uv pip uninstall --python python torchtext"


def test_powershell_understands_the_line():
    machine = laptop(os="windows", arch="x86_64", libc=Absent("Windows"))
    env = environment(
        executable="C:\\Users\\Ana B\\.venv\\Scripts\\python.exe",
        prefix="C:\\Users\\Ana B\\.venv",
        chosen_by="--python",
    )
    assert mender(env, machine).install("numpy<2") == (
        "& 'C:\\Users\\Ana B\\.venv\\Scripts\\python.exe' -m pip install 'numpy<2'"
    )
    line = mender(replace(env, pip=Absent("no pip")), machine).install("x")
    assert "; if ($?) { " in line and "&&" not in line


def test_a_conda_built_torch_is_not_overwritten_by_pip():
    env = environment(
        build("torch", "2.9.1", "cpu"), manager="conda",
        conda_packages=(CondaPackage("pytorch", "2.9.1", "cpu_mkl", "conda-forge"),),
    )  # fmt: skip
    assert mender(env).reinstall() is None


def test_a_broken_environment_gets_no_install():
    broken = BrokenEnvironment("/x/.venv/bin/python", "VIRTUAL_ENV", "dangling", "gone")
    assert mender(broken).reinstall() is None


def test_a_switch_to_pypis_own_build_replaces_the_other_build():
    env = environment(build("torch", "2.14.1+cpu", "cpu"))
    env = replace(env, distributions=(dist("torch", "2.14.1+cpu"),))
    machine = laptop(nvidia=nvidia(driver="595.71.05"))
    line = mender(env, machine).reinstall(accelerator="cuda")
    words = shlex.split(line)
    assert "torch===2.14.1" in words, "pip takes an installed 2.14.1+cpu for ==2.14.1"
    assert Found("595.71.05") == machine.nvidia.driver
