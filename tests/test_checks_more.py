"""The checks of the folder, the shell, other packages and other GPUs stay silent where they should."""

from __future__ import annotations

import pytest
from builders import NoLines, build, dist, environment, laptop, server, silent, verdicts
from checks_more import CPU, CUDA, MORE, amd, at, mac, shared, uses, wsl

from envtool.environment import Kernel, Proxy, Setting
from envtool.machine import Absent, Found, Slurm
from envtool.symptoms import failures
from envtool.verdicts import Status

QUIET = (Status.PASS, Status.SKIP)


@pytest.mark.parametrize("code", MORE)
def test_it_stays_silent_where_there_is_only_a_likeness(code):
    verdict = verdicts(**MORE[code][3])[code]
    assert verdict.status in QUIET, verdict


@pytest.mark.parametrize("code", MORE)
def test_it_fires_alone(code):
    """No second check of these makes the same fault another time."""
    judged = verdicts(**MORE[code][0])
    assert [other for other in MORE if judged[other].status not in QUIET] == [code]


def test_without_a_workplace_nothing_is_made_up():
    judged = verdicts(env=environment(CPU))
    assert [code for code in MORE if judged[code].status not in QUIET] == []


def test_most_of_the_failures_are_looked_for():
    served = [failure for failure in failures().values() if failure.check]
    assert len(served) >= 150


# ── hints and cases of one check ─────────────────────────────────────────────────────────────────


def test_a_free_gpu_is_named():
    assert verdicts(machine=shared(97))["gpu-busy"].hint == "export CUDA_VISIBLE_DEVICES=1"


def test_on_a_cluster_nobody_is_told_to_install_a_compiler():
    slurm = laptop(slurm=Found(Slurm("17", None)))
    verdict = verdicts(**at(sources=uses("compile"), programs=(), machine=slurm))["compile-no-cxx"]
    assert verdict.status is Status.WARN and "sudo" not in (verdict.hint or "")


def test_a_proxy_on_windows_is_out_of_wsls_sight():
    proxy = Proxy("HTTPS_PROXY", "127.0.0.1", "7890", "silent")
    assert verdicts(**at(proxies=(proxy,), machine=wsl(machine=server())))["proxy"].status in QUIET


def test_one_line_unsets_every_wrong_proxy():
    names = ("HTTPS_PROXY", "https_proxy")
    wrong = tuple(Proxy(name, "localhost", "1", "silent") for name in names)
    assert verdicts(**at(proxies=wrong))["proxy"].hint == "unset HTTPS_PROXY https_proxy"


def test_an_index_of_ones_own_is_no_lack_of_a_network():
    local = (Setting("/etc/pip.conf", "index-url", "file:///srv/simple"),)
    assert verdicts(**at(route=False, settings=local, bare=True))["offline"].status is Status.SKIP
    written = (Setting("/etc/pip.conf", "no-index", "true"),)
    assert "/etc/pip.conf" in verdicts(**at(route=True, settings=written, bare=True))["offline"].message
    switched = at(route=True, variables=(("PIP_NO_INDEX", "1"),), bare=True)
    assert verdicts(**switched)["offline"].hint == "unset PIP_NO_INDEX"


def test_an_extra_index_takes_nothing_away():
    extra = (Setting("PIP_EXTRA_INDEX_URL", "extra-index-url", "https://download.pytorch.org/whl/cu126"),)
    assert verdicts(**at(settings=extra, machine=mac()))["cuda-index-on-mac"].status is Status.SKIP


def test_an_institutions_certificates_matter_to_an_old_pip_only():
    old = at(authorities=1, bare=True, env={"pip": Found("23.0.1")})
    new = at(authorities=1, bare=True, env={"pip": Found("25.3")})
    assert verdicts(**old)["tls-inspection"].hint == "INSTALL pip>=24.2"
    assert verdicts(**new)["tls-inspection"].status in QUIET


def test_an_apu_beside_a_served_card_is_no_fault():
    from dataclasses import replace

    machine = amd(gfx="gfx1100")
    apu = replace(machine.amd.gpus[0], gfx=Found("gfx1036"))
    machine = replace(machine, amd=replace(machine.amd, gpus=(*machine.amd.gpus, apu)))
    rocm = at(MORE["rocm-gfx-unsupported"][0]["env"].builds[0], machine=machine)
    assert verdicts(**rocm)["rocm-gfx-unsupported"].status is Status.PASS


def test_an_override_of_the_kind_is_believed():
    rocm = MORE["rocm-gfx-unsupported"][0]["env"].builds[0]
    override = at(rocm, machine=amd(), variables=(("HSA_OVERRIDE_GFX_VERSION", "10.3.0"),))
    assert verdicts(**override)["rocm-gfx-unsupported"].status is Status.SKIP


def test_a_card_without_a_relative_gets_no_line_that_crashes():
    verdict = verdicts(machine=amd(gfx="gfx803"), env=MORE["rocm-gfx-unsupported"][0]["env"])["rocm-gfx-unsupported"]
    assert verdict.status is Status.FAIL and not verdict.command


def test_a_driver_inside_wsl_hides_what_nvml_says_of_it():
    inside = {"libcuda_path": Found("/usr/lib/x86_64-linux-gnu/libcuda.so.1"), "libcuda": Found("550.54.14")}
    mismatch = silent("library-mismatch", 18, kernel_module=Found("566.36"), **inside)
    judged = verdicts(machine=wsl(machine=mismatch), env=environment(CUDA))
    assert judged["wsl-linux-driver"].status is Status.FAIL
    assert judged["driver-library-mismatch"].status is Status.SKIP


def test_wsl_says_it_once():
    judged = verdicts(**MORE["wsl-no-gpu"][0])
    assert judged["no-nvidia-gpu"].status in QUIET
    first = verdicts(machine=wsl(1, dxg=False), env=environment(CUDA))["wsl-no-gpu"]
    assert "--set-version" in (first.hint or "")


GONE = Kernel("python3", "/opt/old/bin/python", own=True, there=False, mine=False)


def kernel_verdict(*names, **place):
    packages = tuple(dist(name, "5.9.1") for name in ("ipykernel", "matplotlib-inline", *names))
    return verdicts(**at(distributions=packages, **place))["jupyter-kernel-differs"]


def test_a_kernel_that_is_gone_is_named():
    assert "gone" in kernel_verdict("notebook", kernels=(GONE,)).message


def test_a_new_jupyter_in_the_environment_takes_the_environments_kernel():
    assert kernel_verdict("jupyterlab", "jupyter-core", kernels=(GONE,)).status is Status.SKIP


def test_vs_code_asks_for_the_kernel():
    shell = (("TERM_PROGRAM", "vscode"),)
    assert kernel_verdict(kernels=(GONE,), programs=("jupyter",), variables=shell).status is Status.SKIP
    assert kernel_verdict(kernels=(GONE,), programs=()).status is Status.SKIP


def test_jupyter_of_another_python_is_named():
    assert "another Python" in kernel_verdict(programs=("jupyter",)).message


def test_nvidias_own_builds_count_as_the_release():
    vllm = dist("vllm", "0.11", requires=("torch==2.8.0",))
    nvidias = environment(build("torch", "2.8.0a0+34c6371d24", None), distributions=(vllm,))
    assert verdicts(env=nvidias)["pip-replaced-torch"].status in QUIET


def test_docker_in_wsl_is_windows_own():
    wanting = MORE["container-toolkit-missing"][0]
    machine = wsl(machine=wanting["machine"])
    assert verdicts(machine=machine, env=wanting["env"])["container-toolkit-missing"].status is Status.SKIP


def test_a_mac_without_any_build_still_gets_a_hint():
    verdict = verdicts(machine=mac("12.7"), env=environment(arch="arm64"), mender=NoLines())["macos-too-old"]
    assert verdict.hint == "update macOS"


def test_pynvml_of_today_is_only_superfluous():
    both = environment(CPU, distributions=(dist("pynvml", "13.0.1"), dist("nvidia-ml-py", "13.580.65")))
    assert "deprecated" in verdicts(env=both)["pynvml-wrong-package"].message


def test_windows_takes_variables_away_in_its_own_way():
    machine = laptop(os="windows", libc=Absent("Windows"), shared_memory=Absent("Windows"))
    proxy = Proxy("HTTPS_PROXY", "", "", "malformed")
    assert verdicts(**at(proxies=(proxy,), machine=machine))["proxy"].hint == "Remove-Item Env:HTTPS_PROXY"


# What the doctor says to a message that somebody pastes: a check that passes rules its failure out, one that is skipped
# does not. These see only a part of what may be the cause.
IN_PART = [
    "import-pytorch",
    "cvd-set-late",
    "dataloader-spawn-main",
    "offline",
    "proxy",
    "tls-inspection",
    "wrong-index",
    "fastai-pin",
    "pip-replaced-torch",
    "extension-abi",
    "clock-skew",
    "locale",
    "vscode-interpreter",
    "jupyter-kernel-differs",
    "stale-module-in-kernel",
    "gloo-ifname",
    "container-cuda-requirement",
    "mkl-threading",
    "d2l-install",
]


@pytest.mark.parametrize("code", IN_PART)
def test_what_is_seen_in_part_is_never_ruled_out(code):
    orderly = verdicts(**at())
    likeness = verdicts(**MORE[code][3])
    assert orderly[code].status is Status.SKIP and likeness[code].status is Status.SKIP
