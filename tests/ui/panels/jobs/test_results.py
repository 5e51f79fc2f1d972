"""The files that a job left: listed, fetched by one key, and pictures among them looked at."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from gpubox.boxes.jobs.results import safe
from gpubox.core.errors import RemoteError
from gpubox.core.record import Record
from gpubox.rfb.png import png
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.thumbnail import Thumbnail
from gpubox.ui.panels.jobs.results_screen import JobResults
from gpubox.ui.screens.box import BoxScreen
from tests.samples import training_box
from tests.ui.fakes import Clock, complete, make_app, make_box, until
from tests.ui.jobs import DONE, FakeJobs, employ

FILES = ("/home/ada/style/out/art.png", "/home/ada/style/log\x1b[2J.txt", "/home/ada/style/broken.png")
OVER = replace(DONE, results=FILES)


class Fetching(FakeJobs):
    """Jobs whose results lie in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        super().__init__(OVER)
        self.folder = folder

    async def fetch(self, record: Record) -> Path:
        self._fail()
        self.done.append(f"fetch {record.id}")
        (self.folder / "out").mkdir()
        (self.folder / "out" / "art.png").write_bytes(png(32, 18, b"\xf0\x90\x20" * 32 * 18))
        (self.folder / safe("log\x1b[2J.txt")).write_text("text")
        (self.folder / "broken.png").write_bytes(b"GIF89a")
        return self.folder


@asynccontextmanager
async def results_of(jobs: Fetching) -> AsyncGenerator[tuple[GpuBoxApp, Pilot[None]]]:
    """Show what OVER left."""
    app = make_app(employ(make_box(training_box()), jobs))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: complete(app))
        await pilot.press("j", "g")
        await until(pilot, lambda: isinstance(app.screen, JobResults))
        yield app, pilot


def listed(app: GpuBoxApp) -> str:
    return app.screen.query_one("#files", LineView).plain


@pytest.mark.usefixtures("clock")
async def test_results_are_fetched_by_one_key_and_a_picture_is_shown(tmp_path: Path) -> None:
    jobs = Fetching(tmp_path)
    async with results_of(jobs) as (app, pilot):
        picture = app.screen.query_one("#results Thumbnail", Thumbnail)
        await until(pilot, lambda: picture.words == "g fetches it, and shows it here")
        assert "on the box" in listed(app)
        assert "\x1b" not in listed(app)
        await pilot.press("g")
        await until(pilot, lambda: picture.picture is not None)
        assert picture.picture is not None
        assert (picture.picture.width, picture.picture.height) == (32, 18)
        assert "on the box" not in listed(app)
        assert str(tmp_path) in str(app.screen.query_one("#results").border_subtitle)
        await pilot.press("down")
        await until(pilot, lambda: "neither PNG nor JPEG" in picture.words)
        await pilot.press("down")
        await until(pilot, lambda: picture.picture is None and not picture.words)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BoxScreen))


async def test_what_cannot_be_fetched_is_reported(tmp_path: Path, clock: Clock) -> None:
    jobs = Fetching(tmp_path)
    async with results_of(jobs) as (app, pilot):
        jobs.error = RemoteError("Not fetched", "art.png is gone from the box")
        await pilot.press("enter")
        await until(pilot, lambda: any("is gone" in one.message for one in app._notifications))
        assert "on the box" in listed(app)
