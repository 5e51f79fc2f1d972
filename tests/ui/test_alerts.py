"""The window of alerts, the count in the first line, and what announces an alert."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from gpubox.boxes.alerts.alerts import AlertList
from gpubox.boxes.alerts.announcement import Announcement
from gpubox.boxes.alerts.mutes import BOX
from gpubox.boxes.box import Box
from gpubox.config.settings import AlertSettings, Settings
from gpubox.ui import alert_notifications
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.draw.table import Table
from gpubox.ui.screens.alerts import AlertsScreen
from gpubox.ui.screens.alerts_table import AlertRow
from gpubox.ui.screens.mute_chooser import MuteChooser, choices
from gpubox.ui.status_bar import StatusBar
from gpubox.ui.widgets.key_footer import KeyFooter
from tests.samples import NOW, training_box
from tests.ui.alerts import ACTIVE, FULL, HOT, IDLE, LOST, PAST, FakeAlerts, provide
from tests.ui.fakes import complete, make_app, make_box, until

pytestmark = pytest.mark.usefixtures("plain_panels", "clock")


def furnished(found: AlertList | None = None) -> tuple[Box, FakeAlerts]:
    box = make_box(training_box())
    return box, provide(box, found)


async def opened(pilot: Pilot[None]) -> Table[AlertRow]:
    await until(pilot, lambda: complete(pilot.app))
    await pilot.press("exclamation_mark")
    await until(pilot, lambda: isinstance(pilot.app.screen, AlertsScreen))
    return pilot.app.screen.query_one("#alerts-list", Table)


def text(pilot: Pilot[None]) -> str:
    return "\n".join(
        "".join(one.text for one in strip) for strip in pilot.app.screen._compositor.render_strips()
    )


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_active_alerts_stand_first_with_age_sign_word_and_next_step(size: tuple[int, int]) -> None:
    box, _ = furnished()
    async with make_app(box).run_test(size=size) as pilot:
        rows = await opened(pilot)
        assert [row.alert for row in rows.shown] == [LOST, FULL, IDLE, PAST[0].alert, PAST[1].alert]
        lines = text(pilot).splitlines()
        (lost,) = (line for line in lines if "3m 12s" in line)
        assert "!! critical" in lost
        assert "gpu 1" in lost
        assert any("→ Reboot the box" in line for line in lines)
        assert any("3 active" in line for line in lines)


async def test_no_line_moves_while_time_passes() -> None:
    box, _ = furnished()
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        rows = await opened(pilot)
        await pilot.press("down")
        before = [row.key for row in rows.shown]
        screen = pilot.app.screen
        assert isinstance(screen, AlertsScreen)
        screen.show()
        await pilot.pause()
        assert [row.key for row in rows.shown] == before
        assert rows.chosen is not None
        assert rows.chosen.alert == FULL


async def test_a_box_without_alerts_says_so_in_one_line() -> None:
    box, _ = furnished(AlertList())
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "No alerts: nothing is wrong that is judged" in text(pilot)
        assert "alert" not in str(pilot.app.screen_stack[-2].query_one(StatusBar).render())


async def test_an_alert_is_acknowledged_and_one_that_was_seen_is_not_again() -> None:
    seen = AlertList((LOST._replace(acknowledged=True), FULL), (), {})
    box, fake = furnished(seen)
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("a")
        await pilot.press("down", "a")
        await until(pilot, lambda: fake.asked)
        assert fake.asked == [("acknowledge", FULL.key)]


async def test_all_are_acknowledged_at_once() -> None:
    box, fake = furnished()
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("A")
        await until(pilot, lambda: len(fake.asked) == 3)
        assert {key for _, key in fake.asked} == {alert.key for alert in ACTIVE}


async def test_muting_asks_for_what_and_how_long_and_is_undone() -> None:
    box, fake = furnished()
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        rows = await opened(pilot)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(pilot.app.screen, MuteChooser))
        assert pilot.app.screen.query_one(OptionList).option_count == len(choices(LOST)) == 10
        await pilot.press("enter")
        await until(pilot, lambda: fake.asked)
        assert fake.asked == [("mute", LOST.key, NOW + 3600)]
        fake.feed.put(AlertList(ACTIVE, PAST, {BOX: None}))
        await until(pilot, lambda: [row.state for row in rows.shown if row.active] == ["muted"] * 3)
        assert "the whole box is muted" in text(pilot)
        await pilot.press("u")
        await until(pilot, lambda: len(fake.asked) == 2)
        assert fake.asked[1] == ("unmute", LOST.key, "GPU-b", "gpu 1", BOX)


async def test_the_filter_narrows_and_escape_goes_back() -> None:
    box, _ = furnished()
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        rows = await opened(pilot)
        await pilot.press("slash", *"disk", "enter")
        assert {row.alert.code for row in rows.shown} == {"disk-nearly-full", "disk-full"}
        await pilot.press("escape")
        assert len(rows.shown) == 5
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, AlertsScreen))


async def test_the_first_line_counts_what_nobody_saw() -> None:
    box, fake = furnished()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: complete(pilot.app))
        bar = pilot.app.screen.query_one(StatusBar)
        await until(pilot, lambda: "!! 3 alerts" in str(bar.render()))
        fake.feed.put(AlertList((LOST._replace(acknowledged=True), FULL), (), {}))
        await until(pilot, lambda: "! 1 alert " in str(bar.render()))
        fake.feed.put(AlertList((FULL,), (), {FULL.key: None}))
        await until(pilot, lambda: "alert" not in str(bar.render()))
        assert pilot.app.screen.query(KeyFooter)


def said(app: GpuBoxApp) -> list[tuple[str, str, str]]:
    return [(one.title, one.message, one.severity) for one in app._notifications]


async def test_each_alert_has_one_toast_with_its_severity() -> None:
    box, fake = furnished()
    app = make_app(box)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: complete(pilot.app))
        fake.report(Announcement("xub", LOST, True, NOW))
        await until(pilot, lambda: said(app))
        fake.report(Announcement("xub", FULL, True, NOW, test=True), Announcement("xub", HOT, False, NOW))
        await until(pilot, lambda: len(said(app)) > 1)
        assert said(app) == [
            ("xub gpu 1", "critical: GPU is lost", "error"),
            ("TEST · xub disk /data", "warning: Nearly full: 376GB free", "warning"),
        ]


async def test_many_at_once_share_a_toast() -> None:
    box, fake = furnished()
    app = make_app(box)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: complete(pilot.app))
        fake.report(*(Announcement("xub", LOST._replace(subject=f"gpu {n}"), True, NOW) for n in range(8)))
        await until(pilot, lambda: len(said(app)) == 3)
        assert said(app)[-1][1] == "critical: GPU is lost, and 5 more: ! lists them"


@pytest.mark.parametrize("loud", [True, False])
async def test_bell_and_desktop_are_silent_in_quiet_hours(
    loud: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []

    def ring(_: object) -> None:
        rung.append("bell")

    def write(_: object, text: str) -> None:
        rung.append(text)

    monkeypatch.setattr(GpuBoxApp, "bell", ring)
    monkeypatch.setattr(alert_notifications, "write_to_terminal", write)
    box, fake = furnished()
    app = make_app(box, settings=Settings(alerts=AlertSettings(bell=True, desktop="osc9")))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: complete(pilot.app))
        fake.report(Announcement("xub", LOST, True, NOW, loud=loud))
        await until(pilot, lambda: said(app))
        assert rung == (["bell", "\x1b]9;xub gpu 1: critical: GPU is lost\x1b\\"] if loud else [])
