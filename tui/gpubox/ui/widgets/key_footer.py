"""The footer: the keys that work here and now; they can be clicked."""

from __future__ import annotations

from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from gpubox.ui.app_access import on_keys_changed, program
from gpubox.ui.key_titles import title

_SPARE = "ctrl+p"
"""Dropped first when space is short: the help lists all keys too."""


class Key(NamedTuple):
    """One key of the footer."""

    key: str
    shown: str
    description: str
    tooltip: str
    screen: bool
    """Whether it belongs to the screen; such keys are dropped after a panel's own."""

    @property
    def width(self) -> int:
        """Its width in cells, with the gap after it."""
        return len(self.shown) + len(self.description) + 3


class KeyFooter(Widget, can_focus=False):
    """Keys of the focused panel and its screen at the left, the program's at the right; as many as fit."""

    ALLOW_SELECT = False

    def on_mount(self) -> None:
        """Update when the focus or check_action changes."""
        on_keys_changed(self, self.refresh)

    def keys(self) -> tuple[list[Key], list[Key]]:
        """Return the keys shown at the left and at the right, each in order."""
        here: list[Key] = []
        general: list[Key] = []
        seen: set[str] = set()
        app = program(self)
        for node, binding, enabled, _tooltip in self.screen.active_bindings.values():
            if not binding.show or not enabled or binding.action in seen:
                continue
            seen.add(binding.action)
            if not (words := title(node, binding.action, binding.description)):
                continue
            key = Key(
                binding.key,
                app.get_key_display(binding),
                words,
                binding.tooltip,
                isinstance(node, Screen) and binding.group is None,
            )
            (general if node is app else here).append(key)
        whole = self.content_size.width
        if sum(key.width for key in (*here, *general)) > whole:
            general = [key for key in general if key.key != _SPARE]
        width = whole - sum(key.width for key in general)
        while here and sum(key.width for key in here) > width:
            here.remove(next((key for key in reversed(here) if not key.screen), here[-1]))
        return here, general

    def render(self) -> Content:
        """Draw the row."""
        here, general = self.keys()
        used = sum(key.width for key in (*here, *general))
        gap = max(0, self.content_size.width - used)
        return Content.assemble(*map(_drawn, here), " " * gap, *map(_drawn, general))

    def _at(self, x: int) -> Key | None:
        here, general = self.keys()
        left = 0
        for key in here:
            if left <= x < left + key.width - 1:
                return key
            left += key.width
        left = max(left, self.content_size.width - sum(key.width for key in general))
        for key in general:
            if left <= x < left + key.width - 1:
                return key
            left += key.width
        return None

    def on_click(self, event: events.Click) -> None:
        """Press the key under the mouse."""
        if (key := self._at(event.x - self.gutter.left)) is not None:
            event.stop()
            program(self).simulate_key(key.key)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show what the key under the mouse does."""
        key = self._at(event.x - self.gutter.left)
        self.tooltip = Content(key.tooltip) if key and key.tooltip else None


def _drawn(key: Key) -> Content:
    return Content.assemble(
        (key.shown, "bold $footer-key-foreground"),
        " ",
        (key.description, "$footer-description-foreground"),
        "  ",
    )
