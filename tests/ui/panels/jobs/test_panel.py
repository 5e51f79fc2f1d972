"""The panel of jobs: listed in words, opened, stopped, repeated, marked, narrowed, reported when they end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from gpubox.boxes.jobs.queue_view import Partition, QueueRow, QueueView
from gpubox.core.errors import RemoteError
from gpubox.core.link_state import Health, Phase
from gpubox.core.record import Ending
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.log.pane import LogPane
from gpubox.ui.panels.jobs.form import JobForm
from gpubox.ui.panels.jobs.job_screen import JobScreen
from gpubox.ui.panels.jobs.panel import JobsPanel
from gpubox.ui.panels.jobs.queue_window import draw_queue
from gpubox.ui.screens.box import BoxScreen
from gpubox.ui.widgets.details import Details
from tests import samples
from tests.parts import NOW
from tests.ui.fakes import Clock, complete, link_of, make_app, make_box, until
from tests.ui.jobs import ALL, DONE, FAILED, RUNNING, WAITING, FakeJobs, employ
from tests.ui.stage import Stage, on_stage, same_picture

pytestmark = pytest.mark.usefixtures("clock")


@asynccontextmanager
async def jobs_of(
    jobs: FakeJobs, size: tuple[int, int] = (118, 14), answers: tuple[str | None, ...] = ()
) -> AsyncGenerator[tuple[Stage[JobsPanel], Pilot[None]]]:
    """Put the panel on the stage."""
    sample = samples.training_box()
    box = employ(make_box(sample), jobs)
    async with on_stage(JobsPanel, sample, size, box=box, answers=answers) as (stage, pilot):
        await until(pilot, lambda: "Looking" not in stage.text)
        yield stage, pilot


def line(stage: Stage[JobsPanel], name: str) -> str:
    return next((row for row in stage.text.splitlines() if row.startswith(name)), "")


def toasts(stage: Stage[JobsPanel]) -> str:
    return "\n".join(f"{one.title} {one.message}" for one in stage._notifications)


async def test_jobs_are_listed_by_what_they_do_now_with_how_they_ended_in_words() -> None:
    async with jobs_of(FakeJobs(*ALL)) as (stage, _):
        names = [row.split()[0] for row in stage.text.splitlines()[1:8]]
        assert names[:2] == ["train", "finetune"]
        assert "▶ running" in line(stage, "train")
        assert "10m 00s" in line(stage, "train")
        assert "◌ queued" in line(stage, "finetune")
        assert "1 before it · waits for 1 free GPU; GPU 0: python (pid 812, bob, 642 MiB)"[:40] in line(
            stage, "finetune"
        )
        assert "✖ failed" in line(stage, "evaluate")
        assert "exit 3" in line(stage, "evaluate")
        assert "ABRT, core dumped (the program wants AVX-512"[:30] in line(stage, "crash")
        assert "■ stopped" in line(stage, "sweep")
        assert "stopped by ada@laptop" in line(stage, "sweep")
        assert "time limit" in line(stage, "slow")
        assert "✔ done" in line(stage, "prepare")
        assert "1 queued · 1 running" in stage.text


async def test_enter_shows_the_log_as_it_grows() -> None:
    jobs = FakeJobs(*ALL)
    jobs.write(RUNNING.id, b"epoch 1\n")
    app = make_app(employ(make_box(samples.training_box()), jobs))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: complete(app))
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        view = app.screen.query_one(LogPane).view

        def text() -> str:
            return "\n".join(lines.plain for lines in app.screen.query(LineView))

        await until(pilot, lambda: "epoch 1" in view.render_line(0).text)
        jobs.write(RUNNING.id, b"epoch 2\n")
        await until(pilot, lambda: "epoch 2" in view.render_line(1).text)
        assert "▶ running" in text()
        assert "env tf-gpu · /home/ada/style · GPU 1 · by ada@laptop" in text()
        await until(pilot, lambda: "GPU 1 util 97%" in text())
        jobs.put(RUNNING.id, state="ended", ending=Ending("exit", 3))
        await until(pilot, lambda: "exit 3" in text())
        await pilot.press("i")
        await until(pilot, lambda: "Submitted" in text())
        assert "Record" in text()
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, BoxScreen))


async def test_a_job_is_stopped_only_after_a_yes_and_an_ended_one_is_removed() -> None:
    jobs = FakeJobs(RUNNING, FAILED)
    async with jobs_of(jobs, answers=("no", "yes", "yes")) as (stage, pilot):
        await pilot.press("x")
        await until(pilot, lambda: stage.asked)
        assert "Stop train?" in stage.asked[0].title
        assert "python train.py" in stage.asked[0].text
        assert "on GPU 1" in stage.asked[0].text
        assert not jobs.done
        await pilot.press("x")
        await until(pilot, lambda: f"stop {RUNNING.id}" in jobs.done)
        await until(pilot, lambda: "stopping" in line(stage, "train"))
        await pilot.press("end", "x")
        await until(pilot, lambda: f"remove {FAILED.id}" in jobs.done)
        assert stage.asked[2].danger
        assert not line(stage, "evaluate")


async def test_marked_jobs_are_removed_together_but_not_those_at_work() -> None:
    jobs = FakeJobs(*ALL)
    async with jobs_of(jobs, answers=("yes",)) as (stage, pilot):
        await pilot.press("space", "space", "space", "space")
        assert "4 marked" in stage.text
        assert "◆ train" in stage.text
        await pilot.press("end", "up", "up", "up")
        while stage.panel.chosen is None or stage.panel.chosen.state != "ended":
            await pilot.press("down")
        await pilot.press("home", "down", "down", "x")
        await until(pilot, lambda: any(one.startswith("remove") for one in jobs.done))
        removed = jobs.done[-1].split()[1:]
        assert RUNNING.id not in removed
        assert WAITING.id not in removed
        assert len(removed) == 2
        await pilot.press("escape")
        assert "marked" not in stage.text


async def test_words_narrow_the_list_and_escape_shows_all() -> None:
    async with jobs_of(FakeJobs(*ALL)) as (stage, pilot):
        await pilot.press("slash", *"core", "enter")
        assert line(stage, "crash")
        assert not line(stage, "train")
        assert "1 of 7" in stage.text
        await pilot.press("escape")
        assert line(stage, "train")
        await pilot.press("greater_than_sign", "greater_than_sign")
        assert "by " in stage.text


async def test_a_job_is_run_again_as_it_was() -> None:
    jobs = FakeJobs(DONE)
    async with jobs_of(jobs) as (stage, pilot):
        await pilot.press("R")
        await until(pilot, lambda: f"rerun {DONE.id}" in jobs.done)
        jobs.error = RemoteError("Secrets are needed", "TOKEN was not kept on the box", "Edit the job")
        await pilot.press("R")
        await until(pilot, lambda: "TOKEN was not kept" in toasts(stage))


async def test_a_job_that_is_run_again_from_its_log_is_shown_in_its_place() -> None:
    jobs = FakeJobs(DONE)
    app = make_app(employ(make_box(samples.training_box()), jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: complete(app))
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        await until(pilot, lambda: "exit 0 after 10m" in str(app.screen.query_one(LogPane).border_subtitle))
        assert app.screen.query_one(LogPane).view.words == "It wrote nothing"
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen.record.id != DONE.id)
        assert len(app.screen_stack) == 3


@pytest.mark.parametrize(
    ("looked", "trouble", "phase", "said"),
    [
        (True, None, Phase.LIVE, "No job yet · n starts one"),
        (False, None, Phase.LIVE, "Looking …"),
        (True, RemoteError("No Python", "xub has none"), Phase.LIVE, "xub has none"),
        (True, None, Phase.WAITING, "Not connected"),
    ],
)
async def test_an_empty_list_says_why(
    looked: bool, trouble: RemoteError | None, phase: Phase, said: str
) -> None:
    jobs = FakeJobs()
    jobs.looked = looked
    jobs.trouble.put(trouble)
    box = employ(make_box(samples.training_box()), jobs)
    link_of(box).health.put(Health(phase))
    async with on_stage(JobsPanel, samples.training_box(), (100, 10), box=box) as (stage, pilot):
        await until(pilot, lambda: said in stage.text)


async def test_jobs_are_watched_only_while_the_panel_is_seen() -> None:
    jobs = FakeJobs(RUNNING)
    app = make_app(employ(make_box(samples.training_box()), jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: complete(app))
        assert not jobs.watching
        await pilot.press("j")
        await until(pilot, lambda: jobs.watching == 1)
        await pilot.press("2")
        await until(pilot, lambda: not jobs.watching)


async def test_one_key_starts_a_job_from_anywhere() -> None:
    jobs = FakeJobs(RUNNING)
    app = make_app(employ(make_box(samples.training_box()), jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: complete(app))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, JobForm))
        await pilot.press(*"true", "enter")
        await until(pilot, lambda: jobs.launched)
        assert jobs.launched[0].argv == ("true",)
        await until(pilot, lambda: any("is running" in one.message for one in app._notifications))


@pytest.mark.parametrize("width", [78, 118, 160])
async def test_the_picture_of_jobs(width: int, clock: Clock, snapshot: SnapshotAssertion) -> None:
    async with jobs_of(FakeJobs(*ALL), (width, 12)) as (stage, pilot):
        await pilot.press("down", "down", "space")
        same_picture(stage, snapshot)


def test_slurms_queue_has_ones_own_and_the_running_jobs_first_and_says_why_a_node_is_out() -> None:
    view = QueueView(
        (Partition("gpu", reasons=("node7 drained: GPU fell off the bus",)),),
        (
            QueueRow("1", "PENDING", user="bob", name="wait"),
            QueueRow("2", "RUNNING", user="bob", name="run"),
            QueueRow("3", "PENDING", user="ada", name="mine", own=True),
        ),
        NOW,
    )

    def reported(words: str = "") -> list[str]:
        return ["".join(span.text for span in line) for line in draw_queue(view, 100, words)]

    assert any("node7 drained: GPU fell off the bus" in line for line in reported())
    assert [line.split()[:2] for line in reported()[-3:]] == [["▸", "3"], ["2", "bob"], ["1", "bob"]]
    assert [line.split()[0] for line in reported("bob run")[-1:]] == ["2"]
    assert reported("nobody")[-1].strip() == "No job matches"


async def test_slurms_queue_lies_over_the_panels(clock: Clock, snapshot: SnapshotAssertion) -> None:
    jobs = FakeJobs(*ALL)
    jobs.backends["slurm"].queue.put(
        QueueView(
            (Partition("gpu", default=True, limit=3600.0, nodes=4, idle=1, cpus=64, gpus=8, gpus_used=6),),
            (QueueRow("71", "RUNNING", "gpu", "ada", "train", job="x", ran=75.0, gpus=2, where="node1"),),
            NOW,
        )
    )
    app = make_app(employ(make_box(samples.training_box()), jobs))
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: complete(app))
        await pilot.press("j", "p")
        await until(pilot, lambda: isinstance(app.screen, Details))
        await until(pilot, lambda: "PARTITION" in app.screen.query_one(LineView).plain)
        same_picture(app, snapshot)
        await pilot.press("slash", *"bob")
        await until(pilot, lambda: "No job matches" in app.screen.query_one(LineView).plain)
        await pilot.press("enter", "escape")
        await until(pilot, lambda: "train" in app.screen.query_one(LineView).plain)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BoxScreen))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_picture_of_one_job_with_its_log(
    size: tuple[int, int], clock: Clock, snapshot: SnapshotAssertion
) -> None:
    jobs = FakeJobs(*ALL)
    log = b"".join(
        b"\r\x1b[32mEpoch %d\x1b[0m 100%%|\xe2\x96\x88\xe2\x96\x88|\n  loss %.3f\n" % (n, 2 / (n + 1))
        for n in range(40)
    )
    jobs.write(RUNNING.id, log + b"\x1b[1mlast\x1b[0m line")
    app = make_app(employ(make_box(samples.training_box()), jobs))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: complete(app))
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        view = app.screen.query_one(LogPane).view
        await until(pilot, lambda: "last line" in view.render_line(view.size.height - 1).text)
        await until(pilot, lambda: "util" in app.screen.query_one("#curves", LineView).plain)
        same_picture(app, snapshot)
