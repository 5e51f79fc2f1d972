"""The night on the box comes to this machine: rows that it lacks, and nothing that is damaged."""

from __future__ import annotations

import asyncio
import base64
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpubox.boxes.context import BoxContext, Purpose
from gpubox.boxes.monitor.box_history import BoxHistory, HistoryAnswer, Part, rows_of
from gpubox.common.tiers import HistoryRow
from gpubox.config.settings import HistorySettings, Settings
from gpubox.core.errors import RemoteError
from gpubox.core.history import History
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from gpubox.local.channels import LocalChannels
from gpubox.local.shell import LocalShell
from gpubox.remote.monitor import history
from gpubox.remote.monitor.history import HistoryOutlet
from gpubox.store.store import Store
from tests.boxes.scripted import until

HOUR = 3600
UTIL = "gpu/GPU-0/util"


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    """A box whose service has watched for ten hours, until a moment ago; returns when it began."""
    monkeypatch.setenv("GPUBOX_STATE_DIR", str(tmp_path / "state"))
    Path(history.path()).parent.mkdir(parents=True)
    made = HistoryOutlet({}, "")
    made._connection = made._open(history.path())
    end = time.time() - time.time() % 10
    begin = end - 10 * HOUR
    for number in range(10 * 360):
        moment = begin + 10 * number
        util = 80.0 if moment < end - 2 * HOUR else 20.0
        gpu = {"index": 0, "uuid": "GPU-0", "util": util, "power": 100.0}
        process = {"pid": 7, "gpu": 0, "user": "ada"}
        sample = {"time": moment, "interval": 10.0, "gpus": [gpu], "processes": [process]}
        made._take(sample, 10.0 * number)
        if number % 300 == 0:
            monkeypatch.setattr(history.time, "time", lambda moment=moment: moment)
            made._flush()
    monkeypatch.undo()
    monkeypatch.setenv("GPUBOX_STATE_DIR", str(tmp_path / "state"))
    made._flush(last=True)
    made._connection.close()
    return begin


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The database of this machine."""
    with Store(tmp_path / "here.sqlite", HistorySettings()) as opened:
        yield opened


def context(store: Store | None, **given: object) -> BoxContext:
    """A box that is reached."""
    shell = LocalShell()
    made = BoxContext(Target("xub", "ssh"), store=store, **given)  # pyright: ignore[reportArgumentType]
    made.shell.put(shell)
    made.channels.put(LocalChannels(shell))
    return made


async def filled(context: BoxContext) -> None:
    """Fill the gaps once, as at a new link."""
    shell, channels = context.shell.value, context.channels.value
    assert shell is not None
    assert channels is not None
    await context.use(BoxHistory)._fill(shell, channels)


async def seen(store: Store, begin: float, end: float) -> list[HistoryRow]:
    """The rows that the panel draws a span from."""
    span = await store.history.read("xub", int(begin), int(end))
    assert span is not None
    return span.rows


async def test_the_night_is_drawn_from_what_the_box_stored(night: float, store: Store) -> None:
    box = context(store)
    await filled(box)
    now = time.time()
    hours = await seen(store, now - 24 * HOUR, now)
    means = [row.means[UTIL] for row in hours if night + HOUR < row.second < now - 3 * HOUR]
    assert len(means) > 60
    assert means == pytest.approx([80.0] * len(means))
    fine = await seen(store, now - 6 * HOUR, now)
    assert len(fine) > 2000
    assert fine[-1].means[UTIL] == 20
    graph = box.history.window(UTIL, now, HOUR, 60)
    assert sum(value is not None for value in graph) >= 58
    assert {value for value in graph if value is not None} == {20.0}


async def test_it_comes_at_each_new_link_and_only_what_is_new(night: float, store: Store) -> None:
    box = context(store)
    await filled(box)
    first = await store.events.fetched("xub")
    assert first is not None
    await filled(box)
    second = await store.events.fetched("xub")
    assert second is not None
    assert second > first
    rows = await seen(store, night, time.time())
    assert len({row.second for row in rows}) == len(rows)


async def test_the_background_waits_for_a_link(night: float, store: Store) -> None:
    box = context(store)
    task = asyncio.create_task(box.use(BoxHistory).background(Purpose.WORK))
    await until(lambda: box.history.keys())
    assert await store.events.fetched("xub") is not None
    task.cancel()
    assert night


@pytest.mark.parametrize(
    ("passed", "widths"), [(0.0, []), (20.0, [10]), (900.0, [10, 300]), (-60.0, [10, 300, 3600])]
)
async def test_another_run_asks_only_for_what_has_passed_since(
    store: Store, monkeypatch: pytest.MonkeyPatch, passed: float, widths: list[int]
) -> None:
    asked: list[int] = []

    async def answer(self: BoxHistory, shell: Shell, request: dict[str, Any]) -> HistoryAnswer:
        asked.extend(part["width"] for part in request["parts"])
        return HistoryAnswer(now=time.time())

    monkeypatch.setattr(BoxHistory, "_ask", answer)
    await store.events.fetch("xub", time.time() - passed)
    await filled(context(store))
    assert asked == widths


@pytest.mark.parametrize("settings", [Settings(history=HistorySettings(keep=False)), None])
async def test_without_a_place_for_it_nothing_is_fetched(
    night: float, store: Store, settings: Settings | None
) -> None:
    box = context(None) if settings is None else context(store, settings=settings)
    await filled(box)
    assert night
    assert await store.events.fetched("xub") is None


async def test_a_box_without_a_service_is_no_error(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPUBOX_STATE_DIR", str(tmp_path / "nothing"))
    box = context(store)
    await filled(box)
    assert box.history.keys() == ()
    answer = await box.use(BoxHistory).usage(0, time.time())
    assert not answer.present


@pytest.mark.parametrize("python", ["/nowhere/python", "not a path; rm"])
async def test_a_box_without_a_python_is_no_error(night: float, store: Store, python: str) -> None:
    await filled(context(store, python=python))
    assert night
    assert await store.events.fetched("xub") is None


async def test_the_use_of_the_night_adds_up(night: float) -> None:
    answer = await context(None).use(BoxHistory).usage(night - HOUR, time.time() + HOUR)
    assert answer.usage is not None
    assert answer.usage.watched == pytest.approx(10 * HOUR)
    (row,) = answer.usage.rows
    assert (row.uuid, row.user) == ("GPU-0", "ada")
    assert row.held == row.busy == pytest.approx(10 * HOUR)
    assert row.energy == pytest.approx(100.0 * 10 * HOUR)


def part(data: bytes, width: int = 10, layouts: tuple[tuple[str, ...], ...] = (("host/cpu",),)) -> Part:
    """A part with some records."""
    return Part(width, layouts, base64.b64encode(zlib.compress(data)).decode())


RECORD = (1000).to_bytes(8, "little") + b"\0\0" + b"\0\0\x80?"
"""A row with the value 1."""


def test_a_row_is_moved_by_the_difference_of_the_clocks() -> None:
    (row,) = rows_of(part(RECORD), "xub", 47.0)
    assert row == HistoryRow("xub", 1050, {"host/cpu": 1.0})
    nan = RECORD[:10] + b"\0\0\xc0\x7f"
    assert [one.means for one in rows_of(part(nan), "xub")] == [{}]


@pytest.mark.parametrize(
    "damaged",
    [
        part(RECORD[:-1]),
        part(RECORD[:4]),
        part((1000).to_bytes(8, "little") + b"\x07\0" + b"\0\0\x80?"),
        part(RECORD, width=7),
        part(RECORD, layouts=(("x" * 300,),)),
        part(RECORD, layouts=(("",),)),
        part(b"\0" * (33 << 20)),
        Part(10, (("host/cpu",),), "no base64!"),
        Part(10, (("host/cpu",),), base64.b64encode(b"not packed").decode()),
        part(RECORD, layouts=(tuple(map(str, range(2000))),)),
    ],
)
def test_a_damaged_part_is_refused(damaged: Part) -> None:
    with pytest.raises(RemoteError, match="not a history"):
        list(rows_of(damaged, "xub"))


def test_gaps_are_filled_and_readings_stay() -> None:
    ours, theirs = History(), History()
    ours.put(1000, {"host/cpu": 5.0})
    ours.put(1030, {"host/cpu": 5.0})
    theirs.fill(980, 60, {"host/cpu": 1.0, "host/memory": 2.0})
    ours.complete(theirs)
    values = ours.window("host/cpu", 1030, 60, 60)
    assert values[-1] == 5.0
    assert values[-31] == 5.0
    assert values[-30:-1] == [1.0] * 29
    assert values[-51:-31] == [1.0] * 20
    assert ours.window("host/memory", 1039, 60, 60)[-1] == 2.0
    ours.put(1031, {"host/cpu": 7.0})
    assert ours.window("host/cpu", 1031, 2, 2) == [5.0, 7.0]


def test_an_answer_needs_the_clock_of_the_box() -> None:
    assert HistoryAnswer(now=1.0).parts == ()
