"""pylock.<variant>.toml: the same course for those who use pip or uv and no conda, with torch from the right index."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace

from envtool.catalog import Catalog
from envtool.course import Course
from envtool.errors import ToolError
from envtool.fact import Fact, dataclass
from envtool.lock.choose import machine_line
from envtool.lock.model import Refused, Target
from envtool.lock.pip_files import checked_file
from envtool.lock.pip_part import packages_of, uv_program
from envtool.lock.request import LockRequest, cuda_word
from envtool.plan import NoPlan, Plan, resolve
from envtool.spec import Request
from envtool.target import read_target
from envtool.versions import numbers, public
from envtool.write import write_text

PYTORCH_INDEX = "https://download.pytorch.org/whl"
MACOS = "14.0"  # what PyTorch's own wheels ask for from 2.12 on
_MARKERS = {
    "linux-64": "sys_platform == 'linux' and platform_machine == 'x86_64'",
    "linux-aarch64": "sys_platform == 'linux' and platform_machine == 'aarch64'",
    "osx-arm64": "sys_platform == 'darwin' and platform_machine == 'arm64'",
    "osx-64": "sys_platform == 'darwin' and platform_machine == 'x86_64'",
    "win-64": "sys_platform == 'win32' and platform_machine == 'AMD64'",
}
_COMMENT = re.compile(r"^# (fingerprint|sha256): ([0-9a-f]{64})$", re.MULTILINE)
_SHOWN = 12
# Settings of the user's that would make something else of it.
_OURS = ("UV_TORCH_BACKEND", "UV_REQUIRE_HASHES", "UV_PYTHON", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_NO_INDEX")


@dataclass(frozen=True, eq=False, repr=False)
class PipQuestion(Fact):
    """What uv is asked for one variant: a pyproject.toml, and the Python."""

    variant: str
    python: str
    project: str
    fingerprint: str


def fingerprint(request: LockRequest, variant: str, python: str) -> str:
    """Of what the spec asks for: a newer catalog makes no lockfile stale."""
    text = f"{variant}\n{python}\n{replace(request, channels=(), conda_packages=(), exclude_newer=None).to_json()}"
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def file_name(variant: str) -> str:
    """As PEP 751 wants it: no dot in the variant."""
    return f"pylock.{variant.replace('.', '_')}.toml"


def question(
    course: Course, request: LockRequest, variant: str, python: str, catalog: Catalog, held: str | None
) -> PipQuestion | tuple[Refused, ...]:
    """What to ask for a variant: the newest torch that the wheels of all platforms have, each from its index.

    ``held``: the torch that is locked already, which stays where the spec still allows it.
    """
    plans = _plans(request, variant, python, catalog, f"=={held}") if held else {}
    if not plans or not all(isinstance(plan, Plan) for plan in plans.values()):
        plans = _plans(request, variant, python, catalog, None)
    torches = {plan.packages["torch"] for plan in plans.values() if isinstance(plan, Plan)}
    if len(torches) > 1:
        oldest = min(torches, key=numbers)
        common = _plans(request, variant, python, catalog, f"=={oldest}")
        plans = common if all(isinstance(plan, Plan) for plan in common.values()) else plans
    refused = [
        Refused(Target(variant, subdir), plan.message, plan.hint)
        for subdir, plan in plans.items() if isinstance(plan, NoPlan)
    ]  # fmt: skip
    found = {subdir: plan for subdir, plan in plans.items() if isinstance(plan, Plan)}
    project = _project(course, python, found)
    return tuple(refused) or PipQuestion(variant, python, project, fingerprint(request, variant, python))


def _plans(
    request: LockRequest, variant: str, python: str, catalog: Catalog, torch: str | None
) -> dict[str, Plan | NoPlan]:
    return {subdir: _plan(request, Target(variant, subdir), python, catalog, torch) for subdir in request.subdirs}


def _plan(request: LockRequest, target: Target, python: str, catalog: Catalog, torch: str | None) -> Plan | NoPlan:
    word = cuda_word(target.variant) if not target.subdir.startswith("osx") else None
    meant = replace(target, variant=target.variant if word else "cpu")
    line = re.sub(r"macos=[0-9.]+", f"macos={MACOS}", machine_line(meant, request, python, catalog))
    packages = request.torch + ((f"torch{torch}",) if torch else ())
    variant = f"cu{word[4:]}" if word not in {None, "cuda"} and word is not None else None
    return resolve(read_target(line, catalog), Request(packages, "cuda" if word else "cpu", variant, "pip"), catalog)


def _project(course: Course, python: str, plans: Mapping[str, Plan]) -> str:
    """A pyproject.toml that names the versions, the indexes and which of them serves where."""
    requirements: dict[str, list[str]] = {}
    sources: dict[str, dict[str, list[str]]] = {}
    indexes: dict[str, str] = {}
    for subdir, plan in plans.items():
        marker = _MARKERS[subdir]
        for pin in plan.pins:
            requirements.setdefault(f"{pin.package}=={pin.full}", []).append(marker)
            if plan.index_url is not None:
                name = f"pytorch-{plan.index_url.rpartition('/')[2].replace('.', '-')}"
                indexes[name] = plan.index_url
                sources.setdefault(pin.package, {}).setdefault(name, []).append(marker)
    torch = [f"{pin} ; {_either(markers)}" for pin, markers in requirements.items()]
    lines = [
        "[project]", f"name = {json.dumps(course.name)}", 'version = "0"', f'requires-python = "=={python}.*"',
        f"dependencies = {json.dumps([*torch, *course.requirements()], ensure_ascii=False)}", "", "[tool.uv.sources]",
    ]  # fmt: skip
    for package, names in sources.items():
        places = [f"{{ index = {json.dumps(n)}, marker = {json.dumps(_either(m))} }}" for n, m in names.items()]
        lines.append(f"{package} = [{', '.join(places)}]")
    for name, url in indexes.items():
        lines += ["", "[[tool.uv.index]]", f"name = {json.dumps(name)}", f"url = {json.dumps(url)}", "explicit = true"]
    return "\n".join(lines) + "\n"


def _either(markers: list[str]) -> str:
    return " or ".join(f"({marker})" for marker in markers)


# ── asking ───────────────────────────────────────────────────────────────────────────────────────


def answer(asked: PipQuestion, before: str | None, spec_name: str, mirror: str | None, newest: str | None) -> str:
    """The text of the pylock. ``before``: what was locked stays; ``mirror`` of PyTorch's index; ``newest``: a date."""
    with tempfile.TemporaryDirectory(prefix="envtool-lock-") as folder:
        project, output = os.path.join(folder, "pyproject.toml"), os.path.join(folder, "pylock.toml")
        write_text(project, asked.project.replace(PYTORCH_INDEX, mirror) if mirror else asked.project)
        if before is not None:
            write_text(output, before)
        words = [
            uv_program(), "pip", "compile", "--quiet", "--universal", "--no-build", "--format", "pylock.toml",
            "--no-header", "--python", sys.executable, "--python-version", asked.python, "--output-file", output,
            project,
        ]  # fmt: skip
        words += ["--exclude-newer", newest] if newest else []
        environment = {name: value for name, value in os.environ.items() if name not in _OURS}
        environment |= {"UV_PYTHON_DOWNLOADS": "never"}
        done = subprocess.run(
            words, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False, env=environment
        )
        if done.returncode != 0:
            lines = tuple(line.rstrip() for line in done.stderr.splitlines() if line.strip())
            raise ToolError(
                f"uv could not lock the {asked.variant} variant for pip",
                hint="check the network; --pytorch-index-url names a mirror, --no-pylock leaves these files alone",
                details=lines[:_SHOWN],
            )
        with open(output, encoding="utf-8") as file:
            text = file.read()
    body = text.replace(mirror, PYTORCH_INDEX) if mirror else text
    _check_files(body)
    return _headed(asked, body, spec_name)


def _check_files(body: str) -> None:
    """Every file has an address that all others have too, and a hash."""
    for package in packages_of(body):
        name = str(package.get("name"))
        wheels, sdist = package.get("wheels", []), package.get("sdist")
        files = [*(wheels if isinstance(wheels, list) else []), *([sdist] if sdist else [])]
        if not files:
            raise ToolError(f"{name} comes from a folder of this machine", hint="put it on a package index")
        for file in files:
            checked_file(file, name)


def _headed(asked: PipQuestion, body: str, spec_name: str) -> str:
    name = file_name(asked.variant)
    digest = hashlib.sha256(body.encode("utf-8")).hexdigest()
    head = [
        f"# Made by `envtool lock` from {spec_name}; do not edit. Install into a new environment with one of:",
        f"#   uv venv --python {asked.python} && uv pip install --requirements {name}",
        f"#   pip install --requirements {name}   (a pip that reads PEP 751)",
        f"# fingerprint: {asked.fingerprint}",
        f"# sha256: {digest}",
    ]
    return "\n".join(head) + "\n" + body


# ── what is there ────────────────────────────────────────────────────────────────────────────────


def held_torch(text: str) -> str | None:
    """The torch of a pylock, without what names its build."""
    versions = [str(one.get("version")) for one in packages_of(text) if one.get("name") == "torch"]
    return public(versions[0]) if versions else None


def state(text: str, wanted: str) -> str | None:
    """What is wrong with a pylock that should have a fingerprint: "stale" or "edited"; None for neither."""
    told = dict(_COMMENT.findall(text))
    head = [line for line in text.splitlines(keepends=True) if line.startswith("# ")][:5]
    body = text[len("".join(head)) :]
    if told.get("sha256") != hashlib.sha256(body.encode("utf-8")).hexdigest():
        return "edited"
    return None if told.get("fingerprint") == wanted else "stale"
