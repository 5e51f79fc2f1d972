"""Alerts on disk: one program makes each, all see it, and the oldest are forgotten."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gpubox.common.alerts.alert import Alert
from gpubox.common.severity import Severity
from gpubox.config.settings import HistorySettings
from gpubox.store import alerts
from gpubox.store.alerts import StoredAlerts
from gpubox.store.store import Store


def alert(code: str = "gpu-too-hot", since: float = 5.0) -> Alert:
    return Alert(code, "gpu 0", Severity.CRITICAL, "Too hot", "It is", "Cool it", since, "GPU-a")


@pytest.fixture(params=["disk", "memory"])
def stored(request: pytest.FixtureRequest, store: Store) -> StoredAlerts:
    return store.alerts if request.param == "disk" else StoredAlerts()


async def test_an_alert_is_made_and_cleared_once_by_all_programs(store: Store, path: Path) -> None:
    with Store(path, HistorySettings()) as other:
        assert [await one.alerts.add("xub", alert()) for one in (store, other)] == [True, False]
        assert [await one.alerts.clear("xub", alert().key, 9.0) for one in (other, store)] == [True, False]
        assert await other.alerts.add("xub", alert(since=10.0))
        records = await store.alerts.records("xub")
    assert records is not None
    assert [(one.alert.since, one.cleared) for one in records] == [(10.0, None), (5.0, 9.0)]


async def test_an_acknowledgment_is_of_the_active_alert(stored: StoredAlerts) -> None:
    await stored.add("xub", alert())
    assert await stored.acknowledge("xub", alert().key, 6.0)
    assert not await stored.acknowledge("xub", alert().key, 7.0)
    await stored.clear("xub", alert().key, 8.0)
    await stored.add("xub", alert(since=9.0))
    assert [one.acknowledged for one in await stored.records("xub") or ()] == [None, 6.0]
    assert await stored.records("other") == []


async def test_a_mute_until_cleared_goes_with_its_alert(stored: StoredAlerts) -> None:
    await stored.add("xub", alert())
    await stored.mute("xub", alert().key, None)
    await stored.mute("xub", "GPU-a", 99.0)
    assert await stored.mutes("xub") == {alert().key: None, "GPU-a": 99.0}
    await stored.clear("xub", alert().key, 8.0)
    assert await stored.mutes("xub") == {"GPU-a": 99.0}
    assert await stored.unmute("xub", "GPU-a")
    assert not await stored.unmute("xub", "GPU-a")


async def test_a_test_is_not_active(stored: StoredAlerts) -> None:
    await stored.add("xub", alert(), test=True)
    records = await stored.records("xub")
    assert records is not None
    (record,) = records
    assert (record.test, record.cleared) == (True, 5.0)
    assert await stored.add("xub", alert())


async def test_the_oldest_are_forgotten_but_no_active_one(
    stored: StoredAlerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MOST", 3)
    await stored.add("xub", alert("disk-full"))
    for number in range(6):
        await stored.add("xub", alert(since=number))
        await stored.clear("xub", alert().key, number)
    codes = [one.alert.code for one in await stored.records("xub") or ()]
    assert codes.count("gpu-too-hot") == 3
    assert codes[-1] == "disk-full"


async def test_what_the_rules_remember_is_read_back(stored: StoredAlerts) -> None:
    assert await stored.state("xub") is None
    await stored.write_state("xub", {"v": 1, "box": {"gpus": {}}}, 7.0)
    assert await stored.state("xub") == ({"v": 1, "box": {"gpus": {}}}, 7.0)


async def test_damaged_rows_are_left_out(store: Store, path: Path) -> None:
    await store.alerts.add("xub", alert())
    await store.alerts.write_state("xub", {}, 7.0)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alert SET alert = 'x'")
        connection.execute("UPDATE alert_state SET state = '[]'")
    connection.close()
    assert await store.alerts.records("xub") == []
    assert await store.alerts.state("xub") is None


async def test_without_a_disk_everything_is_announced(store: Store) -> None:
    store.close()
    assert await store.alerts.add("xub", alert())
    assert not await store.alerts.clear("xub", alert().key, 9.0)
    assert await store.alerts.records("xub") is None
