"""The view of a log: it follows, scrolls, fetches pages, and stays small and quick."""

from __future__ import annotations

import asyncio
import resource
import time

import pytest

from gpubox.core.errors import RemoteError
from gpubox.core.link_state import Health, Phase
from gpubox.ui.log.source import PAGE, TAIL
from gpubox.ui.log.window import MOST_BYTES
from tests.ui.fakes import LIVE, link_of, until
from tests.ui.jobs import FakeJobs
from tests.ui.log_desk import JOB, numbered, reading, window


async def test_the_end_is_followed_as_it_grows() -> None:
    jobs = FakeJobs()
    jobs.write(JOB, numbered(100))
    async with reading(jobs) as (desk, pilot):
        await until(
            pilot,
            lambda: desk.rows[-2] == "line 0000099 of the log" or desk.rows[-1].endswith("99 of the log"),
        )
        jobs.write(JOB, b"\x1b[31mhalf a li")
        await until(pilot, lambda: desk.rows[-1] == "half a li")
        jobs.write(JOB, b"ne\n")
        await until(pilot, lambda: desk.rows[-1] == "half a line")
        assert "following" in desk.said
        jobs.write(JOB, b"", over=True)
        await until(pilot, lambda: "whole log" in desk.said)


async def test_scrolling_up_leaves_the_end_and_end_follows_again() -> None:
    jobs = FakeJobs()
    jobs.write(JOB, numbered(100))
    async with reading(jobs) as (desk, pilot):
        await until(pilot, lambda: desk.rows[-1] == "line 0000099 of the log")
        await pilot.press("up", "up")
        assert desk.rows[-1] == "line 0000097 of the log"
        jobs.write(JOB, numbered(50, 100))
        await until(
            pilot,
            lambda: jobs.log(JOB).data and window(desk).lines[-1].data.startswith(b"line 0000149"),
        )
        assert desk.rows[-1] == "line 0000097 of the log"
        assert "end follows" in desk.said
        await pilot.press("end")
        await until(pilot, lambda: desk.rows[-1] == "line 0000149 of the log")
        await pilot.press("pageup")
        assert desk.rows[-1] == "line 0000140 of the log"
        await pilot.press("pagedown", "pagedown")
        await until(pilot, lambda: "following" in desk.said)
        assert desk.rows[-1] == "line 0000149 of the log"


async def test_the_frame_says_how_the_job_ended_and_how_the_end_is_reached() -> None:
    jobs = FakeJobs()
    jobs.write(JOB, numbered(100))
    async with reading(jobs) as (desk, pilot):
        await until(pilot, lambda: "line 0000099" in desk.rows[-1])
        await pilot.press("pageup")
        assert "end follows" in desk.said
        desk.pane.set_notes("exit 3 after 2m", "nothing", waits=False)
        assert desk.said.startswith("exit 3 after 2m")


async def test_a_long_line_is_wrapped_or_cut_and_moved_aside() -> None:
    jobs = FakeJobs()
    jobs.write(JOB, b"first\n" + b"".join(b"%09d " % n for n in range(12)) + b"\n")
    async with reading(jobs) as (desk, pilot):
        await until(pilot, lambda: "000000011" in "".join(desk.rows))
        assert desk.rows[0] == "first"
        await pilot.press("w")
        await until(pilot, lambda: "000000011" not in "".join(desk.rows))
        await pilot.press("right", "right", "right", "right")
        assert "000000011" in desk.rows[1]
        await pilot.press("w")
        assert desk.rows[1].startswith("000000000 000000001")


async def test_pages_before_and_behind_the_view_are_fetched_when_somebody_goes_there() -> None:
    jobs = FakeJobs()
    jobs.write(JOB, numbered(400_000), over=True)
    async with reading(jobs, (60, 103)) as (desk, pilot):
        view = desk.pane.view
        await until(pilot, lambda: desk.rows[-1] == "line 0399999 of the log")
        assert view.source is not None
        assert view.source.window.end - view.source.window.start <= TAIL
        seen = set(desk.rows)
        top = view.source.window.start
        while view.source.window.start > top - 2 * PAGE:
            view.action_page(-1)
            seen |= set(desk.rows)
            await pilot.pause(0)
        numbers = sorted(int(row.split()[1]) for row in seen if row)
        assert numbers == list(range(numbers[0], 400_000)), "no line was skipped on the way up"
        await pilot.press("home")
        await until(pilot, lambda: desk.rows[0] == "line 0000000 of the log")
        await pilot.press("pagedown")
        await until(pilot, lambda: desk.rows[0] == "line 0000100 of the log")
        assert "%" in desk.said
        assert jobs.streams == 1
        await pilot.press("F")
        await until(pilot, lambda: desk.rows[-1] == "line 0399999 of the log")


async def test_a_link_that_is_down_is_reported_and_what_failed_is_read_on_from_its_byte() -> None:
    jobs = FakeJobs()
    jobs.write(JOB, numbered(100))
    async with reading(jobs) as (desk, pilot):
        await until(pilot, lambda: desk.rows[-1] == "line 0000099 of the log")
        link_of(desk.pane._box).health.put(Health(Phase.WAITING))
        desk.pane.say()
        assert "the link is down; goes on at byte 2,400" in desk.said
        jobs.error = RemoteError("The log cannot be read", "the disk is gone")
        jobs.write(JOB, b"x")
        await until(pilot, lambda: desk.pane.view.source and desk.pane.view.source.trouble)
        jobs.error = None
        link_of(desk.pane._box).health.put(LIVE)
        jobs.write(JOB, b"y\n")
        await until(pilot, lambda: desk.rows[-1] == "xy")
        assert jobs.streams == 2


async def test_a_million_lines_take_flat_memory_in_the_view() -> None:
    jobs = FakeJobs()
    jobs.piece = 256 * 1024
    async with reading(jobs) as (desk, pilot):
        before = 0
        for number in range(250):
            jobs.write(JOB, numbered(4000, 4000 * number))
            if number == 50:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - len(jobs.log(JOB).data) // 1024
            await pilot.pause(0)
        await until(pilot, lambda: desk.rows[-1] == "line 0999999 of the log", 60)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - len(jobs.log(JOB).data) // 1024
        source = desk.pane.view.source
        assert source is not None
        assert source.window.end - source.window.start <= MOST_BYTES
        assert after - before < 40_000, f"{after - before} KiB"


async def test_keys_are_answered_while_a_log_pours_in() -> None:
    jobs = FakeJobs()
    jobs.piece = 64 * 1024
    piece = b"".join(b"\x1b[32mstep %7d\x1b[0m loss 0.123456 lr 0.001 time 12.3\n" % n for n in range(2000))
    async with reading(jobs, (120, 40)) as (desk, pilot):
        stop = asyncio.Event()

        async def pour() -> None:
            while not stop.is_set():
                jobs.write(JOB, piece)
                if len(jobs.log(JOB).data) > 64_000_000:
                    await stop.wait()
                await asyncio.sleep(0.005)

        pouring = asyncio.create_task(pour())
        times: list[float] = []
        view = desk.pane.view
        for number in range(120):
            start = time.process_time()  # of this program alone, however busy the machine is
            if number % 2:
                view.action_move(-1)
            else:
                view.action_follow()
            await pilot.pause(0)
            times.append(time.process_time() - start)
            await asyncio.sleep(0.01)  # some of the log comes between two keys
        stop.set()
        await pouring
        times.sort()
        assert times[len(times) // 2] < 0.3, times[::10]
        assert times[-len(times) // 10] < 1.2, times[-20:]


@pytest.mark.parametrize("size", [(80, 24), (30, 5)])
async def test_a_hostile_log_cannot_leave_its_place(size: tuple[int, int]) -> None:
    jobs = FakeJobs()
    jobs.write(
        JOB, b"\x1b[2J\x1b]0;x\x07\x1b[31;5;8mred\x1b[K\x07\n" + "漢字".encode() * 90 + b"\n\xff\xfe" * 40
    )
    async with reading(jobs, size) as (desk, pilot):
        await until(pilot, lambda: desk.rows[-1])
        width, height = desk.size
        strips = desk.screen._compositor.render_strips()
        assert len(strips) == height
        assert all(strip.cell_length == width for strip in strips)
        assert all("\x1b" not in strip.text for strip in strips)
