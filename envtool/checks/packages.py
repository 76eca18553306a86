"""What is installed, and is it there once and whole? Read from files, nothing imported."""

from __future__ import annotations

from envtool.checks import another_python
from envtool.checks.check import Check, Evidence
from envtool.checks.order import NO_WAY_IN, PACKAGES
from envtool.checks.words import label
from envtool.environment import Distribution, Environment
from envtool.machine import Machine
from envtool.shell import chained, quoted, shell_line
from envtool.verdicts import Json, Verdict, failed, passed, skipped, warned

NVIDIA_SUFFIXES = ("-cu11", "-cu12", "-cu13")


def _env(evidence: Evidence) -> Environment | None:
    return evidence.env


def torch_is_installed(evidence: Evidence) -> Verdict:
    """The first thing to know."""
    env = _env(evidence)
    if env is None:
        return skipped("Python does not start")
    if evidence.torch is not None:
        return passed(label(evidence.torch))
    if env.closed:
        return failed(
            f"You may not read {env.closed[0]}: whether PyTorch is there, and which, can't be seen.",
            hint="ask the owner of that folder for the right to read it, or make an environment of your own",
            evidence={"closed": list(env.closed)},
        )
    record = env.distribution("torch")
    if record is not None:
        return _files_are_gone(evidence, record.version)
    mend = evidence.mender.reinstall()
    if mend is None and (fitting := another_python.of_the_course(evidence)):
        mend = another_python.line(evidence, fitting)
    rest = next((path for path in env.leftovers if path.lstrip("~").startswith("orch")), None)  # pip's ~orch
    return failed(
        "PyTorch is not installed in this environment."
        if rest is None
        else f"PyTorch is not there any more: something stopped pip while it replaced it, and left {rest}.",
        hint=mend or "make an environment with Python 3.12 and install torch there",
        command=mend is not None,
    )


def _files_are_gone(evidence: Evidence, version: str) -> Verdict:
    mend = evidence.mender.reinstall(force=True)
    return failed(
        f"torch {version} is recorded as installed, and its files are missing or damaged.",
        hint=mend or "make a new environment and install PyTorch there",
        command=mend is not None,
    )


def pytorch_is_not_torch(evidence: Evidence) -> Verdict:
    """On the package index, `pytorch` is a placeholder; the package is called torch."""
    env = _env(evidence)
    if env is None:
        return skipped("Python does not start")
    wrong = env.distribution("pytorch")
    if wrong is None or wrong.installer == "conda" or any(p.name == "pytorch" for p in env.conda_packages):
        return passed("not installed")
    return failed(
        f"The package “pytorch” {wrong.version} is installed, which is not PyTorch; the package is called torch.",
        hint=evidence.mender.uninstall("pytorch"),
        command=True,
    )


def torch_is_there_once(evidence: Evidence) -> Verdict:
    """Two installations of one package: which one is imported is a matter of luck."""
    env = _env(evidence)
    if env is None:
        return skipped("Python does not start")
    leaks = {leak.path for leak in env.leaks}  # what comes from there is another check's matter
    for name in ("torch", "torchvision", "torchaudio", "numpy"):
        copies = [d for d in env.distributions if d.name == name and d.location not in leaks]
        if len(copies) > 1 and len({(d.version, d.location) for d in copies}) > 1:
            return _more_than_once(evidence, env, name, copies)
    return passed("once") if evidence.torch else skipped("torch is not installed")


def _more_than_once(evidence: Evidence, env: Environment, name: str, copies: list[Distribution]) -> Verdict:
    """pip removes one copy at a time, and none that lies outside of the environment."""
    places = "; ".join(f"{d.version} in {d.location}" for d in copies)
    message = f"{name} is installed {len(copies)} times: {places}."
    told: dict[str, Json] = {"copies": [f"{d.version} {d.location}" for d in copies]}
    outside = next((d.location for d in copies if not d.location.startswith(env.prefix)), None)
    if outside is not None:
        hint = f"take the line with {outside} out of the .pth file in this environment that names it"
        return failed(message, hint=hint, evidence=told)
    hint = evidence.mender.uninstall(name)
    return failed(f"{message} Repeat the line until nothing is left.", hint=hint, command=True, evidence=told)


def nothing_is_half_removed(evidence: Evidence) -> Verdict:
    """pip renames what it removes to ~name; a locked file leaves it behind."""
    env = _env(evidence)
    if env is None:
        return skipped("Python does not start")
    rests = tuple(path for path in env.leftovers + env.invalid if path not in env.closed)
    if not rests:
        return passed("nothing")
    line = _deletes(evidence, env, rests)
    return warned(
        f"Half-removed packages are left in this environment: {', '.join(rests[:3])}. Close Python, Jupyter and the "
        "editor first.",
        hint=line or f"delete these folders in {env.prefix}",
        command=line is not None,
        evidence={"leftovers": list(rests)},
    )


def _deletes(evidence: Evidence, env: Environment, names: tuple[str, ...]) -> str | None:
    """The line that deletes the folders, in an environment of one's own."""
    windows, site = evidence.machine.os == "windows", env.site_packages
    if site is None or not site.startswith(env.prefix) or env.externally_managed or env.manager == "system":
        return None
    inside = site.rstrip("/\\") + ("\\" if windows else "/")
    paths = [name if "/" in name or "\\" in name else inside + name for name in names]
    if windows:
        return "Remove-Item -Recurse " + ", ".join(quoted(path, "powershell") for path in paths)
    return shell_line(["rm", "-r", *paths], "posix")


def conda_and_pip_do_not_mix(evidence: Evidence) -> Verdict:
    """One prefix with torch from conda and torch from pip has two copies of its libraries."""
    env = _env(evidence)
    if env is None or env.manager != "conda":
        return skipped("not a conda environment")
    from_conda = [p for p in env.conda_packages if p.name in ("pytorch", "libtorch", "pytorch-cpu", "pytorch-gpu")]
    from_pip = [d for d in env.distributions if d.name == "torch" and d.installer not in (None, "conda")]
    if from_conda and from_pip:
        ours = next((p for p in from_conda if p.name == "pytorch"), from_conda[0])
        return failed(
            f"torch {from_pip[0].version} from {from_pip[0].installer} lies over conda's {ours.name} {ours.version}.",
            hint="make a new environment, and install torch there with pip or with conda, not with both",
        )
    return passed("torch comes from one of them") if evidence.torch else skipped("torch is not installed")


def cuda_libraries_are_of_one_family(evidence: Evidence) -> Verdict:
    """The cu11 and cu12 wheels of one library write into the same folder."""
    env = _env(evidence)
    if env is None or not evidence.cuda_build:
        return skipped("no CUDA build of torch is installed")
    families: dict[str, list[str]] = {}
    for dist in env.distributions:
        for suffix in NVIDIA_SUFFIXES:
            if dist.name.startswith("nvidia-") and dist.name.endswith(suffix):
                families.setdefault(dist.name.removesuffix(suffix), []).append(suffix.removeprefix("-"))
    mixed = {name: kinds for name, kinds in families.items() if len(kinds) > 1}
    if not mixed:
        return passed("one family")
    torch = evidence.torch
    assert torch is not None and torch.cuda is not None
    mine = f"cu{torch.cuda.partition('.')[0]}"
    others = [f"{name}-{kind}" for name, kinds in mixed.items() for kind in kinds if kind != mine]
    kept = [env.distribution(f"{name}-{mine}") for name, kinds in mixed.items() if mine in kinds]
    line = evidence.mender.uninstall(*others)
    if kept:  # their files were written over, and go with those of the others
        again = [f"{dist.name}=={dist.version}" for dist in kept if dist is not None]
        shell = "powershell" if evidence.machine.os == "windows" else "posix"
        line = chained(line, evidence.mender.install("--force-reinstall", "--no-deps", *again), shell)
    return failed(
        f"CUDA libraries of two families share one folder: {', '.join(sorted(mixed))} for {_kinds(mixed)}. torch needs "
        f"those for {mine}.",
        hint=line,
        command=True,
    )


def _kinds(mixed: dict[str, list[str]]) -> str:
    return " and ".join(sorted({kind for kinds in mixed.values() for kind in kinds}))


def what_torch_requires_is_there(evidence: Evidence) -> Verdict:
    """torch without packages that it requires (``--no-deps``, a lock of another platform, an uninstall)."""
    env, torch = _env(evidence), evidence.torch
    dist = env.distribution("torch") if env else None
    if env is None or torch is None or dist is None:
        return skipped("torch is not installed, or nothing says what it requires")
    missing = _missing(dist.requires, env, evidence)
    libraries = [name for name in missing if name.startswith(("nvidia-", "cuda-"))]
    if not missing or (not libraries and dist.installer == "conda"):  # conda's packages bear other names at times
        return passed("all that torch requires is installed")
    names, told = list(missing), list[Json](missing)
    message = f"torch {evidence.torch_version} requires packages that are missing: {', '.join(names[:4])}" + (
        f" and {len(names) - 4} more." if len(names) > 4 else "."
    )
    if libraries and torch.cuda is not None:
        # by the version of the metadata, which pip then finds installed: no index has PyPI's 2.15.0 as 2.15.0+cu132
        return failed(
            message, hint=evidence.mender.install(f"torch=={dist.version}"), command=True, evidence={"missing": told}
        )
    say = failed if _not_found_by_torch(evidence) in missing else warned
    return say(message, hint=evidence.mender.install(*missing.values()), command=True, evidence={"missing": told})


def _not_found_by_torch(evidence: Evidence) -> str | None:
    """The package whose module the import of torch did not find."""
    stage = evidence.report.stage("torch") if evidence.report else None
    words = (stage.message or "") if stage is not None and stage.outcome == "error" else ""
    _, said, rest = words.partition("No module named '")
    return _name(rest.partition("'")[0].partition(".")[0]) if said else None


def marker_values(evidence: Evidence) -> dict[str, str]:
    """What the markers of requirements see in the environment that is looked at."""
    env = _env(evidence)
    assert env is not None
    return markers_of(evidence.machine, env)


def markers_of(machine: Machine, env: Environment) -> dict[str, str]:
    """The same of any environment on a machine."""
    return {
        "platform_system": {"linux": "Linux", "macos": "Darwin", "windows": "Windows"}[machine.os],
        "sys_platform": {"linux": "linux", "macos": "darwin", "windows": "win32"}[machine.os],
        "os_name": "nt" if machine.os == "windows" else "posix",
        "platform_machine": "AMD64" if (machine.os, machine.arch) == ("windows", "x86_64") else machine.arch,
        "platform_python_implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(env.implementation, "CPython"),
        "implementation_name": env.implementation,
        "python_version": ".".join(env.version.split(".")[:2]),
        "python_full_version": env.version,
        "extra": "",
    }


def _missing(requires: tuple[str, ...], env: Environment, evidence: Evidence) -> dict[str, str]:
    """What is required here and not installed: the name, and the requirement without its marker."""
    # Most of it is there or belongs to an extra, which the text alone tells: the reader of requirements, which takes
    # longer to load than all checks take, is not needed then.
    doubtful = [
        line for line in requires if env.distribution(_name(line)) is None and "extra" not in line.partition(";")[2]
    ]
    if not doubtful:
        return {}
    from packaging.requirements import InvalidRequirement, Requirement

    here = marker_values(evidence)
    found = {}
    for line in doubtful:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate(here):
            found[_name(line)] = f"{requirement.name}{requirement.specifier}"
    return found


def _name(requirement: str) -> str:
    """The normalised name that a requirement begins with."""
    name = requirement.strip()
    for index, char in enumerate(name):
        if not (char.isalnum() or char in "-_."):
            name = name[:index]
            break
    return name.lower().replace("_", "-").replace(".", "-")


CHECKS = (
    Check("pip-install-pytorch", "The package is torch, not pytorch", "PyTorch", pytorch_is_not_torch, behind=PACKAGES),
    Check("torch-not-installed", "PyTorch is installed", "PyTorch", torch_is_installed,
        needs=("musl", "venv-broken", "venv-not-active"), behind=(*PACKAGES, *NO_WAY_IN)),
    Check("conda-plus-pip", "conda and pip don't mix", "PyTorch", conda_and_pip_do_not_mix, behind=PACKAGES),
    Check(
        "two-torch-installs", "PyTorch is installed once", "PyTorch", torch_is_there_once,
        needs=("conda-plus-pip",), behind=(*PACKAGES, "pythonpath-leak"),
    ),
    Check("tilde-leftovers", "Nothing is half-removed", "PyTorch", nothing_is_half_removed),
    Check("cu11-cu12-mix", "CUDA libraries are of one family", "PyTorch", cuda_libraries_are_of_one_family,
          behind=PACKAGES),
    Check("no-deps-install", "torch has the packages it requires", "PyTorch", what_torch_requires_is_there,
          behind=PACKAGES),
)  # fmt: skip
