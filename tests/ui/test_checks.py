"""The window of checks: results as they come, the ones that ask for something first, everything explained."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual.pilot import Pilot
from textual.widget import Widget

from gpubox.boxes.box import Box
from gpubox.boxes.checks.check import Check, Outcome, Result, failed, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.checks.run import Judged
from gpubox.core.errors import GpuBoxError, RemoteError
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.table import Table
from gpubox.ui.panel import Panel
from gpubox.ui.screens.checks import ChecksScreen
from gpubox.ui.screens.help import HelpScreen, KeyTable
from gpubox.ui.widgets.details import Details
from gpubox.ui.widgets.key_footer import KeyFooter
from tests.samples import training_box
from tests.ui.fakes import make_app, make_box, until

pytestmark = pytest.mark.usefixtures("plain_panels")

HOSTILE = "[/b] \x1b]0;owned\x07"


def judged(name: str, result: Result, before: Result | None = None) -> Judged:
    check = Check(
        name, f"{name.partition('.')[2].title()} is right", "It matters much.", "ls -l", (), lambda _: result
    )
    return Judged(check, result, before)


ROWS = (
    judged("login.key", ok("There is one")),
    judged(
        "sshd.passwords",
        warning("Anybody may guess", "Set PasswordAuthentication no", details=("/etc/ssh/sshd_config:7",)),
    ),
    judged("sshd.root-login", failed(f"root {HOSTILE}", HOSTILE), ok("fine")),
    judged("gpu.smi", unknown("It took more than 3 seconds")),
    judged("gpu.persistence", hint("It is off", "sudo nvidia-smi -pm 1")),
    judged("web.server", not_here("No web server runs")),
)


class Scripted(Checks):
    """Checks whose results are given."""

    def __init__(self, box: Box, rows: Sequence[Judged], error: GpuBoxError | None = None) -> None:
        super().__init__(box.context)
        self.rows, self.error, self.looks = tuple(rows), error, 0

        self.chosen: Sequence[Check] | None = None
        """What the last look was asked for."""

    async def look(self, chosen: Sequence[Check] | None = None) -> tuple[Judged, ...]:
        self.looks += 1
        self.chosen = chosen
        if self.error is not None:
            raise self.error
        self.results.put(self.rows)
        return self.rows


def scripted(rows: Sequence[Judged] = ROWS, error: GpuBoxError | None = None) -> tuple[Box, Scripted]:
    box = make_box(training_box())
    made = Scripted(box, rows, error)
    box.context.provide(Checks, made)
    return box, made


async def opened(pilot: Pilot[None]) -> ChecksScreen:
    """Open the window by its key."""
    await until(pilot, lambda: len(pilot.app.screen.query(Panel)) > 2)
    await pilot.press("D")
    await until(pilot, lambda: isinstance(pilot.app.screen, ChecksScreen))
    screen = pilot.app.screen
    assert isinstance(screen, ChecksScreen)
    await until(pilot, lambda: not screen._looking)
    return screen


def footer(screen: Widget) -> list[str]:
    """The keys of the key line, each with its word."""
    here, general = screen.query_one(KeyFooter).keys()
    return [f"{key.shown} {key.description}" for key in (*here, *general)]


def listed(screen: ChecksScreen) -> list[str]:
    return [one.check.id for one in screen.query_one("#checks-list", Table).shown]


async def test_only_what_asks_for_something_is_shown_until_all_is_asked_for() -> None:
    box, _ = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        assert listed(screen) == ["sshd.root-login", "sshd.passwords", "gpu.smi", "gpu.persistence"]
        await pilot.press("a")
        assert sorted(listed(screen)) == sorted(one.check.id for one in ROWS)
        await pilot.press("a")
        assert len(listed(screen)) == 4


async def test_the_chosen_check_says_what_was_found_and_what_to_do() -> None:
    box, _ = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        about = screen.query_one("#checks-about", LineView)
        await until(pilot, lambda: "Before: fine" in about.plain)
        assert "\x1b" not in about.plain
        await pilot.press("down")
        await until(pilot, lambda: "Anybody may guess" in about.plain)
        assert "/etc/ssh/sshd_config:7" in about.plain
        assert "→ Set PasswordAuthentication no" in about.plain


@pytest.mark.parametrize("key", ["question_mark", "enter"])
async def test_a_key_explains_a_check_with_the_command_that_looks_by_hand(key: str) -> None:
    box, _ = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        assert footer(screen)[0].startswith("? Explain")
        await pilot.press(key)
        await until(pilot, lambda: isinstance(pilot.app.screen, Details))
        lines = pilot.app.screen.query_one(LineView)
        await until(pilot, lambda: "It matters much." in lines.plain)
        assert "ls -l" in lines.plain
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChecksScreen))


async def test_the_keys_have_their_help_by_f1() -> None:
    box, _ = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        assert "f1 Help" in footer(screen)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        lines = pilot.app.screen.query_one(KeyTable).render().plain.splitlines()
        assert [line.split()[:3] for line in lines if "checks.explain" in line] == [["?", "⏎", "Explain"]]
        assert [line.split()[:2] for line in lines if " Help " in line] == [["f1", "Help"]]
        assert not any("app." in line for line in lines), "keys of the app do not work in a window"


async def test_what_changed_since_the_last_look_is_listed_and_counted() -> None:
    right, wrong = ok("There is one"), failed("There is none", "Make one")
    box, made = scripted((judged("login.key", wrong), judged("sshd.passwords", ok("Refused"))))
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        frame = screen.query_one("#checks")
        assert str(frame.border_subtitle) == "1 failed · 1 ok"
        made.rows = (
            judged("login.key", right, wrong),
            judged("sshd.passwords", ok("Refused"), ok("Refused")),
        )
        await pilot.press("r")
        await until(pilot, lambda: made.looks == 2 and not screen._looking)
        assert listed(screen) == ["login.key"]
        assert "Key is right ↻" in screen.query_one("#checks-list", Table).plain
        assert "Before: There is none" in screen.query_one("#checks-about", LineView).plain
        assert str(frame.border_subtitle) == "1 changed · 2 ok"
        made.rows = (judged("login.key", right, right),)
        await pilot.press("r")
        await until(pilot, lambda: made.looks == 3 and not screen._looking)
        assert listed(screen) == []
        assert str(frame.border_subtitle) == "1 ok"


async def test_the_list_is_filtered_also_by_what_is_well() -> None:
    box, _ = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        await pilot.press("slash", *"login")
        assert listed(screen) == ["sshd.root-login", "login.key"]
        await pilot.press("enter", "escape")
        assert len(listed(screen)) == 4
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChecksScreen))


async def test_the_box_is_looked_at_again() -> None:
    box, made = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        made.rows = ROWS[:1]
        await pilot.press("r")
        await until(pilot, lambda: made.looks == 2 and not screen._looking)
        assert listed(screen) == []
        table = screen.query_one("#checks-list", Table)
        assert table.empty == "All is well: a shows all checks"


async def test_a_look_that_fails_stays_on_the_screen() -> None:
    box, _ = scripted(error=RemoteError("No Python on the box", "None was found", "Name one"))
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        assert "No Python on the box" in screen.query_one("#checks-list", Table).plain


async def test_what_to_do_is_copied() -> None:
    box, _ = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("down", "y")
        assert pilot.app.clipboard == "Set PasswordAuthentication no"


def test_every_outcome_has_a_sign_of_its_own_word() -> None:
    assert {one.result.outcome for one in ROWS} == set(Outcome)
