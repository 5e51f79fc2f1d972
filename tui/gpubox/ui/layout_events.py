"""Makes Textual tell every widget that comes into view: each gets its Resize and Show."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from textual._compositor import Compositor, ReflowResult
from textual.geometry import Size
from textual.widget import Widget

_reflow = Compositor.reflow
_announced: WeakKeyDictionary[Compositor, frozenset[Widget]] = WeakKeyDictionary()
"""The widgets that the last layout of each screen placed, which have had their events."""


def _reflow_and_announce(self: Compositor, parent: Widget, size: Size) -> ReflowResult:
    """Lay out as Textual does, but take only widgets that an earlier layout placed for known ones."""
    known = _announced.get(self, frozenset())
    for widget in self._full_map.keys() - known:  # pyright: ignore[reportPrivateUsage]
        del self._full_map[widget]  # pyright: ignore[reportPrivateUsage]
    result = _reflow(self, parent, size)
    _announced[self] = frozenset(self._full_map)  # pyright: ignore[reportPrivateUsage]
    return result


def announce_every_widget() -> None:
    """Replace the layout of Textual 8, which sends events to widgets that its map did not have before.

    To ask for the region of any widget between mounting another and its layout puts that other into the
    map, and then it gets neither event. A widget that draws on them would stay blank for good.
    """
    Compositor.reflow = _reflow_and_announce
