"""Runs a coroutine over the link to one box, outside the panel, through its drops."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import click

from gpubox.boxes.box import Box
from gpubox.boxes.context import Purpose
from gpubox.commands.common import begin, complain, run_async
from gpubox.config.settings import Settings
from gpubox.core.errors import ConfigError, GpuBoxError
from gpubox.core.link_state import Phase
from gpubox.core.target import Target
from gpubox.core.tasks import together

if TYPE_CHECKING:
    from gpubox.boxes.fleet import Fleet

T = TypeVar("T")


class _Done(Exception):
    """Ends the link after the work."""


def with_box(
    ctx: click.Context, name: str, work: Callable[[Box, Settings], Awaitable[int]], *, failed: int = 1
) -> int:
    """Run work over the link to a box and return the exit status, or `failed` when the box failed.

    Work gets the settings of that box. Errors and later drops of the link are reported on stderr. Raises
    ConfigError.
    """
    settings, target = begin(ctx, name)

    async def connected(fleet: Fleet, box: Box) -> int:
        return await linked(fleet, box, lambda: work(box, box.settings), report_drops=True)

    return with_opened(target, settings, connected, failed=failed)


def with_opened(
    target: Target, settings: Settings, work: Callable[[Fleet, Box], Awaitable[int]], *, failed: int
) -> int:
    """Run work on a box that is not yet connected; return the exit status, or `failed` when the box failed.

    Work gets the fleet that keeps the box; see `linked`. Errors are reported on stderr. Raises ConfigError.
    """
    from gpubox.boxes.fleet import Fleet
    from gpubox.commands.asker import TerminalAsker
    from gpubox.store.store import Store

    with Store.open(settings) as store:
        fleet = Fleet(settings, TerminalAsker(), store)
        box = fleet.open(target)

        try:
            return run_async(work(fleet, box))
        except ConfigError:
            raise
        except GpuBoxError as error:
            complain(error, box.name)
            return failed


async def linked(
    fleet: Fleet, box: Box, work: Callable[[], Awaitable[T]], *, report_drops: bool = False
) -> T:
    """Run `work` once a box is connected, without sampling it, and return what `work` returns.

    Raises what `work` raises, and the reason when the first attempt to connect fails. The link reconnects
    after later drops; with `report_drops` they are reported on stderr, and one that only the user can fix
    is raised.
    """
    found: list[T] = []

    async def done() -> None:
        await _connected(box)
        found.append(await work())
        raise _Done

    async def heeding() -> None:
        await _connected(box)
        await losses(box)

    with suppress(_Done):
        await together(fleet.keep(box, Purpose.COMMAND), done(), *([heeding()] if report_drops else []))
    return found[0]


async def _connected(box: Box) -> None:
    async for health in box.link.health.follow():
        if health.phase in (Phase.WAITING, Phase.REFUSED) and health.reason is not None:
            raise health.reason
        if health.phase is Phase.LIVE:
            async for shell in box.shell.follow():
                if shell is not None:
                    return


async def losses(box: Box) -> None:
    """Report why the link dropped, once per drop; raise an error that only the user can fix."""
    reported = ""
    async for health in box.link.health.follow():
        if health.phase is Phase.LIVE:
            reported = ""
        elif health.reason is not None:
            if health.phase is Phase.REFUSED:
                raise health.reason
            if str(health.reason) != reported:
                reported = str(health.reason)
                complain(health.reason, box.name)
