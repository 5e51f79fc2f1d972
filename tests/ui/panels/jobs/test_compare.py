"""Jobs side by side on the screen: the verdict, the figures, curves on one axis, and files of it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

import gpubox.ui
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.core.env import Package
from gpubox.core.record import Record, Tick
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.panels.jobs.compare_graphs import KINDS, draw_graphs, kinds, span_of
from gpubox.ui.panels.jobs.compare_screen import CompareScreen
from gpubox.ui.panels.jobs.curves import resampled
from gpubox.ui.theme import Themed
from tests import samples
from tests.boxes.jobs.compare.compared import aborted, on_cpu, on_gpu, seconds
from tests.ui.conftest import Picture
from tests.ui.envs import TF_CPU, TF_GPU, FakeEnvs, equip
from tests.ui.fakes import make_box, until
from tests.ui.jobs import FakeJobs, ticks

pytestmark = pytest.mark.usefixtures("clock")


class JobsWithCurves(FakeJobs):
    """Jobs with curves of their own."""

    def __init__(self, *records: Record, curves: dict[str, tuple[Tick, ...]]) -> None:
        super().__init__(*records)
        self.curves = curves

    async def ticks(self, job: str, start: int = 0) -> tuple[tuple[Tick, ...], int]:
        return self.curves.get(job, ()), 0


class Styled(Themed):
    """An app that is laid out as the program is."""

    CSS_PATH = Path(gpubox.ui.__file__).with_name("gpubox.tcss")


@asynccontextmanager
async def comparing(
    records: Sequence[Record], size: tuple[int, int] = (120, 40), envs: FakeEnvs | None = None
) -> AsyncGenerator[tuple[CompareScreen, Pilot[None]]]:
    """Show a comparison."""
    box = equip(make_box(samples.training_box()), envs or FakeEnvs())
    curves = {records[0].id: ticks(6), records[-1].id: seconds(85)}
    box.context.provide(Jobs, cast("Jobs", JobsWithCurves(*records, curves=curves)))
    screen = CompareScreen(box, records)
    app = Styled()
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await app.push_screen(screen)
        await until(pilot, lambda: "full height" in said(screen))
        yield screen, pilot


def said(screen: CompareScreen) -> str:
    return "\n".join(lines.plain for lines in screen.query(LineView))


async def test_the_verdict_and_the_figures_stand_side_by_side() -> None:
    async with comparing([on_gpu(6.0), on_cpu(85.2)]) as (screen, _):
        drawn = said(screen)
        assert "tf-gpu ran 14.2 x faster than tf-cpu" in drawn
        row = next(line for line in drawn.splitlines() if line.startswith("real time"))
        assert row.split()[2:] == ["6.00", "s", "85.20", "s"]


async def test_a_run_that_aborted_is_reported_and_has_no_speed() -> None:
    async with comparing([on_gpu(6.0), aborted(on_cpu(3.0))]) as (screen, _):
        assert "! tf-cpu did not finish: ABRT, core dumped" in said(screen)
        assert "faster" not in said(screen)


async def test_the_curves_share_one_axis_and_another_one_can_be_drawn() -> None:
    async with comparing([on_gpu(6.0), on_cpu(85.2)]) as (screen, pilot):
        assert "GPU use full height is 100%" in said(screen)
        assert "1m 25s" in said(screen)
        await pilot.press("g")
        assert "CPU use" in said(screen)


async def test_what_differs_is_seen_whole_without_scrolling_on_a_usual_terminal() -> None:
    async with comparing([on_gpu(6.0), on_cpu(85.2)]) as (screen, _):
        figures = screen.query_one("#figures", LineView)
        seen = figures.plain.splitlines()[: figures.size.height]
        first = next(number for number, line in enumerate(seen) if line.startswith("What differs"))
        assert "" in seen[first:]  # it ends before the room does
        assert "involuntary switches" not in "\n".join(seen).partition("What differs")[0]


async def test_packages_that_differ_come_when_they_are_known() -> None:
    envs = FakeEnvs(replace(TF_GPU, prefix="/envs/tf-gpu"), replace(TF_CPU, prefix="/envs/tf-cpu"))
    envs.lists = {"tf-gpu": (Package("cudnn", "8.9"),), "tf-cpu": ()}
    async with comparing([on_gpu(), on_cpu()], envs=envs) as (screen, pilot):
        await until(pilot, lambda: "cudnn" in said(screen))


async def test_it_is_written_into_a_file_that_did_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with comparing([on_gpu(6.0), on_cpu(85.2)]) as (screen, pilot):
        for key, end in (("e", "md"), ("C", "csv"), ("J", "json")):
            await pilot.press(key)
            await until(pilot, lambda end=end: list(tmp_path.glob(f"comparison-*.{end}")))
        written = next(file for file in tmp_path.iterdir() if file.suffix == ".json")  # noqa: ASYNC240
        assert json.loads(written.read_text())["speedups"][0]["ratio"] == pytest.approx(14.2)
        await until(pilot, lambda: str(written) in "".join(one.message for one in screen.app._notifications))
        before = written.read_text()
        written.write_text("mine")
        await pilot.press("J")
        await until(pilot, lambda: any(one.title == "Not written" for one in screen.app._notifications))
        assert written.read_text() == "mine" != before


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_pictures_of_a_comparison(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    async with comparing([on_gpu(6.0), on_cpu(85.2)], size) as (screen, pilot):
        await pilot.pause()
        picture = screen.app.export_screenshot(title="gpubox-tui", simplify=True)
        assert picture == snapshot.use_extension(Picture)


def test_a_short_job_ends_where_it_ended_on_the_axis_of_a_long_one() -> None:
    short, long = seconds(10), seconds(100)
    drawn = resampled(short, lambda tick: tick.cpu, 0.0, span_of([short, long]), 50)
    assert drawn == [50.0] * 5 + [None] * 45


def test_jobs_without_curves_say_so() -> None:
    assert kinds([(), ()]) == []
    (line,) = draw_graphs(["a", "b"], [(), ()], None, 40, 6)
    assert line[0].text == "No job has a curve of that"


def test_a_job_that_ended_at_once_has_an_empty_curve_beside_the_other() -> None:
    title, *lines = draw_graphs(["gone", "long"], [(), seconds(85)], KINDS[1], 60, 9)
    assert title[0].text == "CPU use "
    assert any(line[0].text.startswith("gone") for line in lines)


@pytest.mark.parametrize("width", [10, 40, 200])
def test_no_curve_is_wider_than_its_room(width: int) -> None:
    labels = ["tf-gpu", "\x1b[31m" + "x" * 300]
    lines = draw_graphs(labels, [ticks(6), seconds(85)], KINDS[1], width, 9)
    assert {sum(len(span.text) for span in line) <= max(width, 40) for line in lines[1:]} == {True}
    assert not any("\x1b" in span.text for line in lines for span in line)
