"""Polls a box, but only while the result is visible."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from textual.worker import Worker

from gpubox.core.errors import GpuBoxError
from gpubox.core.link_state import Phase
from gpubox.ui.error_boundary import guarded
from gpubox.ui.panel import Panel

CALM = 6
"""Factor of the period while the panel is not focused: a poll costs 4 kB and 50 ms of the box."""

USUAL = 1.0
"""Seconds after which a running poll is shown."""


class Poller:
    """Calls `look` every `period` seconds while a panel is visible and its box is live, one call at a time.

    A panel calls `tick` once a second, and `soon` when there may be changes.
    """

    def __init__(self, panel: Panel, period: float, look: Callable[[], Awaitable[object]]) -> None:
        self.trouble: GpuBoxError | None = None
        """Why the last poll failed; None when it succeeded."""
        self.done = False
        """Whether a poll has succeeded yet."""
        self._panel = panel
        self._period = period
        self._look = look
        self._last = -math.inf
        self._worker: Worker[bool] | None = None

    @property
    def long(self) -> bool:
        """Whether a poll is taking longer than usual."""
        return self._busy and time.monotonic() > self._last + USUAL

    @property
    def _busy(self) -> bool:
        return self._worker is not None and self._worker.is_running

    def soon(self) -> None:
        """Poll at the next tick, without waiting for the period to end."""
        self._last = -math.inf
        self.tick()

    def tick(self) -> None:
        """Poll when it is due."""
        here = self._panel.has_pseudo_class("focus-within")
        due = self._last + self._period * (1 if here else CALM)
        if self._busy or time.monotonic() < due or not self._panel.seen or not live(self._panel):
            return
        if self._panel.box.sample.value is None and not here:
            return  # the user waits for the first sample
        self._last = time.monotonic()
        self._worker = self._panel.run_worker(guarded(self._panel, self._once()), exit_on_error=False)

    async def _once(self) -> None:
        try:
            await self._look()
        except GpuBoxError as error:
            self.trouble = error  # shown in the panel until a poll succeeds; a toast would repeat each time
        else:
            self.trouble, self.done = None, True


class VisibleWatch:
    """Holds a watch open while a panel is visible and its box is live.

    A panel calls `tick` once a second.
    """

    def __init__(self, panel: Panel, watch: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._panel = panel
        self._watch = watch
        self._worker: Worker[bool] | None = None

    def tick(self) -> None:
        """Start or stop watching."""
        worker = self._worker
        watching = worker is not None and worker.is_running
        needed = self._panel.seen and live(self._panel)
        if needed and not watching:
            self._worker = self._panel.run_worker(guarded(self._panel, self._hold()), exit_on_error=False)
        elif worker is not None and watching and not needed:
            worker.cancel()

    async def _hold(self) -> None:
        async with self._watch():
            await asyncio.Event().wait()


def recorded(panel: Panel) -> bool:
    """Return whether the panel shows a recording."""
    return panel.box.target.kind == "recording"


def live(panel: Panel) -> bool:
    """Return whether the panel's box can be polled now; a recording never can."""
    return not recorded(panel) and panel.box.link.health.value.phase is Phase.LIVE
