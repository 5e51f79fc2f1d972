"""The graphs of the last minutes: values, spans, gaps."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator, Sequence
from math import sin
from pathlib import Path

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion

from gpubox.boxes.box import Box
from gpubox.common.series import readings
from gpubox.common.tier_writer import Tiers
from gpubox.common.tiers import Bounds, HistoryRow
from gpubox.config.settings import Settings, UiSettings
from gpubox.store.store import Store
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line
from gpubox.ui.draw.trend import GAP
from gpubox.ui.panels.history.panel import HistoryPanel
from tests import samples
from tests.parts import NOW
from tests.ui.fakes import XUB, Clock, make_box, until
from tests.ui.stage import on_stage, same_picture

KEYS = [key for key, _ in readings(samples.training_box())]
pytestmark = pytest.mark.usefixtures("clock")


async def test_the_four_readings_of_a_gpu_come_with_value_mean_and_scale() -> None:
    async with on_stage(HistoryPanel, samples.training_box(), (80, 24)) as (stage, _):
        lines = stage.text.splitlines()
        titles = [line.split()[:2] for line in lines if "mean" in line]
        assert titles == [["util", "97%"], ["memory", "89%"], ["temperature", "79°C"], ["power", "148W"]]
        assert "151W" in stage.text  # the limit is the top of the scale
        assert "5m ago" in lines[-2]
        assert "GPU 0 GeForce GTX 1070 · 5 min" in stage.text


async def test_a_low_panel_shows_fewer_graphs_and_a_key_brings_the_others() -> None:
    async with on_stage(HistoryPanel, samples.training_box(), (80, 8)) as (stage, pilot):
        assert "util" in stage.text
        assert "power" not in stage.text
        await pilot.press(*"cccc")
        assert "power" in stage.text
        assert "util" not in stage.text
        await pilot.press("c")
        assert "util" in stage.text


async def test_keys_choose_the_gpu_and_then_the_host() -> None:
    async with on_stage(HistoryPanel, samples.training_box()) as (stage, pilot):
        await pilot.press("right")
        assert "GPU 1 GeForce RTX 4090" in stage.text
        await pilot.press("right")
        assert stage.panel.subject is None
        assert "cpu" in stage.text
        await pilot.press("right")
        assert "GPU 0" in stage.text
        await pilot.press("left")
        assert stage.panel.subject is None


async def test_spans_go_from_a_minute_to_an_hour_and_no_further() -> None:
    async with on_stage(HistoryPanel, samples.training_box()) as (stage, pilot):
        seen = [stage.panel.minutes]
        for key in ("minus", "minus", "plus", "right_square_bracket", "plus", "plus"):
            await pilot.press(key)
            seen.append(stage.panel.minutes)
        assert seen == [5, 1, 1, 5, 15, 60, 60]
        assert not stage.panel.check_action("span", (1,))
        assert "1h 00m ago" not in stage.text
        assert "1h ago" in stage.text


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[Box]:
    """A box with thirty days of history on disk, up to the clock's hour; five days of it are missing."""
    hour = int(NOW) - int(NOW) % 3600
    rows = [
        HistoryRow(XUB.name, hour - 3600 * back, {key: 50 + 45 * sin(back / 9) for key in KEYS})
        for back in range(30 * 24)
        if not 200 <= back < 320
    ]
    with Store.open(Settings(), tmp_path / "history.sqlite") as store:
        disk = sqlite3.connect(tmp_path / "history.sqlite")
        writer = Tiers()
        writer.insert(disk, rows)
        while writer.tidy(disk, int(NOW), Bounds((31, 31, 365))):
            pass
        disk.close()
        box = make_box(samples.training_box())
        box.context = dataclasses.replace(box.context, store=store)
        yield box


async def test_spans_beyond_an_hour_come_from_the_disk(saved: Box) -> None:
    async with on_stage(HistoryPanel, samples.training_box(), box=saved) as (stage, pilot):
        await pilot.press(*["plus"] * 4)
        assert stage.panel.minutes == 24 * 60
        await until(pilot, lambda: "1d ago" in stage.text)
        assert "24 h" in stage.text
        assert "97%" in stage.text  # the reading of now, which is not the mean of the last hour
        await pilot.press("plus", "plus")
        await until(pilot, lambda: "30d ago" in stage.text)
        assert "30 d" in stage.text
        assert GAP in stage.text
        assert not stage.panel.check_action("span", (1,))
        await pilot.press(*["minus"] * 4)
        assert "1h ago" in stage.text


async def test_a_disk_that_gives_nothing_is_named(saved: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(begin: float, end: float) -> None:
        return None

    monkeypatch.setattr(saved, "past", fails)
    async with on_stage(HistoryPanel, samples.training_box(), box=saved) as (stage, pilot):
        await pilot.press(*["plus"] * 3)
        await until(pilot, lambda: "has not given the history yet" in stage.text)
        await pilot.press("minus")
        assert "1h ago" in stage.text


async def test_the_first_span_is_a_setting() -> None:
    settings = Settings(ui=UiSettings(history_minutes=60))
    async with on_stage(HistoryPanel, samples.training_box(), settings=settings) as (stage, _):
        assert stage.panel.minutes == 60


async def test_a_time_without_readings_is_a_visible_gap() -> None:
    async with on_stage(HistoryPanel, samples.training_box(), (80, 8)) as (stage, pilot):
        assert 4 <= stage.text.count(GAP) <= 7  # 31 s of 300 in 70 cells
        stage.panel.box.history = samples.filled(samples.training_box(), gap=None)
        await pilot.press("minus")
        assert GAP not in stage.text


async def test_the_gap_grows_while_no_reading_comes(clock: Clock) -> None:
    async with on_stage(HistoryPanel, samples.training_box(), (80, 8)) as (stage, pilot):
        stage.panel.box.history = samples.filled(samples.training_box(), gap=None)
        await pilot.press("minus")
        assert GAP not in stage.text
        clock.passed = 30
        await until(pilot, lambda: GAP in stage.text)


async def test_graphs_are_drawn_at_most_once_a_second_and_not_while_hidden(clock: Clock) -> None:
    async with on_stage(HistoryPanel, samples.training_box()) as (stage, pilot):
        drawn: list[int] = []
        lines = stage.query_one(LineView)
        draw = lines._draw

        def counted(width: int, height: int) -> Sequence[Line]:
            drawn.append(width)
            return draw(width, height)

        lines._draw = counted
        sample = samples.training_box()
        for step in range(5):
            clock.passed += 0.3
            stage.panel.sample = replace(sample, seq=step)
        assert len(drawn) == 1
        stage.panel.display = False
        await pilot.pause()
        clock.passed += 10
        stage.panel.sample = replace(sample, seq=99)
        assert len(drawn) == 1
        stage.panel.display = True
        await until(pilot, lambda: len(drawn) == 2)


async def test_what_was_never_seen_says_so() -> None:
    async with on_stage(HistoryPanel, samples.sparse(), (80, 24)) as (stage, _):
        power = next(line for line in stage.text.splitlines() if line.startswith("power"))
        assert "–" in power
        assert "nothing seen" in power


@pytest.mark.parametrize("width", [38, 60, 99, 100, 200])
@pytest.mark.parametrize("height", [5, 8, 12, 20])
async def test_graphs_fit_their_room(width: int, height: int) -> None:
    async with on_stage(HistoryPanel, samples.training_box(), (width, height)) as (stage, _):
        lines = stage.query_one(LineView)
        assert len(lines.shown_lines) <= lines.size.height
        assert "now" in stage.text


async def test_the_picture_of_a_month(saved: Box, snapshot: SnapshotAssertion) -> None:
    async with on_stage(HistoryPanel, samples.training_box(), (120, 20), box=saved) as (stage, pilot):
        await pilot.press(*["plus"] * 6)
        await until(pilot, lambda: "30d ago" in stage.text)
        same_picture(stage, snapshot)


@pytest.mark.parametrize("size", [(60, 16), (160, 20)], ids=["60", "160"])
async def test_the_picture_of_the_last_minutes(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    async with on_stage(HistoryPanel, samples.training_box(), size) as (stage, _):
        same_picture(stage, snapshot)
