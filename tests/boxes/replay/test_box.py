"""A recording plays, pauses and moves as a box whose feeds follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.boxes.context import Purpose
from gpubox.boxes.factory import open_box
from gpubox.boxes.replay.box import FASTEST, SLOWEST, ReplayBox
from gpubox.config.settings import Settings
from gpubox.core.errors import ConfigError
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.store.recording.reader import Recording
from gpubox.store.recording.writer import Writer
from tests.boxes.replay.test_moment import LIVE, small
from tests.hang import LIMIT
from tests.samples import NOW

SECONDS = 400


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """A recording of some minutes."""
    with Writer(tmp_path / "file", "xub") as writer:
        writer.link(NOW, LIVE)
        for second, sample in enumerate(small(SECONDS)):
            writer.sample(NOW + second, sample)
    return Recording.open(tmp_path / "file")


@asynccontextmanager
async def playing(
    recording: Recording, speed: float = 1.0, *, paused: bool = True
) -> AsyncGenerator[ReplayBox]:
    """A box that plays a recording."""
    box = ReplayBox(recording, Settings(), speed)
    box.paused = paused
    task = asyncio.create_task(box.keep(Purpose.WORK))
    try:
        yield box
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def shows(box: ReplayBox, seq: int) -> None:
    """Wait until a reading is shown."""
    latest = asyncio.get_running_loop().time() + LIMIT
    assert await box.sample.wait(lambda sample: sample is not None and sample.seq == seq, latest)


async def test_it_moves_back_and_forth(recording: Recording) -> None:
    async with playing(recording) as box:
        await shows(box, 0)
        for place in (50, 40, 390, 3, 130, 131):
            box.seek(NOW + place + 0.5)
            assert box.position == NOW + place + 0.5
            await shows(box, place)
            assert not box.seeking
            assert box.now() == NOW + place + 0.5
            assert box.age == 0.5
            key = next(iter(box.history.keys()))
            assert box.history.window(key, box.now(), SECONDS, SECONDS).count(None) == SECONDS - place - 1
        assert box.link.health.value.phase is Phase.LIVE
        assert not box.stale


async def test_it_stays_within_the_recording(recording: Recording) -> None:
    async with playing(recording) as box:
        box.seek(NOW - 1e9)
        await shows(box, 0)
        box.seek(NOW + 1e9)
        await shows(box, SECONDS - 1)
        assert box.ended
        box.pause()  # at its end, it begins again
        await shows(box, 0)
        assert not box.paused


async def test_it_plays_to_its_end(recording: Recording) -> None:
    async with playing(recording, FASTEST, paused=False) as box:
        await shows(box, 0)
        box.seek(recording.end - 20)
        await shows(box, SECONDS - 1)
        assert box.ended


async def test_it_stands_still_while_it_is_paused(recording: Recording) -> None:
    async with playing(recording, paused=False) as box:
        await shows(box, 0)
        box.pause()
        before = box.position
        box.play_at(1e9)
        assert box.speed == FASTEST
        assert box.position == before
        box.play_at(0)
        assert box.speed == SLOWEST
        box.pause()
        assert not box.paused
        assert box.position < before + 60


async def test_nothing_runs_through_it(recording: Recording) -> None:
    async with playing(recording) as box:
        await shows(box, 0)
        box.retry()
        box.watch_pcie(0)
        assert box.shell.value is None
        assert box.channels.value is None
        assert await box.past(NOW, NOW + 5) is None


async def test_a_file_that_goes_away_is_reported(recording: Recording) -> None:
    async with playing(recording) as box:
        await shows(box, 0)
        recording.path.unlink()
        box.seek(NOW + 350)
        latest = asyncio.get_running_loop().time() + LIMIT
        assert await box.trouble.wait(lambda error: error is not None, latest)
        assert "damaged" in str(box.trouble.value)


def test_only_the_command_opens_a_recording(recording: Recording) -> None:
    box = ReplayBox(recording, Settings())
    with pytest.raises(ConfigError, match="replay"):
        open_box(box.target, Settings(), Nobody())
