"""Lays out the panels: some across the top, the rest in a wide and a narrow column below."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message

from gpubox.boxes.box import Box
from gpubox.core.sample import Sample
from gpubox.ui.panel import Panel
from gpubox.ui.panel_tabs import PanelTabs

TURN = 0.003
"""Seconds between drawing two panels, in which keys are processed."""
FRONT = 12
"""Rows, with borders, of the last used panel in the wide column, if others can give way."""


class LayoutColumn(Vertical, can_focus=False):
    """A stack of panels; it shows as many as fit, the most recently used first."""


class Lower(Container):
    """Both columns; reports changes of its size."""

    class Resized(Message):
        """The space for panels changed."""

    def on_resize(self, _event: events.Resize) -> None:
        """Post the change to the layout."""
        self.post_message(self.Resized())


class PanelLayout(Container):
    """All panels of a box; in a small terminal some are hidden until they are focused."""

    class Arranged(Message):
        """Other panels became visible, and need the newest sample."""

    def __init__(self) -> None:
        super().__init__(id="board")
        self.panels: Sequence[Panel] = ()
        """The panels in the order of their numbers."""
        self._used: list[Panel] = []
        self._front: Panel | None = None

    def compose(self) -> ComposeResult:
        """Compose the columns."""
        yield LayoutColumn(id="top")
        yield PanelTabs()
        with Lower(id="lower"):
            yield LayoutColumn(id="main")
            yield LayoutColumn(id="side")

    async def add(self, panels: Sequence[Panel]) -> None:
        """Mount panels, and focus the first of all if none is focused."""
        self.panels = sorted((*self.panels, *panels), key=lambda panel: panel.ORDER)
        self._used += sorted(panels, key=lambda panel: panel.WAITS)
        for panel in panels:  # until there is known space for it, it is hidden and polls nothing
            panel.display = panel.PLACE == "top" or panel is self.panels[0]
        for place in ("top", "main", "side"):
            await self.query_one(f"#{place}", LayoutColumn).mount_all(p for p in panels if place == p.PLACE)
        self._settle()
        if self.panels and self.focused is None:
            self.panels[0].take_focus()

    def feed(self, sample: Sample | None, *, stale: bool) -> None:
        """Give a sample to the visible panels; a hidden one costs nothing."""
        for panel in self.panels:
            self._give(panel, sample, stale=stale)

    async def feed_in_turn(self, box: Box) -> None:
        """Give the newest sample to one panel after the other; keys are processed in between."""
        for panel in self.panels:
            if self._give(panel, box.sample.value, stale=box.stale):
                await asyncio.sleep(TURN)

    def _give(self, panel: Panel, sample: Sample | None, *, stale: bool) -> bool:
        # One that is not mounted yet would take the sample as drawn, and wait for another to draw it.
        seen = panel.displayed
        if seen:
            panel.receive(sample, stale=stale)
        return seen

    @on(Panel.GpuChosen)
    def _gpu_chosen(self, message: Panel.GpuChosen) -> None:
        message.stop()
        self.choose_gpu(message.index)

    def choose_gpu(self, index: int | None) -> None:
        """Select a GPU in all panels; None for all."""
        for panel in self.panels:
            panel.gpu = index
        self.screen.refresh_bindings()

    def catch_up(self) -> None:
        """Draw what changed while the panels were behind another screen."""
        for panel in self.panels:
            panel.catch_up()

    @property
    def focused(self) -> Panel | None:
        """The focused panel."""
        focus = self.screen.focused
        if focus is None:
            return None
        return next((node for node in focus.ancestors_with_self if isinstance(node, Panel)), None)

    def go(self, panel: Panel | None) -> None:
        """Show and focus a panel; None changes nothing."""
        if panel is None:
            return
        self._use(panel)
        if self.screen.maximized is not None:
            self.zoom(panel)
        panel.take_focus()

    def begin_with(self, name: str) -> None:
        """Focus a panel unless the focus was moved meanwhile."""
        if self.panels and self.focused is self.panels[0]:
            self.go(self.named(name))

    def number(self, number: int) -> Panel | None:
        """Return the panel with a number key, if there is one."""
        return next((panel for panel in self.panels if number == panel.ORDER), None)

    def named(self, name: str) -> Panel | None:
        """Return the panel of a name, if there is one."""
        return next((panel for panel in self.panels if name == panel.NAME), None)

    def title_of(self, action: str) -> str | None:
        """Return the title of `go(N)`, "" when there is no panel N, None for other actions."""
        panel = next((panel for panel in self.panels if action == f"go({panel.ORDER})"), None)
        if panel is not None:
            return f"Go to {panel.TITLE}"
        return "" if action.startswith("go(") else None

    def neighbor(self, step: int) -> Panel | None:
        """Return the panel `step` positions after the focused one, including hidden ones."""
        if not self.panels:
            return None
        place = self.panels.index(self.focused) if self.focused else -step
        return self.panels[(place + step) % len(self.panels)]

    def zoom(self, panel: Panel | None) -> None:
        """Let a panel fill the screen; None shows all again."""
        if panel is None:
            self.screen.minimize()
            self.call_after_refresh(self._settle)
        else:
            panel.display = True  # it may be hidden
            panel.styles.height = panel.styles.max_height = None
            self.screen.maximize(panel, container=False)
        self.screen.refresh_bindings()
        self.post_message(self.Arranged())

    def _use(self, panel: Panel) -> None:
        before = self._front
        self._used.remove(panel)
        self._used.insert(0, panel)
        if panel.PLACE == "main":
            self._front = panel
        if not panel.display or self._front is not before:
            self._settle()

    @on(events.DescendantFocus)
    def _focus_moved(self) -> None:
        if (panel := self.focused) is not None:
            self._use(panel)
            self.query_one(PanelTabs).show(self.panels, panel)

    @on(PanelTabs.Chosen)
    def _tab_chosen(self, message: PanelTabs.Chosen) -> None:
        message.stop()
        self.go(message.panel)

    @on(Lower.Resized)
    def _settle(self) -> None:
        """Choose which panels are displayed; the row of names is shown only when needed."""
        tabs = self.query_one(PanelTabs)
        rows = self.query_one(Lower).size.height
        if not rows or self.screen.maximized is not None:
            return  # not laid out yet, or behind a panel that fills the screen
        rows += int(tabs.display)
        lower = [panel for panel in self._used if panel.PLACE != "top"]
        narrow = self.screen.has_class("-narrow")
        if narrow:
            columns = [lower]
        else:
            columns = [[p for p in lower if place == p.PLACE] for place in ("main", "side")]
        shown = {panel for column in columns for panel in chosen(column, rows, self._front)}
        if len(shown) < len(lower):
            rows -= 1
            shown = {panel for column in columns for panel in chosen(column, rows, self._front)}
        for column in columns:
            self._share([panel for panel in column if panel in shown], rows, narrow=narrow)
            for panel in column:
                panel.display = panel in shown
        for column in self.query("#main, #side").results(LayoutColumn):
            column.display = any(child.display for child in column.children)
        tabs.show(self.panels, self.focused)
        self.post_message(self.Arranged())

    def _share(self, shown: Sequence[Panel], rows: int, *, narrow: bool) -> None:
        """Share the rows of a column among its panels, the last used first."""
        room = rows - sum(panel.ROWS for panel in shown)
        crowded = bool(shown) and not narrow and shown[0] is self._front and rows < FRONT * len(shown)
        for panel in shown:
            # A panel that is as high as its content must leave room for the others of its column.
            panel.styles.max_height = None if narrow or crowded else max(panel.ROWS, room + panel.ROWS)
            panel.styles.height = None if not crowded else panel.ROWS
        if crowded:
            shown[0].styles.height, shown[0].styles.max_height = "1fr", "100%"  # else rows stay empty


def chosen(panels: Iterable[Panel], rows: int, front: Panel | None = None) -> set[Panel]:
    """Return the panels that fit into a column of `rows`, preferring the first; at least one.

    `front` needs FRONT rows, if it is among them.
    """
    shown: set[Panel] = set()
    for panel in panels:
        rows -= max(panel.ROWS, FRONT) if panel is front else panel.ROWS
        if shown and rows < 0:
            break
        shown.add(panel)
    return shown
