"""A fix in the panel: the diff first, a yes, the change, and another look; undone by one key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest
from textual.pilot import Pilot

from gpubox.agent.as_root import SudoAccess
from gpubox.boxes.box import Box
from gpubox.boxes.checks.check import Check, Result, ok, warning
from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.checks.fix import Fix, SshdOptions
from gpubox.boxes.checks.fix_plan import Change, Plan, Planned, PlannedCommand
from gpubox.boxes.checks.fixes import Fixes, Guard, JournalEntry
from gpubox.boxes.checks.run import Judged
from gpubox.boxes.sudo import Sudo
from gpubox.core.errors import RemoteError
from gpubox.core.prompts import Asker
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.table import Table
from gpubox.ui.panel import Panel
from gpubox.ui.screens.ask import AskScreen
from gpubox.ui.screens.box import BoxScreen
from gpubox.ui.screens.checks import ChecksScreen
from gpubox.ui.screens.fix_preview import FixPreview
from gpubox.ui.screens.guide import GuideScreen
from gpubox.ui.status_bar import StatusBar
from tests.samples import training_box
from tests.ui.conftest import SIZES
from tests.ui.fakes import MONOTONIC, Clock, make_app, make_box, steady, until
from tests.ui.test_checks import ROWS, Scripted, opened

pytestmark = pytest.mark.usefixtures("plain_panels")

FIX = Fix(
    "Refuse passwords",
    "A new machine needs its key added from one that has access.",
    sshd=SshdOptions("/etc/ssh/sshd_config", {"PasswordAuthentication": "no"}),
)
PATH = "/etc/ssh/sshd_config.d/00-gpubox.conf"
CHANGE = Change(PATH, None, "# [/b] \x1b]0;x\x07\nPasswordAuthentication no\n", None, 0o644)


def check(name: str, result: Result) -> Judged:
    return Judged(Check(name, "Passwords are refused", "Why.", "ls", (), lambda _: result), result)


BAD = check("sshd.passwords", warning("A password is enough", "Refuse them", fix=FIX))
OTHER = check("sshd.keys", warning("A password is enough", "Refuse them", fix=FIX))
GOOD = check("sshd.passwords", ok("Refused"))


class ScriptedFixes(Fixes):
    """Fixes of a box that exists only in this test."""

    def __init__(self, box: Box, error: RemoteError | None = None) -> None:
        super().__init__(box.context)
        self.applied: list[str] = []
        self.undone: list[str] = []
        self.error = error
        self.journal: list[JournalEntry] = []
        self.turn = asyncio.Event()
        """A change waits for it."""
        self.turn.set()

    async def plan(self, check: Check, fix: Fix) -> Plan:
        return Plan(
            check, fix, "0123", Planned("token", (CHANGE,), (PlannedCommand(("systemctl", "reload")),))
        )

    async def apply(self, plan: Plan) -> str:
        await self.turn.wait()
        if self.error is not None:
            raise self.error
        self.applied.append(plan.id)
        return plan.id

    async def undo(self, entry: JournalEntry) -> None:
        self.undone.append(entry.id)

    async def entries(self, *, root: bool) -> list[JournalEntry]:
        return [entry for entry in self.journal if entry.root is root]


class Unlocked(Sudo):
    """Sudo that asks for nothing."""

    asked = 0

    async def unlock(self, asker: Asker, why: str) -> None:
        self.asked += 1
        self._access, self._shell = SudoAccess(), self._context.shell.value


def prepared(
    rows: Sequence[Judged] = (BAD,), error: RemoteError | None = None
) -> tuple[Box, Scripted, ScriptedFixes]:
    box = make_box(training_box())
    checks, fixes = Scripted(box, rows), ScriptedFixes(box, error)
    box.context.provide(Checks, checks)
    box.context.provide(Sudo, Unlocked(box.context))
    box.context.provide(Fixes, fixes)
    return box, checks, fixes


async def previewed(pilot: Pilot[None]) -> LineView:
    await opened(pilot)
    await pilot.press("f")
    await until(pilot, lambda: isinstance(pilot.app.screen, FixPreview))
    return pilot.app.screen.query_one(LineView)


async def test_the_diff_is_shown_before_anything_changes() -> None:
    box, _, fixes = prepared()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await previewed(pilot)
        await until(pilot, lambda: "+PasswordAuthentication no" in lines.plain)
        assert f"+++ {PATH}" in lines.plain
        assert "mode none → 0644" in lines.plain
        assert "$ systemctl reload" in lines.plain
        assert FIX.cost in lines.plain
        assert "second sshd" in lines.plain
        assert "\x1b" not in lines.plain
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChecksScreen))
        assert fixes.applied == []


async def test_a_yes_makes_the_change_and_looks_again() -> None:
    box, checks, fixes = prepared()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await previewed(pilot)
        checks.rows = (GOOD,)
        await pilot.press("y")
        await until(pilot, lambda: checks.looks == 2)
        assert fixes.applied == ["0123"]
        reported = [one.message for one in pilot.app._notifications]
        assert "Done: Refuse passwords. u on this check undoes it" in reported


async def test_a_fix_that_ends_after_its_window_names_the_way_to_undo_it() -> None:
    box, _, fixes = prepared()
    fixes.turn.clear()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await previewed(pilot)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChecksScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, BoxScreen))
        fixes.turn.set()
        await until(pilot, lambda: pilot.app._notifications)
        reported = [one.message for one in pilot.app._notifications]
        assert reported == ["Done: Refuse passwords. d, then u on this check, undoes it"]


async def test_a_change_that_is_refused_is_reported() -> None:
    box, checks, _ = prepared(
        error=RemoteError("A new login failed", "Permission denied", "It is taken back")
    )
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await previewed(pilot)
        await pilot.press("y")
        await until(
            pilot, lambda: any("Permission denied" in one.message for one in pilot.app._notifications)
        )
        assert checks.looks == 1


@pytest.mark.parametrize(("key", "name"), [("D", "checks"), ("G", "guide")])
async def test_the_countdown_stands_on_the_screen_until_the_change_is_proved_or_taken_back(
    key: str, name: str, clock: Clock
) -> None:
    box, _, fixes = prepared()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(pilot.app.screen.query(Panel)) > 2)
        await pilot.press(key)
        await until(pilot, lambda: pilot.app.screen.query(f"#{name}"))
        frame = pilot.app.screen.query_one(f"#{name}")
        fixes.guard.put(Guard("Refuse passwords", MONOTONIC + 25))
        await until(pilot, lambda: "takes this back in 25 s" in str(frame.border_subtitle))
        clock.passed += 5
        await until(pilot, lambda: "takes this back in 20 s" in str(frame.border_subtitle))
        fixes.guard.put(None)
        await until(pilot, lambda: "takes this back" not in str(frame.border_subtitle))


async def test_a_fix_is_undone_after_a_yes() -> None:
    box, checks, fixes = prepared()
    fixes.journal = [
        JournalEntry("aaaa", "sshd.passwords", "Refuse passwords", "undone", root=True),
        JournalEntry("bbbb", "sshd.passwords", "Refuse passwords", "kept", paths=(PATH,), root=True),
    ]
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("u")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
        await pilot.press("y")
        await until(pilot, lambda: checks.looks == 2)
        assert fixes.undone == ["bbbb"]


async def test_without_a_fix_there_is_nothing_to_undo() -> None:
    box, _, fixes = prepared()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("u")
        await until(pilot, lambda: any("No fix of" in one.message for one in pilot.app._notifications))
        assert fixes.undone == []


async def test_the_countdown_stands_in_the_state_of_the_box_when_the_window_is_closed() -> None:
    box, _, fixes = prepared()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(pilot.app.screen.query(Panel)) > 2)
        fixes.guard.put(Guard("Refuse passwords", MONOTONIC + 25))
        bar = pilot.app.screen.query_one(StatusBar)
        bar.tick()
        assert "Testing a new login; the box takes this back in" in bar.render().plain
        fixes.guard.put(None)
        bar.tick()
        assert "Testing" not in bar.render().plain


@pytest.mark.parametrize("size", SIZES)
async def test_the_windows_look_right(
    size: tuple[int, int], clock: Clock, looks: Callable[[GpuBoxApp], None]
) -> None:
    box, _, fixes = prepared((*ROWS, OTHER))
    app = make_app(box)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: "Before: fine" in screen.query_one("#checks-about", LineView).plain)
        await steady(pilot)
        looks(app)
        screen.query_one("#checks-list", Table).choose("sshd.keys")
        await previewed_again(pilot)
        await steady(pilot)
        looks(app)
        await pilot.press("escape", "escape", "G")
        await until(pilot, lambda: isinstance(app.screen, GuideScreen))
        await until(pilot, lambda: "It matters much." in app.screen.query_one(LineView).plain)
        await steady(pilot)
        looks(app)
        for key, name in (("G", "guide"), ("D", "checks")):
            await pilot.press("escape", key)
            await until(pilot, lambda name=name: app.screen.query(f"#{name}"))
            frame = app.screen.query_one(f"#{name}")
            fixes.guard.put(Guard("Refuse passwords", MONOTONIC + 25))
            await until(pilot, lambda frame=frame: "back in 25 s" in str(frame.border_subtitle))
            await steady(pilot)
            looks(app)
            fixes.guard.put(None)


async def previewed_again(pilot: Pilot[None]) -> None:
    """Show the preview of the chosen check."""
    await pilot.press("f")
    await until(pilot, lambda: isinstance(pilot.app.screen, FixPreview))
    await until(pilot, lambda: "+PasswordAuthentication no" in pilot.app.screen.query_one(LineView).plain)
