"""Intel GPUs, told apart by their PCI ids: most of them are displays that PyTorch can't use."""

from __future__ import annotations

from envtool.machine import Found, Intel, IntelGpu, PciCard, Reading, Unknown
from envtool.probe.host import Host
from envtool.probe.pci import INTEL, look_up, of_vendor, shows_only_a_virtual_gpu


def read(host: Host, cards: Reading[tuple[PciCard, ...]]) -> Intel:
    """What is known of Intel GPUs, integrated ones too."""
    gpus = tuple(_gpu(card) for card in of_vendor(cards, INTEL))
    if gpus:
        return Intel("found", None, gpus)
    if shows_only_a_virtual_gpu(cards):
        return Intel("unknown", "Windows shows its GPU to WSL as a virtual one; Intel's driver there can't be seen")
    if isinstance(cards, Unknown):
        return Intel("unknown", cards.reason)
    return Intel("absent", "no Intel graphics on the PCI bus" if isinstance(cards, Found) else cards.reason)


def _gpu(card: PciCard) -> IntelGpu:
    row = look_up(card.vendor, card.device)
    supported: Reading[bool] = Unknown(
        f"PyTorch's list of validated hardware does not settle it for {row.chip}"
        if row.chip
        else f"PCI id {card.vendor}:{card.device} is not in the table"
    )
    if row.xpu is not None:
        supported = Found(row.xpu)
    return IntelGpu(card.name, card.device, supported, Found(card.address), card.driver)
