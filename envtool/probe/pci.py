"""Graphics and compute cards as the operating system lists them, without any vendor's library."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from envtool.fact import Fact, dataclass
from envtool.machine import Absent, Found, PciCard, Reading, Unknown
from envtool.probe.host import Host
from envtool.verdicts import Json

NVIDIA, AMD, INTEL, MICROSOFT = "10de", "1002", "8086", "1414"
DEVICES = "/sys/bus/pci/devices"
KINDS = ("03", "12")  # PCI base classes: display controllers, processing accelerators

WINDOWS_PCI = r"SYSTEM\CurrentControlSet\Enum\PCI"
WINDOWS_CLASS = r"SYSTEM\CurrentControlSet\Control\Class"
WINDOWS_SERVICES = r"SYSTEM\CurrentControlSet\Services"


@dataclass(frozen=True, eq=False, repr=False)
class Row(Fact):
    """What the table of PCI ids says of a card. ``xpu`` is None where PyTorch's page doesn't settle it."""

    name: Reading[str]
    chip: str
    compute_capability: Reading[tuple[int, int]]
    xpu: bool | None


def read_cards(host: Host) -> Reading[tuple[PciCard, ...]]:
    """Every display and accelerator card, of any vendor; no name is known where the table has none."""
    system = host.facts().get("sys_platform")
    if system == "darwin":
        return Absent("macOS has no list of PCI cards that PyTorch could use")
    if system == "win32":
        return _windows_cards(host)
    return _linux_cards(host)


def of_vendor(cards: Reading[tuple[PciCard, ...]], vendor: str) -> tuple[PciCard, ...]:
    """The cards of one vendor; none where the list could not be read."""
    return tuple(card for card in cards.value if card.vendor == vendor) if isinstance(cards, Found) else ()


def shows_only_a_virtual_gpu(cards: Reading[tuple[PciCard, ...]]) -> bool:
    """Is the GPU Microsoft's stand-in, as in WSL? Then the list doesn't tell whose card is behind it."""
    # 1414:008e; Hyper-V's plain virtual display has another id
    return any(card.device == "008e" for card in of_vendor(cards, MICROSOFT))


# ── Linux ────────────────────────────────────────────────────────────────────────────────────────


def _linux_cards(host: Host) -> Reading[tuple[PciCard, ...]]:
    addresses = host.names(DEVICES)
    if isinstance(addresses, Unknown):
        return Unknown(f"{DEVICES}: {addresses.reason}")
    if isinstance(addresses, Absent):
        # Boards such as the Jetson Nano have buses and no PCI; a sandbox may have no /sys at all.
        buses = host.names("/sys/bus")
        if isinstance(buses, Found) and buses.value:
            return Absent("this machine has no PCI bus")
        return Unknown("/sys is not visible here, so PCI cards can't be seen")
    return Found(tuple(card for address in addresses.value for card in _linux_card(host, address)))


def _linux_card(host: Host, address: str) -> Iterator[PciCard]:
    pci_class = _hexadecimal(host.read(f"{DEVICES}/{address}/class"))[:4]
    if pci_class[:2] not in KINDS:
        return
    vendor = _hexadecimal(host.read(f"{DEVICES}/{address}/vendor"))
    device = _hexadecimal(host.read(f"{DEVICES}/{address}/device"))
    if not vendor or not device:  # it was unplugged between two questions
        return
    link = host.link(f"{DEVICES}/{address}/driver")
    driver: Reading[str] = link
    if isinstance(link, Found):
        driver = Found(link.value.rsplit("/", 1)[-1])
    elif isinstance(link, Absent):
        driver = Absent("no kernel driver is bound to it")
    yield PciCard(address, vendor, device, pci_class, look_up(vendor, device).name, driver)


def _hexadecimal(text: Reading[str]) -> str:
    """The digits of "0x030000", "" where there are none."""
    return text.value.strip().lower().removeprefix("0x") if isinstance(text, Found) else ""


# ── Windows ──────────────────────────────────────────────────────────────────────────────────────


def _windows_cards(host: Host) -> Reading[tuple[PciCard, ...]]:
    # Enum\PCI also lists a card that has no driver yet; the class key of display adapters does not.
    models = host.registry_keys(WINDOWS_PCI)
    if not isinstance(models, Found):
        return Unknown(f"the registry's list of PCI devices: {models.reason}")
    return Found(tuple(card for model in models.value for card in _windows_instances(host, model)))


def _windows_instances(host: Host, model: str) -> Iterator[PciCard]:
    # VEN_10DE&DEV_2684&SUBSYS_40E51458&REV_A1
    ids = re.match(r"VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})", model, re.IGNORECASE)
    if ids is None or ids[1].lower() not in (NVIDIA, AMD, INTEL):
        return
    instances = host.registry_keys(f"{WINDOWS_PCI}\\{model}")
    for instance in instances.value if isinstance(instances, Found) else ():
        values = host.registry(f"{WINDOWS_PCI}\\{model}\\{instance}")
        pci_class = _windows_class(values.value) if isinstance(values, Found) else None
        if not isinstance(values, Found) or pci_class is None:
            continue
        if not _is_a_ghost(host, values.value, f"PCI\\{model}\\{instance}"):
            yield _windows_card(host, (ids[1].lower(), ids[2].lower(), pci_class), instance, values.value)


def _windows_class(values: Mapping[str, Json]) -> str | None:
    """The PCI class in CompatibleIDs ("PCI\\VEN_10DE&CC_0300"), None where it is no card."""
    compatible = values.get("CompatibleIDs")
    for text in compatible if isinstance(compatible, list) else ():
        found = re.search(r"CC_([0-9A-F]{4})", str(text), re.IGNORECASE)
        if found and found[1][:2] in KINDS:
            return found[1].lower()
    return None


def _is_a_ghost(host: Host, values: Mapping[str, Json], instance: str) -> bool:
    """Was this card taken out? Windows keeps its key; its driver then serves other cards and not this one."""
    service = values.get("Service")
    if not isinstance(service, str) or not service:
        return False
    served = host.registry(f"{WINDOWS_SERVICES}\\{service}\\Enum")
    present = [str(v).lower() for v in served.value.values()] if isinstance(served, Found) else []
    return any(text.startswith("pci\\") for text in present) and instance.lower() not in present


def _windows_card(host: Host, ids: tuple[str, str, str], instance: str, values: Mapping[str, Json]) -> PciCard:
    vendor, device, pci_class = ids
    service, key = values.get("Service"), values.get("Driver")
    name = look_up(vendor, device).name
    if isinstance(key, str) and key:  # {4d36e968-e325-11ce-bfc1-08002be10318}\0000
        described = host.registry(f"{WINDOWS_CLASS}\\{key}")
        words = described.value.get("DriverDesc") if isinstance(described, Found) else None
        if isinstance(words, str) and not words.startswith("Microsoft"):  # "Microsoft Basic Display Adapter"
            name = Found(words)
    driver: Reading[str] = Absent("Windows has no driver for it")
    if isinstance(service, str) and service:
        driver = Found(service)
    return PciCard(_windows_address(values, instance), vendor, device, pci_class, name, driver)


def _windows_address(values: Mapping[str, Json], instance: str) -> str:
    # "@System32\drivers\pci.sys,#65536;PCI bus %1, device %2, function %3;(1,0,0)"
    found = re.search(r"\((\d+),(\d+),(\d+)\)", str(values.get("LocationInformation", "")))
    if found is None:
        return instance
    return f"0000:{int(found[1]):02x}:{int(found[2]):02x}.{int(found[3])}"


# ── the table of ids ─────────────────────────────────────────────────────────────────────────────

_rows: dict[tuple[str, str], Row] = {}
_ranges: list[tuple[str, int, int, Row]] = []


def look_up(vendor: str, device: str) -> Row:
    """The table's row of a card. An id that isn't listed may still fall into the range of one chip."""
    nothing = Unknown(f"PCI id {vendor}:{device} is not in the table")
    if vendor not in (NVIDIA, AMD, INTEL):  # virtual and server-management displays: no need to read the table
        return Row(nothing, "", nothing, None)
    if not _rows:
        _read_table()
    row = _rows.get((vendor, device))
    if row is not None:
        return row
    number = int(device, 16) if re.fullmatch(r"[0-9a-f]{4}", device) else -1
    for of, first, last, ranged in _ranges:
        if of == vendor and first <= number <= last:
            return Row(nothing, ranged.chip, ranged.compute_capability, ranged.xpu)
    return Row(nothing, "", nothing, None)


def _read_table() -> None:
    from envtool.data import read_table

    for family in read_table("pci.toml")["family"]:
        vendor, chip, xpu = str(family["vendor"]), str(family["chip"]), family.get("xpu")
        capability: Reading[tuple[int, int]] = Unknown(f"not known of {chip}")
        if "compute_capability" in family:
            major, minor = str(family["compute_capability"]).split(".")
            capability = Found((int(major), int(minor)))
        for device, name in family["cards"].items():
            _rows[vendor, device] = Row(Found(str(name)), chip, capability, xpu)
        for text in family.get("ranges", ()):
            first, last = text.split("-")
            _ranges.append((vendor, int(first, 16), int(last, 16), Row(Unknown(""), chip, capability, xpu)))
