"""AMD, Intel and undriven cards, on machines that were recorded."""

from __future__ import annotations

import pytest
from recorded_machines import linux, macos, windows, windows_card

from envtool.data import read_table
from envtool.machine import Absent, Found, IntelGpu, PciCard, Unknown
from envtool.probe import amd, intel, pci
from envtool.probe.everything import start_machine
from envtool.probe.recording import RecordedHost

NODES = "/sys/class/kfd/kfd/topology/nodes"
CPU_NODE = "cpu_cores_count 16\nsimd_count 0\ngfx_target_version 0\nvendor_id 0\ndevice_id 0\nlocation_id 0\n"


def without_kfd(answers):
    return answers.folders({NODES: None})


def kfd(answers, nodes):
    """``nodes`` are the texts of the properties; the first is the CPU's."""
    answers.folders({NODES: [str(number) for number in range(len(nodes))]})
    for number, properties in enumerate(nodes):
        answers.files({f"{NODES}/{number}/properties": properties})
    answers.files({"/sys/module/amdgpu/version": None}).folders({"/sys/module/amdgpu": ["drivers", "parameters"]})
    return answers.there("/dev/kfd", kind="char", mode="0660", group="render", readable=False, writable=False)


def gpu_node(version, device, location, domain=0):
    return (
        f"simd_count 192\ngfx_target_version {version}\nvendor_id 4098\ndevice_id {int(device, 16)}\n"
        f"location_id {location}\ndomain {domain}\nunique_id 13370000000000000001\n"
    )


# ── the bus ──────────────────────────────────────────────────────────────────────────────────────


def test_only_cards_are_read_further():
    answers = linux().card("0000:00:02.0", "0300", "8086", "46a6", "i915")
    answers.files({"/sys/bus/pci/devices/0000:00:1f.3/class": "0x040300\n"})  # sound: nothing else was recorded
    answers.recording.answers["names"]["/sys/bus/pci/devices"]["found"].append("0000:00:1f.3")
    cards = pci.read_cards(answers.host())
    name = Found("Intel Iris Xe Graphics")
    assert cards == Found((PciCard("0000:00:02.0", "8086", "46a6", "0300", name, Found("i915")),))


def test_an_optimus_laptop_with_nouveau():
    answers = linux().card("0000:00:02.0", "0300", "8086", "3e9b", "i915")
    answers.card("0000:01:00.0", "0302", "10de", "1c8d", "nouveau")
    cards = pci.read_cards(answers.host())
    card = pci.of_vendor(cards, pci.NVIDIA)[0]
    assert (card.pci_class, card.name, card.driver) == (
        "0302",
        Found("NVIDIA GeForce GTX 1050 Mobile"),
        Found("nouveau"),
    )
    assert intel.read(answers.host(), cards).gpus[0].xpu_supported == Found(False)


def test_a_card_without_any_driver():
    cards = pci.read_cards(linux().card("0000:01:00.0", "0300", "10de", "2b85").host())
    assert cards.value[0].driver == Absent("no kernel driver is bound to it")
    assert cards.value[0].name == Found("NVIDIA GeForce RTX 5090")


def test_a_card_of_no_known_vendor():
    cards = pci.read_cards(linux().card("0000:00:01.0", "0300", "1234", "1111", "bochs-drm").host())
    assert cards.value[0].name == Unknown("PCI id 1234:1111 is not in the table")


def test_a_device_that_vanishes_while_it_is_read():
    answers = linux().card("0000:01:00.0", "0300", "10de", "2684", "nvidia")
    answers.files({"/sys/bus/pci/devices/0000:01:00.0/device": None})
    assert pci.read_cards(answers.host()) == Found(())


def test_no_bus_and_no_sys_are_two_things():
    board = linux().folders({"/sys/bus/pci/devices": None, "/sys/bus": ["cpu", "usb"]})
    assert isinstance(pci.read_cards(board.host()), Absent)
    sandbox = linux().folders({"/sys/bus/pci/devices": None, "/sys/bus": None})
    assert isinstance(pci.read_cards(sandbox.host()), Unknown)
    refused = linux().answer("names", "/sys/bus/pci/devices", {"unknown": "permission denied"})
    assert isinstance(pci.read_cards(refused.host()), Unknown)
    assert isinstance(pci.read_cards(macos().host()), Absent)


def test_what_cannot_be_seen_is_unknown_for_every_vendor():
    answers = without_kfd(linux()).folders({"/sys/bus/pci/devices": None, "/sys/bus": None})
    cards = pci.read_cards(answers.host())
    assert amd.read(answers.host(), cards).status == "unknown"
    assert intel.read(answers.host(), cards).status == "unknown"


def test_wsl_does_not_show_whose_gpu_it_is():
    answers = without_kfd(linux(release="5.15.153.1-microsoft-standard-WSL2"))
    answers.card("a1b2:00:00.0", "0302", "1414", "008e", "dxgkrnl")
    cards = pci.read_cards(answers.host())
    assert amd.read(answers.host(), cards).status == "unknown"
    assert intel.read(answers.host(), cards).status == "unknown"
    azure = without_kfd(linux()).card("0000:00:08.0", "0300", "1414", "5353", "hyperv_drm")
    assert amd.read(azure.host(), pci.read_cards(azure.host())).status == "absent"


# ── the table ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("vendor", "device", "name", "capability"),
    [
        ("10de", "1c03", "NVIDIA GeForce GTX 1060 6GB", (6, 1)),
        ("10de", "1db1", "NVIDIA Tesla V100 SXM2 16GB", (7, 0)),
        ("10de", "1eb8", "NVIDIA Tesla T4", (7, 5)),
        ("10de", "20b2", "NVIDIA A100 SXM4 80GB", (8, 0)),
        ("10de", "2204", "NVIDIA GeForce RTX 3090", (8, 6)),
        ("10de", "2684", "NVIDIA GeForce RTX 4090", (8, 9)),
        ("10de", "2330", "NVIDIA H100 SXM5 80GB", (9, 0)),
        ("10de", "2b85", "NVIDIA GeForce RTX 5090", (12, 0)),
        ("10de", "2f04", "NVIDIA GeForce RTX 5070", (12, 0)),
    ],
)
def test_cards_and_their_capability(vendor, device, name, capability):
    row = pci.look_up(vendor, device)
    assert (row.name, row.compute_capability) == (Found(name), Found(capability))


def test_an_id_that_is_not_listed_may_still_tell_its_chip():
    row = pci.look_up("10de", "25ff")  # GA107 up to 25ff
    assert isinstance(row.name, Unknown)
    assert row.compute_capability == Found((8, 6))
    assert isinstance(pci.look_up("10de", "0fc6").compute_capability, Unknown)


def test_the_table_is_small_and_every_row_has_a_source():
    table = read_table("pci.toml")
    rows = [(family["vendor"], device) for family in table["family"] for device in family["cards"]]
    assert len(rows) == len(set(rows)) < 250
    for source in table["sources"].values():
        assert source["url"].startswith("https://")
        assert source["date"]
    for family in table["family"]:
        assert family["source"] in table["sources"]
        assert family.get("name_source", "pci-ids") in table["sources"]
        assert ("compute_capability" in family) == ("capability_source" in family) == (family["vendor"] == "10de")
        assert ("xpu" in family) == ("xpu_source" in family)
        for device, name in family["cards"].items():
            assert len(device) == 4
            assert int(device, 16)
            assert name.split()[0] in ("Intel", "NVIDIA", "AMD")


def test_ranges_hold_the_cards_of_their_own_family_only():
    table = read_table("pci.toml")
    for family in table["family"]:
        for text in family.get("ranges", ()):
            first, last = (int(end, 16) for end in text.split("-"))
            for other in table["family"]:
                inside = [
                    d for d in other["cards"] if first <= int(d, 16) <= last and other["vendor"] == family["vendor"]
                ]
                assert not inside or other is family


def test_the_jetpack_table_has_a_source():
    table = read_table("jetpack.toml")
    assert table["jetpack"]["source"] in table["sources"]
    assert all(release.count(".") == 2 for release in table["jetpack"]["releases"])


# ── AMD ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (110000, "gfx1100"),
        (90402, "gfx942"),
        (90010, "gfx90a"),
        (100300, "gfx1030"),
        (100306, "gfx1036"),
        (120001, "gfx1201"),
        (110501, "gfx1151"),
        (90008, "gfx908"),
        (80003, "gfx803"),
        (90500, "gfx950"),
    ],
)
def test_gfx_targets(version, name):
    assert amd.gfx_target(version) == name


def test_a_radeon_7900_xtx_beside_an_integrated_one():
    answers = linux().card("0000:03:00.0", "0300", "1002", "744c", "amdgpu")
    answers.card("0000:0f:00.0", "0300", "1002", "164e", "amdgpu")
    kfd(answers, [CPU_NODE, gpu_node(110000, "744c", 0x300), gpu_node(100306, "164e", 0xF00)])
    facts = amd.read(answers.host(), pci.read_cards(answers.host()))
    assert (facts.status, facts.reason) == ("found", None)
    assert [gpu.gfx for gpu in facts.gpus] == [Found("gfx1100"), Found("gfx1036")]
    assert "7900 XTX" in facts.gpus[0].name.value
    assert facts.gpus[0].pci_address == Found("0000:03:00.0")
    assert facts.driver == Found("kernel 6.1.0-21-amd64")
    node = facts.kfd_node.value
    assert (node.mode, node.group, node.readable) == ("0660", "render", False)


def test_eight_mi300x_with_amd_s_own_driver():
    answers = linux()
    nodes = [CPU_NODE, CPU_NODE]
    for bus in range(8):
        answers.card(f"0000:{bus * 0x10 + 5:02x}:00.0", "1200", "1002", "74a1", "amdgpu")
        nodes.append(gpu_node(90402, "74a1", (bus * 0x10 + 5) << 8))
    kfd(answers, nodes).files({"/sys/module/amdgpu/version": "6.10.5\n"})
    facts = amd.read(answers.host(), pci.read_cards(answers.host()))
    assert [gpu.gfx for gpu in facts.gpus] == [Found("gfx942")] * 8
    assert facts.gpus[7].pci_address == Found("0000:75:00.0")
    assert facts.gpus[0].name == Found("AMD Instinct MI300X")
    assert facts.driver == Found("6.10.5")


def test_a_gpu_that_the_container_was_not_given():
    answers = linux().card("0000:03:00.0", "0380", "1002", "740f", "amdgpu")
    answers.card("0000:26:00.0", "0380", "1002", "740f", "amdgpu")
    kfd(answers, [CPU_NODE, gpu_node(90010, "740f", 0x300), ""])
    answers.answer("read", f"{NODES}/2/properties", {"unknown": "permission denied"})
    facts = amd.read(answers.host(), pci.read_cards(answers.host()))
    assert facts.gpus[0].gfx == Found("gfx90a")
    assert facts.gpus[1].gfx == Unknown("kfd does not show it: permission denied")
    assert facts.gpus[1].pci_address == Found("0000:26:00.0")


def test_a_card_without_kfd_is_still_a_gpu():
    answers = without_kfd(linux()).card("0000:03:00.0", "0300", "1002", "7550").missing("/dev/kfd")
    answers.files({"/sys/module/amdgpu/version": None}).folders({"/sys/module/amdgpu": None})
    facts = amd.read(answers.host(), pci.read_cards(answers.host()))
    assert facts.status == "found"
    assert "9070 XT" in facts.gpus[0].name.value
    assert facts.gpus[0].gfx == Unknown("the kernel offers no kfd, which ROCm needs")
    assert facts.driver == Absent("the amdgpu driver is not loaded")
    assert facts.kfd_node == Absent("there is no /dev/kfd")


def test_kfd_with_processors_only():
    answers = kfd(linux(), [CPU_NODE])
    assert amd.read(answers.host(), pci.read_cards(answers.host())).status == "absent"


def test_a_chip_newer_than_the_table_is_named_by_the_kernel():
    answers = kfd(linux(), [CPU_NODE, gpu_node(130000, "9999", 0x300)]).files({f"{NODES}/1/name": "navi99\n"})
    gpu = amd.read(answers.host(), pci.read_cards(answers.host())).gpus[0]
    assert (gpu.name, gpu.gfx) == (Found("AMD navi99"), Found("gfx1300"))
    answers.files({f"{NODES}/1/name": "ip discovery\n"})
    assert isinstance(amd.read(answers.host(), Found(())).gpus[0].name, Unknown)


# ── Intel ────────────────────────────────────────────────────────────────────────────────────────


def read_intel(device, driver="i915"):
    answers = linux().card("0000:03:00.0", "0300", "8086", device, driver)
    return intel.read(answers.host(), pci.read_cards(answers.host()))


def test_an_arc_a770():
    facts = read_intel("56a0", "xe")
    address, driver = Found("0000:03:00.0"), Found("xe")
    assert facts.gpus == (IntelGpu(Found("Intel Arc A770"), "56a0", Found(True), address, driver),)


def test_integrated_graphics_are_facts_that_pytorch_does_not_name():
    gpu = read_intel("4680").gpus[0]
    assert (gpu.name, gpu.xpu_supported) == (Found("Intel UHD Graphics 770"), Found(False))


def test_a_gpu_that_the_list_leaves_open():
    assert isinstance(read_intel("7dd5").gpus[0].xpu_supported, Unknown)


def test_an_intel_id_that_is_not_listed():
    gpu = read_intel("ffff").gpus[0]
    assert gpu.name == Unknown("PCI id 8086:ffff is not in the table")
    assert gpu.xpu_supported == Unknown("PCI id 8086:ffff is not in the table")


def test_no_intel_card():
    answers = linux()
    assert intel.read(answers.host(), pci.read_cards(answers.host())).status == "absent"


# ── Windows ──────────────────────────────────────────────────────────────────────────────────────


def test_a_windows_laptop_with_two_gpus():
    answers = windows()
    windows_card(answers, "1002", "15bf", bus=4, service="amduw23g", description="AMD Radeon 780M Graphics", number=0)
    described = "NVIDIA GeForce RTX 4060 Laptop GPU"
    windows_card(answers, "10de", "28e0", bus=1, service="nvlddmkm", description=described, number=1)
    cards = pci.read_cards(answers.host())
    assert [(card.address, card.name, card.driver) for card in cards.value] == [
        ("0000:04:00.0", Found("AMD Radeon 780M Graphics"), Found("amduw23g")),
        ("0000:01:00.0", Found(described), Found("nvlddmkm")),
    ]
    facts = amd.read(answers.host(), cards)
    assert facts.status == "found"
    assert isinstance(facts.gpus[0].gfx, Unknown)


def test_a_windows_card_without_a_driver():
    answers = windows_card(windows(), "10de", "2684")
    card = pci.read_cards(answers.host()).value[0]
    assert (card.vendor, card.device, card.pci_class) == ("10de", "2684", "0300")
    assert card.name == Found("NVIDIA GeForce RTX 4090")
    assert isinstance(card.driver, Absent)


def test_a_windows_card_on_microsoft_s_basic_driver_keeps_its_own_name():
    answers = windows_card(
        windows(), "10de", "2684", service="BasicDisplay", description="Microsoft Basic Display Adapter"
    )
    card = pci.read_cards(answers.host()).value[0]
    assert (card.name, card.driver) == (Found("NVIDIA GeForce RTX 4090"), Found("BasicDisplay"))


def test_a_windows_card_that_was_taken_out():
    answers = windows()
    windows_card(
        answers, "10de", "1c03", bus=1, service="nvlddmkm", description="NVIDIA GeForce GTX 1060 6GB", number=0
    )
    windows_card(answers, "10de", "2684", bus=2, service="nvlddmkm", description="NVIDIA GeForce RTX 4090", number=1)
    assert [card.device for card in pci.read_cards(answers.host()).value] == ["2684"]


def test_intel_devices_that_are_no_gpu_on_windows():
    answers = windows_card(windows(), "8086", "a0c8", pci_class="0403")
    assert pci.read_cards(answers.host()) == Found(())
    unreadable = windows().answer("registry_keys", pci.WINDOWS_PCI, {"unknown": "permission denied"})
    assert isinstance(pci.read_cards(unreadable.host()), Unknown)


# ── all together ─────────────────────────────────────────────────────────────────────────────────


class Faulty(RecordedHost):
    """A machine on which reading one folder goes wrong in a way that nobody foresaw."""

    def __init__(self, recording, folder):
        super().__init__(recording)
        self.folder = folder

    def names(self, path):
        if path == self.folder:
            raise ZeroDivisionError("surprise")
        return super().names(path)


def test_one_family_s_fault_does_not_hide_the_others():
    answers = linux().card("0000:03:00.0", "0300", "8086", "56a0", "i915")
    machine = start_machine(Faulty(answers.recording, NODES), packages_path=None)()
    assert machine.amd.status == "unknown"
    assert "ZeroDivisionError: surprise" in machine.amd.reason
    assert machine.intel.status == "found"
    assert machine.apple.status == "absent"
    assert machine.os_version == Found("Debian GNU/Linux 12 (bookworm)")


def test_a_fault_in_the_card_list_is_unknown_for_all_who_need_it():
    answers = without_kfd(linux())
    machine = start_machine(Faulty(answers.recording, pci.DEVICES), packages_path=None)()
    assert machine.amd.status == machine.intel.status == "unknown"
    assert machine.memory_mib == Found(15929)


def test_a_mac_asks_sysctl_once_and_has_no_other_gpus():
    machine = start_machine(RecordedHost(macos().recording, strict=True), packages_path=None)()
    assert machine.apple.chip == Found("Apple M2")
    assert machine.amd.status == machine.intel.status == machine.nvidia.status == "absent"
    assert machine.rosetta == Found(False)
