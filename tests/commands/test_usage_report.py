"""What `usage` prints."""

from __future__ import annotations

import csv

import pytest

from gpubox.boxes.monitor.box_history import GpuUsage, UserHours
from gpubox.commands.usage_report import UsageReport, report
from tests.commands.test_docs import names, rows

HOUR = 3600.0
USES = GpuUsage(
    3 * 24 * HOUR,
    (
        UserHours("GPU-0", "ada", 10 * HOUR, 8 * HOUR, 3.6e6),
        UserHours("GPU-1", "ada", 30 * HOUR, 12 * HOUR, 7.2e6),
        UserHours("GPU-1", "bob\x1b[31m", 2 * HOUR, 0.0, 0.0),
        UserHours("GPU-0", "", 0.0, 5 * HOUR, 1.8e6),
    ),
)


@pytest.fixture
def by_user() -> UsageReport:
    """The report of four days by user."""
    return report(USES, 4 * 24 * HOUR, "user")


def test_hours_and_energy_of_a_user_add_up_over_the_gpus(by_user: UsageReport) -> None:
    assert by_user.lines("xub") == [
        "xub: use in the last 4d 0h, seen 75% of the time",
        "USER      GPU HOURS  BUSY  IDLE HOURS   KWH",
        "ada            40.0   50%        20.0  3.00",
        "bob\ufffd[31m        2.0    0%         2.0  0.00",
        "nobody                                 0.50",
        "all            42.0   48%        22.0  3.50",
    ]


def test_by_gpu_nobody_is_part_of_each() -> None:
    rows = report(USES, HOUR, "gpu").rows
    assert [(row.name, row.held, row.busy, row.energy) for row in rows] == [
        ("GPU-1", 32.0, 12.0, 2.0), ("GPU-0", 10.0, 8.0, 1.5)
    ]  # fmt: skip


def test_more_than_the_time_was_not_seen(by_user: UsageReport) -> None:
    assert report(USES, HOUR, "user").seen == 1.0
    assert by_user.seen == 0.75


def test_csv_is_read_back_and_no_name_is_a_formula() -> None:
    uses = GpuUsage(1.0, (UserHours("GPU-0", '=1+1,"x"', HOUR, HOUR, 3.6e6),))
    (head, row) = csv.reader(report(uses, HOUR, "user").as_csv())
    assert head == ["user", "held_hours", "busy_hours", "energy_kwh"]
    assert row == ['\'=1+1,"x"', "1.0000", "1.0000", "1.000000"]


def test_the_json_is_explained() -> None:
    listed = [name for cell in rows("json", "`gpu_usage`") for name in names(cell)]
    assert listed == [*report(USES, HOUR, "user").to_json()]


def test_nothing_is_a_title_and_a_head() -> None:
    assert len(report(GpuUsage(), HOUR, "user").lines("xub")) == 2
