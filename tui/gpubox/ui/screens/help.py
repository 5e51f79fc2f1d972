"""Help in context: what the focused panel shows, and every key that works there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.geometry import Size
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Markdown, Static

from gpubox.core.errors import GpuBoxError
from gpubox.ui.app_access import program
from gpubox.ui.key_titles import title
from gpubox.ui.keys import Entry, entries
from gpubox.ui.panel import Panel
from gpubox.ui.severity import explained
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.titles import set_title

KEY_WIDTH = 12
NAME_WIDTH = 17
ID_WIDTH = 21
TOOLTIP_WIDTH = 30
"""Fewest cells of a sentence; with less, the ids are left out, then it gets a line of its own."""
INDENT = 2
"""Indentation of a sentence on a line of its own."""


class HelpScreen(ModalScreen[None]):
    """The help of one screen as it is now; see `help_of`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "close", "Close", id="help.close", tooltip="Close the help"),
    ]

    def __init__(
        self,
        chain: Sequence[DOMNode],
        keys: Mapping[str, str],
        notices: Sequence[GpuBoxError] = (),
        takers: Mapping[str, DOMNode] | None = None,
    ) -> None:
        """Set up the help.

        Args:
            chain: the nodes from the focused widget up to the app, or up to a modal window.
            keys: the user's own keys, by the id of the binding.
            notices: faults of the settings; shown first.
            takers: the node that handles each key now; others are not listed with that key.
        """
        super().__init__()
        self._chain = chain
        self._keys = keys
        self._notices = notices
        self._takers = takers or {}

    def compose(self) -> ComposeResult:
        """Make the page."""
        panel = next((node for node in self._chain if isinstance(node, Panel)), None)
        with VerticalScroll(id="help") as page:
            set_title(page, panel.TITLE if panel else "Help")
            for notice in self._notices:
                yield Static(Content.styled(str(notice), "$text-warning"), markup=False)
            if text := next((node.HELP for node in self._chain if node.HELP), None):
                yield Markdown(text, open_links=False)
            if panel and (findings := panel.findings):
                lines = [*map(explained, findings), Content("")]
                yield Static(Content("\n").join(lines), markup=False)
            yield KeyTable(list(self._rows()))
        yield KeyFooter()

    def _rows(self) -> Iterator[Entry | str]:
        """Yield each title and then its entries; a key is listed with the nearest node."""
        listed: set[str] = set()
        for group, nodes in self._groups():
            rows = [row for node in nodes for row in self._entries(node) if row.id not in listed]
            listed |= {row.id for row in rows}
            if rows:
                yield group
                yield from rows

    def _entries(self, node: DOMNode) -> Iterator[Entry]:
        for entry in entries(type(node)):
            if words := title(node, entry.action, entry.description):
                bound = self._keys[entry.id].split(",") if entry.id in self._keys else entry.keys
                if keys := tuple(key for key in bound if not self._taken(key.strip(), node)):
                    yield replace(entry, description=words, keys=keys)

    def _taken(self, key: str, node: DOMNode) -> bool:
        """Return whether a key never reaches a node, because one nearer to the focus handles it."""
        taker = self._takers.get(key)
        return taker in self._chain and self._chain.index(taker) < self._chain.index(node)

    def _groups(self) -> Iterator[tuple[str, list[DOMNode]]]:
        app = program(self)
        here = [node for node in self._chain if not isinstance(node, Screen) and node is not app]
        yield "Here", here
        yield "On this screen", [node for node in self._chain if isinstance(node, Screen)]
        yield "Everywhere", [node for node in self._chain if node is app]

    def action_close(self) -> None:
        """Close the help."""
        self.dismiss(None)


def help_of(
    screen: Screen[object], keys: Mapping[str, str], notices: Sequence[GpuBoxError] = ()
) -> HelpScreen:
    """Return the help for a screen with its focus as it is now."""
    start: DOMNode = screen.focused or screen
    takers = {key: active.node for key, active in screen.active_bindings.items()}
    chain = start.ancestors_with_self
    if screen.is_modal:  # keys of the app itself do not work there
        chain = [node for node in chain if node is not program(screen)]
    return HelpScreen(chain, keys, notices, takers)


class KeyTable(Widget, can_focus=False):
    """Keys, what they do, and their ids for the settings; a narrow window leaves the ids out."""

    def __init__(self, rows: Sequence[Entry | str]) -> None:
        super().__init__(id="keys")
        self._rows = rows
        self._wrapped: tuple[int, list[Content]] = (-1, [])

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the rows that the table takes when its sentences are wrapped."""
        return len(self._lines(width))

    def render(self) -> Content:
        """Draw the table."""
        return Content("\n").join(self._lines(self.content_size.width))

    def _lines(self, width: int) -> list[Content]:
        """Return the table at a width; Textual asks for it three times before the first paint."""
        if self._wrapped[0] != width:
            self._wrapped = (width, self._wrap(width))
        return self._wrapped[1]

    def _wrap(self, width: int) -> list[Content]:
        lines: list[Content] = []
        for row in self._rows:
            if isinstance(row, str):
                lines += [Content(""), Content.styled(row, "bold $primary")]
            else:
                lines += self._entry(row, width)
        return lines[1:]

    def _entry(self, entry: Entry, width: int) -> list[Content]:
        app = program(self)
        keys = " ".join(app.get_key_display(Binding(key, "", "")) for key in entry.keys)
        head = Content.assemble(
            (f"{keys + ' ':<{KEY_WIDTH}}", "bold $footer-key-foreground"),
            f"{entry.description:<{NAME_WIDTH}}",
        )
        column = max(KEY_WIDTH + NAME_WIDTH, head.cell_length + 1)
        room = width - column - ID_WIDTH
        name = Content.styled(entry.id, "$foreground-disabled") if room >= TOOLTIP_WIDTH else Content("")
        if not name:
            room = width - column
        texts: list[Content]
        if room >= TOOLTIP_WIDTH:
            texts = Content(entry.tooltip).wrap(room - 2) or [Content("")]
        else:
            texts = [Content(""), *Content(entry.tooltip).wrap(max(1, width - INDENT))]
            column = INDENT
        lines: list[Content] = []
        for number, text in enumerate(texts):
            left = Content(" " * column) if number else head.pad_right(max(0, column - head.cell_length))
            gap = " " * max(0, room - text.cell_length) if name else ""
            lines.append(
                Content.assemble(left, text.stylize("$foreground-muted"), gap, "" if number else name)
            )
        return lines
