"""A desktop that is being viewed: its forward, the viewer in front of it, and their end."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from gpubox.boxes import browser
from gpubox.boxes.desktops import novnc
from gpubox.boxes.desktops.session import DesktopSession
from gpubox.boxes.desktops.vnc_viewers import Viewer
from gpubox.core.channels import Channels, Direction, Forward, Listening
from gpubox.core.errors import GpuBoxError, PortTaken, ToolMissing
from gpubox.core.feed import Feed
from gpubox.core.sanitize import last_line
from gpubox.rfb import auth

_LOOK = 0.5
"""Seconds between checks of a window whose program has ended."""
_GONE = 3.0
"""Seconds without a connection after which such a window counts as closed."""
_EARLY = 3.0
"""A viewer that fails within these seconds, and was sent no picture, has shown nothing."""
_GREETED = 256
"""Most bytes that a server sends before any picture: its handshake, a challenge, a refusal."""
_POLITE = 2.0


def forward_to(session: DesktopSession, port: int = 0) -> Forward:
    """Return the forward spec of a desktop, on a given local port or any free one."""
    if session.path:
        return Forward(Direction.LOCAL, port, path=session.path)
    return Forward(Direction.LOCAL, port, port=session.port)


class Viewing:
    """A desktop being shown. Leaving its block, or `close`, ends the viewer and the forward."""

    def __init__(
        self,
        session: DesktopSession,
        channels: Feed[Channels | None],
        viewer: Viewer | None,
        password: str,
        renew: Callable[[], Awaitable[None]],
    ) -> None:
        self.session = session
        self.viewer = viewer
        """The viewer that shows it; None when the user has to open `address` by hand."""
        self.password = password
        """The one-time password; empty when it needs none."""
        self.page = ""
        """Address of the desktop's page for a browser, a secret; empty unless `browse` was called."""
        self._channels = channels
        self._renew = renew
        self._through: Channels | None = None
        self._ways = AsyncExitStack()
        self._resources = AsyncExitStack()
        self._listening: Listening | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._said: Path | None = None
        self._began = 0.0

    @property
    def port(self) -> int:
        """The local port that is forwarded to the desktop."""
        return self._listening.port if self._listening is not None else 0

    @property
    def address(self) -> str:
        """The address for any VNC viewer: `127.0.0.1::5901`."""
        return f"127.0.0.1::{self.port}"

    async def __aenter__(self) -> Viewing:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def begin(self, channels: Channels) -> None:
        """Open the forward and start the viewer; on an error, closes both and raises it."""
        self._began = asyncio.get_running_loop().time()
        try:
            await self._forward(channels, 0)
            if self.viewer is not None:
                await self._start(self.viewer)
        except BaseException:
            await self.close()
            raise

    async def browse(self, files: Mapping[str, bytes], environment: Mapping[str, str]) -> None:
        """Serve noVNC's files with this desktop in them as `page`, and show that; errors as with `begin`."""
        try:
            serving = novnc.page(files, lambda: self.port, self.password)
            self.page = await self._resources.enter_async_context(serving)
            await browser.show(self.page, secret=True, environment=environment)
        except BaseException:
            await self.close()
            raise

    async def wait(self) -> None:
        """Wait for the viewer's end, or without a viewer until cancelled; the session on the box stays.

        When the link drops, the forward reopens on the same port with the next link, so that the viewer can
        reconnect. Raises ToolMissing when the viewer could not show anything.
        """
        ended = asyncio.ensure_future(self._ended())
        try:
            while not ended.done():
                back = asyncio.ensure_future(self._back())
                try:
                    await asyncio.wait({ended, back}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
            await ended
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
            await self.close()

    async def close(self) -> None:
        """End the viewer and close the forward."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(_POLITE):
                    await process.wait()
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        await self._ways.aclose()
        await self._resources.aclose()

    async def _forward(self, channels: Channels, port: int) -> None:
        self._listening = await self._ways.enter_async_context(
            channels.forward(forward_to(self.session, port))
        )
        self._through = channels

    async def _back(self) -> None:
        """Reopen the forward after each drop of the link."""
        async for channels in self._channels.follow():
            if channels is None or channels is self._through:
                continue
            port = self.port
            await self._ways.aclose()
            with suppress(GpuBoxError):  # the next link tries again
                try:
                    await self._forward(channels, port)
                except PortTaken:
                    await self._forward(channels, 0)
                if self.password:
                    await self._renew()

    async def _start(self, viewer: Viewer) -> None:
        # A private folder: a viewer's output may name files, and the password is there for the first second.
        folder = Path(self._resources.enter_context(tempfile.TemporaryDirectory(prefix="gpubox-viewer-")))
        secret = folder / "passwd"
        if self.password and viewer.takes_password:
            secret.touch(mode=0o600)
            secret.write_bytes(auth.hide(self.password))
        self._said = folder / "said"
        words = viewer.words(self.port, str(secret) if secret.exists() else "")
        with self._said.open("wb") as said:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *words,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,  # it must not get ctrl+c of our terminal
                )
            except OSError as error:
                raise ToolMissing(
                    "The viewer does not start",
                    f"{viewer.name}: {os.strerror(error.errno or 0)}",
                    "Set desktop.viewer to another one, or to none",
                ) from error

    async def _ended(self) -> None:
        """Wait until the last viewer has gone."""
        if self._process is None or self.viewer is None:
            await asyncio.Event().wait()
            return
        status = await self._process.wait()
        sent = self._listening.traffic.received if self._listening is not None else 0
        if status and sent < _GREETED and asyncio.get_running_loop().time() - self._began < _EARLY:
            said = self._said.read_bytes() if self._said is not None else b""
            last = last_line(said) or f"it ended with status {status}"
            raise ToolMissing(
                "The viewer shows nothing",
                f"{self.viewer.name}: {last}",
                f"Open {self.address} in another viewer, or set desktop.viewer",
            )
        if self.viewer.leaves:
            await self._window_closed()

    async def _window_closed(self) -> None:
        """Wait until a viewer whose command ended before its window has connected and disconnected."""
        seen, idle = False, 0.0
        while not seen or idle < _GONE:
            await asyncio.sleep(_LOOK)
            traffic = self._listening.traffic if self._listening is not None else None
            connected = traffic is not None and traffic.open > 0
            # It may have come and gone before its command left: Remmina's first one stays with its window.
            seen = seen or (traffic is not None and traffic.total > 0)
            idle = 0.0 if connected else idle + _LOOK
