"""The history on the box: stored in tiers, read back as it was, and none lost by damage or a clock."""

from __future__ import annotations

import base64
import sqlite3
import struct
import time
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gpubox.common import tiers
from gpubox.remote.monitor import history, read_history
from gpubox.remote.monitor.history import HistoryOutlet
from tests.waiting import until

NOW = 1_763_900_000 - 1_763_900_000 % 3600
"""The beginning of an hour."""


class Clock:
    """The time module with a clock that tests set."""

    monotonic = staticmethod(time.monotonic)
    now = NOW + 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the outlet."""
    clock = Clock()
    monkeypatch.setattr(history, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The service's folder."""
    monkeypatch.setattr(history, "path", lambda: str(tmp_path / history.FILE))
    return tmp_path


def sample(moment: float, util: float = 50.0, *, users: tuple[str, ...] = ("ada",)) -> dict[str, Any]:
    """A row of the probe."""
    return {
        "time": moment,
        "interval": 10.0,
        "host": {"cpu": util / 2},
        "gpus": [{"index": 0, "uuid": "GPU-0", "util": util, "power": 100.0, "temperature": 60}],
        "processes": [{"pid": 7, "gpu": 0, "user": user} for user in users],
    }


@contextmanager
def outlet() -> Generator[HistoryOutlet]:
    """A started outlet."""
    made = HistoryOutlet({}, "")
    made.start()
    try:
        yield made
    finally:
        made.close()


def store(clock: Clock, *samples: dict[str, Any]) -> None:
    """Store samples as the outlet's thread does, at their times, and then at that of the clock."""
    end = clock.now
    made = HistoryOutlet({}, "")
    made._connection = made._open(history.path())
    for number, one in enumerate(samples):
        made._take(one, 10.0 * number)
        if number % 300 == 0:
            clock.now = one["time"]
            made._flush()
    clock.now = end
    made._flush(last=True)
    made._connection.close()


def rows(width: int, begin: int = 0, end: int = 2 * NOW) -> list[tuple[int, dict[str, float]]]:
    """The rows of a tier, as the answer of the box has them."""
    answer = read_history.read({"parts": [{"width": width, "begin": begin, "end": end}]})
    assert answer["present"]
    (part,) = answer["parts"]
    data, found, place = zlib.decompress(base64.b64decode(part["rows"])), [], 0
    while place < len(data):
        second, layout = struct.unpack_from("<QH", data, place)
        names = part["layouts"][layout]
        values = struct.unpack_from(f"<{len(names)}f", data, place + 10)
        found.append((second, {name: round(value, 3) for name, value in zip(names, values, strict=True)}))
        place += 10 + 4 * len(names)
    return found


def test_what_is_offered_is_read_back() -> None:
    with outlet() as made:
        for second in range(0, 60, 5):
            made.offer({"sample": sample(NOW + second, float(second))})
        until(lambda: made._frames.empty())
    assert made.status()["ok"]
    found = rows(10)
    assert [second for second, _ in found] == [NOW + each for each in range(0, 60, 10)]
    assert found[0][1] == {
        "gpu/GPU-0/util": 2.5, "gpu/GPU-0/temperature": 60, "gpu/GPU-0/power": 100, "host/cpu": 1.25
    }  # fmt: skip


def test_a_day_becomes_coarse_rows_and_stays_bounded(clock: Clock) -> None:
    clock.now = NOW + 86_400.0 + 120
    store(clock, *(sample(NOW + second) for second in range(0, 86_400, 10)))
    assert len(rows(10)) == 8640 - 12  # the first two minutes are a day old
    assert len(rows(300)) == 288
    assert len(rows(3600)) == 24
    assert rows(3600)[0][1]["gpu/GPU-0/util"] == 50
    clock.now = NOW + 40 * 86_400.0
    for _ in range(30):
        store(clock)
    assert rows(10) == []
    assert rows(300) == []
    assert len(rows(3600)) == 24


def test_use_is_added_up_and_only_what_was_watched_counts() -> None:
    moments = [*range(0, 600, 10), *range(1800, 2400, 10)]
    made = HistoryOutlet({}, "")
    made._connection = made._open(history.path())
    for moment in moments:
        made._take(sample(NOW + moment), float(moment))
    made._flush(last=True)
    made._connection.close()
    answer = read_history.read({"usage": {"begin": NOW, "end": NOW + 3600}})["usage"]
    assert answer["watched"] == 1200 + 20  # the frame after the gap holds for three intervals
    (row,) = answer["rows"]
    assert row == {"uuid": "GPU-0", "user": "ada", "held": 1220, "busy": 1220, "energy": 122_000}


@pytest.mark.parametrize("jump", [-7200, -5, 5, 7200, 40 * 86_400])
def test_a_clock_that_is_set_loses_a_frame_at_most(jump: int) -> None:
    made = HistoryOutlet({}, "")
    made._connection = made._open(history.path())
    for number in range(20):
        made._take(sample(NOW + 10 * number + (jump if number >= 10 else 0)), 10.0 * number)
    made._flush(last=True)
    made._connection.close()
    watched = read_history.read({"usage": {"begin": 0, "end": 2 * NOW}})["usage"]["watched"]
    assert 190 <= watched <= 200
    assert 19 <= len(rows(10)) <= 20


def test_a_box_that_slept_was_not_watched_meanwhile() -> None:
    made = HistoryOutlet({}, "")
    made._connection = made._open(history.path())
    made._take(sample(NOW), 100.0)
    made._take(sample(NOW + 30_000), 110.0)
    made._usage.write(made._connection)
    made._connection.close()
    assert read_history.read({"usage": {"begin": 0, "end": 2 * NOW}})["usage"]["watched"] == 20


def test_a_damaged_file_is_moved_aside(folder: Path) -> None:
    file = folder / history.FILE
    file.write_bytes(b"no database at all" * 100)
    with outlet() as made:
        made.offer({"sample": sample(NOW)})
        until(lambda: made._frames.empty())
    assert len(rows(10)) == 1
    assert (folder / f"{history.FILE}.damaged").exists()


def test_no_history_is_no_error() -> None:
    answer = read_history.read({"parts": [{"width": 10, "begin": 0, "end": 9}]})
    assert (answer["present"], answer["parts"]) == (False, [])


def test_a_full_disk_is_reported_and_the_next_frames_are_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "FLUSH", 0.01)
    broken = True
    insert = tiers_insert()

    def fail(self: object, connection: sqlite3.Connection, rows: object) -> None:
        if broken:
            raise sqlite3.OperationalError("database or disk is full")
        insert(self, connection, rows)

    monkeypatch.setattr(history.Tiers, "insert", fail)
    with outlet() as made:
        for second in range(0, 100, 10):
            made.offer({"sample": sample(NOW + second)})
        until(lambda: "disk is full" in made.status()["words"])
        assert not made.status()["ok"]
        broken = False
        made.offer({"sample": sample(NOW + 100)})
        until(lambda: made.status()["ok"])
    assert len(rows(10)) == 11


def tiers_insert() -> Callable[[object, sqlite3.Connection, object], None]:
    """The method that writes rows."""
    return history.Tiers.insert  # pyright: ignore[reportReturnType]


def test_only_tiers_can_be_asked_for() -> None:
    store(Clock(), sample(NOW))
    with pytest.raises(Exception, match="no rows of 7 seconds"):
        read_history.read({"parts": [{"width": 7, "begin": 0, "end": 1}]})


def test_the_file_of_a_month_is_small(clock: Clock, folder: Path) -> None:
    clock.now = NOW + 86_400.0 + 120
    readings = {"util": 50.0, "power": 300.0, "temperature": 60, "fan": 40, "memory_total": 1 << 34}
    eight = [{"index": n, "uuid": f"GPU-{n:032x}", "memory_used": 1 << 30, **readings} for n in range(8)]
    store(clock, *({**sample(NOW + second), "gpus": eight} for second in range(0, 86_400, 10)))
    size = (folder / history.FILE).stat().st_size
    # A day of the finest tier, and thirty of the next one, which has as many rows.
    assert 2 * size < 30 << 20
    assert len(tiers.WIDTHS) == 3
