"""What is installed: does it belong together, and does it belong on this machine? Read from files, nothing imported."""

from __future__ import annotations

from envtool.checks.check import Check, Evidence
from envtool.catalog.companions import Fit, fits
from envtool.environment import Build, Environment
from envtool.machine import Absent, Found, found_or
from envtool.verdicts import Verdict, failed, passed, skipped, unknown, warned

NVIDIA_SUFFIXES = ("-cu11", "-cu12", "-cu13")


def _env(evidence: Evidence) -> Environment | None:
    return evidence.env


def _label(build: Build) -> str:
    """ "torch 2.13.0 (CPU)": a name, a version and the build in words."""
    return f"{build.package} {build.version.partition('+')[0]} ({variant_words(build)})"


def variant_words(build: Build) -> str:
    """The build in words: "CPU", "CUDA 13.0", "ROCm 7.2", "XPU", or "unknown build"."""
    if build.cuda:
        return f"CUDA {build.cuda}"
    if build.hip:
        return f"ROCm {'.'.join(build.hip.split('.')[:2])}"
    if build.variant is None:
        return "unknown build"
    return {"cpu": "CPU", "xpu": "XPU"}.get(build.variant, build.variant)


def torch_is_installed(evidence: Evidence) -> Verdict:
    """The first thing to know."""
    env = _env(evidence)
    if env is None:
        return skipped("Python does not start")
    if evidence.torch is not None:
        return passed(_label(evidence.torch))
    mend = evidence.mender.reinstall()
    return failed(
        "PyTorch is not installed in this environment.",
        hint=mend or "make an environment with Python 3.12 and install torch there",
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
    for name in ("torch", "torchvision", "torchaudio", "numpy"):
        copies = [d for d in env.distributions if d.name == name]
        if len(copies) > 1 and len({(d.version, d.location) for d in copies}) > 1:
            places = "; ".join(f"{d.version} in {d.location}" for d in copies)
            again = evidence.mender.reinstall() if name != "numpy" else evidence.mender.install("numpy")
            return failed(
                f"{name} is installed {len(copies)} times: {places}.",
                hint=f"{evidence.mender.uninstall(name)}  (repeat until nothing is left, then: {again})",
                evidence={"copies": [f"{d.version} {d.location}" for d in copies]},
            )
    return passed("once") if evidence.torch else skipped("torch is not installed")


def nothing_is_half_removed(evidence: Evidence) -> Verdict:
    """pip renames what it removes to ~name; a locked file leaves it behind."""
    env = _env(evidence)
    if env is None:
        return skipped("Python does not start")
    rests = env.leftovers + env.invalid
    if not rests:
        return passed("nothing")
    return warned(
        f"Half-removed packages are left in this environment: {', '.join(rests[:3])}.",
        hint="close Python, Jupyter and the editor, then delete these folders",
        evidence={"leftovers": list(rests)},
    )


def conda_and_pip_do_not_mix(evidence: Evidence) -> Verdict:
    """One prefix with torch from conda and torch from pip has two copies of its libraries."""
    env = _env(evidence)
    if env is None or env.manager != "conda":
        return skipped("not a conda environment")
    from_conda = [p for p in env.conda_packages if p.name in ("pytorch", "libtorch", "pytorch-cpu", "pytorch-gpu")]
    from_pip = [d for d in env.distributions if d.name == "torch" and d.installer not in (None, "conda")]
    if from_conda and from_pip:
        return failed(
            f"torch {from_pip[0].version} from {from_pip[0].installer} lies over {from_conda[0].name} "
            f"{from_conda[0].version} from conda.",
            hint="make a new environment with one of the two: conda create -n course python=3.12",
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
    return failed(
        f"CUDA libraries of two families share one folder: {', '.join(sorted(mixed))} for {_kinds(mixed)}.",
        hint=f"{evidence.mender.uninstall(*others)}  (then reinstall torch: {evidence.mender.reinstall()})",
    )


def _kinds(mixed: dict[str, list[str]]) -> str:
    return " and ".join(sorted({kind for kinds in mixed.values() for kind in kinds}))


def cuda_libraries_are_there(evidence: Evidence) -> Verdict:
    """A CUDA build without the packages that it requires (``--no-deps``, a lock of another platform)."""
    env, torch = _env(evidence), evidence.torch
    if env is None or torch is None or torch.cuda is None:
        return skipped("no CUDA build of torch is installed")
    dist = env.distribution("torch")
    wanted = _required(dist.requires if dist else (), evidence)
    missing = [name for name in wanted if env.distribution(name) is None]
    if not missing:
        return passed("all that torch requires is installed")
    return failed(
        f"torch {evidence.torch_version} requires packages that are missing: {', '.join(missing[:4])}"
        + (f" and {len(missing) - 4} more." if len(missing) > 4 else "."),
        hint=evidence.mender.install(f"torch=={torch.version}"),
        command=True,
        evidence={"missing": list(missing)},
    )


def _required(requires: tuple[str, ...], evidence: Evidence) -> list[str]:
    """The CUDA packages that torch's own metadata asks for here; other requirements break louder."""
    if not any("nvidia" in line or "cuda" in line for line in requires):
        return []
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    env = _env(evidence)
    assert env is not None
    here = {
        "platform_system": {"linux": "Linux", "macos": "Darwin", "windows": "Windows"}[evidence.machine.os],
        "sys_platform": {"linux": "linux", "macos": "darwin", "windows": "win32"}[evidence.machine.os],
        "platform_machine": evidence.machine.arch,
        "python_version": ".".join(env.version.split(".")[:2]),
        "python_full_version": env.version,
        "extra": "",
    }
    names = []
    for line in requires:
        if not line.startswith(("nvidia-", "cuda-")):
            continue
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate(here):
            names.append(str(canonicalize_name(requirement.name)))
    return names


# ── torch and its companions ─────────────────────────────────────────────────────────────────────


def torchvision_belongs(evidence: Evidence) -> Verdict:
    """By version, and by build."""
    return _belongs(evidence, "torchvision")


def torchaudio_belongs(evidence: Evidence) -> Verdict:
    """By version, and CPU with CPU. The CUDA versions have a check of their own."""
    return _belongs(evidence, "torchaudio")


def torchaudio_has_the_same_cuda(evidence: Evidence) -> Verdict:
    """torchaudio 2.11 refuses a torch of another CUDA major or minor version."""
    return _belongs(evidence, "torchaudio", wrong_cuda=True)


def _belongs(evidence: Evidence, package: str, *, wrong_cuda: bool = False) -> Verdict:
    env, torch = _env(evidence), evidence.torch
    build = env.build(package) if env else None
    if torch is None or build is None:
        return skipped(f"torch and {package} are not both installed")
    fit = fits(evidence.catalog, evidence.torch_version or "", torch.variant, package, build.version, build.variant)
    ours = ("wrong-cuda",) if wrong_cuda else ("wrong-version", "cpu-beside-cuda", *_other_cuda(package))
    if fit.kind == "ok":
        return passed(f"{_label(build)} with {_label(torch)}")
    if fit.kind == "unknown":
        return _unlisted(evidence, package, fit)
    if fit.kind not in ours:
        return skipped("another check explains it")
    return _mismatch(evidence, torch, build, fit)


def _other_cuda(package: str) -> tuple[str, ...]:
    return ("wrong-cuda",) if package == "torchvision" else ()


def _unlisted(evidence: Evidence, package: str, fit: Fit) -> Verdict:
    stage = evidence.report.stage(package) if evidence.report else None
    if stage and stage.outcome == "ok":
        return passed("the catalog does not know this pair, but it imports and works")
    return unknown(fit.message)


def _mismatch(evidence: Evidence, torch: Build, build: Build, fit: Fit) -> Verdict:
    stage = evidence.report.stage(build.package) if evidence.report else None
    mend = evidence.mender.reinstall()
    hint = mend or f"install a {build.package} that belongs to torch {torch.version}"
    message = _mismatch_words(torch, build, fit)
    if stage and stage.outcome == "ok":
        return warned(f"{message} It imports here all the same.", hint=hint, command=mend is not None)
    if stage and stage.message:
        message += f" `import {build.package}` fails: {first_sentence(stage.message)}"
    return failed(
        message,
        hint=hint,
        command=mend is not None,
        evidence={
            "kind": fit.kind,
            "torch": torch.version,
            "torch_variant": torch.variant,
            "version": build.version,
            "variant": build.variant,
        },
    )


def _mismatch_words(torch: Build, build: Build, fit: Fit) -> str:
    pair = f"{_label(build)} does not belong beside {_label(torch)}"
    if fit.kind == "cpu-beside-cuda":
        return f"{pair}: one is a CPU build and one is not."
    if fit.kind == "wrong-cuda":
        return f"{pair}: they are built for different CUDA versions."
    return f"{fit.message}."


def first_sentence(text: str) -> str:
    """The first sentence of an error message, at most 160 characters of it."""
    sentence = text.partition(". ")[0].rstrip(".")
    return (sentence if len(sentence) <= 160 else sentence[:157] + "...") + "."


def torchtext_is_gone(evidence: Evidence) -> Verdict:
    """torchtext ended at 0.18, for torch 2.3."""
    env = _env(evidence)
    text = env.distribution("torchtext") if env else None
    if text is None or evidence.torch_version is None:
        return skipped("torch and torchtext are not both installed")
    from packaging.version import Version

    if Version(evidence.torch_version) < Version("2.4"):
        return passed(f"torchtext {text.version} beside torch {evidence.torch_version}")
    return failed(
        f"torchtext {text.version} ended with torch 2.3 and does not import beside torch {evidence.torch_version}.",
        hint=evidence.mender.uninstall("torchtext"),
        command=True,
    )


def numpy_suits_torch(evidence: Evidence) -> Verdict:
    """torch before 2.3 (Windows: 2.4.1) was built against NumPy 1."""
    env = _env(evidence)
    numpy = env.distribution("numpy") if env else None
    if numpy is None or evidence.torch_version is None:
        return skipped("torch and numpy are not both installed")
    if int(numpy.version.partition(".")[0] or 0) < 2:
        return passed(f"numpy {numpy.version}")
    suits = evidence.catalog.numpy2_ok(evidence.torch_version, evidence.machine.os)
    if suits is None:
        return skipped(f"the catalog does not know torch {evidence.torch_version}")
    if suits:
        return passed(f"numpy {numpy.version}")
    return failed(
        f"torch {evidence.torch_version} was built for NumPy 1; numpy {numpy.version} is installed, so "
        "tensor.numpy() fails with “Numpy is not available”.",
        hint=evidence.mender.install("numpy<2"),
        command=True,
    )


# ── the build and the machine ────────────────────────────────────────────────────────────────────


def gpu_has_a_gpu_build(evidence: Evidence) -> Verdict:
    """A CPU build on a machine whose GPU works and which another build could use."""
    torch = evidence.torch
    if torch is None:
        return skipped("torch is not installed")
    if not evidence.gpus:
        return skipped("no NVIDIA GPU answers")
    if torch.variant != "cpu":
        return passed(_label(torch)) if torch.variant else unknown("torch's build could not be read")
    name = found_or(evidence.gpus[0].name, "an NVIDIA GPU")
    mend = evidence.mender.reinstall(accelerator="cuda")
    if mend is None:
        return passed(f"no build of PyTorch can use {name}; the CPU build is right here")
    return failed(
        f"torch {evidence.torch_version} is a CPU build: it can't use the {name} in this machine.",
        hint=mend,
        command=True,
    )


def laptop_has_no_cuda_build(evidence: Evidence) -> Verdict:
    """A CUDA build on a machine without an NVIDIA GPU works, and is gigabytes larger than it need be."""
    torch, nvidia = evidence.torch, evidence.machine.nvidia
    if torch is None or torch.cuda is None:
        return skipped("no CUDA build of torch is installed")
    if nvidia.status != "absent":
        return skipped("there is an NVIDIA GPU, or there may be one")
    if isinstance(evidence.machine.slurm, Found):
        return passed("a cluster: the GPUs are in the jobs")
    mend = evidence.mender.reinstall(accelerator="cpu")
    return warned(
        f"torch {evidence.torch_version} (CUDA {torch.cuda}) is a CUDA build, and this machine has no NVIDIA GPU. It "
        "works on the CPU, but takes gigabytes that the CPU build does not.",
        hint=mend or "nothing need be done",
        command=mend is not None,
    )


def backend_suits_the_card(evidence: Evidence) -> Verdict:
    """A ROCm build with an NVIDIA card, an XPU build without an Intel one."""
    torch, machine = evidence.torch, evidence.machine
    if torch is None or torch.variant is None:
        return skipped("torch is not installed, or its build is unknown")
    if torch.hip and machine.amd.status == "absent":
        return _elsewhere(evidence, torch, "ROCm needs an AMD GPU")
    if torch.variant == "xpu" and machine.intel.status == "absent":
        return _elsewhere(evidence, torch, "XPU needs an Intel GPU")
    return passed(_label(torch))


def _elsewhere(evidence: Evidence, torch: Build, why: str) -> Verdict:
    mend = evidence.mender.reinstall()
    return failed(
        f"{_label(torch)} can't use anything in this machine: {why}.",
        hint=mend or "install the CPU build",
        command=mend is not None,
    )


def amd_has_a_rocm_build(evidence: Evidence) -> Verdict:
    """An AMD GPU that ROCm serves, and a build that can't use it."""
    torch, machine = evidence.torch, evidence.machine
    if torch is None or machine.amd.status != "found" or machine.os != "linux" or evidence.gpus:
        return skipped("no AMD GPU that PyTorch could use")
    if torch.hip:
        return passed(_label(torch))
    served = [gpu for gpu in machine.amd.gpus if evidence.catalog.rocm_serves(found_or(gpu.gfx, ""))]
    if not served:
        return skipped("PyTorch has no code for this AMD GPU")
    mend = evidence.mender.reinstall(accelerator="rocm")
    return warned(
        f"{_label(torch)} can't use the AMD GPU {found_or(served[0].name, found_or(served[0].gfx, ''))}.",
        hint=mend or "install a ROCm build of torch",
        command=mend is not None,
    )


def jetson_has_its_own_build(evidence: Evidence) -> Verdict:
    """A Jetson's GPU needs NVIDIA's wheels for that JetPack."""
    machine, torch = evidence.machine, evidence.torch
    match machine.l4t:
        case Absent(_):
            return skipped("not a Jetson")
        case Found(release):
            if torch is None or torch.cuda:
                return passed(f"L4T {release}")
            return failed(
                f"This is a Jetson (L4T {release}), and torch {torch.version} is a CPU build: wheels for it come from "
                "NVIDIA.",
                hint=f"install NVIDIA's own torch wheel for JetPack {found_or(machine.jetpack, '')}".rstrip(),
            )
        case _:
            return skipped("not known to be a Jetson")


def conda_build_uses_the_gpu(evidence: Evidence) -> Verdict:
    """conda takes the CPU build where it sees no GPU while it solves, such as on a login node."""
    env = _env(evidence)
    package = next((p for p in env.conda_packages if p.name == "pytorch"), None) if env else None
    if package is None:
        return skipped("torch is not from conda")
    if not evidence.gpus or "cpu" not in package.build:
        return passed(f"{package.name} {package.version} {package.build}")
    cuda = found_or(evidence.machine.nvidia.cuda_driver, "12.9")
    return failed(
        f"conda installed the CPU build of pytorch {package.version} ({package.build}) beside a working NVIDIA GPU.",
        hint=f"CONDA_OVERRIDE_CUDA={cuda} conda install 'pytorch={package.version}=*cuda*' -c conda-forge",
        command=True,
    )


CHECKS = (
    Check("pip-install-pytorch", "The package is torch, not pytorch", "PyTorch", pytorch_is_not_torch),
    Check("torch-not-installed", "PyTorch is installed", "PyTorch", torch_is_installed),
    Check("two-torch-installs", "PyTorch is installed once", "PyTorch", torch_is_there_once),
    Check("conda-plus-pip", "conda and pip don't mix", "PyTorch", conda_and_pip_do_not_mix),
    Check("tilde-leftovers", "Nothing is half-removed", "PyTorch", nothing_is_half_removed),
    Check("cu11-cu12-mix", "CUDA libraries are of one family", "PyTorch", cuda_libraries_are_of_one_family),
    Check("no-deps-install", "torch has the packages it requires", "PyTorch", cuda_libraries_are_there),
    Check("xpu-or-rocm-wheel-elsewhere", "The build is for this vendor", "PyTorch", backend_suits_the_card),
    Check("jetson-wheel", "A Jetson has NVIDIA's build", "PyTorch", jetson_has_its_own_build),
    Check("conda-cpu-build", "conda chose a GPU build", "PyTorch", conda_build_uses_the_gpu),
    Check(
        "cpu-wheel-on-gpu-box", "A GPU has a GPU build", "PyTorch", gpu_has_a_gpu_build,
        needs=("jetson-wheel", "conda-cpu-build"),
    ),
    Check("torchvision-mismatch", "torchvision belongs to torch", "PyTorch", torchvision_belongs),
    Check("torchaudio-mismatch", "torchaudio belongs to torch", "PyTorch", torchaudio_belongs),
    Check("torchaudio-cuda-mismatch", "torchaudio has torch's CUDA", "PyTorch", torchaudio_has_the_same_cuda),
    Check("numpy2-old-torch", "NumPy suits torch", "PyTorch", numpy_suits_torch),
    Check("torchtext-dead", "torchtext is not left over", "PyTorch", torchtext_is_gone),
    Check("rocm-wheel-missing", "An AMD GPU has a ROCm build", "PyTorch", amd_has_a_rocm_build),
    Check("no-nvidia-gpu", "No CUDA build without a GPU", "PyTorch", laptop_has_no_cuda_build),
)  # fmt: skip
