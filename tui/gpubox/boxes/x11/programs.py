"""Runs graphical programs of the box on this machine's display, and remembers earlier ones."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gpubox.boxes.context import BoxContext, Feature
from gpubox.boxes.x11.xauth import check
from gpubox.core.channels import Display, exit_status
from gpubox.core.errors import RemoteError, ToolMissing
from gpubox.core.retry import connected
from gpubox.core.sanitize import clean, last_line
from gpubox.core.shell import Channel, lines

AT_ONCE = 10.0
"""Seconds within which a failure of a program is reported; after that its windows have appeared."""


def display(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Display:
    """Return the display of this machine; raises ToolMissing when it has none."""
    name = environment.get("DISPLAY", "")
    if name:
        return Display(name, environment.get("XAUTHORITY", ""))
    if platform == "darwin":
        hint = "Install XQuartz (xquartz.org), log in again, and start it"
    elif environment.get("WAYLAND_DISPLAY"):
        hint = "This desktop speaks Wayland only: install xwayland"
    else:
        hint = "Run gpubox-tui in a terminal of a graphical desktop; over ssh, log in with `ssh -X`"
    raise ToolMissing("No display here", "DISPLAY is not set, so no window can open on this machine", hint)


@dataclass(frozen=True, slots=True)
class ProgramExit:
    """How a graphical program ended."""

    status: int
    seconds: float
    said: str = ""
    """The end of what it wrote to stderr, safe to draw."""


class Windows(Feature):
    """The graphical programs of one box."""

    def __init__(self, context: BoxContext) -> None:
        super().__init__(context)
        self._box, self._store = context.name, context.store
        self._past: list[str] = []

    async def past(self) -> list[str]:
        """Return the commands that were run before, last used first."""
        stored = await self._store.state.programs(self._box) if self._store is not None else []
        return list(dict.fromkeys([*self._past, *stored]))

    @asynccontextmanager
    async def started(self, command: str) -> AsyncGenerator[Channel]:
        """Run a program whose windows open here; leaving the block ends it.

        Raises ToolMissing or RemoteError for no display, a display that refuses, no xauth on the box, or a
        box that forwards none; raises Dropped while the box is not connected.
        """
        here = display()
        await check(here)
        channels = connected(self._context.channels, self._box)
        self._past = [command, *(each for each in self._past if each != command)]
        if self._store is not None and not command.startswith(" "):  # as in shells: keep it off the disk
            await self._store.state.add_program(self._box, command)
        async with channels.graphical(command, here) as channel:
            yield channel

    async def run(self, command: str) -> ProgramExit:
        """Run a program to its end; raises as `started` does, and RemoteError when it failed at once."""
        began = time.monotonic()
        async with self.started(command) as channel:
            async for _ in lines(channel, 4096):
                pass  # its output is discarded: only its windows matter
            status = exit_status(await channel.wait())
            said = last_line(await channel.read_stderr())
        ended = ProgramExit(status, time.monotonic() - began, said)
        if ended.status and "open display" in said.lower():
            # However late: sshd waits 20 s for the lock of that file before it starts the program.
            raise RemoteError(
                "No window could open",
                f"{clean(command.split()[0], 40)} says: {said}",
                "sshd keeps the key to the display in ~/.Xauthority of the box: a file that can be "
                "written; ~/.Xauthority-c and -l must not be left over there",
                status=status,
            )
        if ended.status and ended.seconds < AT_ONCE:
            raise RemoteError(
                f"{clean(command.split()[0], 40)} ended at once",
                said or f"It ended with status {status} and said nothing",
                "Is it installed on the box?" if status == 127 else "",
                status=status,
            )
        return ended
