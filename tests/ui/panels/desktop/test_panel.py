"""The desktops of a box: listed, started, opened, stopped, and shown small."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from gpubox.boxes.desktops import DesktopSession
from gpubox.boxes.desktops.vnc_viewers import Viewer
from gpubox.boxes.sshd_policy import SshdLimits, SshdPolicy
from gpubox.core.errors import RemoteError
from gpubox.core.link_state import Health, Phase
from gpubox.ui.panels.desktop.panel import DesktopPanel
from gpubox.ui.panels.desktop.picture import DesktopPicture
from gpubox.ui.screens.ask import AskScreen
from tests import samples
from tests.ui.channels import MINE, SCREEN, THEIRS, FakeDesktops, drawn, furnish
from tests.ui.fakes import complete, link_of, make_app, make_box, until
from tests.ui.stage import Stage, on_stage, same_picture

pytestmark = pytest.mark.usefixtures("clock")
TIGER = Viewer("TigerVNC", ("vncviewer",))


@asynccontextmanager
async def desktop(
    desktops: FakeDesktops, size: tuple[int, int] = (80, 24), answers: tuple[str | None, ...] = ()
) -> AsyncGenerator[tuple[Stage[DesktopPanel], Pilot[None]]]:
    """Put the panel on the stage and wait for its first list."""
    sample = samples.training_box()
    box = furnish(make_box(sample), desktops)
    async with on_stage(DesktopPanel, sample, size, answers=answers, box=box) as (stage, pilot):
        await until(pilot, lambda: desktops.lists and "Looking" not in stage.text)
        yield stage, pilot


def toasts(stage: Stage[DesktopPanel]) -> str:
    return "\n".join(f"{one.title} {one.message}" for one in stage._notifications)


def picture(stage: Stage[DesktopPanel]) -> DesktopPicture:
    return stage.query_one(DesktopPicture)


async def test_a_list_says_what_runs_whose_it_is_and_for_how_long() -> None:
    async with desktop(FakeDesktops(MINE, THEIRS, SCREEN), (90, 24)) as (stage, _):
        rows = {line[:2]: line for line in stage.text.splitlines() if line.startswith(":")}
        assert rows[":1"].split() == [":1", "xfce4", "1600x900", "TigerVNC", "ada", "2h", "05m"]
        assert "grace" in rows[":7"]
        assert "not yours" in rows[":7"]
        assert "the screen" in rows[":0"]
        assert "2 of 3 yours" in stage.text


async def test_none_says_which_key_starts_one() -> None:
    async with desktop(FakeDesktops()) as (stage, _):
        assert "No desktop runs · v starts one and opens it" in stage.text
        assert not picture(stage).display


async def test_what_prevents_the_list_stands_where_it_would_be_and_comes_once() -> None:
    desktops = FakeDesktops()
    desktops.error = RemoteError("No answer", "The box said [b]nothing[/b]")
    async with desktop(desktops) as (stage, _):
        assert "No answer. The box said [b]nothing[/b]" in stage.text
        assert not stage._notifications


async def test_a_box_that_is_away_is_not_asked() -> None:
    desktops = FakeDesktops(MINE)
    box = furnish(make_box(samples.training_box(), Health(Phase.WAITING)), desktops)
    async with on_stage(DesktopPanel, samples.training_box(), box=box) as (stage, pilot):
        await until(pilot, lambda: "Not connected" in stage.text)
        assert not desktops.lists
        link_of(box).health.put(Health(Phase.LIVE))
        await until(pilot, lambda: "xfce4" in stage.text)


async def test_where_sshd_lets_none_be_reached_that_is_said_and_none_is_started() -> None:
    desktops = FakeDesktops()
    async with desktop(desktops, (110, 24)) as (stage, pilot):
        stage.panel.box.use(SshdLimits).feed.put(SshdPolicy(forward=False, sockets=False))
        await until(pilot, lambda: "sshd forbids it" in stage.text)
        assert "AllowTcpForwarding" in stage.text
        stage.panel.opened_by_key(again=False)
        await pilot.press("n")
        assert not desktops.specs
        stage.panel.box.use(SshdLimits).feed.put(SshdPolicy(forward=True, sockets=False))
        await until(pilot, lambda: "v starts one" in stage.text)


async def test_the_chosen_desktop_is_shown_and_follows_what_happens_on_it() -> None:
    desktops = FakeDesktops(MINE)
    async with desktop(desktops) as (stage, pilot):
        await until(pilot, lambda: picture(stage).picture is desktops.picture.value)
        assert "▀▀▀▀" in stage.painted()
        desktops.picture.put(drawn(80, 80))
        await until(pilot, lambda: picture(stage).picture is desktops.picture.value)


async def test_another_desktop_is_shown_when_it_is_chosen_and_one_of_others_never() -> None:
    second = replace(MINE, pid=9, display=":2")
    desktops = FakeDesktops(MINE, second, THEIRS)
    async with desktop(desktops) as (stage, pilot):
        await until(pilot, lambda: desktops.looking == 1)
        await pilot.press("down")
        await until(pilot, lambda: desktops.looking == 1 and picture(stage).picture is not None)
        await pilot.press("down")
        assert stage.panel.chosen == THEIRS
        await until(pilot, lambda: desktops.looking == 0)
        assert not picture(stage).display


async def test_a_hidden_panel_looks_at_nothing() -> None:
    desktops = FakeDesktops(MINE)
    async with desktop(desktops) as (stage, pilot):
        await until(pilot, lambda: desktops.looking == 1)
        stage.panel.display = False
        await until(pilot, lambda: desktops.looking == 0)
        lists = desktops.lists
        stage.panel.display = True
        await until(pilot, lambda: desktops.looking == 1)
        assert desktops.lists <= lists + 1


async def test_a_new_link_is_looked_through_again() -> None:
    desktops = FakeDesktops(MINE)
    async with desktop(desktops) as (stage, pilot):
        await until(pilot, lambda: desktops.looking == 1)
        stage.panel.box.channels.put(None)
        await until(pilot, lambda: desktops.looking == 0)
        furnish(stage.panel.box, desktops)
        await until(pilot, lambda: desktops.looking == 1 and picture(stage).picture is not None)


async def test_a_desktop_that_cannot_be_looked_at_says_why() -> None:
    desktops = FakeDesktops(MINE)
    desktops.blind = RemoteError("The desktop wants a password", "Only its own viewer can ask for it")
    async with desktop(desktops) as (stage, pilot):
        await until(pilot, lambda: "The desktop wants a password" in stage.painted())


async def test_enter_opens_a_viewer_and_its_end_is_noticed() -> None:
    desktops = FakeDesktops(MINE, viewer=TIGER)
    async with desktop(desktops) as (stage, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "in TigerVNC" in stage.text)
        await pilot.press("enter")
        assert len(desktops.viewings) == 1
        assert "desktop :1 is open in TigerVNC" in toasts(stage)
        desktops.viewings[0].ended.set()
        await until(pilot, lambda: "in TigerVNC" not in stage.text)
        assert desktops.viewings[0].closed


async def test_a_session_that_ended_with_its_viewer_says_why() -> None:
    desktops = FakeDesktops(MINE, viewer=TIGER)
    async with desktop(desktops) as (stage, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: desktops.viewings)
        desktops.ends = RemoteError("The desktop ended", "xfce4: cannot open display")
        desktops.viewings[0].ended.set()
        await until(pilot, lambda: "xfce4: cannot open display" in toasts(stage))


async def test_without_a_viewer_the_address_is_copied_with_its_password_and_d_closes_the_way() -> None:
    desktops = FakeDesktops(replace(MINE, path="", port=5901))
    async with desktop(desktops) as (stage, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "127.0.0.1::40123" in stage.text)
        assert stage.clipboard == "127.0.0.1::40123"
        assert "password, for this time only: Ab3dEf7h" in toasts(stage)
        await pilot.press("d")
        await until(pilot, lambda: desktops.viewings[0].closed)
        assert "127.0.0.1::40123" not in stage.text


async def test_the_address_can_be_had_without_opening_a_viewer() -> None:
    desktops = FakeDesktops(MINE, viewer=TIGER)
    async with desktop(desktops) as (stage, pilot):
        await pilot.press("y")
        await until(pilot, lambda: stage.clipboard == "127.0.0.1::40123")
        assert desktops.viewings[0].viewer is None


async def test_in_the_browser_the_page_is_copied_and_its_secret_is_not_on_the_screen() -> None:
    desktops = FakeDesktops(MINE)
    desktops.page = "http://127.0.0.1:6080/s3cret/vnc.html"
    async with desktop(desktops) as (stage, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "in the browser" in stage.text)
        assert stage.clipboard == desktops.page
        assert "s3cret" not in stage.painted()


async def test_one_of_another_user_can_only_be_seen_in_the_list() -> None:
    desktops = FakeDesktops(THEIRS, viewer=TIGER)
    async with desktop(desktops) as (stage, pilot):
        await pilot.press("enter", "x", "R", "y")
        await until(pilot, lambda: "desktop :7 belongs to grace" in toasts(stage))
        assert not desktops.viewings
        assert not stage.asked


async def test_a_stop_asks_first_and_names_what_is_lost() -> None:
    desktops = FakeDesktops(MINE)
    async with desktop(desktops, answers=("no", "yes")) as (stage, pilot):
        await pilot.press("x")
        await until(pilot, lambda: stage.asked)
        assert stage.asked[0].title == "Stop desktop :1?"
        assert stage.asked[0].danger
        assert "not saved is lost" in stage.asked[0].text
        assert not desktops.done
        await pilot.press("x")
        await until(pilot, lambda: desktops.done == ["stop :1"])
        await until(pilot, lambda: "desktop :1 ended" in toasts(stage))
        assert "No desktop runs" in stage.text


async def test_the_screen_of_the_machine_is_only_no_longer_shown() -> None:
    async with desktop(FakeDesktops(SCREEN), answers=("no",)) as (stage, pilot):
        await pilot.press("x")
        await until(pilot, lambda: stage.asked)
        assert "the screen of the machine itself goes on" in stage.asked[0].text


async def test_a_restart_asks_first() -> None:
    desktops = FakeDesktops(MINE)
    async with desktop(desktops, answers=("yes",)) as (_, pilot):
        await pilot.press("R")
        await until(pilot, lambda: desktops.done == ["restart :1"])


@pytest.mark.parametrize("running", [(), (THEIRS,), (SCREEN,)])
async def test_one_key_from_anywhere_starts_a_desktop_and_opens_it(
    running: tuple[DesktopSession, ...],
) -> None:
    desktops = FakeDesktops(*running, viewer=TIGER)
    box = furnish(make_box(samples.training_box()), desktops)
    app = make_app(box)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: complete(app))
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        await pilot.press("escape", "2", "v")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        assert not desktops.specs
        await pilot.press("y")
        await until(pilot, lambda: desktops.viewings)
        assert desktops.specs == [None]
        panel = app.screen.query_one(DesktopPanel)
        await until(pilot, lambda: panel.display and panel.has_pseudo_class("focus-within"))
        desktops.ends_at_logout = True


async def test_one_key_lists_what_runs_and_the_same_key_again_opens_it() -> None:
    desktops = FakeDesktops(MINE, viewer=TIGER)
    app = make_app(furnish(make_box(samples.training_box()), desktops))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: complete(app))
        await pilot.press("2", "v")
        panel = app.screen.query_one(DesktopPanel)
        await until(pilot, lambda: panel.has_pseudo_class("focus-within") and panel.chosen == MINE)
        assert not desktops.viewings
        await pilot.press("v")
        await until(pilot, lambda: len(desktops.viewings) == 1)
        assert not desktops.specs


async def test_a_box_that_ends_programs_at_logout_is_reported_of() -> None:
    desktops = FakeDesktops(viewer=TIGER)
    desktops.ends_at_logout = True
    async with desktop(desktops, answers=("yes",)) as (stage, pilot):
        stage.panel.opened_by_key(again=False)
        await until(pilot, lambda: "loginctl enable-linger" in toasts(stage))


@pytest.mark.parametrize("size", [(78, 12), (100, 14), (40, 11)])
async def test_the_picture_of_a_desktop(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    desktops = FakeDesktops(MINE, THEIRS, viewer=TIGER)
    async with desktop(desktops, size) as (stage, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: picture(stage).picture is not None and "in TigerVNC" in stage.text)
        same_picture(stage, snapshot)
