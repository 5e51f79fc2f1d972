"""The base of panels that list what they poll from the box."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, TypeVar

from gpubox.boxes.box import Box
from gpubox.config.settings import Settings
from gpubox.core.feed import Feed
from gpubox.ui.error_boundary import guarded
from gpubox.ui.panel import Panel
from gpubox.ui.poller import Poller

T = TypeVar("T")

LIST = 10.0
"""Seconds between two looks, while the panel is seen."""


class ListPanel(Panel):
    """Looks while it is seen, and shows what is known whenever that changes, and once a second."""

    OFFERED: ClassVar[Sequence[str]]
    """Actions whose keys depend on the selection."""

    def __init__(self, box: Box, settings: Settings, look: Callable[[], Awaitable[object]]) -> None:
        super().__init__(box, settings)
        self._poller = Poller(self, LIST, look)
        self._could: tuple[tuple[bool, str | None], ...] = ()

    def on_mount(self) -> None:
        """Poll and show once a second; `_poller` fetches only when it is time."""
        self.set_interval(1.0, self._tick)

    def catch_up(self) -> None:
        """Draw what changed while hidden."""
        self._tick()

    def _tick(self) -> None:
        self._poller.tick()
        self._show()

    def _show(self) -> None:
        """Draw the current state; also called while the panel is hidden."""
        raise NotImplementedError

    def _follow(self, feed: Feed[T]) -> None:
        """Show each change of a feed."""
        self.run_worker(guarded(self, self._showing(feed)), exit_on_error=False)

    async def _showing(self, feed: Feed[T]) -> None:
        async for _ in feed.follow():
            self._show()

    def title_of(self, action: str) -> str | None:
        """Return the current title of an action; None for that of its binding, "" when it is unavailable."""
        return None

    def _offer(self) -> None:
        """Refresh the footer when the available actions have changed."""
        could = tuple((bool(self.check_action(verb, ())), self.title_of(verb)) for verb in self.OFFERED)
        if could != self._could:
            self._could = could
            self.refresh_bindings()
