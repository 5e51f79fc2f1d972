"""The window of checks: how the box is set up, what is wrong, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from gpubox.boxes.box import Box
from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.run import Judged
from gpubox.core.sanitize import clean
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line
from gpubox.ui.draw.table import REVERSE, SORT, Table
from gpubox.ui.error_boundary import guarded
from gpubox.ui.screens import checks_table
from gpubox.ui.screens.check_window import COPY, EXPLAIN, EXTRA, FIX, KEYS, LOOK, SUDO, TRY, UNDO, CheckWindow
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.list_filter import ListFilter
from gpubox.ui.widgets.titles import set_title


class ChecksScreen(CheckWindow):
    """Looks at the box, and lists what its checks came to as the results come in."""

    HELP = """\
What is right and what is not in the set-up of the box. Looking changes nothing there. `!!` is broken or
unsafe, `!` should be changed, `·` could be better, `?` could not be looked at, and says why. The key `?`
explains a check and names the command to look by hand; `y` copies what to do.

`f` shows the change that makes it right, and makes it after your yes; `u` undoes it, byte by byte. A change
of the SSH server is tried by a new login before it is kept. `↻` marks what was different at the last look;
such rows are listed even when all is well with them now.
"""
    FRAME = "checks"
    BINDINGS: ClassVar[list[BindingType]] = [
        replace(EXPLAIN, key="question_mark,enter", id="checks.explain"),
        replace(FIX, id="checks.fix"),
        replace(UNDO, id="checks.undo", show=False),
        replace(LOOK, id="checks.look"),
        Binding("a", "all", "All", id="checks.all", tooltip="Show all, or what needs care"),
        replace(SUDO, id="checks.sudo"),
        replace(TRY, id="checks.try"),
        Binding(
            "slash",
            "filter",
            "Filter",
            id="checks.filter",
            tooltip="Show only rows with these words",
            group=EXTRA,
        ),
        replace(COPY, id="checks.copy"),
        replace(SORT, id="checks.sort", show=False),
        replace(REVERSE, id="checks.reverse", show=False),
        Binding("escape,d,q", "clear", "Close", id="checks.close", tooltip="Drop the filter, or go back"),
        replace(KEYS, id="checks.help"),
    ]

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._everything = False
        self._moved = False
        """Whether the user chose a row; until then the first one stays chosen while results come in."""
        self._list: Table[Judged] = Table(
            checks_table.COLUMNS,
            lambda one: one.check.id,
            sort="outcome",
            empty="Looking …",
            id="checks-list",
        )
        self._about = LineView(self._draw_about, id="checks-about")
        self._about.can_focus = False
        self._words = ListFilter("words in check, group, result …", self.show, lambda: self._list)

    def compose(self) -> ComposeResult:
        """Compose the list, the lines about the chosen check, and the filter's line."""
        with Vertical(id="checks") as frame:
            set_title(frame, f"How {self._box.name} is set up")
            yield self._list
            yield self._about
            yield self._words
        yield KeyFooter()

    def on_mount(self) -> None:
        """Look at the box, and show results as they come in."""
        self._list.narrow(self._keep)
        self._list.focus()
        self.run_worker(guarded(self, self._follow()), exit_on_error=False)
        self.action_look()

    async def _follow(self) -> None:
        async for _ in self._checks.results.follow():
            self.show()

    @property
    def found(self) -> bool:
        """Whether a look is over."""
        return bool(self._checks.results.value) and not self._looking

    @property
    def chosen(self) -> Judged | None:
        """The check under the cursor."""
        return self._list.chosen

    def _keep(self, one: Judged) -> bool:
        loud = one.changed or one.result.outcome in checks_table.LOUD
        if not (self._everything or self._words.text or loud):
            return False
        return self._words.admits(one.check.id, one.check.title, one.result.outcome.value, one.result.text)

    def show(self) -> None:
        """Draw the results so far."""
        found = self._checks.results.value
        self._list.empty = self._nothing(found)
        self._list.show(found)
        if not self._moved and self._list.shown:
            self._list.choose(self._list.shown[0].check.id)
        self._about.redraw()
        self.write_caption()
        self.refresh_bindings()

    def _nothing(self, found: Sequence[Judged]) -> str:
        if self._trouble is not None:
            return clean(str(self._trouble), 400)
        if self._looking:
            return "Looking …"
        if self._words.text:
            return "No check matches"
        return "All is well: a shows all checks" if found else "Nothing was looked at"

    @property
    def caption(self) -> str:
        """How many results changed since the last look, and how many there are of each kind."""
        found = self._checks.results.value
        counts = Counter(one.result.outcome for one in found)
        changed = sum(one.changed for one in found)
        parts = [f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]]
        return " · ".join([*([f"{changed} changed"] if changed else []), *parts])

    def _draw_about(self, width: int, _height: int) -> list[Line]:
        return checks_table.about(self._list.chosen, width)

    def on_table_chosen(self) -> None:
        """Show the chosen check in full."""
        self._moved = self._moved or self._list.chosen is not next(iter(self._list.shown), None)
        self._about.redraw()
        self.refresh_bindings()

    def on_table_opened(self) -> None:
        """Explain the double-clicked check."""
        self.action_explain()

    def title_of(self, action: str) -> str | None:
        """Return the current title of an action."""
        return ("Needs care" if self._everything else "All") if action == "all" else None

    def action_all(self) -> None:
        """Switch between all checks and those that ask for something."""
        self._everything = not self._everything
        self.show()

    def action_filter(self) -> None:
        """Open the filter."""
        self._words.ask()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._list.sort_by_next()

    def action_reverse(self) -> None:
        """Sort the other way."""
        self._list.reverse()

    def action_clear(self) -> None:
        """Drop the filter; without one, go back."""
        if self._words.used:
            self._words.clear_words()
        else:
            self.dismiss()
