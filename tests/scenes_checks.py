"""What the pictures of checks show: an invented machine, judged by the program's own checks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from textual.pilot import Pilot

from gpubox.boxes.box import Box
from gpubox.boxes.checks.check import Check, Facts
from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.fix_plan import Change, Plan, Planned
from gpubox.boxes.checks.fixes import Fixes, Guard
from gpubox.boxes.sudo import Sudo
from gpubox.core.prompts import Asker
from gpubox.ui.draw.table import Table
from gpubox.ui.screens.checks import ChecksScreen
from gpubox.ui.screens.fix_preview import FixPreview
from gpubox.ui.screens.guide import GuideScreen
from tests.invented_box import facts

HEAD = "# Written by gpubox-tui; each line is undone with the fix that wrote it."


class InventedChecks(Checks):
    """Checks whose facts are those of the invented machine."""

    async def _local(self, kind: type[Facts]) -> Facts | str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return next(one for one in facts(time.time()) if type(one) is kind)

    async def _remote(self, kinds: dict[str, type[Facts]]) -> AsyncIterator[tuple[type[Facts], Facts | str]]:
        for one in facts(time.time()):
            if type(one).SECTION in kinds:
                yield type(one), one


class InventedFixes(Fixes):
    """Fixes whose plan is for the invented machine; nothing is changed anywhere."""

    async def plan(self, check: Check, fix: Fix) -> Plan:
        assert fix.sshd is not None
        lines = [HEAD, *(f"{keyword} {value}" for keyword, value in fix.sshd.options.items())]
        change = Change("/etc/ssh/sshd_config.d/00-gpubox.conf", None, "\n".join(lines), None, 0o644)
        return Plan(check, fix, "picture", Planned("", (change,)))


class InventedSudo(Sudo):
    """Sudo that asks for nothing."""

    async def unlock(self, asker: Asker, why: str) -> None:
        """Do as if the password had been given."""


def furnish(box: Box) -> None:
    """Put the invented machine's set-up in the place of this one's."""
    box.context.provide(Checks, InventedChecks(box.context))
    box.context.provide(Sudo, InventedSudo(box.context))
    box.context.provide(Fixes, InventedFixes(box.context))


async def draw(pilot: Pilot[None], box: Box, keep: Callable[[str], object]) -> None:
    """Draw the list of checks, the preview of a fix, its countdown and the guide; leave them."""
    await pilot.press("escape", "escape", "D")
    async with asyncio.timeout(20):
        while not isinstance(pilot.app.screen, ChecksScreen) or not pilot.app.screen.found:
            await pilot.pause(0.1)  # the next look
    screen = pilot.app.screen
    screen.query_one("#checks-list", Table).choose("sshd.passwords")
    await pilot.pause(0.3)  # until it is painted
    keep("checks")
    await pilot.press("f")
    async with asyncio.timeout(20):
        while not isinstance(pilot.app.screen, FixPreview):
            await pilot.pause(0.1)  # the next look
    await pilot.pause(0.3)  # until it is painted
    keep("fix")
    await pilot.press("escape")
    box.use(Fixes).guard.put(Guard("Refuse passwords", time.monotonic() + 27.4))
    await pilot.pause(0.7)  # until the countdown is painted
    keep("countdown")
    box.use(Fixes).guard.put(None)
    await pilot.press("escape", "G")
    async with asyncio.timeout(20):
        while not isinstance(pilot.app.screen, GuideScreen):
            await pilot.pause(0.1)  # the next look
    await pilot.pause(0.3)  # until it is painted
    keep("guide")
    await pilot.press("escape")
    await pilot.pause(0.3)  # until it is painted
