"""Tiers: fine means become coarse ones hour by hour, each stays its time, and a span picks the one for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.common import tiers
from gpubox.common.tier_writer import LATE, Tiers
from gpubox.common.tiers import Bounds, HistoryRow, HistorySpan
from gpubox.store import migrations

DAY = 86_400
NOW = 20_000 * DAY
"""Midnight of some day."""


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:")
    migrations.migrate(opened, Path("memory"))
    yield opened
    opened.close()


def rows(begin: int, count: int, value: float = 1.0, box: str = "xub") -> list[HistoryRow]:
    return [HistoryRow(box, begin + n * 10, {"host/cpu": value}) for n in range(count)]


def tidied(connection: sqlite3.Connection, now: int, finest: int = 7, largest: int = Bounds().bytes) -> int:
    """Tidy until nothing is left to do; returns how many steps it took."""
    writer = Tiers()
    steps = 1
    bounds = Bounds((finest, 30, 365), largest)
    while writer.tidy(connection, now, bounds):
        steps += 1
    return steps


def found(connection: sqlite3.Connection, width: int, box: str = "xub") -> list[tuple[int, float]]:
    read = tiers.read(connection, width, box, 0, 2 * NOW)
    return [(row.second, round(row.means["host/cpu"], 3)) for row in read]


def test_an_hour_becomes_twelve_rows_and_one(connection: sqlite3.Connection) -> None:
    begin = NOW - 3600
    Tiers().insert(connection, [*rows(begin, 30, 10.0), *rows(begin + 300, 330, 50.0)])
    assert tidied(connection, NOW + LATE) == 2
    assert found(connection, 300) == [(begin, 10.0), *((begin + n * 300, 50.0) for n in range(1, 12))]
    assert found(connection, 3600) == [(begin, round((30 * 10 + 330 * 50) / 360, 3))]
    assert len(found(connection, 10)) == 360


def test_an_hour_that_is_not_over_waits_and_none_is_rolled_up_twice(connection: sqlite3.Connection) -> None:
    Tiers().insert(connection, rows(NOW - 7200, 720))
    assert tidied(connection, NOW + LATE - 1) == 2
    assert [second for second, _ in found(connection, 3600)] == [NOW - 7200]
    assert [tidied(connection, NOW + LATE) for _ in range(2)] == [2, 1]
    assert [second for second, _ in found(connection, 3600)] == [NOW - 7200, NOW - 3600]


def test_a_series_counts_where_it_was_seen(connection: sqlite3.Connection) -> None:
    begin = NOW - 3600
    Tiers().insert(connection, rows(begin, 2, 10.0))
    Tiers().insert(connection, [HistoryRow("xub", begin + 20, {"host/cpu": 40.0, "gpu/0/util": 80.0})])
    tidied(connection, NOW + LATE)
    (row,) = tiers.read(connection, 300, "xub", 0, NOW)
    assert row.means == {"host/cpu": 20.0, "gpu/0/util": 80.0}


def test_a_file_that_was_away_for_weeks_is_rolled_up_before_anything_is_deleted(
    connection: sqlite3.Connection,
) -> None:
    long_ago = NOW - 100 * DAY
    Tiers().insert(connection, [*rows(long_ago, 360), *rows(NOW - 20 * DAY, 360), *rows(NOW - DAY, 360)])
    tidied(connection, NOW)
    assert [second for second, _ in found(connection, 3600)] == [long_ago, NOW - 20 * DAY, NOW - DAY]
    assert {second // DAY * DAY for second, _ in found(connection, 300)} == {NOW - 20 * DAY, NOW - DAY}
    assert {second // DAY * DAY for second, _ in found(connection, 10)} == {NOW - DAY}
    tidied(connection, NOW + 365 * DAY)
    assert [found(connection, width) for width in tiers.WIDTHS] == [[], [], []]
    assert connection.execute("SELECT count(*) FROM box").fetchone() == (0,)


def test_a_coarse_tier_stays_at_least_as_long_as_a_finer_one() -> None:
    assert [Bounds((7, 30, 365)).days_of(width) for width in tiers.WIDTHS] == [7, 30, 365]
    assert [Bounds((90, 30, 365)).days_of(width) for width in tiers.WIDTHS] == [90, 90, 365]


def test_rows_of_a_clock_that_ran_ahead_hold_nothing_up(connection: sqlite3.Connection) -> None:
    Tiers().insert(connection, rows(NOW + 50 * DAY, 360))
    tidied(connection, NOW + 51 * DAY)
    Tiers().insert(connection, rows(NOW - 3600, 360))
    tidied(connection, NOW + LATE)
    assert NOW - 3600 in [second for second, _ in found(connection, 3600)]


def test_a_broken_row_goes_and_the_others_count(connection: sqlite3.Connection) -> None:
    Tiers().insert(connection, rows(NOW - 3600, 3))
    connection.execute("UPDATE mean_10 SET means = x'00' WHERE second = ?", (NOW - 3590,))
    connection.commit()
    tidied(connection, NOW + LATE)
    assert found(connection, 3600) == [(NOW - 3600, 1.0)]
    assert [second for second, _ in found(connection, 10)] == [NOW - 3600, NOW - 3580]


def test_a_file_that_is_too_large_loses_the_oldest_fine_rows_first(connection: sqlite3.Connection) -> None:
    Tiers().insert(connection, rows(NOW - 2 * DAY, 17_280))
    tidied(connection, NOW + LATE)
    size = connection.execute("PRAGMA page_count").fetchone()[0] * 4096
    tidied(connection, NOW + LATE, largest=size * 3 // 4)
    left = found(connection, 10)
    assert 17_280 // 2 < len(left) < 17_280
    assert left[-1][0] == NOW - 10
    assert len(found(connection, 300)) == 2 * 288
    tidied(connection, NOW + LATE, largest=0)
    assert len(found(connection, 10)) >= 360  # what the panel shows stays whatever the size
    assert found(connection, 3600)[-1][0] == NOW - 3600


@pytest.mark.parametrize(
    ("begin", "seconds", "width"),
    [
        (NOW - 3600, 3600, 10),
        (NOW - 5 * 3600, 5 * 3600, 10),
        (NOW - DAY, DAY, 300),
        (NOW - 7 * DAY, 7 * DAY, 300),
        (NOW - 3 * DAY, 3600, 10),
        (NOW - 8 * DAY, 3600, 300),  # what is left of that time
        (NOW - 40 * DAY, 3600, 3600),
        (NOW - 30 * DAY, 30 * DAY, 3600),
        (NOW - 365 * DAY, 365 * DAY, 3600),
        (NOW - 3000 * DAY, 3000 * DAY, 3600),
    ],
)
def test_a_span_is_read_from_the_tier_that_has_it_in_few_rows(begin: int, seconds: int, width: int) -> None:
    assert tiers.pick(begin, begin + seconds, NOW, Bounds()) == width


def test_a_long_span_goes_up_to_now(connection: sqlite3.Connection) -> None:
    Tiers().insert(connection, [*rows(NOW - 7200, 720, 2.0), *rows(NOW, 60, 4.0)])
    tidied(connection, NOW + LATE)
    read = tiers.span(connection, 300, "xub", NOW - 7200, NOW + 600)
    assert read.width == 300
    assert [row.means["host/cpu"] for row in read.rows] == [2.0] * 24 + [4.0] * 2
    assert [row.second for row in read.rows] == [NOW - 7200 + n * 300 for n in range(26)]
    hours = tiers.span(connection, 3600, "xub", NOW - 7000, NOW + 600)
    assert [(row.second, row.means["host/cpu"]) for row in hours.rows] == [
        (NOW - 7200, 2.0),
        (NOW - 3600, 2.0),
        (NOW, 4.0),
    ]


def layouts(connection: sqlite3.Connection) -> list[str]:
    return [series for (series,) in connection.execute("SELECT series FROM layout ORDER BY id")]


def test_the_series_of_a_forgotten_box_go_with_it_and_those_in_use_stay(
    connection: sqlite3.Connection,
) -> None:
    writer = Tiers()
    old = NOW - 400 * DAY
    writer.insert(connection, [HistoryRow("gone", old, {"gpu/gone/util": 1.0})])
    writer.insert(connection, rows(NOW - 3600, 360))
    tidied(connection, NOW + LATE)
    assert layouts(connection) == ['["host/cpu"]']
    # The same writer, which had inserted it before, and another program that did not.
    writer.insert(connection, [HistoryRow("gone", NOW, {"gpu/gone/util": 2.0})])
    Tiers().insert(connection, [HistoryRow("gone", NOW + 10, {"gpu/gone/util": 3.0})])
    again = tiers.read(connection, 10, "gone", NOW, NOW + 10)
    assert [row.means for row in again] == [{"gpu/gone/util": 2.0}, {"gpu/gone/util": 3.0}]


def test_a_span_gives_means_by_the_dot_and_leaves_gaps_open() -> None:
    read = HistorySpan(300, [HistoryRow("xub", NOW + n * 300, {"host/cpu": float(n)}) for n in (0, 1, 2, 6)])
    now = NOW + 2400 - 1
    assert read.window("host/cpu", now, 2400, 8) == [0.0, 1.0, 2.0, None, None, None, 6.0, None]
    assert read.window("host/cpu", now, 2400, 4) == [0.5, 2.0, None, 6.0]
    assert read.window("host/cpu", now, 2400, 16)[:5] == [0.0, 0.0, 1.0, 1.0, 2.0]
    assert read.window("gpu/0/util", now, 2400, 2) == [None, None]
    assert read.window("host/cpu", now, 2400, 0) == []


def test_a_box_that_renames_its_gpus_in_an_hour_makes_bounded_rows(connection: sqlite3.Connection) -> None:
    for run in range(3):
        names = [
            HistoryRow(
                "xub",
                NOW - 3600 + (run * 60 + n) * 10,
                {f"gpu/{run}.{n}.{m}/util": 1.0 for m in range(30)},
            )
            for n in range(60)
        ]
        Tiers().insert(connection, names)
    tidied(connection, NOW + LATE)
    (row,) = tiers.read(connection, 3600, "xub", 0, NOW)
    assert len(row.means) == 1024
