"""Processes keys one at a time and in order, however fast they arrive."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from functools import partial

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

_PATIENCE = 2.0
"""Seconds after which the next key is processed even if a widget, such as a removed one, has not
responded."""


class OrderedKeys(App[None]):
    """An app that processes a key, or a paste, only after all effects of the one before it.

    Textual passes each key to the focused widget at once. A key that the widget does not handle, such as
    ctrl+u or a slash, bubbles up through the queues of all widgets in between, and acts after letters that
    were typed later; a binding with priority acts before letters that were typed earlier. Over a slow line,
    where several keys arrive together, that loses text.
    """

    _taking: asyncio.TimerHandle | None = None
    """Runs while a key is being processed."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[events.Key | events.Paste] = deque()

    async def on_event(self, event: events.Event) -> None:
        """Process a key, or queue it until the one before it is done."""
        if not isinstance(event, (events.Key, events.Paste)) or event.is_forwarded:
            await super().on_event(event)
        elif self._taking is not None:
            self._waiting.append(event)
        else:
            await self._take(event)

    async def _take(self, event: events.Key | events.Paste) -> None:
        limit = asyncio.get_running_loop().call_later(_PATIENCE, lambda: self.call_later(self._next, limit))
        self._taking = limit
        path = list((self.focused or self.screen).ancestors_with_self)
        await super().on_event(event)
        # The first pass follows the key itself, the second one the messages that it caused.
        self._follow(iter((*path, *path)), limit, new_screen=True)

    def _follow(
        self, path: Iterator[MessagePump], limit: asyncio.TimerHandle, *, new_screen: bool = False
    ) -> None:
        """Follow a key through the queues of all widgets that may receive it."""
        for node in path:
            if node.call_later(partial(self._follow, path, limit, new_screen=new_screen)):
                return
        if new_screen and self.is_running:  # a screen that the key opened moves the focus once it is shown
            self._follow(iter((self.screen, self)), limit)
        else:
            self.call_later(self._next, limit)

    async def _next(self, limit: asyncio.TimerHandle) -> None:
        if self._taking is not limit:
            return
        limit.cancel()
        self._taking = None
        if self._waiting:
            await self._take(self._waiting.popleft())
