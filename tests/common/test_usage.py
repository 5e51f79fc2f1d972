"""Who used the GPUs: what a sample adds, and what comes out over a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from gpubox.common import usage
from gpubox.common.usage import HOUR, UsageRow, UsageSum, of_sample

BEGIN = 20_000 * 86_400


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A database with the tables."""
    opened = sqlite3.connect(":memory:")
    opened.executescript(usage.TABLES)
    yield opened
    opened.close()


def sample(users: dict[int, list[str]], util: float = 90.0, power: float = 100.0) -> dict[str, Any]:
    """A row of the probe with two GPUs, and a process of each user."""
    gpus = [{"index": index, "uuid": f"GPU-{index}", "util": util, "power": power} for index in (0, 1)]
    processes = [{"pid": 1, "gpu": gpu, "user": user} for gpu, names in users.items() for user in names]
    return {"gpus": gpus, "processes": [*processes, {"pid": 2, "user": "ada"}]}


def test_a_gpu_with_a_process_is_held_and_one_without_is_nobodys() -> None:
    assert of_sample(sample({0: ["ada"]}), 10.0) == [
        UsageRow("GPU-0", "ada", 10.0, 10.0, 1000.0),
        UsageRow("GPU-1", "", 0.0, 10.0, 1000.0),
    ]


def test_a_gpu_that_does_nothing_is_held_idle() -> None:
    (first, _) = of_sample(sample({0: ["ada"]}, util=usage.BUSY - 1), 10.0)
    assert (first.held, first.busy) == (10.0, 0.0)


def test_two_users_share_a_gpu_and_two_processes_of_one_do_not() -> None:
    found = of_sample(sample({0: ["ada", "bob", "ada"]}), 10.0)
    assert [(use.user, use.held, use.energy) for use in found if use.uuid == "GPU-0"] == [
        ("ada", 5.0, 500.0), ("bob", 5.0, 500.0)
    ]  # fmt: skip


def test_unknown_readings_count_as_nothing() -> None:
    row = {"gpus": [{"index": 3}], "processes": [{"gpu": 3}]}
    assert of_sample(row, 10.0) == [UsageRow("3", "?", 10.0, 0.0, 0.0)]


def test_hours_add_up_over_restarts(connection: sqlite3.Connection) -> None:
    for part in range(2):
        added = UsageSum()
        for second in range(0, 2 * HOUR, 10):
            added.add(BEGIN + second, sample({0: ["ada"]} if second < HOUR else {1: ["bob"]}), 5.0)
        added.write(connection)
        added.write(connection)  # nothing is left
        assert usage.read(connection, BEGIN, BEGIN + 2 * HOUR)[0] == (part + 1) * HOUR
    _, uses = usage.read(connection, BEGIN, BEGIN + 2 * HOUR)
    by_user = {(use.uuid, use.user): use.held for use in uses}
    assert by_user == {("GPU-0", "ada"): 3600, ("GPU-0", ""): 0, ("GPU-1", "bob"): 3600, ("GPU-1", ""): 0}
    total = sum(use.energy for use in uses)
    assert total == pytest.approx(2 * 100.0 * 2 * HOUR)


def test_only_hours_of_the_time_count_and_old_ones_go(connection: sqlite3.Connection) -> None:
    added = UsageSum()
    for hour in range(4):
        added.add(BEGIN + hour * HOUR, sample({0: ["ada"]}), 10.0)
    added.write(connection)
    assert usage.read(connection, BEGIN + HOUR + 1800, BEGIN + 3 * HOUR)[0] == 20.0
    usage.delete(connection, BEGIN + 2 * HOUR)
    assert usage.read(connection, 0, BEGIN + 9 * HOUR)[0] == 20.0
