"""The desktops of one box: lists, starts, opens and stops them over the open link."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress

from gpubox.boxes.context import BoxContext, Feature
from gpubox.boxes.desktops import discovery, launcher, novnc, password, vnc_viewers
from gpubox.boxes.desktops.launcher import LaunchedDesktop, State
from gpubox.boxes.desktops.remote_script import ask
from gpubox.boxes.desktops.session import DesktopSession, DesktopSpec, Transport, own_sessions
from gpubox.boxes.desktops.viewing import Viewing, forward_to
from gpubox.core.channels import Channels
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.retry import connected
from gpubox.core.sanitize import clean
from gpubox.core.shell import Shell
from gpubox.rfb import client

_POLL = 0.05
"""Seconds between checks for a desktop that was started: it takes 0.2 to 0.5."""
_ASK = 10
"""Checks between two requests for its state."""
_PATIENCE = 30.0
"""Seconds for a desktop to answer."""
_FORBIDDEN = 1.5
"""Seconds that a server may listen without being reachable; then sshd does not forward to it."""
_TRIES = 8
"""Displays of which others may take each, between the search and the start, before a start is given up."""
_SETTLED = 3.0
"""Seconds after which a session counts as stable."""
_LOOK = 15.0
"""Seconds for one picture."""


class Desktops(Feature):
    """The desktops of one box; every method raises Dropped while the link is down, and when it drops."""

    def __init__(self, context: BoxContext, *, environment: Mapping[str, str] = os.environ) -> None:
        super().__init__(context)
        self.feed: Feed[tuple[DesktopSession, ...]] = Feed(())
        """The desktops as last listed; kept when the link drops."""
        self.ends_at_logout = False
        """Whether the box is known to kill the programs of users who log out."""
        self._defaults = context.settings.desktop
        self._environment = environment
        self._transport: Transport = "socket"

    async def list(self) -> tuple[DesktopSession, ...]:
        """Return the desktops that run on the box, the user's own first."""
        found = await discovery.scan(self._open_shell())
        if found != self.feed.value:
            self.feed.put(found)
        return found

    async def ready(self, spec: DesktopSpec | None = None) -> DesktopSession:
        """Return a running desktop of the user, or start one; raises as `start`."""
        running = own_sessions(await self.list())
        display = (spec or DesktopSpec()).display.lstrip(":")
        fitting = [one for one in running if not display or one.display == f":{display}"]
        ours = [one for one in fitting if one.ours]
        return (ours or fitting)[0] if fitting else await self.start(spec)

    async def start(self, spec: DesktopSpec | None = None) -> DesktopSession:
        """Start a desktop and return it as soon as it answers; its session may still end, see `settled`.

        Raises ToolMissing with the line that installs what the box lacks, and RemoteError for a display that
        is taken or a server that ends, with the last words of its log.
        """
        full = self._full(spec or DesktopSpec())
        shell = self._open_shell()
        channels = self._open_channels()  # without them its start could not be checked
        taken = 0
        while True:
            begun = await launcher.begin(shell, full, self._transport)
            self.ends_at_logout = begun.ends_at_logout
            try:
                return await self._answered(shell, channels, begun, full)
            except _Forbidden as error:
                await self._end(shell, begun)
                if begun.port:
                    raise launcher.unreachable(begun) from error
                # sshd forwards to no socket: fall back to a loopback port with a password.
                self._transport = "port"
            except launcher.DisplayTaken:
                taken += 1
                if full.display or taken == _TRIES:
                    raise

    async def settled(self, session: DesktopSession) -> None:
        """Wait until a session that was just started has been stable for three seconds.

        Raises RemoteError with the last lines of the log when it ended at once.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _SETTLED
        while loop.time() < until:
            await self.check(session)
            await asyncio.sleep(_SETTLED / 6)

    async def check(self, session: DesktopSession) -> None:
        """Raise RemoteError with the reason when a desktop that was started here has ended."""
        if not session.ours:
            return
        begun = _begun(session)
        state = await launcher.state(self._open_shell(), begun)
        if state.ended:
            raise launcher.why(begun, state)

    async def stop(self, session: DesktopSession) -> str:
        """Stop a desktop and its leftovers; return in words what was stopped.

        Raises RemoteError when it belongs to another user, is gone, or does not end.
        """
        self._must_be_mine(session, "stopped")
        lines = await ask(
            self._open_shell(),
            "stop",
            target=str(session.pid),
            born=str(session.ticks),
            dir=session.folder,
            seats="" if session.physical else session.display.lstrip(":"),
        )
        answer = {line.word: line.rest for line in lines}
        with suppress(Dropped):  # it has ended all the same
            await self.list()
        if "failed" in answer:
            raise RemoteError("Not stopped", f"{session.name}: {clean(answer['failed'])}")
        if "gone" in answer:
            raise RemoteError("Already gone", f"{session.name} had ended before")
        left = ", ".join(sorted(set(clean(answer.get("left", "")).split())))
        if session.physical:
            return f"{session.server} no longer shows the screen of the machine; its desktop goes on"
        return f"{session.name} ended, and with it {left}" if left else f"{session.name} ended"

    async def restart(self, session: DesktopSession) -> DesktopSession:
        """Stop a desktop that this program started, and start it again on its display."""
        if not session.ours:
            raise RemoteError(
                "Not restarted",
                f"{session.name} was not started from here, so what runs in it is not known",
                "Stop it and start one",
            )
        await self.stop(session)
        geometry, depth = session.geometry, session.depth or 0
        spec = DesktopSpec(geometry, depth, session.session, session.server, session.display)
        return await self.start(spec)

    async def open(self, session: DesktopSession, *, viewer: str = "") -> Viewing:
        """Show a desktop in a viewer of this machine; without a viewer, provide its address.

        `viewer` overrides the settings; `none` only provides the address.

        Use the result as a context manager and wait in it: `async with await desktops.open(one) as viewing`.
        Raises ToolMissing and ConfigError for the viewer, PortTaken and RemoteError for the forward.
        """
        self._must_be_mine(session, "opened")
        setting = viewer or self._defaults.viewer
        program = await asyncio.to_thread(vnc_viewers.find, setting, self._environment)
        secret = await self._password(session)

        async def renew() -> None:
            if session.ours:
                await password.write(self._open_shell(), session, secret)

        viewing = Viewing(session, self._context.channels, program, secret, renew)
        pages = await novnc.fetch(self._open_shell()) if setting == "browser" else None
        await viewing.begin(self._open_channels())
        if pages is not None:
            await viewing.browse(pages, self._environment)
        return viewing

    async def shot(self, session: DesktopSession) -> client.Picture:
        """Return the present picture of a desktop; raises RemoteError when it cannot be read."""
        async with _in_time(), self._look(session) as screen:
            return await screen.picture()

    async def watch(self, session: DesktopSession, seconds: float) -> AsyncGenerator[client.Picture]:
        """Yield the picture of a desktop, and again after each change, at most every `seconds`.

        Nothing is transferred while nothing changes. It ends only with an error, as `shot`.
        """
        async with self._look(session) as screen:
            async with _in_time():
                picture = await screen.picture()
            while True:
                yield picture
                await asyncio.sleep(seconds)
                picture = await screen.picture(fresh=False)

    @asynccontextmanager
    async def _look(self, session: DesktopSession) -> AsyncGenerator[client.Screen]:
        self._must_be_mine(session, "shown")
        secret = await self._password(session)
        async with (
            self._open_channels().forward(forward_to(session)) as listening,
            client.connect(listening.port, secret or None) as screen,
        ):
            yield screen

    async def _answered(
        self, shell: Shell, channels: Channels, begun: LaunchedDesktop, spec: DesktopSpec
    ) -> DesktopSession:
        """Wait until a desktop that was started answers."""
        loop = asyncio.get_running_loop()
        session = launcher.session_of(begun, State(), spec)
        since, polls, there = loop.time(), 0, 0.0
        async with channels.forward(forward_to(session)) as listening:
            while not await client.answers(listening.port):
                polls += 1
                if polls % _ASK == 0:
                    state = await launcher.state(shell, begun)
                    if state.ended:
                        raise launcher.why(begun, state)
                    there = (there or loop.time()) if state.listens else 0.0
                    if there and loop.time() - there > _FORBIDDEN:
                        raise _Forbidden
                    if loop.time() - since > _PATIENCE:
                        raise launcher.slow(begun, state)
                await asyncio.sleep(_POLL)
        state = await launcher.state(shell, begun)
        if state.ended:
            raise launcher.why(begun, state)
        session = launcher.session_of(begun, state, spec)
        self.feed.put((session, *(one for one in self.feed.value if one.display != session.display)))
        return session

    async def _end(self, shell: Shell, begun: LaunchedDesktop) -> None:
        state = await launcher.state(shell, begun)
        if state.pid:
            await ask(shell, "stop", target=str(state.pid), born=str(state.ticks), dir=begun.folder, seats="")

    async def _password(self, session: DesktopSession) -> str:
        """Return the password of a desktop: a new one for ours, the stored one for others of the user."""
        if session.security != "password":
            return ""
        if not session.ours:
            return await password.stored(self._open_shell(), session)
        secret = password.fresh()
        await password.write(self._open_shell(), session, secret)
        return secret

    def _full(self, spec: DesktopSpec) -> DesktopSpec:
        """Return a spec with its empty fields filled from the settings."""
        return DesktopSpec(
            spec.geometry or self._defaults.geometry,
            spec.depth or self._defaults.depth,
            spec.session or self._defaults.session,
            spec.server or self._defaults.server,
            spec.display,
        )

    def _must_be_mine(self, session: DesktopSession, done: str) -> None:
        if not session.mine:
            raise RemoteError(
                f"Not {done}",
                f"{session.name} belongs to {session.user}",
                "Only its owner can do that",
            )

    def _open_shell(self) -> Shell:
        return connected(self._context.shell, self._context.name)

    def _open_channels(self) -> Channels:
        return connected(self._context.channels, self._context.name)


class _Forbidden(Exception):
    """sshd does not forward to sockets."""


def _begun(session: DesktopSession) -> LaunchedDesktop:
    return LaunchedDesktop(session.display, "", session.path, session.port, session.folder, session.session)


@asynccontextmanager
async def _in_time() -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(_LOOK):
            yield
    except TimeoutError as error:
        raise RemoteError("The desktop is slow", f"No picture came in {_LOOK:.0f} seconds") from error
