"""A recording on the screen: the picture is the live one, and no key reaches a box."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.strip import Strip

from gpubox.boxes.box import Box
from gpubox.boxes.replay.box import ReplayBox
from gpubox.config.settings import Settings
from gpubox.core.errors import Dropped
from gpubox.core.link_state import Health, Phase
from gpubox.core.sample import Sample
from gpubox.store.recording.reader import Recording
from gpubox.store.recording.writer import Writer
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.keymap import everything
from gpubox.ui.panel import Panel
from gpubox.ui.replay_bar import ReplayBar
from gpubox.ui.screens.replay import ReplayScreen
from tests.samples import NOW
from tests.store.recording.noisy import noisy
from tests.ui.conftest import SIZES
from tests.ui.fakes import LIVE, Clock, complete, link_of, make_app, make_box, steady, until

SECONDS = 200
"""Seconds of the recording."""
DROP = range(90, 120)
"""Seconds without a link."""
DOWN = Health(Phase.WAITING, reason=Dropped("Connection lost", "Nothing came for 15 s", "Wait a little"))
MOVES = (
    ("comma", 140), ("comma", 130), ("full_stop", 140), ("left_parenthesis", 80), ("shift+right", 140),
    ("circumflex_accent", 0), ("comma", 0), ("right_parenthesis", 60), ("shift+left", 0),
    ("dollar_sign", SECONDS - 1), ("full_stop", SECONDS - 1), ("ctrl+home", 0), ("ctrl+end", SECONDS - 1),
)  # fmt: skip
"""Keys from second 150 on, and where they lead."""
SAME = ("gpus", "processes", "host", "history")
"""Panels that show samples and nothing else."""


@pytest.fixture(scope="session")
def samples() -> list[Sample]:
    """What the probe sends."""
    return list(noisy(SECONDS))


@pytest.fixture
def recording(tmp_path: Path, samples: list[Sample]) -> Recording:
    """A recording with a drop in it."""
    with Writer(tmp_path / "file", "xub") as writer:
        writer.link(NOW, LIVE)
        for second, sample in enumerate(samples):
            if second == DROP.start:
                writer.link(NOW + second, DOWN)
            elif second == DROP.stop:
                writer.link(NOW + second, LIVE)
            if second not in DROP:
                writer.sample(NOW + second, sample)
    return Recording.open(tmp_path / "file")


def watched(clock: Clock, samples: list[Sample], second: int) -> Box:
    """A live box that has been watched up to a second, with the clock there."""
    box = make_box()
    for passed in range(second + 1):
        clock.passed = float(passed)
        if passed not in DROP:
            box.received(samples[passed])
    link_of(box).health.put(DOWN if second in DROP else LIVE)
    return box


def replayed(recording: Recording, second: int) -> ReplayBox:
    """A recording that stands at a second."""
    box = ReplayBox(recording, Settings())
    box.paused = True
    box.seek(NOW + second)
    return box


def painted(app: GpuBoxApp) -> dict[str, list[Strip]]:
    """What is on the screen of each panel that shows samples, with its colors."""
    strips = app.screen._compositor.render_strips()
    return {
        panel.NAME: [
            strips[row].crop(panel.region.x, panel.region.right)
            for row in range(panel.region.y, panel.region.bottom)
        ]
        for panel in app.screen.query(Panel)
        if panel.displayed and panel.NAME in SAME
    }


def fed(app: GpuBoxApp, box: Box) -> bool:
    """Whether every panel on the screen has the newest sample, and knows whether it is outdated."""
    panels = [panel for panel in app.screen.query(Panel) if panel.displayed]
    return all(panel.sample is box.sample.value and panel.stale == box.stale for panel in panels)


async def shown(box: Box, size: tuple[int, int], second: int, *keys: str) -> dict[str, list[Strip]]:
    """What a box looks like once it shows a second."""
    app = make_app(box)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: complete(app))
        await until(pilot, lambda: box.sample.value is not None and box.sample.value.seq == second)
        await pilot.press(*keys)
        await until(pilot, lambda: fed(app, box))
        await steady(pilot)
        return painted(app)


def words(picture: dict[str, list[Strip]]) -> dict[str, str]:
    """The text of a picture, which is easier to compare by eye."""
    return {name: "\n".join(strip.text for strip in strips) for name, strips in picture.items()}


def differences(one: dict[str, list[Strip]], other: dict[str, list[Strip]]) -> str:
    """The lines that differ between two pictures."""
    first, second = ("\n".join(words(picture).values()).splitlines() for picture in (one, other))
    return "\n".join(difflib.unified_diff(first, second, lineterm="", n=0))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("second", "newest"), [(SECONDS - 1, SECONDS - 1), (DROP.start + 9, DROP.start - 1)])
async def test_the_picture_is_the_live_one(
    recording: Recording,
    samples: list[Sample],
    size: tuple[int, int],
    second: int,
    newest: int,
    clock: Clock,
) -> None:
    live = await shown(watched(clock, samples, second), size, newest)
    assert len(live) >= 2
    replay = await shown(replayed(recording, second), size, newest)
    assert differences(replay, live) == ""
    assert replay == live


@pytest.mark.parametrize("key", ["2", "3", "4", "c"])
async def test_every_panel_of_samples_is_the_live_one(
    recording: Recording, samples: list[Sample], key: str, clock: Clock
) -> None:
    live = await shown(watched(clock, samples, SECONDS - 1), (80, 24), SECONDS - 1, key)
    replay = await shown(replayed(recording, SECONDS - 1), (80, 24), SECONDS - 1, key)
    assert differences(replay, live) == ""
    assert replay == live


def bar(app: GpuBoxApp) -> str:
    """The first line."""
    return app.screen.query_one(ReplayBar).render().plain.splitlines()[0]


async def goes(pilot: Pilot[None], box: ReplayBox, key: str, second: float) -> None:
    """Press a key and wait until it is at a second."""
    await pilot.press(key)
    await until(pilot, lambda: not box.seeking and box.position == NOW + second)


async def test_keys_move_in_time(recording: Recording, clock: Clock) -> None:
    box = replayed(recording, 150)
    app = make_app(box)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: complete(app) and not box.seeking)
        assert isinstance(app.screen, ReplayScreen)
        for key, second in MOVES:
            await goes(pilot, box, key, second)
            seq = DROP.start - 1 if second in DROP else second
            assert box.sample.value is not None
            assert box.sample.value.seq == seq


async def test_the_first_line_says_that_it_is_a_recording(recording: Recording, clock: Clock) -> None:
    box = replayed(recording, 65)
    app = make_app(box)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: complete(app) and not box.seeking)
        assert bar(app).split("   ")[:5] == [
            "‖ xub", " RECORDING", " Sun 23 Nov 2025 12:34:59", "paused", "1:05 of 3:19"
        ]  # fmt: skip
        await pilot.press("right_curly_bracket", "right_curly_bracket")
        assert "paused ×4" in bar(app)
        await pilot.press("space")
        assert bar(app).startswith("▶ xub")
        assert "×4" in bar(app)
        clock.passed += 10
        assert "12:35:39" in bar(app)
        await pilot.press("left_curly_bracket", "space")
        assert "paused ×2" in bar(app)
        await goes(pilot, box, "circumflex_accent", 0)
        await goes(pilot, box, "dollar_sign", SECONDS - 1)
        assert "at its end" in bar(app)
        box.seek(NOW + DROP.start + 9)
        await until(pilot, lambda: not box.seeking and "Connection lost" in bar(app))
        assert "data 10s old" in bar(app)


@pytest.mark.parametrize("size", SIZES)
async def test_the_first_line_fits(recording: Recording, size: tuple[int, int], clock: Clock) -> None:
    box = replayed(recording, 65)
    app = make_app(box)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: complete(app) and not box.seeking)
        line = bar(app)
        assert len(line) <= size[0]
        assert "RECORDING" in line
        assert "12:34:59" in line
        assert "paused" in line


async def test_what_is_in_no_recording_says_so(recording: Recording, clock: Clock) -> None:
    box = replayed(recording, 65)
    app = make_app(box)
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: complete(app) and not box.seeking)
        for key, name in (("t", "tunnels"), ("v", "desktop"), ("e", "envs"), ("j", "jobs")):
            await pilot.press(key)
            await steady(pilot)
            text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
            assert app.screen.query_one(f"#{name}").display
            assert "Not in a recording" in text
        await pilot.press("1", "G")
        assert any("nothing can be started" in each.message for each in app._notifications)


async def test_no_key_reaches_a_box_or_fails(recording: Recording, clock: Clock) -> None:
    box = replayed(recording, 65)
    app = make_app(box)
    bindings = [entry for entry in everything(GpuBoxApp).values() if not entry.modal]
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: complete(app) and not box.seeking)
        screen = app.screen
        for panel in sorted(screen.query(Panel), key=lambda panel: panel.ORDER):
            keys = {key for entry in bindings if entry.id.startswith(f"{panel.NAME}.") for key in entry.keys}
            for key in sorted(keys | {"n", "x", "d", "s", "r", "enter"}):
                await pilot.press(str(panel.ORDER), key)
                if app.screen is not screen:  # all that is known of a process or of a GPU
                    await pilot.press("escape")
                await until(pilot, lambda: app.screen is screen)
        assert app.is_running
        assert box.shell.value is None
