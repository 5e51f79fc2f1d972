"""A real desktop in a real browser: noVNC of the box, in a headless Chromium of this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gpubox.boxes.desktops import Desktops, DesktopSpec
from tests.components.chromium import browsing
from tests.components.desk import Desk
from tests.components.desktops import homestead, share, with_desktops
from tests.components.parts import program
from tests.components.test_desktop_tigervnc import RED, WINDOW
from tests.hang import LIMIT


async def test_a_browser_draws_the_desktop(desk: Desk) -> None:
    program("novnc")

    async def check(desktops: Desktops, home: Path) -> None:
        session = await desktops.start(DesktopSpec(geometry="800x600", session=WINDOW))
        async with (
            await desktops.open(session, viewer="browser") as viewing,
            browsing(home, viewing.page) as tab,
            asyncio.timeout(LIMIT),
        ):
            while share(await tab.picture(), RED) < 0.5:  # noqa: ASYNC110 - one more look
                await asyncio.sleep(0.1)

    async with homestead() as home:
        await with_desktops(desk, home, lambda desktops: check(desktops, home))
