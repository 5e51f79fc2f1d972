"""The spool of undelivered frames: bounded, and whole whenever its process is killed."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpubox.remote.monitor import spool as module
from gpubox.remote.monitor.spool import Spool


def opened(folder: Path, limit: int = module.LIMIT) -> Spool:
    spool = Spool(str(folder), limit)
    spool.open()
    return spool


def waiting(spool: Spool) -> list[tuple[int, int, int, bytes]]:
    """What waits: id, clock, nanoseconds and data."""
    return [(one.id, one.clock, one.ns, data) for one, data in spool.batch(10_000, 1 << 30)]


def read(folder: Path) -> list[tuple[int, int, int, bytes]]:
    """What another process finds there."""
    spool = opened(folder)
    try:
        return waiting(spool)
    finally:
        spool.close()


def row(number: int) -> tuple[int, int, int, bytes]:
    return number, 1000 + number, number * 7, b"frame %d " % number * (number % 5 + 1)


def filled(folder: Path, count: int) -> Spool:
    spool = opened(folder)
    for number in range(1, count + 1):
        _, clock, ns, data = row(number)
        spool.append(data, clock, ns)
    return spool


@pytest.fixture
def full(tmp_path: Path) -> tuple[Path, bytes]:
    """A spool of six records in one segment that nobody has open, and the bytes of the segment."""
    filled(tmp_path / "spool", 6).close()
    (segment,) = (tmp_path / "spool").glob("*.frames")
    return segment, segment.read_bytes()


def test_records_come_out_in_order_and_outlive_the_process(tmp_path: Path) -> None:
    spool = filled(tmp_path, 6)
    assert waiting(spool) == [row(number) for number in range(1, 7)]
    spool.confirm(2)
    spool.close()
    assert read(tmp_path) == [row(number) for number in range(3, 7)]
    assert [data for _, data in opened(tmp_path).batch(2, 1 << 20)] == [row(3)[3], row(4)[3]]


def test_a_batch_is_bounded_but_never_empty(tmp_path: Path) -> None:
    spool = filled(tmp_path, 6)
    assert len(spool.batch(10, 1)) == 1
    assert len(spool.batch(10, len(row(1)[3]) + len(row(2)[3]))) == 2


def test_ids_never_come_again(tmp_path: Path) -> None:
    spool = filled(tmp_path, 3)
    spool.confirm(3)
    session = spool.session
    spool.close()
    again = opened(tmp_path)
    again.append(b"new", 1, 2)
    assert waiting(again) == [(4, 1, 2, b"new")]
    assert again.session == session


def test_what_is_delivered_leaves_the_disk(tmp_path: Path) -> None:
    spool = opened(tmp_path, 1 << 20)
    for number in range(64):
        spool.append(os.urandom(8 << 10), number, 0)
        spool.confirm(number + 1)
    assert sum(file.stat().st_size for file in tmp_path.glob("*.frames")) <= module.SMALL + (9 << 10)


def test_it_stays_within_its_limit_and_counts_what_it_drops(tmp_path: Path) -> None:
    spool = opened(tmp_path, 64 << 10)
    for number in range(200):
        spool.append(os.urandom(1 << 10), number, 0)
    left = waiting(spool)
    assert sum(file.stat().st_size for file in tmp_path.glob("*.frames")) <= 64 << 10
    assert left[-1][1] == 199
    assert len(left) > 40
    assert spool.dropped == 200 - len(left)
    spool.close()
    again = opened(tmp_path, 64 << 10)
    assert (len(again), again.dropped) == (len(left), spool.dropped)


def test_a_segment_cut_at_any_byte_gives_every_whole_record(full: tuple[Path, bytes]) -> None:
    segment, content = full
    ends = [at for at in range(len(content) + 1) if content[at : at + 4] in (b"GBF1", b"")][1:]
    for cut in range(len(content) + 1):
        segment.write_bytes(content[:cut])
        spool = opened(segment.parent)
        whole = sum(end <= cut for end in ends)
        assert waiting(spool) == [row(number) for number in range(1, whole + 1)], cut
        spool.append(b"after", 5, 6)
        spool.close()
        found = read(segment.parent)
        assert found[:-1] == [row(number) for number in range(1, whole + 1)], cut
        assert found[-1][1:] == (5, 6, b"after"), cut
        for other in segment.parent.glob("*.frames"):
            other.unlink()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(1, 255))
def test_a_changed_byte_costs_one_record(full: tuple[Path, bytes], place: int, byte: int) -> None:
    segment, content = full
    changed = bytearray(content)
    changed[place % len(content)] ^= byte
    segment.write_bytes(changed)
    found = read(segment.parent)
    assert len(found) >= 5
    assert all(one in [row(number) for number in range(1, 7)] for one in found)
    assert found == sorted(found)


def test_a_state_cut_or_changed_at_any_byte_is_the_state_before(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool", 6)
    for confirmed in (1, 2, 3):
        spool.confirm(confirmed)
    spool.close()
    state = tmp_path / "spool" / "state"
    content = state.read_bytes()
    for at in range(len(content)):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]):
            folder = tmp_path / "copy"
            shutil.copytree(tmp_path / "spool", folder)
            (folder / "state").write_bytes(damaged)
            again = opened(folder)
            assert again.confirmed in (2, 3) or (again.confirmed == 0 and len(damaged) < 64), at
            assert waiting(again) == [row(number) for number in range(again.confirmed + 1, 7)]
            assert again.confirmed == 0 or again.session == spool.session
            again.close()
            shutil.rmtree(folder)


def test_a_full_disk_is_said_and_frames_wait_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = filled(tmp_path, 2)
    write, room = os.write, [10]

    def short(file: int, data: bytes) -> int:
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(file, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", short)
    for number in (3, 4):
        _, clock, ns, data = row(number)
        spool.append(data, clock, ns)
    assert "the disk is full" in spool.trouble
    assert str(tmp_path) in spool.trouble
    assert waiting(spool) == [row(number) for number in range(1, 5)]
    monkeypatch.undo()
    spool.append(row(5)[3], row(5)[1], row(5)[2])
    assert spool.trouble == ""
    assert waiting(spool) == [row(number) for number in range(1, 6)]
    spool.close()
    assert read(tmp_path) == [row(1), row(2), row(5)]


def test_what_waits_in_memory_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool = opened(tmp_path / "file" / "below")
    assert spool.trouble.startswith("Frames wait in memory only: Not a directory")
    for number in range(module.IN_MEMORY + 7):
        spool.append(b"x", number, 0)
    assert (len(spool), spool.dropped) == (module.IN_MEMORY, 7)
    spool.confirm(10)
    assert waiting(spool)[0][0] == 11


def test_only_one_process_uses_it(tmp_path: Path) -> None:
    first = opened(tmp_path)
    with pytest.raises(BlockingIOError, match="Another service already uses it"):
        opened(tmp_path)
    first.close()
    opened(tmp_path).close()


def test_others_cannot_read_it(tmp_path: Path) -> None:
    filled(tmp_path / "spool", 1)
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "spool").iterdir())


def test_a_segment_that_somebody_removed_costs_its_frames_only(tmp_path: Path) -> None:
    spool = filled(tmp_path, 3)
    spool.close()
    spool = opened(tmp_path)
    next(tmp_path.glob("*.frames")).unlink()
    spool.append(b"new", 1, 1)
    assert [data for *_, data in waiting(spool)] == [b"new"]
    assert spool.dropped == 3
