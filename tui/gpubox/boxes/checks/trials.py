"""Facts that are found by doing a thing once: a program with X11, a desktop; only when the user asks."""

from __future__ import annotations

import time
from typing import ClassVar, Self

from gpubox.agent import bundle, program_cache
from gpubox.boxes.checks.check import CannotLook, LocalFacts
from gpubox.boxes.context import BoxContext
from gpubox.boxes.desktops import Desktops, DesktopSession
from gpubox.boxes.x11.programs import display
from gpubox.boxes.x11.xauth import check
from gpubox.core.bounds import Number, Whole
from gpubox.core.channels import Display, exit_status
from gpubox.core.errors import Dropped, GpuBoxError, RemoteError, ToolMissing
from gpubox.core.retry import connected
from gpubox.core.sanitize import last_line
from gpubox.core.shell import lines

_SECONDS = 15.0
"""Seconds for a trial: sshd, xauth and a desktop take their time."""
_NO_DISPLAY = Display("localhost:99")
"""A display for a program that opens no window: nothing connects to it."""
_PLAIN = 'test -n "$DISPLAY"'
"""A program that only looks whether sshd gave it a display."""


class X11Trial(LocalFacts, frozen=True):
    """Whether a program on the box reaches the display of this machine."""

    SECONDS: ClassVar[float] = _SECONDS

    works: bool = False
    missing: bool = False
    """Whether a program is missing on the box."""
    error: str = ""
    untried: str = ""
    """Why the program did not connect to its DISPLAY; empty when it did."""

    @classmethod
    async def gather(cls, context: BoxContext) -> Self:
        """Start a program that connects to the display of this machine; without one it gets a DISPLAY."""
        if context.target.kind == "local":
            raise CannotLook("This machine needs no forwarding")
        channels = connected(context.channels, context.name)
        try:
            command, here, untried = await _client(context)
            async with channels.graphical(command, here) as channel:
                async for _ in lines(channel, 4096):
                    pass
                status = exit_status(await channel.wait())
                said = last_line(await channel.read_stderr())
        except Dropped:
            raise
        except GpuBoxError as error:
            return cls(False, isinstance(error, ToolMissing), str(error))
        if status:
            return cls(error=said or "The program got no DISPLAY")
        return cls(True, untried=untried)


async def _client(context: BoxContext) -> tuple[str, Display, str]:
    """Return a command that uses a display, the display, and why it does not connect to it if it does not.

    Raises RemoteError when the display of this machine hangs or refuses, and Dropped.
    """
    try:
        here = display()
        await check(here)
    except ToolMissing as error:
        return _PLAIN, _NO_DISPLAY, error.text
    program = bundle.program("display", "gpubox.remote.x11_client")
    try:
        await program_cache.ensure(connected(context.shell, context.name), program, context.python)
    except RemoteError as error:
        return _PLAIN, _NO_DISPLAY, error.text
    return program_cache.quiet(program, (), context.python), here, ""


class DesktopTrial(LocalFacts, frozen=True):
    """Whether a desktop starts, shows a picture, and ends."""

    SECONDS: ClassVar[float] = _SECONDS

    server: str = ""
    seconds: Number = 0.0
    """From the start to the first picture."""
    width: Whole = 0
    height: Whole = 0
    port: Whole = 0
    """The port on loopback at which it listened; 0 for a socket that only its user can open."""
    missing: bool = False
    error: str = ""

    @classmethod
    async def gather(cls, context: BoxContext) -> Self:
        """Start a desktop, look at it, and stop it."""
        desktops = context.use(Desktops)
        began = time.monotonic()
        try:
            session = await desktops.start()
        except Dropped:
            raise
        except GpuBoxError as error:
            return cls(missing=isinstance(error, ToolMissing), error=str(error))
        try:
            return await cls._seen(desktops, session, began)
        except Dropped:
            raise
        except GpuBoxError as error:
            return cls(session.server, error=str(error))
        finally:
            await desktops.stop(session)

    @classmethod
    async def _seen(cls, desktops: Desktops, session: DesktopSession, began: float) -> Self:
        picture = await desktops.shot(session)
        return cls(session.server, time.monotonic() - began, picture.width, picture.height, session.port or 0)
