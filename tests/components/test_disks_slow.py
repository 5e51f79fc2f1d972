"""A disk of the network that does not answer, beside one that does, as the probe tells of them."""

from __future__ import annotations

from pathlib import Path

from tests.remote.running import running, unpack

GONE = 300_000
"""Milliseconds that each look at the disk takes."""


def test_a_disk_that_hangs_is_named_and_delays_nothing(tmp_path: Path, slow: Path) -> None:
    near, gone, mounts = tmp_path / "near", tmp_path / "gone", tmp_path / "mounts"
    for folder in (near, gone):
        folder.mkdir()
    mounts.write_text(f"/dev/sda1 {near} ext4 rw 0 0\nnas:/home {gone} nfs4 rw 0 0\n")
    environment = {
        "GPUBOX_ROOT": str(tmp_path),
        "LD_PRELOAD": str(slow),
        "GPUBOX_TEST_SLOW": str(gone),
        "GPUBOX_TEST_DELAY": str(GONE),
    }
    (tmp_path / "probe").mkdir()
    home = unpack(tmp_path / "probe")
    with running(home, environment, patch=f"host.MOUNTS = {str(mounts)!r}") as probe:
        sample = probe.until(lambda sample: any((disk.hangs or 0) > 6 for disk in sample.host.disks))
        own, far = sample.host.disks
        assert (own.mount, own.hangs, own.total > 0) == (str(near), None, True)
        assert (far.device, far.filesystem, far.total) == ("nas:/home", "nfs4", 0)
        assert sample.seq > 6  # it was asked once, and is not asked again while it owes an answer
        probe.hang_up()
        assert probe.end() == 0
