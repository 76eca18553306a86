"""The pickers, run for real against the loopback index, each told of the machine in its own way."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compare.index import Loopback
from compare.judge import Answer, Chosen, Rows
from compare.machines import Described

# Tells light-the-torch which system it is on, which it has no option for; all else is its own.
LTT = (
    "import sys, types; import light_the_torch._cb as cb; system = sys.argv.pop(1); "
    "cb.platform = types.SimpleNamespace(system=lambda: system); "
    "from light_the_torch._cli import main; sys.exit(main())"
)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PINNED = re.compile(r"^([A-Za-z0-9-]+)==(\S+)$")


@dataclass
class Bench:
    """Where the tools are, and the index that they see."""

    loopback: Loopback
    folder: str
    rows: Rows
    uv: str
    ltt: str | None  # a Python with light-the-torch

    def chosen(self, machine: Described, package: str, version: str, source: str) -> Chosen:
        """A package of an answer; ``source`` is the address that it comes from."""
        public, _, local = version.partition("+")
        index = re.search(r"/whl/([^/]+)", source)
        if local or index:
            return Chosen(public, local or (index[1] if index else ""))
        table = ("releases", "release", "torch") if package == "torch" else ("releases", "companion", "versions")
        where = {table[2]: public} if package == "torch" else {table[2]: public, "package": package}
        row = self.rows.each(table[0], table[1], **where)[0]
        return Chosen(public, row["pypi"].get(machine.platform, "cpu"))

    def programs(self, machine: Described) -> str:
        """A folder with what the described machine answers with: ``nvidia-smi``, ``rocm_agent_enumerator``."""
        folder = os.path.join(self.folder, f"bin-{machine.key}")
        os.makedirs(folder, exist_ok=True)
        scripts = {}
        if machine.gpus:
            lines = " ".join([str(machine.driver)] * len(machine.gpus))
            header = 'case "$*" in *noheader*) ;; *) echo driver_version;; esac'
            scripts["nvidia-smi"] = f"{header}\nprintf '%s\\n' {lines}\n"
        if machine.gfx:
            scripts["rocm_agent_enumerator"] = f"printf '%s\\n' gfx000 {' '.join(machine.gfx)}\n"
        for name, text in scripts.items():
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\n{text}")
            os.chmod(path, 0o755)
        return folder

    def run(self, machine: Described, command: Sequence[str], text: str = "", **more: str) -> tuple[int, str, str]:
        """A tool on a described machine: exit code, stdout, stderr."""
        environment = self.loopback.environment(self.folder, f"{self.programs(machine)}:/usr/bin:/bin")
        if machine.os == "macos":
            environment["MACOSX_DEPLOYMENT_TARGET"] = machine.system
        done = subprocess.run(
            command, input=text, env={**environment, **more}, capture_output=True, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout, done.stderr


# ── envtool ──────────────────────────────────────────────────────────────────────────────────────


def envtool(bench: Bench, machine: Described) -> Answer:
    """``envtool pick`` on the machine's document; its command for uv is resolved on the index, and that is the answer."""
    plan = _picked(machine)
    if plan["result"] == "no-plan":
        return Answer(refusal=str(plan["hint"]))
    pasted = shlex.split(plan["commands"]["uv"])
    assert pasted[:3] == ["uv", "pip", "install"], pasted
    index = pasted[pasted.index("--default-index") :] if "--default-index" in pasted else []
    requirements = pasted[3 : len(pasted) - len(index)]
    source = index[1] if index else "pypi"
    pins = dict(text.split("==") for text in requirements if "==" in text)
    planned = Answer({name: bench.chosen(machine, name, version, source) for name, version in pins.items()})
    if machine.free_threaded:
        return replace(planned, how="the plan; its command could not be resolved without that Python")
    answer = _compile(bench, machine, requirements, index)
    if answer.packages != planned.packages:
        return replace(answer, refusal=f"{answer.refusal} (the plan was {plan['packages']})")
    return answer


def _picked(machine: Described) -> dict[str, Any]:
    request = {"packages": list(machine.packages), "accelerator": "auto", "installer": "uv"}
    done = subprocess.run(
        [sys.executable, "-m", "envtool", "pick", "--machine", "-", "--json"], cwd=ROOT, capture_output=True,
        input=json.dumps({"machine": machine.document(), "request": request}) + "\n", text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"envtool pick failed on {machine.key}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# ── uv ───────────────────────────────────────────────────────────────────────────────────────────


def uv_platform(machine: Described) -> str:
    """uv's name of a platform; it knows the glibc versions 2.17, 2.28 and 2.31 to 2.40."""
    if machine.os == "windows":
        return "x86_64-pc-windows-msvc" if machine.arch == "x86_64" else "aarch64-pc-windows-msvc"
    if machine.os == "macos":
        return "aarch64-apple-darwin" if machine.arch == "arm64" else "x86_64-apple-darwin"
    if machine.musl:
        return f"{machine.arch}-unknown-linux-musl"
    return f"{machine.arch}-manylinux_{machine.system.replace('.', '_')}"


def uv(bench: Bench, machine: Described) -> Answer:
    """``uv pip compile --torch-backend=auto``, the driver told through the environment variable for that."""
    if machine.free_threaded:
        return Answer(how="not run: `uv pip compile --python-version` takes no free-threaded Python")
    backend = "xpu" if machine.intel else "auto"
    told = {"UV_CUDA_DRIVER_VERSION": machine.driver} if machine.gpus and machine.driver else {}
    answer = _compile(bench, machine, machine.packages, ["--torch-backend", backend], told)
    return (
        replace(answer, how="`--torch-backend=xpu`, which `auto` takes for any Intel card") if machine.intel else answer
    )


def _compile(
    bench: Bench, machine: Described, requirements: Sequence[str], options: Sequence[str], more: Mapping[str, str] = {}
) -> Answer:
    command = [bench.uv, "pip", "compile", "-", "--no-header", "--no-annotate", "--emit-index-annotation", "--quiet",
               "--python-platform", uv_platform(machine), "--python-version", machine.python, *options]  # fmt: skip
    code, out, err = bench.run(machine, command, "\n".join(requirements), **more)
    if code:
        return Answer(refusal=_first_sentence(err))
    return _read_pins(bench, machine, out)


def _read_pins(bench: Bench, machine: Described, text: str) -> Answer:
    found: dict[str, tuple[str, str]] = {}
    name = ""
    for line in text.splitlines():
        match = PINNED.match(line.strip())
        if match:
            name = match[1]
            found[name] = (match[2], "")
        elif "# from" in line and name:
            found[name] = (found[name][0], line.partition("# from")[2].strip())
    numpy = found.pop("numpy", ("", ""))[0]
    packages = {name: bench.chosen(machine, name, *where) for name, where in found.items()}
    return Answer(packages, numpy=numpy or None)


def _first_sentence(text: str) -> str:
    """What a tool's error comes down to, on one line."""
    flat = " ".join(line.strip() for line in text.splitlines() if not line.startswith(("warning", "WARNING")))
    flat = re.sub(r"\s+", " ", flat).replace("|", "/")
    flat = re.sub(r"^error: No solution found when resolving dependencies:? (cause: )?", "", flat)
    cut = flat.split(" we can conclude")[0].split(" hint:")[0]
    return cut if len(cut) <= 160 else cut[:157].rstrip() + "..."


# ── light-the-torch ──────────────────────────────────────────────────────────────────────────────


def pip_tags(machine: Described) -> list[str]:
    """The platform tags that pip would take on the described machine."""
    if machine.os == "windows":
        return ["win_amd64" if machine.arch == "x86_64" else "win_arm64"]
    major, minor = (int(part) for part in machine.system.split("."))
    if machine.os == "macos":
        older = [f"macosx_10_{n}_{machine.arch}" for n in range(16, 8, -1)] if machine.arch == "x86_64" else []
        return [f"macosx_{n}_0_{machine.arch}" for n in range(major, 10, -1)] + older
    if machine.musl:
        return [f"musllinux_1_{n}_{machine.arch}" for n in range(minor, -1, -1)]
    newer = [f"manylinux_2_{n}_{machine.arch}" for n in range(minor, 16, -1)]
    return [*newer, f"manylinux2014_{machine.arch}"]


def light_the_torch(bench: Bench, machine: Described) -> Answer:
    """``ltt install --dry-run``, with a fake ``nvidia-smi`` on its path and the platform told as to pip."""
    assert bench.ltt is not None
    report = os.path.join(bench.folder, f"report-{machine.key}.json")
    system = {"linux": "Linux", "windows": "Windows", "macos": "Darwin"}[machine.os]
    command = [bench.ltt, "-c", LTT, system, "install", "--dry-run", "--ignore-installed", "--quiet",
               "--report", report, "--target", os.path.join(bench.folder, "target"), "--only-binary", ":all:",
               "--implementation", "cp", "--python-version", machine.python, "--abi", machine.abi,
               "--abi", f"{machine.abi}m" if machine.abi == "cp37" else "none"]  # fmt: skip
    for tag in pip_tags(machine):
        command += ["--platform", tag]
    code, _, err = bench.run(machine, [*command, *machine.packages])
    if code:
        errors = [line for line in err.splitlines() if line.startswith("ERROR")]
        return Answer(refusal=_first_sentence(errors[-1] if errors else err))
    with open(report, encoding="utf-8") as file:
        installed = json.load(file)["install"]
    found = {
        item["metadata"]["name"]: (item["metadata"]["version"], item["download_info"]["url"]) for item in installed
    }
    numpy = found.pop("numpy", (None, ""))[0]
    return Answer({name: bench.chosen(machine, name, *where) for name, where in found.items()}, numpy=numpy)


def make_ltt(folder: str) -> tuple[str | None, str]:
    """A Python with light-the-torch in an environment of its own, or why there is none."""
    where = os.path.join(folder, "ltt")
    steps = ([sys.executable, "-m", "venv", where], [os.path.join(where, "bin", "python"), "-m", "pip", "install",
             "--quiet", "--disable-pip-version-check", "light-the-torch"])  # fmt: skip
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            return None, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{step[1:3]} failed"
    return os.path.join(where, "bin", "python"), ""


def versions(uv_path: str, ltt: str | None) -> dict[str, str]:
    """The versions of the tools, for the page."""
    code = "import importlib.metadata as m; print(m.version('light-the-torch'), 'with pip', m.version('pip'))"
    found = {"uv": subprocess.run([uv_path, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]}
    if ltt:
        done = subprocess.run([ltt, "-c", code], capture_output=True, text=True, check=True)
        found["light-the-torch"] = done.stdout.strip()
    return found


__all__ = ["Bench", "envtool", "light_the_torch", "make_ltt", "pip_tags", "uv", "uv_platform", "versions"]
