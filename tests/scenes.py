"""Machines that are healthy until a cause is added: one function for each cause, so that two can be put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from builders import Lines, build, dist, environment, gpu, laptop, nodes, nvidia, report, stage

from envtool.catalog import load
from envtool.checks import ALL, Evidence, of_course, run
from envtool.course import Course
from envtool.diagnosis import Diagnosis
from envtool.environment import Environment, Leak, Proxy, Shadow, Stage, Workplace
from envtool.machine import Absent, Found, GpuProcess, Libc, Machine, Slurm, Storage, Unknown

GIB = 1 << 30
ASKED = {"name": "course", "torch": ("torch",), "platforms": ("linux-64",), "variants": ("cpu", "cuda")}
HERE = "/home/ana/course"
TRIO = (
    build("torch", "2.14.1+cu130", "cu130"),
    build("torchvision", "0.29.1+cu130", "cu130"),
    build("torchaudio", "2.11.0+cu130", "cu130"),
)
WORKS = tuple(stage(name) for name in ("torch", "torchvision", "torchaudio", "numpy-bridge", "cpu", "cuda:0"))
CHECKS = {check.code: check for check in ALL}
CATALOG = load()


@dataclass(frozen=True)
class Scene:
    machine: Machine
    env: Environment
    stages: tuple[Stage, ...] = WORKS

    def with_(self, *, env: dict | None = None, gpu: dict | None = None, **machine: object) -> Scene:
        """Changes of the environment, of the NVIDIA part, and of the rest of the machine."""
        found = replace(self.machine, nvidia=replace(self.machine.nvidia, **(gpu or {})), **machine)
        return replace(self, machine=found, env=replace(self.env, **(env or {})))

    def ended(self, name: str, outcome: str = "error", **more: object) -> Scene:
        """A stage of the import failed; what comes after `import torch` was not reached then."""
        later = ("cuda:0",) if name != "torch" else tuple(s.name for s in WORKS[1:])
        kept = tuple(s for s in self.stages if s.name != name and not (s.name in later and name == "torch"))
        return replace(self, stages=(*kept, stage(name, outcome, **more)))

    def without_torch(self) -> Scene:
        bare = replace(self.env, builds=(), distributions=())
        return replace(self, env=bare, stages=(stage("torch", "not-installed"),))

    @property
    def gpu_answers(self) -> bool:
        return self.machine.nvidia.nvml_state == "ok" and bool(self.machine.nvidia.gpus)

    @property
    def torch(self) -> str | None:
        made = self.env.build("torch")
        return made.variant if made else None

    @property
    def imports(self) -> bool:
        return any(s.name == "torch" and s.outcome == "ok" for s in self.stages)

    def in_course(self, **more: object) -> Diagnosis:
        """As below, with what an envtool.toml asks for."""
        it = replace(self.evidence, course=Course(**(ASKED | more)))
        return Diagnosis(it.machine, it.environment, it.imports, run((*ALL, *of_course()), it), it.course)

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.machine, self.env, report(*self.stages), CATALOG, Lines())

    def diagnosis(self) -> Diagnosis:
        it = self.evidence
        return Diagnosis(it.machine, it.environment, it.imports, run(ALL, it))


HEALTHY = Scene(
    laptop(nvidia=nvidia()),
    environment(
        *TRIO, working_directory=HERE, distributions=(dist("numpy", "2.4.6"),), workplace=Workplace(route=True)
    ),
)


@dataclass(frozen=True)
class Cause:
    """``holds``: is it there, or has another cause made it impossible?"""

    step: int
    code: str
    change: Callable[[Scene], Scene]
    holds: Callable[[Scene], bool] = lambda scene: True


# ── the changes ──────────────────────────────────────────────────────────────────────────────────

SHELL = Leak("working-directory", HERE)
SITE = HERE + "/.venv/lib/python3.12/site-packages"
OTHER_SITE = "/opt/ros/lib/python3/dist-packages"


def shadowed(name: str, *, standard: bool) -> Callable[[Scene], Scene]:
    def change(scene: Scene) -> Scene:
        shadow = Shadow(name, f"{HERE}/{name}.py", SHELL.kind, standard)
        changed = scene.with_(env={"leaks": (*scene.env.leaks, SHELL), "shadows": (*scene.env.shadows, shadow)})
        said = {"error_type": "AttributeError", "message": f"module '{name}' has no attribute 'Tensor'"}
        return changed if scene.torch is None else changed.ended("torch", **said)

    return change


def leaking(scene: Scene) -> Scene:
    more = (*scene.env.distributions, dist("torch", "1.13.1", OTHER_SITE))
    return scene.with_(env={"leaks": (*scene.env.leaks, Leak("PYTHONPATH", OTHER_SITE)), "distributions": more})


def not_active(scene: Scene) -> Scene:
    bare = scene.without_torch()
    return bare.with_(env={"chosen_by": "python3 on PATH", "local_venv": Found(f"{HERE}/.venv"), "prefix": "/usr"})


def on_musl(scene: Scene) -> Scene:
    changed = scene.with_(libc=Found(Libc("musl", "1.2.5")))
    words = "Error relocating libc10.so: __printf_chk: symbol not found"
    return changed if scene.torch is None else changed.ended("torch", error_type="ImportError", message=words)


def in_32_bits(scene: Scene) -> Scene:
    changed = scene.with_(env={"bits": 32})
    words = "wrong ELF class: ELFCLASS64"
    return changed if scene.torch is None else changed.ended("torch", error_type="ImportError", message=words)


def full(scene: Scene) -> Scene:
    return scene.without_torch().with_(storage=(Storage("packages", "/home", GIB // 8, 200 * GIB),))


def at_work(**place: object) -> Callable[[Scene], Scene]:
    return lambda scene: scene.without_torch().with_(env={"workplace": Workplace(**place)})


def no_gpu_in_the_job(scene: Scene) -> Scene:
    return scene.with_(slurm=Found(Slurm("4711", None, "gpu")), gpu={"gpus": ()})


SILENT = {"gpus": (), "driver": Unknown("NVML did not answer"), "cuda_driver": Unknown("NVML did not answer")}
SILENT |= {"nvml_message": "words", "status": "unknown", "reason": "NVML did not answer"}


def silent(state: str, code: int | None, **more: object) -> Callable[[Scene], Scene]:
    return lambda scene: scene.with_(gpu=SILENT | {"nvml_state": state, "nvml_error": code} | more)


def no_gpus_given(scene: Scene) -> Scene:
    bare = silent("library-not-found", 12, nodes=Absent("none"))(scene)
    return bare.with_(container=Found("docker"))


def nouveau(scene: Scene) -> Scene:
    first = scene.machine.nvidia.cards[0]
    return scene.with_(gpu={"cards": (replace(first, driver=Found("nouveau")), *scene.machine.nvidia.cards[1:])})


def another_gpu(**error: object) -> Callable[[Scene], Scene]:
    return lambda scene: scene.with_(gpu={"gpus": (*scene.machine.nvidia.gpus, gpu(1, **error))})


def first_gpu(**facts: object) -> Callable[[Scene], Scene]:
    def change(scene: Scene) -> Scene:
        gpus = scene.machine.nvidia.gpus
        return scene.with_(gpu={"gpus": (replace(gpus[0], **facts), *gpus[1:])}) if gpus else scene

    return change


def cpu_build(scene: Scene) -> Scene:
    builds = tuple(build(b.package, b.version.partition("+")[0] + "+cpu", "cpu") for b in scene.env.builds)
    kept = tuple(s for s in scene.stages if not s.name.startswith("cuda"))
    return replace(scene.with_(env={"builds": builds}), stages=kept)


def cuda_says(words: str) -> Callable[[Scene], Scene]:
    return lambda scene: scene.ended("cuda:0", error_type="RuntimeError", message=words) if scene.imports else scene


def vision(scene: Scene) -> Scene:
    wrong = build("torchvision", "0.20.1+cu124", "cu124")
    builds = tuple(wrong if b.package == "torchvision" else b for b in scene.env.builds)
    changed = scene.with_(env={"builds": builds})
    words = "operator torchvision::nms does not exist"
    return changed.ended("torchvision", error_type="RuntimeError", message=words) if scene.imports else changed


def old_torch(scene: Scene) -> Scene:
    builds = (build("torch", "2.2.2+cu121", "cu121"),) if scene.torch == "cu130" else scene.env.builds
    kept = tuple(s for s in scene.stages if not s.name.startswith(("torchv", "torcha")))
    changed = replace(scene.with_(env={"builds": builds}), stages=kept)
    words = "Numpy is not available"
    return changed.ended("numpy-bridge", error_type="RuntimeError", message=words) if scene.imports else changed


def library(scene: Scene) -> Scene:
    words = "/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by _C.so)"
    return scene.ended("torchaudio", error_type="ImportError", message=words) if scene.imports else scene


def has(name: str) -> Callable[[Scene], bool]:
    return lambda scene: any(s.name == name and s.outcome == "error" for s in scene.stages)


BUSY = {"memory_used_mib": Found(24000), "processes": Found((GpuProcess(4321, 24000, "python", False),))}
CLOSED = nodes(closed=True)


def bare(scene: Scene) -> bool:
    return scene.torch is None


def gone(scene: Scene) -> bool:
    return scene.torch is not None and scene.torch.startswith("cu") and not scene.machine.nvidia.gpus


CAUSES = (
    Cause(1, "venv-broken", lambda scene: scene.with_(env={"ghost": "/home/ana/old/.venv"})),
    Cause(1, "venv-not-active", not_active, bare),
    Cause(2, "stdlib-shadow", shadowed("random", standard=True)),
    Cause(2, "file-named-torch", shadowed("torch", standard=False)),
    Cause(2, "pythonpath-leak", leaking, lambda s: any(d.location == OTHER_SITE for d in s.env.distributions)),
    Cause(3, "musl", on_musl, lambda scene: not scene.imports),
    Cause(3, "python-32bit", in_32_bits, lambda scene: not scene.imports),
    Cause(3, "python-too-new", lambda s: s.without_torch().with_(env={"version": "3.19.0", "abi": "cp319"}), bare),
    Cause(4, "disk-full", full, bare),
    Cause(4, "offline", at_work(route=False), lambda s: bare(s) and s.env.workplace.route is False),
    Cause(4, "proxy", at_work(proxies=(Proxy("HTTPS_PROXY", "localhost", "8", "silent"),)),
          lambda s: bare(s) and bool(s.env.workplace.proxies)),
    Cause(5, "slurm-no-gres", no_gpu_in_the_job, gone),
    Cause(5, "container-without-gpus", no_gpus_given,
          lambda s: gone(s) and isinstance(s.machine.nvidia.nodes, Absent) and s.machine.nvidia.nvml_state != "ok"),
    Cause(6, "nouveau-loaded", nouveau, lambda s: s.torch is not None and s.torch.startswith("cu")),
    Cause(6, "driver-not-loaded", silent("driver-not-loaded", 9),
          lambda s: s.machine.nvidia.nvml_state == "driver-not-loaded" and s.machine.container == Absent("no container")),
    Cause(7, "driver-library-mismatch", silent("library-mismatch", 18),
          lambda s: s.machine.nvidia.nvml_state == "library-mismatch"),
    Cause(7, "dev-nvidia-permission", silent("no-permission", 4, nodes=CLOSED),
          lambda s: s.machine.nvidia.nvml_state == "no-permission"),
    Cause(8, "gpu-lost", another_gpu(error_code=15, error="GPU is lost"), lambda scene: scene.gpu_answers),
    Cause(8, "gpu-reset-required", another_gpu(error_code=16, error="reset"), lambda scene: scene.gpu_answers),
    Cause(9, "driver-too-old-for-wheel", lambda s: s.with_(gpu={"driver": Found("550.54.15")}),
          lambda s: s.machine.nvidia.driver == Found("550.54.15") and s.torch == "cu130"),
    Cause(9, "gpu-dropped", first_gpu(compute_capability=Found((6, 1))),
          lambda s: s.gpu_answers and s.machine.nvidia.gpus[0].compute_capability == Found((6, 1)) and s.torch == "cu130"),
    Cause(9, "cpu-wheel-on-gpu-box", cpu_build, lambda s: s.gpu_answers and s.torch == "cpu"),
    Cause(10, "fabricmanager", cuda_says("Error 802: system not yet initialized"), has("cuda:0")),
    Cause(10, "cuda-init", lambda s: cuda_says("busy")(s.with_(gpu={"cuda_init": Found(46)})), has("cuda:0")),
    Cause(10, "cuda-compat", cuda_says("Error 804: forward compatibility was attempted"), has("cuda:0")),
    Cause(11, "torchvision-mismatch", vision, lambda s: any(b.version.startswith("0.20") for b in s.env.builds)),
    Cause(11, "glibcxx", library, has("torchaudio")),
    Cause(11, "numpy2-old-torch", old_torch, lambda s: any(b.version == "2.2.2+cu121" for b in s.env.builds)),
    Cause(12, "gpu-memory-held", first_gpu(**BUSY), lambda s: bool(s.machine.nvidia.gpus)),
    Cause(12, "xid-recent", first_gpu(xid=Found(43)), lambda s: bool(s.machine.nvidia.gpus)),
)  # fmt: skip
