"""A live thumbnail of a desktop."""

from __future__ import annotations

import asyncio
import contextlib

from textual.worker import Worker

from gpubox.boxes.box import Box
from gpubox.boxes.desktops import Desktops, DesktopSession
from gpubox.core.errors import GpuBoxError
from gpubox.ui.draw.thumbnail import Thumbnail
from gpubox.ui.error_boundary import guarded
from gpubox.ui.panels.desktop.table import key

LOOK = 3.0
"""Least seconds between two pictures; none is sent while the desktop does not change."""
AGAIN = 5.0
"""Seconds until the next attempt after a failed picture."""
_COVERED = 0.5
"""Seconds between two checks whether another screen still hides this one."""


class DesktopPicture(Thumbnail):
    """Shows one desktop at a time, over a connection that is open only while it is shown."""

    def __init__(self, box: Box) -> None:
        super().__init__(id="picture")
        self._box = box
        self._aimed: tuple[object, ...] = ()
        self._worker: Worker[bool] | None = None

    def aim(self, session: DesktopSession | None) -> bool:
        """Show this desktop from now on, or none; return whether it can be shown."""
        channels = self._box.channels.value
        if session is None or not session.mine or channels is None:
            aimed: tuple[object, ...] = ()
        else:
            aimed = (key(session), channels)  # a new link starts over
        if aimed != self._aimed:
            same = self._aimed[:1] == aimed[:1]
            self._aimed = aimed
            if self._worker is not None:
                self._worker.cancel()
                self._worker = None
            if not same:
                self.show(None)
            if session is not None and aimed:
                self._worker = self.run_worker(guarded(self, self._watch(session)), exit_on_error=False)
        return bool(aimed)

    async def _watch(self, session: DesktopSession) -> None:
        while True:
            try:
                await self._follow(session)
            except GpuBoxError as error:
                self.show(None, f"No picture: {error}")
            await asyncio.sleep(AGAIN)

    async def _follow(self, session: DesktopSession) -> None:
        """Show each picture of a desktop, until an error."""
        async with contextlib.aclosing(self._box.use(Desktops).watch(session, LOOK)) as pictures:
            async for picture in pictures:
                self.show(picture)
                while not self.screen.is_current:  # nobody sees it: ask for no other  # noqa: ASYNC110
                    await asyncio.sleep(_COVERED)
