"""The guide goes through what needs care, one thing after the other, and leaves out what has become right."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import failed, ok, unknown
from gpubox.boxes.checks.fixes import JournalEntry
from gpubox.boxes.sudo import Sudo
from gpubox.core.errors import RemoteError
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.panel import Panel
from gpubox.ui.screens.ask import AskScreen
from gpubox.ui.screens.box import BoxScreen
from gpubox.ui.screens.fix_preview import FixPreview
from gpubox.ui.screens.guide import GuideScreen
from gpubox.ui.screens.help import HelpScreen, KeyTable
from gpubox.ui.widgets.details import Details
from tests.samples import eight_gpus, training_box
from tests.ui.fakes import make_app, until
from tests.ui.plain import Cards
from tests.ui.test_checks import ROWS, footer, judged, scripted
from tests.ui.test_fixes import BAD, GOOD, prepared

pytestmark = pytest.mark.usefixtures("plain_panels")


async def guided(pilot: Pilot[None]) -> LineView:
    """Open the guide by its key."""
    await until(pilot, lambda: len(pilot.app.screen.query(Panel)) > 2)
    await pilot.press("G")
    await until(pilot, lambda: isinstance(pilot.app.screen, GuideScreen))
    return pilot.app.screen.query_one(LineView)


def keys(pilot: Pilot[None]) -> str:
    """The key line."""
    return " ".join(footer(pilot.app.screen))


async def test_it_goes_through_what_needs_care_and_back() -> None:
    box, _ = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await guided(pilot)
        frame = pilot.app.screen.query_one("#guide")
        await until(pilot, lambda: "Anybody may guess" in lines.plain)
        assert "It matters much." in lines.plain
        assert "1 of 4" in str(frame.border_subtitle)
        await pilot.press("n")
        await until(pilot, lambda: "root" in lines.plain and "2 of 4" in str(frame.border_subtitle))
        await pilot.press("p")
        await until(pilot, lambda: "Anybody may guess" in lines.plain)
        await pilot.press("n", "n", "n", "n")
        await until(pilot, lambda: "That was all" in lines.plain)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, GuideScreen))


async def test_it_stops_at_what_could_not_be_looked_at_with_the_command_that_can() -> None:
    waiting = judged("sshd.offered", unknown("It waits for this one: Key is right", waits_for="login.key"))
    box, checks, _ = prepared((judged("login.key", unknown("Only root can read it")), waiting))
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await guided(pilot)
        await until(pilot, lambda: "Could not be looked at: Key is right" in lines.plain)
        assert "Only root can read it" in lines.plain
        assert "ls -l" in lines.plain
        assert "S looks with sudo" in lines.plain
        assert "S With sudo" in keys(pilot)
        checks.rows = (judged("login.key", ok("There is one")),)
        await pilot.press("S")
        await until(pilot, lambda: "Nothing needs care" in lines.plain)
        assert box.use(Sudo).allowed
        assert "S With sudo" not in keys(pilot)


async def test_sudo_is_offered_only_where_something_could_not_be_looked_at() -> None:
    box, _, _ = prepared((BAD,))
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await guided(pilot)
        await until(pilot, lambda: "A password is enough" in lines.plain)
        assert "With sudo" not in keys(pilot)
        await pilot.press("S")
        assert not box.use(Sudo).allowed


async def test_trials_are_offered_where_they_belong_and_at_the_end() -> None:
    box, checks, _ = prepared((BAD,))
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await guided(pilot)
        await until(pilot, lambda: "A password is enough" in lines.plain)
        assert "t Try" not in keys(pilot)
        await pilot.press("n")
        await until(pilot, lambda: "t tries X11 and a desktop" in lines.plain)
        assert "t Try" in keys(pilot)
        checks.rows = (BAD, judged("x11.trial", failed("It does not work", "Install xauth")))
        await pilot.press("t")
        await until(pilot, lambda: "It does not work" in lines.plain)
        assert {one.id for one in checks.chosen or ()} == {one.id for one in all_checks()}
        assert "t Try" in keys(pilot)


async def test_what_became_right_is_left_out_after_another_look() -> None:
    box, made = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await guided(pilot)
        await until(pilot, lambda: "Anybody may guess" in lines.plain)
        made.rows = (judged("sshd.passwords", ok("Refused")), *ROWS[2:])
        await pilot.press("r")
        await until(pilot, lambda: "sshd.root-login" in lines.plain)


async def test_a_fix_is_one_key_away_and_so_is_its_end() -> None:
    box, checks, fixes = prepared((BAD,))
    fixes.journal = [JournalEntry("bbbb", "sshd.passwords", "Refuse passwords", "kept", root=True)]
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await guided(pilot)
        await until(pilot, lambda: "A password is enough" in lines.plain)
        assert "u Undo" not in keys(pilot)
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, FixPreview))
        checks.rows = (GOOD,)
        await pilot.press("y")
        await until(pilot, lambda: "✓  Passwords are refused" in lines.plain)
        assert fixes.applied == ["0123"]
        assert "u Undo" in keys(pilot)
        assert "f Fix" not in keys(pilot)
        checks.rows = (BAD,)
        await pilot.press("u")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
        await pilot.press("y")
        await until(pilot, lambda: "A password is enough" in lines.plain)
        assert fixes.undone == ["bbbb"]
        assert "u Undo" not in keys(pilot)


async def test_a_look_that_fails_stays_on_the_page() -> None:
    box, _ = scripted(error=RemoteError("No Python on the box", "None was found", "Name one"))
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        lines = await guided(pilot)
        await until(pilot, lambda: "None was found" in lines.plain)
        assert "Nothing needs care" not in lines.plain


async def test_the_question_mark_explains_the_check_and_f1_the_keys() -> None:
    box, _ = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await guided(pilot)
        await until(pilot, lambda: "Anybody may guess" in lines.plain)
        assert "f1 Help" in keys(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, Details))
        explained = pilot.app.screen.query_one(LineView)
        await until(pilot, lambda: "It matters much." in explained.plain and "ls -l" in explained.plain)
        await pilot.press("escape", "f1")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        table = pilot.app.screen.query_one(KeyTable).render().plain
        assert all(f"guide.{name}" in table for name in ("next", "fix", "explain"))


async def test_the_panel_is_live_behind_it_and_after_it() -> None:
    box, _ = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await guided(pilot)
        panel = pilot.app.screen_stack[-2].query_one(Cards)
        await pilot.press("n", "n", "n", "n")
        await until(pilot, lambda: "The panel is live behind this" in lines.plain)
        assert isinstance(pilot.app.screen, GuideScreen)
        box.received(eight_gpus())
        await until(pilot, lambda: panel.drawn[-1] is box.sample.value)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, BoxScreen))
        box.received(training_box())
        await until(pilot, lambda: panel.drawn[-1] is box.sample.value)
