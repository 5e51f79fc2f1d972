"""Checks of the disks, by the facts of machines as they are found."""

from __future__ import annotations

import pytest

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.system.facts import DiskHealth, DiskLimits, FileSystem
from gpubox.boxes.context import BoxContext
from gpubox.common.metrics import DISK
from gpubox.common.rules import table as rules
from gpubox.common.severity import Severity
from gpubox.config.settings import Settings, Thresholds
from gpubox.core.sample import Disk
from gpubox.core.target import Target
from tests.boxes.checks.facts import judge
from tests.boxes.checks.machines import G, T, disk, system

OK, HINT, WARNING, FAILED = Outcome.OK, Outcome.HINT, Outcome.WARNING, Outcome.FAILED
UNKNOWN, NOT_HERE = Outcome.UNKNOWN, Outcome.NOT_HERE


@pytest.mark.parametrize(
    ("mounts", "outcome", "said"),
    [
        ((disk("/", 100 * G, 50 * G),), OK, "50%"),
        ((disk("/", 100 * G, 12 * G),), WARNING, "88%"),
        ((disk("/", 100 * G, 3 * G),), FAILED, "97%"),
        ((disk("/data", 20 * T, T),), FAILED, "1.0T of 20.0T free on /data (95% used)"),
        ((disk("/data", 100 * T, T), disk("/", 100 * G, 10 * G)), FAILED, "/data"),
        ((disk("/", 100 * G, 50 * G), disk("/home", 50 * G, 0)), FAILED, "100%"),
        ((disk("/", 100 * G, 50 * G), disk("/mnt/dvd", 4 * G, 0, read_only=True)), OK, "50%"),
        ((disk("/", 100 * G, 50 * G), disk("/boot/efi", G, 0)), OK, "50%"),
        ((disk("/", 100 * G, 50 * G), FileSystem("/nfs", network=True)), WARNING, "/nfs does not answer"),
        ((FileSystem("/nfs", network=True),), UNKNOWN, "/nfs does not answer"),
        ((), UNKNOWN, "No disk"),
    ],
)
def test_full_disks_are_found(mounts: tuple[FileSystem, ...], outcome: Outcome, said: str) -> None:
    result = judge("system.disk", system(mounts=mounts), DiskLimits())
    assert result.outcome is outcome
    assert said in result.text


def test_a_full_disk_says_which_it_is_and_how_to_look() -> None:
    mounts = (
        disk("/", 100 * G, 50 * G),
        disk("/home", 50 * G, G),
        FileSystem("/nfs", fault="Stale file handle"),
    )
    result = judge("system.disk", system(mounts=mounts), DiskLimits())
    assert "1.0G of 50.0G free on /home" in result.text
    assert "du -xh --max-depth=2 /home" in result.step
    assert "/nfs: Stale file handle" in result.details


@pytest.mark.parametrize("percent", [*range(40, 101, 5), 84.9, 94.9, 96.0])
@pytest.mark.parametrize("limits", [(85, 95), (50, 60), (99, 100)])
async def test_a_disk_is_judged_as_its_rule_in_the_panel_does(
    percent: float, limits: tuple[float, float]
) -> None:
    settings = Settings(thresholds=Thresholds(disk=limits))
    known = await DiskLimits.gather(BoxContext(Target("box", "ssh"), settings))
    free = round(4 * T * (1 - percent / 100))
    reading = Disk(mount="/data", used=4 * T - free, total=4 * T)
    severities = [found.severity for found in rules.judge(DISK, reading, settings.limits)]
    expected = {Severity.CRITICAL: FAILED, Severity.WARNING: WARNING}
    result = judge("system.disk", system(mounts=(disk("/data", 4 * T, free),)), known)
    assert [result.outcome] == ([expected[one] for one in severities] or [OK])


@pytest.mark.parametrize(
    ("inodes", "free", "outcome"),
    [
        (6_000_000, 5_000_000, OK),
        (6_000_000, 500_000, WARNING),
        (6_000_000, 10, FAILED),
        (100_000_000, 4_000_000, OK),
        (0, 0, OK),  # btrfs
    ],
)
def test_few_inodes_are_noticed(inodes: int, free: int, outcome: Outcome) -> None:
    mounts = (disk("/", G, G, inodes=inodes, free_inodes=free),)
    assert judge("system.inodes", system(mounts=mounts), DiskLimits()).outcome is outcome


@pytest.mark.parametrize(
    ("mount", "more", "outcome"),
    [
        (disk("/", G, G), {}, OK),
        (disk("/", G, G, read_only=True), {}, FAILED),
        (disk("/", G, G, read_only=True, meant=True), {}, OK),
        (disk("/", G, G, read_only=True), {"container": "docker"}, HINT),
        (disk("/home/ann", G, G, read_only=True), {"home": "/home/ann"}, FAILED),
        (disk("/mnt/old", G, G, read_only=True), {"home": "/home/ann"}, WARNING),
        (disk("/datasets", G, G, read_only=True, network=True), {"home": "/home/ann"}, OK),
    ],
)
def test_disks_that_became_read_only_are_found(
    mount: FileSystem, more: dict[str, str], outcome: Outcome
) -> None:
    assert judge("system.read-only", system(mounts=(mount,), **more)).outcome is outcome


@pytest.mark.parametrize(
    ("tmp", "outcome"),
    [
        (disk("/tmp", 100 * G, 50 * G), OK),
        (disk("/tmp", 100 * G, G // 2), WARNING),
        (disk("/tmp", 100 * G, 50 * G, no_programs=True), HINT),
        (disk("/tmp", 2 * G, 2 * G, kind="tmpfs"), HINT),
        (disk("/tmp", 100 * G, 50 * G, writable=False), FAILED),
        (None, UNKNOWN),
    ],
)
def test_a_small_tmp_is_noticed(tmp: FileSystem | None, outcome: Outcome) -> None:
    assert judge("system.tmp", system(tmp=tmp)).outcome is outcome


@pytest.mark.parametrize(
    ("shm", "container", "outcome", "step"),
    [
        (disk("/dev/shm", 64 << 20, 64 << 20), "docker", WARNING, "--shm-size"),
        (disk("/dev/shm", 64 << 20, 64 << 20), "", WARNING, "remount"),
        (disk("/dev/shm", 64 * G, G), "", WARNING, "ls -la /dev/shm"),
        (disk("/dev/shm", 64 * G, 64 * G), "docker", OK, ""),
        (None, "", UNKNOWN, ""),
    ],
)
def test_little_shared_memory_is_noticed(
    shm: FileSystem | None, container: str, outcome: Outcome, step: str
) -> None:
    result = judge("system.shared-memory", system(shm=shm, container=container))
    assert result.outcome is outcome
    assert step in result.step


@pytest.mark.parametrize(
    ("disks", "root", "outcome", "said"),
    [
        ((DiskHealth("sda", "ST4000", True),), True, OK, "Its disk says"),
        ((DiskHealth("sda", "ST4000", True), DiskHealth("nvme0n1", "980", False)), True, FAILED, "nvme0n1"),
        ((DiskHealth("nvme0n1", "980", True, used=101),), True, WARNING, "101%"),
        ((DiskHealth("sda", "ST4000", True, errors=8),), True, WARNING, "8 errors"),
        ((DiskHealth("sda", "ST4000"),), False, UNKNOWN, "usually needs root"),
        ((DiskHealth("sda", "PERC H730"),), True, UNKNOWN, "did not answer"),
        ((), True, NOT_HERE, "no disk"),
    ],
)
def test_dying_disks_are_named(
    disks: tuple[DiskHealth, ...], root: bool, outcome: Outcome, said: str
) -> None:
    result = judge("system.smart", system(disks=disks, root=root))
    assert result.outcome is outcome
    assert said in result.text


def test_who_may_not_ask_a_disk_learns_the_command_and_its_package() -> None:
    result = judge("system.smart", system(disks=(DiskHealth("nvme0n1"),)))
    assert "sudo smartctl -H /dev/nvme0n1" in result.step
    assert "smartmontools" in result.step


def test_commands_to_type_are_quoted() -> None:
    path = "/mnt/a; rm -rf ~"
    full = system(mounts=(disk(path, 100 * G, 0, inodes=100, free_inodes=0),))
    assert "'/mnt/a; rm -rf ~'" in judge("system.disk", full, DiskLimits()).step
    assert "'/mnt/a; rm -rf ~'" in judge("system.inodes", full, DiskLimits()).step
    assert "'/dev/sda; halt'" in judge("system.smart", system(disks=(DiskHealth("sda; halt"),))).step
