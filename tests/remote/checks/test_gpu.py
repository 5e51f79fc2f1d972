"""The facts of cards and their driver, from the files and programs of a box."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.boxes.checks.unit_state import UnitState
from gpubox.remote.checks import gpu
from tests.remote.checks.alone import alone, script
from tests.remote.checks.trees import Tree

__all__ = ["alone"]

VERSION = """NVRM version: NVIDIA UNIX {} for x86_64  580.95.05  Release Build  (builder)  Tue May 19 2026
GCC version:  gcc version 13.3.0
"""
OPEN = VERSION.format("Open Kernel Module")
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.256.02  Thu May  2 14:37:44 UTC 2024\n"


def facts() -> GpuFacts:
    return msgspec.json.decode(msgspec.json.encode(gpu.gather()), type=GpuFacts)


def card(tree: Tree, address: str = "0000:01:00.0", driver: str = "nvidia", **changes: str) -> Path:
    """Put a card into a slot."""
    values = {
        "vendor": "0x10de",
        "class": "0x030000",
        "device": "0x2684",
        "current_link_width": "16",
        "max_link_width": "16",
        "current_link_speed": "2.5 GT/s PCIe",
        "max_link_speed": "16.0 GT/s PCIe",
        **changes,
    }
    port = f"/sys/devices/pci0000:00/0000:00:01.{address[6]}"
    for name, text in values.items():
        tree.file(f"{port}/{address}/{name}", text + "\n")
    tree.file(f"{port}/max_link_width", "16\n")
    tree.file(f"{port}/max_link_speed", "32.0 GT/s PCIe\n")
    folder = tree.root / port.lstrip("/") / address
    (folder / "config").write_bytes(b"\xde\x10\x84\x26")
    devices = tree.root / "sys/bus/pci/devices"
    devices.mkdir(parents=True, exist_ok=True)
    (devices / address).symlink_to(folder)
    if driver:
        (tree.root / "sys/bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
        (folder / "driver").symlink_to(tree.root / "sys/bus/pci/drivers" / driver)
    return folder


def test_an_empty_box_gives_facts(alone: Tree) -> None:
    found = facts()
    assert (found.cards, found.modules, found.version, found.smi.path) == ((), None, "", "")
    assert (found.pci, found.secure_boot, found.has_modinfo) == (False, None, False)


def test_cards_of_the_bus_are_read(alone: Tree) -> None:
    card(alone)
    card(alone, "0000:02:00.0", driver="nouveau", device="0x1b80", current_link_width="4")
    alone.file("/sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086\n")
    alone.file("/sys/bus/pci/devices/0000:03:00.0/vendor", "0x10de\n")
    alone.file("/sys/bus/pci/devices/0000:03:00.0/class", "0x040300\n")  # its sound
    alone.file("/proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA GeForce RTX 4090\n")
    alone.file(
        "/usr/share/misc/pci.ids",
        "# list\n10dd  Enhance\n\t1b80  Not ours\n10de  NVIDIA Corporation\n\t1b80  GP104 [GeForce GTX "
        "1080]\n\t\t1043 85aa  Its board\n\t2684  AD102 [GeForce RTX 4090]\n10df  Emulex\n\t1b80  Nor "
        "this\n",
    )
    first, second = facts().cards
    assert (first.name, first.driver, first.answers) == ("NVIDIA GeForce RTX 4090", "nvidia", True)
    assert (first.width, first.width_max, first.slot_width) == (16, 16, 16)
    assert (first.speed, first.speed_max, first.slot_speed) == (2.5, 16.0, 32.0)
    assert (second.name, second.driver, second.width) == ("GP104 [GeForce GTX 1080]", "nouveau", 4)


def test_a_card_that_fell_off_the_bus_is_seen(alone: Tree) -> None:
    (card(alone) / "config").write_bytes(b"\xff\xff\xff\xff")
    assert facts().cards[0].answers is False


def test_a_sleeping_card_is_left_asleep(alone: Tree) -> None:
    folder = card(alone, current_link_width="63", current_link_speed="Unknown")
    alone.file(f"/{(folder / 'power/runtime_status').relative_to(alone.root)}", "suspended\n")
    (found,) = facts().cards
    assert (found.asleep, found.answers, found.width, found.speed, found.width_max) == (
        True, None, None, None, 16,
    )  # fmt: skip


@pytest.mark.parametrize(("text", "version", "flavor"), [
    (OPEN, "580.95.05", "open"), (CLOSED, "470.256.02", "proprietary"), ("", "", ""),
])  # fmt: skip
def test_the_loaded_driver_is_read(alone: Tree, text: str, version: str, flavor: str) -> None:
    if text:
        alone.file("/proc/driver/nvidia/version", text)
    alone.file(
        "/proc/modules", "nvidia_uvm 1 0 - Live 0x0\nnvidia 1 2 nvidia_uvm, Live 0x0\nnvme 1 0 - Live 0x0\n"
    )
    found = facts()
    assert (found.version, found.flavor, found.modules) == (version, flavor, ("nvidia_uvm", "nvidia"))


def test_the_module_and_the_library_on_disk_are_read(alone: Tree) -> None:
    alone.program(
        "modinfo",
        "filename:       /lib/modules/6.8.0/updates/dkms/nvidia.ko.zst\nlicense:        Dual MIT/GPL\n"
        "version:        580.95.05\nsigner:         box Secure Boot Module Signature key\nparm: x:y\n",
    )
    place = alone.file("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.95.05")
    (place.parent / "libnvidia-ml.so.1").symlink_to(place.name)
    found = facts()
    assert (found.has_modinfo, found.disk_version, found.disk_license) == (True, "580.95.05", "Dual MIT/GPL")
    assert (found.disk_signer, found.library_version) == ("box Secure Boot Module Signature key", "580.95.05")


def test_a_module_that_is_not_there_has_no_version(alone: Tree) -> None:
    script(alone, "modinfo", "echo 'modinfo: ERROR: Module nvidia not found.' >&2; exit 1\n")
    found = facts()
    assert (found.has_modinfo, found.disk_version) == (True, "")


@pytest.mark.parametrize(("data", "expected"), [(b"\6\0\0\0\1", True), (b"\6\0\0\0\0", False), (b"", None)])
def test_secure_boot_is_read_from_the_firmware(alone: Tree, data: bytes, expected: bool | None) -> None:
    place = alone.root / gpu.SECURE_BOOT.lstrip("/")
    place.parent.mkdir(parents=True)
    place.write_bytes(data)
    found = facts()
    assert (found.efi, found.secure_boot) == (True, expected)


@pytest.mark.parametrize(
    ("text", "expected"), [("SecureBoot enabled\n", True), ("SecureBoot disabled\n", False), ("odd\n", None)]
)
def test_secure_boot_is_asked_of_mokutil(alone: Tree, text: str, expected: bool | None) -> None:
    alone.program("mokutil", text)
    alone.file("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    found = facts()
    assert (found.secure_boot, found.lockdown) == (expected, "integrity")


def test_the_device_files_are_read_with_their_modes(alone: Tree) -> None:
    for name, mode in (
        ("nvidia0", 0o666),
        ("nvidiactl", 0o600),
        ("nvidia-uvm", 0o666),
        ("nvidia-caps", 0o755),
    ):
        os.chmod(alone.file(f"/dev/{name}"), mode)
    found = facts().nodes
    assert [(node.path, node.mode) for node in found] == [
        ("/dev/nvidia-uvm", "666"), ("/dev/nvidia0", "666"), ("/dev/nvidiactl", "600"),
    ]  # fmt: skip
    assert all(node.usable for node in found)  # they are the test's own


def test_behind_sudo_the_device_files_are_those_of_the_user(
    alone: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chmod(alone.file("/dev/nvidia0"), 0o660)
    os.chmod(alone.file("/dev/nvidiactl"), 0o666)
    monkeypatch.setenv("SUDO_UID", "60123")
    monkeypatch.setattr(gpu, "groups", no_groups)
    assert [node.usable for node in facts().nodes] == [False, True]


def no_groups(_: int) -> list[int]:
    return []


def test_daemons_and_displays_are_seen(alone: Tree) -> None:
    assert (facts().persistenced, facts().headless) == (False, True)
    assert facts().mps is False
    alone.process(5, "/usr/bin/nvidia-persistenced")
    alone.process(6, "/usr/lib/xorg/Xorg")
    alone.process(7, "/usr/bin/nvidia-cuda-mps-server")
    assert (facts().persistenced, facts().headless, facts().mps) == (True, False, True)


UNIT = "Id=nvidia-fabricmanager.service\nLoadState={}\nActiveState={}\nUnitFileState=enabled\n"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (UNIT.format("loaded", "failed"), "failed"),
        (UNIT.format("not-found", "inactive"), "missing"),
        ("", "missing"),
    ],
)
def test_the_fabric_manager_is_asked_for_on_boxes_with_switches(alone: Tree, answer: str, state: str) -> None:
    alone.program("systemctl", answer)
    assert (facts().nvswitches, facts().fabric_manager) == (0, "")
    card(alone, "0000:05:00.0", **{"class": "0x068000"})
    assert (facts().nvswitches, facts().fabric_manager) == (1, state)
    alone.process(7, "/usr/bin/nv-fabricmanager")
    assert facts().fabric_manager == "active"


def test_the_version_of_the_fabric_manager_is_read(alone: Tree) -> None:
    alone.program("nv-fabricmanager", "Fabric Manager version is : 580.95.05\n")
    alone.program("systemctl", "")
    assert facts().fabric_version == ""
    card(alone, "0000:05:00.0", **{"class": "0x068000"})
    assert (facts().fabric_version, facts().fabric_manager) == ("580.95.05", "")


def test_services_are_read_with_whether_they_start_at_boot(alone: Tree) -> None:
    assert facts().persistence_unit is None
    alone.program(
        "systemctl",
        "Id=nvidia-persistenced.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n\n"
        + UNIT.format("not-found", "inactive"),
    )
    assert facts().persistence_unit == UnitState(
        "nvidia-persistenced.service", "loaded", "disabled", "inactive"
    )
    found = facts().fabric_unit
    assert found is not None
    assert found.load == "not-found"


def test_what_containers_need_is_read(alone: Tree) -> None:
    alone.program("docker", "")
    alone.program("nvidia-ctk", "")
    assert (facts().engines, facts().toolkit, facts().docker_runtime) == (("docker",), ("nvidia-ctk",), False)
    alone.file("/etc/docker/daemon.json", '{"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}')
    alone.file("/etc/cdi/nvidia.yaml", "kind: nvidia.com/gpu\n")
    alone.file("/etc/cdi/other.yaml", "kind: example.com/x\n")
    assert (facts().docker_runtime, facts().cdi) == (True, ("/etc/cdi/nvidia.yaml",))


def test_where_gpus_are_that_are_not_on_the_bus(alone: Tree) -> None:
    alone.file("/etc/nv_tegra_release", "# R36\n")
    assert facts().platform == "tegra"
    alone.file("/dev/dxg")
    alone.file("/usr/lib/wsl/lib/x")
    assert facts().platform == "wsl"
    alone.file("/run/.containerenv")
    assert facts().container == "podman"


def test_this_machine_gives_facts() -> None:
    assert facts().user
