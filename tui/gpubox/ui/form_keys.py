"""Keys that move between the fields of a form."""

from __future__ import annotations

from textual.binding import Binding

NEXT = Binding("tab", "app.focus_next", "Next field", show=False, priority=True)
"""Moves to the next field."""
BACK = Binding("shift+tab", "app.focus_previous", "Field before", show=False, priority=True)
"""Moves to the previous field."""
