"""Keys that come faster than the fields of a form take them."""

from __future__ import annotations

import asyncio

from textual.binding import Binding
from textual.widget import Widget

from gpubox.core.together import in_time

_PATIENCE = 0.5

NEXT = Binding("tab", "app.focus_next", "Next field", show=False, priority=True)
"""Goes to the next field before the next key is handed on: else that would still reach the field before."""
BACK = Binding("shift+tab", "app.focus_previous", "Field before", show=False, priority=True)
"""The other way."""


async def arrived(*fields: Widget) -> None:
    """Wait until the fields have taken what was typed before now: a key that acts at once overtakes it."""
    for field in fields:
        taken = asyncio.Event()
        if field.call_later(taken.set):
            await in_time(taken.wait(), _PATIENCE)
