"""The facts of disks: from trees of files, and from output written by hand after that of real programs."""

from __future__ import annotations

import os

import pytest

from gpubox.remote.checks import disks
from tests.remote.checks.trees import Tree, tree

__all__ = ["tree"]

MOUNTS = """\
/dev/nvme0n1p2 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
/dev/nvme0n1p1 /boot/efi vfat rw 0 0
/dev/sdb1 /mnt/two\\040words xfs ro,relatime 0 0
tmpfs /tmp tmpfs rw,nosuid,noexec 0 0
nas:/data /data nfs4 ro,hard 0 0
"""
NVME = """{"smart_status": {"passed": true, "nvme": {"value": 0}},
 "nvme_smart_health_information_log": {"critical_warning": 0, "percentage_used": 93, "media_errors": 2}}"""
ATA = """{"smartctl": {"exit_status": 8}, "smart_status": {"passed": false},
 "ata_smart_attributes": {"table": [
 {"id": 5, "name": "Reallocated_Sector_Ct", "raw": {"value": 12}},
 {"id": 197, "name": "Current_Pending_Sector", "raw": {"value": 16}},
 {"id": 198, "name": "Offline_Uncorrectable", "raw": {"value": 3}}]}}"""
UDISKS = """\
/org/freedesktop/UDisks2/Manager:
  org.freedesktop.UDisks2.Manager:
    Version:                    2.9.4

/org/freedesktop/UDisks2/drives/Samsung_SSD_870_EVO_1TB_S1:
  org.freedesktop.UDisks2.Drive:
    Id:                         Samsung-SSD-870-EVO-1TB-S1
    Model:                      Samsung SSD 870 EVO 1TB
  org.freedesktop.UDisks2.Drive.Ata:
    SmartFailing:               true
    SmartUpdated:               1790000000

/org/freedesktop/UDisks2/drives/WDC_WD40:
  org.freedesktop.UDisks2.Drive:
    Model:                      WDC WD40EZRZ
  org.freedesktop.UDisks2.Drive.Ata:
    SmartFailing:               false
    SmartUpdated:               0

/org/freedesktop/UDisks2/drives/WD_BLACK_SN850X:
  org.freedesktop.UDisks2.Drive:
    Model:                      WD_BLACK SN850X 2000GB
  org.freedesktop.UDisks2.NVMe.Controller:
    SmartCriticalWarning:       []
    SmartUpdated:               1790000000
"""


def test_file_systems_are_listed_with_their_room(tree: Tree) -> None:
    tree.file("/proc/self/mounts", MOUNTS)
    tree.file("/etc/fstab", "# a comment\nnas:/data /data nfs4 ro,hard 0 0\nUUID=1 / ext4 defaults 0 1\n")
    (tree.root / "mnt" / "two words").mkdir(parents=True)
    (tree.root / "data").mkdir()
    found = {row["path"]: row for row in disks.file_systems()}
    assert set(found) == {
        "/",
        "/mnt/two words",
        "/data",
    }  # /boot/efi is not there, which is nobody's business
    assert found["/"]["answered"]
    assert 0 <= found["/"]["free"] <= found["/"]["size"]
    assert (found["/mnt/two words"]["read_only"], found["/mnt/two words"]["meant"]) == (True, False)
    assert (found["/data"]["read_only"], found["/data"]["meant"], found["/data"]["network"]) == (
        True,
        True,
        True,
    )


def test_folders_for_work_say_how_they_are_mounted(tree: Tree) -> None:
    tree.file("/proc/self/mounts", MOUNTS)
    (tree.root / "tmp").mkdir()
    found = disks.working()
    assert found["tmp"]["kind"] == "tmpfs"
    assert found["tmp"]["no_programs"]
    assert found["tmp"]["answered"]
    assert "answered" not in found["shm"]


def block(tree: Tree, name: str, model: str, removable: str = "0") -> None:
    """Add a disk."""
    tree.file(f"/sys/block/{name}/device/model", model + "\n")
    tree.file(f"/sys/block/{name}/removable", removable + "\n")


def test_only_disks_of_the_machine_itself_are_asked(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for name, model in (
        ("nvme0n1", "Samsung SSD 990 PRO 2TB"),
        ("nvme1n1", "Amazon Elastic Block Store"),
        ("sda", "QEMU HARDDISK"),
        ("loop0", ""),
        ("dm-0", ""),
    ):
        block(tree, name, model)
    block(tree, "sdb", "SanDisk Ultra", removable="1")
    assert disks.health() == [{"name": "nvme0n1", "model": "Samsung SSD 990 PRO 2TB"}]


def test_root_reads_the_health_of_disks_from_smartctl(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    block(tree, "nvme0n1", "Samsung SSD 990 PRO 2TB")
    tree.program("smartctl", NVME, status=4)  # its bits are no failure of the program
    (row,) = disks.health()
    assert (row["healthy"], row["used"], row["errors"], row["by"]) == (True, 93, 2, "smartctl")


def test_a_failing_disk_is_read_from_its_own_words() -> None:
    assert disks.smart(ATA) == {"healthy": False, "errors": 16, "by": "smartctl"}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"smart_status": 1}', '{"ata_smart_attributes": {"table": 3}}', "{"]
)
def test_a_report_without_health_says_nothing(text: str) -> None:
    assert disks.smart(text) == {}


def test_udisks_reports_users_of_disks_that_it_looked_at(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    block(tree, "sda", "Samsung SSD 870")  # as the kernel cuts it
    block(tree, "sdb", "WDC WD40EZRZ")
    block(tree, "nvme0n1", "WD_BLACK SN850X 2000GB")
    tree.program("udisksctl", UDISKS)
    tree.process(900, "/usr/libexec/udisks2/udisksd")
    assert {row["name"]: row.get("healthy") for row in disks.health()} == {
        "sda": False,
        "sdb": None,
        "nvme0n1": True,
    }


def test_udisks_is_not_started_to_be_asked(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    block(tree, "sda", "Samsung SSD 870")
    tree.program("udisksctl", UDISKS)
    assert disks.health() == [{"name": "sda", "model": "Samsung SSD 870"}]
