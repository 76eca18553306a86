"""AMD GPUs, from the kernel's kfd topology and, where there is none, from the PCI bus."""

from __future__ import annotations

from collections.abc import Mapping

from envtool.machine import Absent, Amd, AmdGpu, DeviceNode, Found, PciCard, Reading, Unknown
from envtool.probe.host import Host
from envtool.probe.pci import AMD, look_up, of_vendor, shows_only_a_virtual_gpu

NODES = "/sys/class/kfd/kfd/topology/nodes"


def read(host: Host, cards: Reading[tuple[PciCard, ...]]) -> Amd:
    """What is known of AMD GPUs; integrated graphics count as any other."""
    system = host.facts().get("sys_platform")
    if system == "darwin":
        return Amd("absent", "PyTorch has no AMD build for macOS, so AMD GPUs are not looked for")
    if system != "linux":
        return _without_kfd(cards, "Windows doesn't tell the gfx target")
    numbers = host.names(NODES)
    if not isinstance(numbers, Found):
        return _with_driver(host, _without_kfd(cards, "the kernel offers no kfd, which ROCm needs"))
    gpus: list[AmdGpu] = []
    refused = ""
    for number in numbers.value:
        properties = host.read(f"{NODES}/{number}/properties")
        if isinstance(properties, Found):
            gpus += _kfd_gpu(host, number, _fields(properties.value))
        else:  # a container's cgroup hides the nodes of the GPUs that it was not given
            refused = properties.reason
    if not gpus:
        why = f"kfd does not show it: {refused}" if refused else "kfd lists no GPU"
        return _with_driver(host, _without_kfd(cards, why))
    return _with_driver(host, Amd("found", None, tuple(gpus) + _hidden_from_kfd(cards, gpus, refused)))


def gfx_target(version: int) -> str:
    """The name of a ``gfx_target_version``: 110000 is gfx1100, 90402 is gfx942, 90010 is gfx90a."""
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{step:x}"


def _fields(properties: str) -> Mapping[str, int]:
    # simd_count 384
    # gfx_target_version 110000
    pairs = (line.split() for line in properties.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _kfd_gpu(host: Host, number: str, fields: Mapping[str, int]) -> list[AmdGpu]:
    version = fields.get("gfx_target_version", 0)
    if version == 0:  # a CPU
        return []
    name = look_up(AMD, f"{fields.get('device_id', 0):04x}").name
    if not isinstance(name, Found):
        node = host.read(f"{NODES}/{number}/name")
        if isinstance(node, Found) and node.value.strip() not in ("", "ip discovery"):
            name = Found(f"AMD {node.value.strip()}")
    return [AmdGpu(name, Found(gfx_target(version)), Found(_address(fields)))]


def _address(fields: Mapping[str, int]) -> str:
    location = fields.get("location_id", 0)  # bus in the upper byte, then five bits of device, three of function
    return f"{fields.get('domain', 0):04x}:{location >> 8 & 255:02x}:{location >> 3 & 31:02x}.{location & 7}"


def _hidden_from_kfd(cards: Reading[tuple[PciCard, ...]], gpus: list[AmdGpu], refused: str) -> tuple[AmdGpu, ...]:
    seen = {gpu.pci_address.value for gpu in gpus if isinstance(gpu.pci_address, Found)}
    reason = Unknown(f"kfd does not show it: {refused or 'no node has its address'}")
    hidden = (card for card in of_vendor(cards, AMD) if card.address not in seen)
    return tuple(AmdGpu(card.name, reason, Found(card.address)) for card in hidden)


def _without_kfd(cards: Reading[tuple[PciCard, ...]], why: str) -> Amd:
    gpus = tuple(AmdGpu(card.name, Unknown(why), Found(card.address)) for card in of_vendor(cards, AMD))
    if gpus:
        return Amd("found", None, gpus)
    if shows_only_a_virtual_gpu(cards):
        return Amd("unknown", "Windows shows its GPU to WSL as a virtual one; AMD's driver there can't be seen")
    if isinstance(cards, Unknown):
        return Amd("unknown", cards.reason)
    return Amd("absent", "no AMD card on the PCI bus" if isinstance(cards, Found) else cards.reason)


def _with_driver(host: Host, amd: Amd) -> Amd:
    if not amd.gpus:  # nobody needs the driver of a card that isn't there
        return amd
    return Amd(amd.status, amd.reason, amd.gpus, _driver(host), _kfd_node(host))


def _driver(host: Host) -> Reading[str]:
    packaged = host.read("/sys/module/amdgpu/version")  # AMD's own package; the kernel's module has no version
    if isinstance(packaged, Found):
        return Found(packaged.value.strip())
    loaded = host.names("/sys/module/amdgpu")
    if isinstance(loaded, Found):
        return Found(f"kernel {host.facts().get('release')}")
    return Absent("the amdgpu driver is not loaded") if isinstance(loaded, Absent) else loaded


def _kfd_node(host: Host) -> Reading[DeviceNode]:
    status = host.stat("/dev/kfd")
    if not isinstance(status, Found):
        return Absent("there is no /dev/kfd") if isinstance(status, Absent) else status
    facts = status.value
    readable, writable = facts.get("readable") is True, facts.get("writable") is True
    mode, group = facts.get("mode"), facts.get("group")
    return Found(
        DeviceNode(
            "/dev/kfd",
            readable,
            writable,
            str(mode) if mode is not None else None,
            str(group) if group is not None else None,
        )
    )
