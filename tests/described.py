"""Machines described in a few words, for tests of the resolver."""

from __future__ import annotations

import glob
import json
import os.path
from collections.abc import Mapping, Sequence

from envtool.machine import (
    Absent,
    Amd,
    AmdGpu,
    Apple,
    Found,
    Gpu,
    HostPython,
    Intel,
    IntelGpu,
    Libc,
    Machine,
    Nvidia,
    Reading,
    Unknown,
)
from envtool.spec import Request

# The sample cases are kept outside this repository, in a folder beside the checkout.
_BESIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "*", "facts", "cases-sample.json")
SAMPLE = next(iter(sorted(glob.glob(_BESIDE))), "cases-sample.json")


def machine(
    platform: str = "linux x86_64",
    python: str | None = "3.12",
    *,
    driver: str | None = None,
    gpus: Sequence[str] = (),
    gfx: Sequence[str] = (),
    intel: Sequence[str] = (),
    system: str | None = "2.35",
    libc: str = "glibc",
    jetpack: str | None = None,
    wsl: bool = False,
    visible: str | None = None,
    bits: int = 64,
    abi: str | None = None,
) -> Machine:
    """``gpus``: compute capabilities. ``system``: glibc on Linux, the release on macOS. ``driver`` "absent": none."""
    os, _, arch = platform.partition(" ")
    known: Reading[str] = Unknown("not told") if driver is None else Found(driver)
    if not gpus and driver is None:
        known = Absent("no NVIDIA driver")
    cards = tuple(_gpu(index, text) for index, text in enumerate(gpus))
    return Machine(
        os=os,
        arch=arch,
        os_version=Found(system) if os == "macos" and system else Unknown("not told"),
        libc=Found(Libc(libc, system)) if os == "linux" and system else Unknown("not told"),
        python=Found(HostPython(python, abi or _abi(python), bits=bits)) if python else Unknown("not told"),
        nvidia=Nvidia(
            status="found" if gpus else "absent",
            nvml_state="ok" if gpus else "not-asked",
            driver=Absent("none") if driver == "absent" else known,
            gpus=cards,
            visible_devices=Found(visible) if visible is not None else Absent("not set"),
        ),
        amd=Amd("found" if gfx else "absent", None, tuple(AmdGpu(Found(f"AMD {g}"), Found(g)) for g in gfx)),
        intel=Intel("found" if intel else "absent", None, tuple(IntelGpu(Found(name)) for name in intel)),
        apple=Apple("found", None, Found("Apple M2")) if platform == "macos arm64" else Apple("absent"),
        jetpack=Found(jetpack) if jetpack else Absent("no Jetson"),
        wsl=Found(2) if wsl else Absent("no"),
    )


def _gpu(index: int, text: str) -> Gpu:
    name, _, capability = text.rpartition("=")
    major, _, minor = capability.partition(".")
    reading: Reading[tuple[int, int]] = Found((int(major), int(minor))) if minor else Unknown("not told")
    uuid = f"GPU-{index}0000000-0000-0000-0000-000000000000"
    label = name or (f"GPU {capability}" if minor else capability)
    return Gpu(index=index, name=Found(label), uuid=Found(uuid), compute_capability=reading)


def _abi(python: str) -> str:
    major, minor = python.split(".")[:2]
    return f"cp{major}{minor}"


def sample_cases() -> list[Mapping[str, object]]:
    """The cases of the sample file; none where it isn't there."""
    if not os.path.exists(SAMPLE):
        return []
    with open(SAMPLE, encoding="utf-8") as file:
        return list(json.load(file)["cases"])


def of_case(case: Mapping[str, object]) -> tuple[Machine, Request]:
    """The machine and the request of a sample case."""
    facts, asked = case["machine"], case["request"]
    assert isinstance(facts, dict) and isinstance(asked, dict)
    gpus = [f"{g['name']}={g['cc']}" for g in facts["gpus"] if g["vendor"] == "nvidia"]
    libc = facts.get("libc", "")
    described = machine(
        f"{facts['os']} {facts['arch']}",
        facts["python"],
        driver=facts.get("driver"),
        gpus=gpus,
        gfx=[g["gfx"] for g in facts["gpus"] if g["vendor"] == "amd"],
        intel=[g["name"] for g in facts["gpus"] if g["vendor"] == "intel"],
        system=facts.get("macos") or (libc.split()[1] if libc else None),
        libc=libc.split()[0] if libc else "glibc",
        jetpack=facts.get("jetpack"),
        wsl=bool(facts.get("wsl")),
        abi=facts["python_abi"],
    )
    packages = tuple(f"{name}{asked.get(name.replace('pytorch', 'torch'), '')}" for name in asked["packages"])
    return described, Request(
        packages=packages,
        accelerator=asked.get("accelerator", "auto"),
        variant=asked.get("variant"),
        installer=asked.get("installer", "pip"),
        channel=asked.get("channel"),
    )
