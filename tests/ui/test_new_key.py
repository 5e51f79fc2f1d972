"""A key for this machine from the panel: its passphrase twice, the diff, a yes, and an entry for ssh."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from gpubox.boxes.box import Box
from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import Check
from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.checks.run import Judged
from gpubox.core.errors import RemoteError
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.screens.ask import AskScreen
from gpubox.ui.screens.checks import ChecksScreen
from gpubox.ui.screens.fix_preview import FixPreview
from tests.boxes.checks.key_box import FakeChannels, Given, Planning, home_of, mine, provided
from tests.samples import training_box
from tests.ui.fakes import make_app, make_box, until
from tests.ui.test_checks import opened

__all__ = ["mine"]  # a fixture

pytestmark = pytest.mark.usefixtures("plain_panels")

(CHECK,) = (check for check in all_checks() if check.id == "login.from-here")
SECRET = "opensesame"


class Only(Given):
    """Looks by the one check."""

    looks = 0

    async def look(self, chosen: Sequence[Check] | None = None) -> tuple[Judged, ...]:
        self.looks += 1
        return await super().look([CHECK])


def prepared(tmp_path: Path, error: RemoteError | None = None) -> tuple[Box, Only, Planning, FakeChannels]:
    box = make_box(training_box())
    fixes, channels = provided(box.context, home_of(tmp_path), error=error)
    checks = Only(box.context)
    box.context.provide(Checks, checks)
    return box, checks, fixes, channels


async def asked(pilot: Pilot[None], title: str) -> None:
    """Wait for a question."""

    def there() -> bool:
        screen = pilot.app.screen
        return isinstance(screen, AskScreen) and title in screen.question.title and screen.focused is not None

    await until(pilot, there)


async def previewed(pilot: Pilot[None]) -> LineView:
    """Press the key, and give the passphrase twice."""
    await opened(pilot)
    await pilot.press("f")
    for title in ("Passphrase for a new key", "The same passphrase again"):
        await asked(pilot, title)
        await pilot.press(*SECRET, "enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, FixPreview))
    return pilot.app.screen.query_one(LineView)


def reported(pilot: Pilot[None], words: str) -> bool:
    return any(words in one.message for one in pilot.app._notifications)


async def test_the_passphrase_is_asked_for_twice_and_then_the_diff_is_shown(
    tmp_path: Path, mine: Path
) -> None:
    box, _, fixes, _ = prepared(tmp_path)
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await previewed(pilot)
        await until(pilot, lambda: "+ssh-ed25519 " in lines.plain)
        assert "locked by your passphrase" in lines.plain.replace("\n", " ")
        assert SECRET not in lines.plain
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChecksScreen))
    assert (fixes.applied, os.listdir(mine)) == ([], [])


async def test_a_yes_makes_the_key_lets_it_in_and_offers_an_entry(tmp_path: Path, mine: Path) -> None:
    box, checks, fixes, channels = prepared(tmp_path)
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await previewed(pilot)
        await pilot.press("y")
        await asked(pilot, "Add an entry to")
        await until(pilot, lambda: checks.looks == 2)
        assert reported(pilot, "Done: Log in by a key. u on this check undoes it")
        assert not (mine / ".ssh" / "config").exists()
        await pilot.press("y")
        await until(pilot, lambda: reported(pilot, "The entry is in your ssh configuration"))
    assert (mine / ".ssh" / "config").read_text().startswith("Host xub\n")
    assert len(fixes.applied) == 1
    assert channels.came == [(mine / ".ssh" / "id_ed25519", SECRET)]


async def test_an_empty_passphrase_is_an_answer_and_escape_is_none(tmp_path: Path, mine: Path) -> None:
    box, _, fixes, _ = prepared(tmp_path)
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("f")
        await asked(pilot, "Passphrase for a new key")
        assert pilot.app.screen.query_one(Input).password
        await pilot.press("enter")
        await asked(pilot, "The same passphrase again")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChecksScreen))
    assert (fixes.applied, os.listdir(mine)) == ([], [])


async def test_a_key_that_does_not_log_in_is_reported(tmp_path: Path, mine: Path) -> None:
    box, checks, _, _ = prepared(tmp_path, RemoteError("Login refused", "It said no"))
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await previewed(pilot)
        await pilot.press("y")
        await until(pilot, lambda: reported(pilot, "It said no"))
        assert checks.looks == 1
    assert (mine / ".ssh" / "id_ed25519").exists()
