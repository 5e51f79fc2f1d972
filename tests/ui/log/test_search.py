"""Words in a log: found in all of it, counted on the box, around its end and its start."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

from gpubox.boxes.jobs.backend import Search
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.link_state import Health, Phase
from gpubox.ui.log import pane, search
from gpubox.ui.log.search import behind, look
from gpubox.ui.log.window import Window
from tests.ui.fakes import LIVE, link_of, until
from tests.ui.jobs import FakeJobs
from tests.ui.log_desk import JOB, Desk, numbered, reading


def with_losses(count: int, *at: int) -> bytes:
    """A log of so many lines, some of which tell a loss."""
    log = bytearray(numbered(count))
    for line in at:
        log[line * 24 : line * 24 + 4] = b"Loss"
    return bytes(log)


def sees(desk: Desk, words: str) -> bool:
    return any(words in row for row in desk.rows)


@asynccontextmanager
async def last_loss_found() -> AsyncGenerator[tuple[Desk, Pilot[None]]]:
    """A log of 200,000 lines, three of them with a loss, of which the last was searched for from its end."""
    jobs = FakeJobs()
    jobs.write(JOB, with_losses(200_000, 3, 90_000, 199_990), over=True)
    async with reading(jobs) as (desk, pilot):
        await until(pilot, lambda: desk.rows[-1] == "line 0199999 of the log")
        await pilot.press("slash", *"loss", "enter")
        await until(pilot, lambda: sees(desk, "Loss 0199990"))
        yield desk, pilot


async def test_words_are_found_in_the_whole_log_counted_and_marked() -> None:
    async with last_loss_found() as (desk, pilot):
        await until(pilot, lambda: desk.said.startswith("“loss” 3 of 3 ·"))
        await pilot.press("N")
        await until(pilot, lambda: sees(desk, "Loss 0090000") and "2 of 3 ·" in desk.said)
        await pilot.press("N")
        await until(pilot, lambda: sees(desk, "Loss 0000003") and "1 of 3 ·" in desk.said)
        await pilot.press("n")
        await until(pilot, lambda: sees(desk, "Loss 0090000") and "2 of 3 ·" in desk.said)
        assert "wrapped" not in desk.said


async def test_a_search_goes_on_at_the_other_end_and_says_so_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = FakeJobs()
    jobs.write(JOB, with_losses(200_000, 3, 90_000, 199_990), over=True)
    async with reading(jobs, (80, 12)) as (desk, pilot):
        await until(pilot, lambda: desk.rows[-1] == "line 0199999 of the log")
        await pilot.press("slash", *"loss", "enter")
        await until(pilot, lambda: sees(desk, "Loss 0199990"))
        await pilot.press("n")
        await until(pilot, lambda: sees(desk, "Loss 0000003"))
        await until(pilot, lambda: desk.said.startswith("“loss” 1 of 3 · search wrapped ·"))
        await pilot.press("N")
        await until(pilot, lambda: sees(desk, "Loss 0199990"))
        await until(pilot, lambda: desk.said.startswith("“loss” 3 of 3 · search wrapped ·"))
        monkeypatch.setattr(pane, "BRIEF", 0.0)
        desk.pane.say()
        assert "wrapped" not in desk.said


async def test_the_only_line_with_the_words_is_found_again() -> None:
    jobs = FakeJobs()
    jobs.write(JOB, with_losses(100, 50), over=True)
    async with reading(jobs, (80, 12)) as (desk, pilot):
        await until(pilot, lambda: desk.rows[-1] == "line 0000099 of the log")
        await pilot.press("slash", *"loss", "enter")
        await until(pilot, lambda: "“loss” 1 of 1 · " in desk.said and "wrapped" not in desk.said)
        await pilot.press("n")
        await until(pilot, lambda: "“loss” 1 of 1 · search wrapped" in desk.said)


async def test_after_home_and_end_a_search_begins_where_one_is() -> None:
    async with last_loss_found() as (desk, pilot):
        await pilot.press("N")
        await until(pilot, lambda: sees(desk, "Loss 0090000"))
        await pilot.press("home")
        await until(pilot, lambda: sees(desk, "line 0000001"))
        assert desk.said.startswith("“loss” on 3 lines ·")
        await pilot.press("n")
        await until(pilot, lambda: "1 of 3 ·" in desk.said)
        await pilot.press("n")
        await until(pilot, lambda: sees(desk, "Loss 0090000") and "2 of 3" in desk.said)
        await pilot.press("end")
        await until(pilot, lambda: desk.rows[-1] == "line 0199999 of the log")
        await pilot.press("N")
        await until(pilot, lambda: sees(desk, "Loss 0199990") and "3 of 3 ·" in desk.said)


async def test_words_that_are_nowhere_are_reported_until_one_goes_on() -> None:
    jobs = FakeJobs()
    jobs.write(JOB, with_losses(100_000, 3), over=True)
    async with reading(jobs) as (desk, pilot):
        await until(pilot, lambda: desk.rows[-1] == "line 0099999 of the log")
        await pilot.press("slash", *"LOSS", "enter")
        await until(pilot, lambda: "“LOSS” not found" in desk.said)
        assert jobs.counts == 0
        await pilot.press("home")
        await until(pilot, lambda: sees(desk, "Loss 0000003"))
        assert "not found" not in desk.said


async def test_capital_letters_count_for_moving_counting_and_marking_alike() -> None:
    jobs = FakeJobs()
    jobs.write(JOB, "Ärger\närger\nLoss\nloss\n(loss\n".encode(), over=True)
    async with reading(jobs) as (desk, pilot):
        await until(pilot, lambda: desk.rows[0] == "Ärger")
        ends = {
            "loss": "3 of 3",
            "Loss": "1 of 1",
            "(loss": "1 of 1",
            "ärger": "1 of 1",
            "ÄRGER": "not found",
        }
        for typed, said in ends.items():
            await pilot.press("escape", "end", "slash", *typed, "enter")
            await until(pilot, lambda typed=typed, said=said: f"“{typed}” {said}" in desk.said)
        await pilot.press("slash", *"ärger", "enter")
        await until(pilot, lambda: desk.pane._text == "ärger")
        expected = desk.pane.view._port.pattern
        assert [bool(expected.search(line)) for line in ("ärger", "äRGER", "Ärger")] == [True, True, False]


async def test_keys_act_while_the_box_counts_and_what_is_counted_is_reported() -> None:
    jobs = FakeJobs()
    jobs.write(JOB, with_losses(200_000, *range(0, 200_000, 20)), over=True)
    jobs.may_count.clear()
    async with reading(jobs) as (desk, pilot):
        await until(pilot, lambda: desk.rows[-1] == "line 0199999 of the log")
        await pilot.press("slash", *"loss", "enter")
        await until(pilot, lambda: sees(desk, "Loss 0199980") and jobs.counts)
        assert desk.said.startswith("“loss” ·")
        await pilot.press("N")
        await until(pilot, lambda: sees(desk, "Loss 0199960"))
        await pilot.press("home")
        await until(pilot, lambda: sees(desk, "line 0000001"))
        await pilot.press("n")
        await until(pilot, lambda: desk.pane._found == 0)
        jobs.may_count.set()
        await until(pilot, lambda: "“loss” 1 of 10,000 ·" in desk.said)


async def test_a_log_that_grows_has_more_until_it_is_counted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = FakeJobs()
    jobs.write(JOB, with_losses(100, 50) + b"half a loss")
    async with reading(jobs, (80, 12)) as (desk, pilot):
        await until(pilot, lambda: desk.rows[-1] == "half a loss")
        await pilot.press("slash", *"loss", "enter")
        await until(pilot, lambda: "“loss” 2 of 2 ·" in desk.said)
        jobs.write(JOB, b" and its end\n" + with_losses(30, 7))
        await until(pilot, lambda: "“loss” 2 of 2+ ·" in desk.said)
        await until(pilot, lambda: "“loss” 2 of 3 ·" in desk.said)


async def test_a_count_goes_on_after_a_drop_and_a_failure_is_reported_once() -> None:
    jobs = FakeJobs()
    jobs.stride = 1000
    jobs.write(JOB, with_losses(200, 50, 100), over=True)
    async with reading(jobs, (80, 12)) as (desk, pilot):
        await until(pilot, lambda: desk.rows[-1] == "line 0000199 of the log")
        jobs.may_count.clear()
        await pilot.press("slash", *"loss", "enter")
        await until(pilot, lambda: sees(desk, "Loss 0000100") and jobs.counts)
        link_of(desk.pane._box).health.put(Health(Phase.WAITING))
        jobs.error_of_count = Dropped("The link is gone")
        jobs.may_count.set()
        await until(pilot, lambda: desk.pane._counting and not desk.pane._counting.is_running)
        assert "the link is down" not in desk.said  # the log is over: nothing of it is missing
        jobs.error_of_count = None
        link_of(desk.pane._box).health.put(LIVE)
        await until(pilot, lambda: "“loss” 2 of 2 ·" in desk.said)
        assert not desk._notifications
        jobs.error_of_count = RemoteError("The log cannot be read", "the disk is gone")
        await pilot.press("escape", "end", "slash", *"line", "enter")
        await until(pilot, lambda: len(desk._notifications) == 1)
        await until(pilot, lambda: sees(desk, "line 0000199"))
        counts = jobs.counts
        desk.pane._retry()
        assert jobs.counts == counts


async def test_counting_ends_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "LINES", 1000)
    jobs = FakeJobs()
    jobs.stride = 24 * 400
    jobs.write(JOB, numbered(100_000), over=True)
    async with reading(jobs) as (desk, pilot):
        await until(pilot, lambda: desk.rows[-1] == "line 0099999 of the log")
        await pilot.press("slash", *"line", "enter")
        await until(pilot, lambda: desk.said.startswith("“line” on 1,2") and "+ lines" in desk.said)
        counts = jobs.counts
        await pilot.press("home")
        await until(pilot, lambda: desk.rows[0] == "line 0000000 of the log")
        await pilot.press("n", "n")
        await until(pilot, lambda: "of 1,2" in desk.said)
        assert jobs.counts <= counts + 2


LINES = b"one loss\n\x1b[31mlo\x1b[1mss\x1b[0m\nnothing\n" + b"x" * 20_000 + b" loss\nbar loss\rbar\nend loss"


def test_a_window_leaves_to_the_box_what_it_has_not_as_it_is() -> None:
    window = Window()
    window.add(LINES)
    starts = [0, *(at + 1 for at, byte in enumerate(LINES) if byte == 10)]
    ahead, back = Search("loss", exact=False), Search("LOSS".lower(), exact=True, step=-1)
    assert look(window.lines, ahead, 0) == (0, 0)
    assert look(window.lines, ahead, starts[1]) == (starts[1], starts[1])
    assert look(window.lines, ahead, starts[2]) == (None, starts[3]), "a line in pieces"
    assert look(window.lines, ahead, starts[4]) == (None, starts[4]), "a bar"
    assert look(window.lines, back, len(LINES)) == (None, len(LINES)), "a line that has not ended"
    assert look(window.lines, back, starts[4]) == (None, starts[4])
    assert look(window.lines, back, starts[3]) == (starts[1], starts[1])
    assert look(window.lines, back, 0) == (None, 0)
    assert look(window.lines, ahead, 10**9) == (None, 10**9)
    assert [behind(window.lines, at) for at in starts] == [*starts[1:], len(LINES)]
