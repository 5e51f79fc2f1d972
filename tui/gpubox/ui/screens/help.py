"""Help for where the person is: what the focused panel shows, and every key that works there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widgets import Markdown, Static

from gpubox.core.errors import GpuBoxError
from gpubox.ui.keys import Entry, entries
from gpubox.ui.panel import Panel
from gpubox.ui.program import program
from gpubox.ui.widgets.key_line import KeyLine

KEY_WIDTH = 16
NAME_WIDTH = 15
ID_WIDTH = 20


class HelpScreen(ModalScreen[None]):
    """The help of one screen as it is now; see `help_of`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "close", "Close", id="help.close", tooltip="Close the help"),
    ]

    def __init__(
        self, chain: Sequence[DOMNode], keys: Mapping[str, str], notices: Sequence[GpuBoxError] = ()
    ) -> None:
        """Take the nodes from the focused widget up to the app, the person's keys, and what to mention."""
        super().__init__()
        self._chain = chain
        self._keys = keys
        self._notices = notices

    def compose(self) -> ComposeResult:
        """Make the page."""
        panel = next((node for node in self._chain if isinstance(node, Panel)), None)
        with VerticalScroll(id="help") as page:
            page.border_title = panel.TITLE if panel else "Help"
            for notice in self._notices:
                yield Static(Content.styled(str(notice), "$text-warning"), markup=False)
            if text := next((node.HELP for node in self._chain if node.HELP), None):
                yield Markdown(text, open_links=False)
            yield Static(Content("\n").join(list(self._table())), id="keys", markup=False)
        yield KeyLine()

    def _table(self) -> Iterator[Content]:
        shown: set[str] = set()
        for title, nodes in self._groups():
            rows = [entry for node in nodes for entry in entries(type(node)) if entry.id not in shown]
            shown |= {entry.id for entry in rows}
            if rows:
                yield Content.styled(title, "bold $primary")
                yield from map(self._row, rows)
                yield Content("")

    def _groups(self) -> Iterator[tuple[str, list[DOMNode]]]:
        app = program(self)
        here = [node for node in self._chain if not isinstance(node, Screen) and node is not app]
        yield "Here", here
        yield "On this screen", [node for node in self._chain if isinstance(node, Screen)]
        yield "Everywhere", [app]

    def _row(self, entry: Entry) -> Content:
        keys = self._keys[entry.id].split(",") if entry.id in self._keys else entry.keys
        app = program(self)
        names = " ".join(app.get_key_display(Binding(key.strip(), "", "")) for key in keys)
        return Content.assemble(
            (f"  {names:<{KEY_WIDTH}}", "bold $footer-key-foreground"),
            f"{entry.description:<{NAME_WIDTH}} ",
            (f"{entry.id:<{ID_WIDTH}} ", "$text-disabled"),
            (entry.tooltip, "$text-muted"),
        )

    def action_close(self) -> None:
        """Close the help."""
        self.dismiss(None)


def help_of(
    screen: Screen[object], keys: Mapping[str, str], notices: Sequence[GpuBoxError] = ()
) -> HelpScreen:
    """Return the help for a screen with its focus as it is now."""
    start: DOMNode = screen.focused or screen
    return HelpScreen(start.ancestors_with_self, keys, notices)
