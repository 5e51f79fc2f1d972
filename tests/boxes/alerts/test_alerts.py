"""The alerts of a box: raised by its samples, announced once, acknowledged, muted, and read back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from gpubox.boxes.alerts import alerts as module
from gpubox.boxes.alerts.alerts import Alerts, trial
from gpubox.boxes.alerts.mutes import BOX
from gpubox.boxes.context import BoxContext, Purpose
from gpubox.config.settings import AlertSettings, HistorySettings, Settings
from gpubox.core.errors import RemoteError, Unreachable
from gpubox.core.link_state import Health, Phase
from gpubox.core.target import Target
from gpubox.store.store import Store
from tests.boxes.scripted import until
from tests.parts import gtx_1070
from tests.samples import training_box

LOST = replace(training_box(), gpus=(gtx_1070(lost_at=5.0, fault="GPU is lost"),))
WELL = replace(training_box(), gpus=(gtx_1070(),))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", 0.02)


@asynccontextmanager
async def watched(
    store: Store | None = None, settings: AlertSettings | None = None
) -> AsyncGenerator[tuple[Alerts, BoxContext]]:
    context = BoxContext(Target("xub", "ssh"), Settings(alerts=settings or AlertSettings()), store=store)
    alerts = context.use(Alerts)
    running = asyncio.create_task(alerts.background(Purpose.WORK))
    try:
        yield alerts, context
    finally:
        running.cancel()
        (ended,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended


def codes(alerts: Alerts) -> list[str]:
    return [alert.code for alert in alerts.feed.value.active]


def announced(alerts: Alerts) -> list[tuple[str, bool]]:
    return [(one.alert.code, one.raised) for _, one in alerts.news.value]


def clock(monkeypatch: pytest.MonkeyPatch, start: float = 1000.0) -> Callable[[float], None]:
    now = [start]
    monkeypatch.setattr(module.time, "time", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


async def test_a_lost_card_is_announced_and_so_is_its_return(monkeypatch: pytest.MonkeyPatch) -> None:
    move = clock(monkeypatch)
    async with watched() as (alerts, context):
        context.sample.put(LOST)
        await until(lambda: codes(alerts) == ["gpu-lost"])
        assert announced(alerts) == [("gpu-lost", True)]
        for _ in range(3):
            move(4)
            context.sample.put(WELL)
            await asyncio.sleep(0.05)  # each sample is judged
        await until(lambda: not codes(alerts))
        assert announced(alerts) == [("gpu-lost", True), ("gpu-lost", False)]
        (record,) = alerts.feed.value.past
        assert record.alert.subject == "gpu 0"


async def test_two_programs_announce_it_once_and_share_the_acknowledgment(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with Store(path, HistorySettings()) as one, Store(path, HistorySettings()) as two:
        assert [await store.alerts.records("xub") for store in (one, two)] == [[], []]
        async with watched(one) as (first, here), watched(two) as (second, there):
            here.sample.put(LOST)
            there.sample.put(LOST)
            await until(lambda: codes(first) and codes(second))
            assert len(announced(first)) + len(announced(second)) == 1
            await first.acknowledge(first.feed.value.active[0].key)
            await until(lambda: second.feed.value.active[0].acknowledged)
            assert not second.feed.value.open(0.0)


async def test_a_restart_announces_nothing_again(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with Store(path, HistorySettings()) as store:
        async with watched(store) as (alerts, context):
            context.sample.put(LOST)
            await until(lambda: codes(alerts))
        async with watched(store) as (again, context):
            await until(lambda: codes(again) == ["gpu-lost"])
            context.sample.put(LOST)
            await asyncio.sleep(0.1)  # it would be announced by now
            assert announced(again) == []


async def test_an_alert_that_the_rules_no_longer_know_of_is_closed(tmp_path: Path) -> None:
    with Store(tmp_path / "history.sqlite", HistorySettings()) as store:
        await store.alerts.add("xub", trial("gpu-lost", 5.0))
        async with watched(store) as (alerts, _):
            await until(lambda: alerts.feed.value.past)
            assert alerts.feed.value.active == ()


@pytest.mark.parametrize("what", [BOX, "gpu 0", gtx_1070().uuid])
async def test_what_is_muted_is_listed_and_not_announced(what: str) -> None:
    async with watched() as (alerts, context):
        await alerts.mute(what, None)
        context.sample.put(LOST)
        await until(lambda: codes(alerts))
        assert announced(alerts) == []
        assert alerts.feed.value.open(0.0) == []
        await alerts.unmute(what)
        assert len(alerts.feed.value.open(0.0)) == 1


async def test_a_rule_that_is_off_raises_nothing() -> None:
    async with watched(settings=AlertSettings(off=("gpu-lost",))) as (alerts, context):
        broken = gtx_1070(index=1, uuid="b", fault="GPU requires reset")
        context.sample.put(replace(LOST, gpus=(*LOST.gpus, broken)))
        await until(lambda: codes(alerts) == ["gpu-reset-required"])
        assert announced(alerts) == [("gpu-reset-required", True)]


async def test_the_command_runs_but_not_in_quiet_hours(tmp_path: Path) -> None:
    file = tmp_path / "events"
    command = f'cat >>"{file}"'
    async with watched(settings=AlertSettings(command=command)) as (alerts, context):
        context.sample.put(LOST)
        await until(lambda: file.exists() and file.read_text().endswith("\n"))
        assert '"code":"gpu-lost"' in file.read_text()
    file.unlink()
    quiet = AlertSettings(command=command, quiet="00:00-23:59")
    async with watched(settings=quiet) as (alerts, context):
        context.sample.put(LOST)
        await until(lambda: alerts.news.value)
        assert not alerts.news.value[0][1].loud
        await asyncio.sleep(0.1)  # it would have begun
        assert not file.exists()


async def test_a_box_that_is_away_is_announced_through_its_attempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    move = clock(monkeypatch)
    away = Unreachable("No answer", "xub is silent", "Wake it")
    async with watched() as (alerts, context):
        for attempt in range(1, 45):
            phase = Phase.WAITING if attempt % 2 else Phase.CONNECTING
            context.health.put(Health(phase, attempt=attempt, reason=away if attempt % 2 else None))
            move(5)
            await asyncio.sleep(0.03)  # a look at the link
        await until(lambda: codes(alerts) == ["link-waiting"])
        assert alerts.feed.value.active[0].title == "No answer"
        context.health.put(Health(Phase.LIVE))
        await until(lambda: not codes(alerts))


async def test_a_test_of_another_program_is_announced_as_one(tmp_path: Path) -> None:
    with Store(tmp_path / "history.sqlite", HistorySettings()) as store:
        await store.alerts.add("xub", trial("disk-full", 5.0), test=True)
        async with watched(store) as (alerts, _):
            await until(lambda: alerts.feed.value.past)
            assert announced(alerts) == []
            await store.alerts.add("xub", trial("gpu-lost", 6.0), test=True)
            await until(lambda: alerts.news.value)
            ((_, found),) = alerts.news.value
            assert found.test
            assert found.title.startswith("TEST · xub")


def test_a_test_of_no_rule_is_refused() -> None:
    with pytest.raises(RemoteError, match="gpu-sings is no rule"):
        trial("gpu-sings", 5.0)


async def test_a_command_alone_watches_nothing() -> None:
    context = BoxContext(Target("xub", "ssh"))
    await context.use(Alerts).background(Purpose.COMMAND)
