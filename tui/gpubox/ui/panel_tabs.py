"""The row of panel names with their number keys, shown while a panel has no room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from gpubox.ui.draw.spans import cut
from gpubox.ui.panel import Panel


class PanelTabs(Widget, can_focus=False):
    """Every panel by number and name; visible ones are highlighted, the focused one most."""

    ALLOW_SELECT = False

    class Chosen(Message):
        """A name was clicked."""

        def __init__(self, panel: Panel) -> None:
            super().__init__()
            self.panel = panel

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self.panels: Sequence[Panel] = ()
        """The panels, in the order of their numbers."""
        self._focused: Panel | None = None

    def show(self, panels: Sequence[Panel], focused: Panel | None) -> None:
        """Draw these panels; hidden when all of them are visible."""
        self.panels = panels
        self._focused = focused
        self.display = not all(panel.display for panel in panels)
        self.refresh()

    def _labels(self) -> Iterator[tuple[Panel, str]]:
        """Yield each panel with its label; in a narrow terminal without padding, then cut."""
        titles = [panel.TITLE for panel in self.panels]
        room = self.content_size.width - len(titles) + 1
        pad = " " if sum(len(title) + 4 for title in titles) <= room else ""
        most = max(map(len, titles), default=0)
        while most > 3 and sum(min(len(title), most) + 2 + 2 * len(pad) for title in titles) > room > 0:
            most -= 1
        for panel in self.panels:
            yield panel, f"{pad}{panel.ORDER} {cut(panel.TITLE, most)}{pad}"

    def render(self) -> Content:
        """Draw the row."""
        parts = [Content.styled(label, self._style(panel)) for panel, label in self._labels()]
        return Content(" ").join(parts)

    def _style(self, panel: Panel) -> str:
        if panel is self._focused:
            return "bold $block-cursor-foreground on $block-cursor-background"
        return "$foreground on $panel" if panel.display else "$foreground-muted"

    def on_click(self, event: events.Click) -> None:
        """Choose the panel under the mouse."""
        left = self.gutter.left
        for panel, label in self._labels():
            if left <= event.x < left + len(label):
                self.post_message(self.Chosen(panel))
                return
            left += len(label) + 1
