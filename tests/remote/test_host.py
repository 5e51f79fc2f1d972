"""The machine within the limits of a container, and its disks, as the probe reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from gpubox.common.proc import memory_facts
from gpubox.core.sample import Host
from gpubox.remote.probe.containers import cpu_list
from gpubox.remote.probe.disks import mounts, octal
from tests.remote.conftest import Machine

GIB = 1 << 30
QUARTER = GIB // 4
V2 = {
    "memory.max": f"{QUARTER}\n",
    "memory.current": f"{QUARTER // 2}\n",
    "memory.stat": f"anon 1\nfile 2\ninactive_file {QUARTER // 4}\nactive_file 3\n",
    "cpu.max": "50000 100000\n",
    "cpu.stat": "usage_usec 1000\nuser_usec 900\n",
    "cpuset.cpus.effective": "0\n",
}
V1 = {
    "memory/memory.limit_in_bytes": f"{QUARTER}\n",
    "memory/memory.usage_in_bytes": f"{QUARTER // 2}\n",
    "memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {QUARTER // 4}\n",
    "cpu/cpu.cfs_quota_us": "50000\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "cpuacct/cpuacct.usage": "1000000\n",
    "cpuset/cpuset.cpus": "0\n",
}
UNLIMITED = {
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.usage_in_bytes": "123456\n",
    "cpu/cpu.cfs_quota_us": "-1\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "cpuset/cpuset.effective_cpus": f"0-{os.cpu_count() or 1}\n",
}


def host_with(machine: Machine, files: Mapping[str, str], below: str = "") -> Host:
    """Return the host of a second sample, with these control group files."""
    for name, text in files.items():
        machine.file(f"/sys/fs/cgroup/{below}{name}", text)
    running = machine.start()
    running.sample()
    return running.sample().host


@pytest.mark.parametrize("files", [V2, V1], ids=["version 2", "version 1"])
def test_the_limits_of_a_container_are_its_totals(machine: Machine, files: Mapping[str, str]) -> None:
    host = host_with(machine, files)
    assert (host.memory_total, host.memory_limit) == (QUARTER, QUARTER)
    assert host.memory_available == QUARTER - QUARTER // 2 + QUARTER // 4
    assert host.cpu_limit == 0.5
    assert host.cpu == 0  # what the container itself used, not what the machine did
    assert len(host.cores) == 1


@pytest.mark.parametrize("files", [{}, UNLIMITED, {"memory.max": "max\n", "cpu.max": "max 100000\n"}])
def test_without_limits_the_machine_is_all_there_is(machine: Machine, files: Mapping[str, str]) -> None:
    host = host_with(machine, files)
    assert (host.memory_limit, host.cpu_limit) == (None, None)
    assert host.memory_total
    assert len(host.cores) == len(os.sched_getaffinity(0)) or len(host.cores) == os.cpu_count()


def test_a_container_that_sees_the_groups_of_the_whole_machine_finds_its_own(machine: Machine) -> None:
    scope = f"/system.slice/docker-{'0f' * 32}.scope"
    machine.file("/proc/self/cgroup", f"1:name=systemd:/x\n0::{scope}\n")
    host = host_with(machine, V2, f"{scope[1:]}/")
    assert host.memory_limit == QUARTER


def test_a_limit_on_a_login_session_is_not_that_of_the_machine(machine: Machine) -> None:
    session = "/user.slice/user-1000.slice/session-3.scope"
    machine.file("/proc/self/cgroup", f"0::{session}\n")
    assert host_with(machine, V2, f"{session[1:]}/").memory_limit is None


def test_the_cache_of_zfs_is_available_down_to_its_least_size(machine: Machine) -> None:
    before = host_with(machine, {}).memory_available or 0
    text = "13 1 0x01 123 33456\nname type data\nhits 4 99\nsize 4 {}\nc_min 4 {}\nc_max 4 5\n"
    arc = text.format(3 * GIB, GIB)
    facts = memory_facts("MemTotal: 8388608 kB\nMemAvailable: 1048576 kB\n", arc)
    assert facts["memory_available"] == 3 * GIB
    smaller = memory_facts("MemTotal: 8388608 kB\nMemAvailable: 1048576 kB\n", text.format(1, GIB))
    assert smaller["memory_available"] == GIB
    machine.file("/proc/spl/kstat/zfs/arcstats", text.format(1 << 50, 0))
    host = host_with(machine, {})
    assert before < (host.memory_available or 0) == host.memory_total


@pytest.mark.parametrize(
    ("text", "cpus"), [("", set()), ("0", {0}), ("0-3,8", {0, 1, 2, 3, 8}), ("7,9-10", {7, 9, 10})]
)
def test_a_list_of_cpus_is_read(text: str, cpus: set[int]) -> None:
    assert cpu_list(text) == cpus


def test_disks_of_the_network_come_after_the_machines_own() -> None:
    text = (
        "nas:/home /home nfs4 rw 0 0\n"
        "10.0.0.1@tcp:/fs /lustre lustre ro 0 0\n"
        "beegfs_nodev /scratch beegfs rw 0 0\n"
        "beegfs_nodev /data beegfs rw 0 0\n"
        "share /mnt/v virtiofs rw 0 0\n"
        "//nas/x /mnt/c cifs rw 0 0\n"
        "ada@far:/ /mnt/far fuse.sshfs rw 0 0\n"
        "portal /run/user/0/doc fuse.portal rw 0 0\n"
        "lxcfs /var/lib/lxcfs fuse.lxcfs rw 0 0\n"
        "/dev/sda1 /zz ext4 rw 0 0\n"
        "sunrpc /var/lib/nfs/rpc_pipefs rpc_pipefs rw 0 0\n"
        "nfsd /proc/fs/nfsd nfsd rw 0 0\n"
    )
    assert [mount for _, mount, _, _ in mounts(text)] == [
        "/zz", "/data", "/home", "/lustre", "/mnt/c", "/mnt/far", "/mnt/v", "/scratch",
    ]  # fmt: skip


def test_a_mount_point_that_is_no_utf8_is_asked_by_its_bytes(machine: Machine, python: str) -> None:
    folder = os.fsencode(machine.root) + b"/na\xefve \xe9"
    os.mkdir(folder)
    mounts = machine.root / "mounts"
    mounts.write_bytes(b"/dev/sda1 " + folder.replace(b" ", b"\\040") + b" ext4 rw 0 0\n")
    probe = machine.start(python=python, patch=f"host.MOUNTS = {str(mounts)!r}")
    (disk,) = probe.until(lambda sample: sample.host.disks).host.disks
    assert disk.mount == f"{machine.root}/na\ufffdve \ufffd"
    assert disk.total


def test_a_disk_that_the_kernel_gives_up_is_named_with_its_words(machine: Machine, python: str) -> None:
    mounts = machine.root / "mounts"
    mounts.write_text(f"nas:/a {machine.root} nfs4 rw 0 0\nnas:/b {machine.root}/none nfs4 rw 0 0\n")
    patch = (
        f"host.MOUNTS = {str(mounts)!r}; real = host.os.statvfs; host.os.statvfs = lambda path: "
        f"(_ for _ in ()).throw(OSError(116, 'x')) if path == {os.fsencode(machine.root)!r} else real(path)"
    )
    running = machine.start(python=python, patch=patch)
    (disk,) = running.until(lambda sample: sample.host.disks).host.disks
    assert (disk.mount, disk.fault, disk.hangs) == (str(machine.root), "Stale file handle", None)


def test_paths_with_octal_escapes_are_read() -> None:
    assert octal("/a\\040b\\011c\\134d\\777") == "/a b\tc\\d\udcff"
    assert Path(os.fsdecode(os.fsencode(octal("/\\351")))).name == "\udce9"
