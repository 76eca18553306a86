"""Values for the Helm chart zero-to-jupyterhub: one profile on the CPU and one on a GPU. Pure."""

from __future__ import annotations

import re

from envtool.course import Course
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.setup.files import SetupFile
from envtool.setup.notebook import one_line
from envtool.setup.yaml_values import to_yaml
from envtool.versions import dotted

FILE = "jupyterhub-values.yaml"
CHANGE_ME = "CHANGE_ME"
_HEAD = """\
# Values for zero-to-jupyterhub, to be given to Helm beside the hub's own: --values {file}
# A student chooses between the profiles. DEVICE tells the course's code where to compute.
# The image holds the course's environment; docs/how-to/set-up-jupyterhub.md makes one.
# Written by `envtool setup jupyterhub`; run it again after a change.
"""
# The chart's own for its user nodes: a profile's list takes the place of the chart's.
_USER_NODES = [
    {"key": key, "operator": "Equal", "value": "user", "effect": "NoSchedule"}
    for key in ("hub.jupyter.org/dedicated", "hub.jupyter.org_dedicated")
]


@dataclass(frozen=True, eq=False, repr=False)
class Hub(Fact):
    """What the options say. Memory is in GiB."""

    image: str | None = None
    gpu_image: str | None = None  # None: the same one
    cpus: int = 2
    memory: int = 4
    gpu_cpus: int = 4
    gpu_memory: int = 16
    gpus: int = 1
    gpu_resource: str = "nvidia.com/gpu"
    labels: tuple[tuple[str, str], ...] = ()  # of the nodes that have GPUs


def checked_image(text: str) -> str:
    """An image with a tag or a digest: without either, the cluster's nodes would hold different ones."""
    name = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
    host = r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?"
    found = re.fullmatch(rf"{host}{name}(?:/{name})*(?::[\w][\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?", text)
    if not found:
        raise UsageError(f"--image: {text!r} is no image", hint="write it as in --image ghcr.io/owner/course:2026.1")
    if ":" not in text.rsplit("/", 1)[-1] or text.endswith(":latest"):
        raise UsageError(f"--image: {text} may change any day", hint="name a tag or a digest, as in course:2026.1")
    return text


def checked_label(text: str) -> tuple[str, str]:
    """KEY=VALUE, as Kubernetes takes them."""
    part = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
    found = re.fullmatch(rf"((?:[a-z0-9.-]{{1,253}}/)?{part})=({part}|)", text)
    if not found:
        raise UsageError(f"--node-label: {text!r} is no label", hint="write it as in --node-label pool=gpu")
    return found[1], found[2]


def jupyterhub(course: Course, wanted: Hub) -> tuple[SetupFile, ...]:
    """The values, as a YAML file."""
    storage = {  # the 64 MiB that a container has end a DataLoader with workers: "Bus error"
        "extraVolumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}}],
        "extraVolumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
    }
    profiles = [_cpu(course, wanted), *([_gpu(course, wanted)] if wanted.gpus else [])]
    values = {"singleuser": {"storage": storage, "profileList": profiles}}
    return (SetupFile(FILE, _HEAD.format(file=FILE) + to_yaml(values)),)


def _cpu(course: Course, wanted: Hub) -> dict[str, object]:
    override: dict[str, object] = {
        **_resources(wanted.image, wanted.cpus, wanted.memory),
        "environment": {"DEVICE": "cpu", "NVIDIA_VISIBLE_DEVICES": "void"},  # void: sees none on a node that has some
    }
    return {
        "display_name": f"{one_line(course.name)}: CPU",
        "slug": "cpu",
        "description": f"{_count(wanted.cpus, 'CPU core')} and {wanted.memory} GiB of memory.",
        "default": True,
        "kubespawner_override": override,
    }


def _gpu(course: Course, wanted: Hub) -> dict[str, object]:
    tolerations = [*_USER_NODES, {"key": wanted.gpu_resource, "operator": "Exists", "effect": "NoSchedule"}]
    override: dict[str, object] = {
        **_resources(wanted.gpu_image or wanted.image, wanted.gpu_cpus, wanted.gpu_memory),
        "environment": {"DEVICE": "cuda"},
        "extra_resource_limits": {wanted.gpu_resource: str(wanted.gpus)},
        "tolerations": tolerations,
    }
    if wanted.labels:
        override["node_selector"] = dict(wanted.labels)
    return {
        "display_name": f"{one_line(course.name)}: GPU",
        "slug": "gpu",
        "description": f"{_count(wanted.gpus, 'NVIDIA GPU')}, {_count(wanted.gpu_cpus, 'CPU core')} and "
        f"{wanted.gpu_memory} GiB of memory.{_floors(course)} Stop your server when you are done.",
        "kubespawner_override": override,
    }


def _resources(image: str | None, cpus: int, memory: int) -> dict[str, object]:
    """Half of the memory is promised, all of it is allowed: memory that is promised lies idle when nobody uses it."""
    return {
        "image": image or f"{CHANGE_ME}/{CHANGE_ME}:{CHANGE_ME}",
        "cpu_guarantee": cpus / 4,
        "cpu_limit": cpus,
        "mem_guarantee": f"{memory * 512}M",
        "mem_limit": f"{memory}G",
    }


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _floors(course: Course) -> str:
    memory, capability = course.gpu.memory_gib, course.gpu.compute_capability
    asked = [f"{memory:g} GiB"] if memory else []
    asked += [f"compute capability {dotted(capability)}"] if capability else []
    return f" The course needs a GPU with {' and '.join(asked)} or more." if asked else ""
