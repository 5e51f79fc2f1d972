"""A log with a search field, and its position in words."""

from __future__ import annotations

import re
import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.worker import Worker

from gpubox.boxes.box import Box
from gpubox.boxes.jobs.backend import Search
from gpubox.common import units
from gpubox.core.errors import Dropped, GpuBoxError
from gpubox.core.link_state import Phase
from gpubox.core.sanitize import clean
from gpubox.ui.error_boundary import guarded
from gpubox.ui.log.search import Count, Logs, behind
from gpubox.ui.log.source import Log
from gpubox.ui.log.view import LogView
from gpubox.ui.widgets.filter_input import FilterInput
from gpubox.ui.widgets.line_input import LineInput
from gpubox.ui.widgets.titles import set_caption

_RETRY = 2.0
"""Seconds between two attempts to read after a failure, and between two counts."""
BRIEF = 4.0
"""Seconds for which a wrapped search is reported."""


class LogPane(Vertical):
    """Shows the log of one job of a box; its lower border shows the position and the state of the link."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", id="log.search", tooltip="Search the whole log for words"),
        Binding("n", "next(1)", "Next", id="log.next", tooltip="Go to the next line with the words"),
        Binding("N", "next(-1)", "Previous", id="log.previous", tooltip="Go to the line with them before"),
        Binding("escape", "clear", "Clear search", id="log.clear", tooltip="Clear the search"),
    ]
    DEFAULT_CSS = """
    LogPane {
        height: 1fr;
    }
    """

    def __init__(self, box: Box, logs: Logs, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = LogView(logs)
        self._ending = ""
        self._waits = False
        self._box = box
        self._words = FilterInput(placeholder="search", id="search", select_on_focus=True)
        self._pattern: re.Pattern[str] | None = None
        self._text = ""
        self._found: int | None = None
        self._missed = ""
        self._missed_at: int | None = None
        self._wrapped = -BRIEF
        """When a search last wrapped."""
        self._search: Worker[bool] | None = None
        self._searching = False
        self._count: Count | None = None
        self._counting: Worker[bool] | None = None

    def compose(self) -> ComposeResult:
        """Compose the view and the search field."""
        yield self.view
        yield self._words

    def on_mount(self) -> None:
        """Retry regularly after a failure to read."""
        self.set_interval(_RETRY, self._retry)

    def _retry(self) -> None:
        if self._box.link.health.value.phase is Phase.LIVE:
            self.view.resume()
            self._count_on()
        self.say()

    def show(self, job: str | None) -> None:
        """Show the end of a job's log."""
        self._forget()
        self.view.show(job)

    def set_notes(self, ending: str, nothing: str, *, waits: bool) -> None:
        """Set how the job ended, and the text in place of an empty log; both safe to draw.

        With `waits` there is no log yet.
        """
        self._ending, self._waits = ending, waits
        if nothing != self.view.words:
            self.view.words = nothing
            self.view.refresh()
        self.say()

    def on_log_view_moved(self) -> None:
        """Show the position."""
        self.say()

    def say(self) -> None:
        """Show the position and any error in the lower border."""
        source = self.view.source
        set_caption(self, "" if source is None else " · ".join(self._parts(source)))

    def _parts(self, source: Log) -> list[str]:
        if self._missed_at != self._stands:
            self._missed = ""  # it was about another position
        if self._searching:
            return [f"searching, {units.size(source.searched)} looked through", "esc stops"]
        parts = [self._missed or self._counted(source)] if self._missed or self._count else []
        if time.monotonic() - self._wrapped < BRIEF:
            parts.append("search wrapped")
        parts += [self._ending] if self._ending else []
        if self._box.link.health.value.phase is not Phase.LIVE and not source.over:
            return [*parts, f"the link is down; goes on at byte {source.window.end:,}"]
        if source.trouble is not None:
            return [*parts, clean(str(source.trouble), 60)]
        if not source.begun:
            return [] if self._waits else ["reading …"]
        begin, end, size = self.view.place
        if self.view.follows:
            parts.append("whole log" if source.over else "following")
        elif size:
            parts.append(f"{100 * end // size}%" if begin or end < size else "all of it")
            parts.append("end goes there" if source.over else "end follows")
        return [*parts, units.size(size)]

    @property
    def _stands(self) -> int | None:
        """The offset at the top of the view; None while it follows the end, which moves by itself."""
        return None if self.view.follows else self.view.place[0]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        if action in ("next", "clear"):
            return self._pattern is not None or self._words.has_focus
        return True

    def action_search(self) -> None:
        """Open the search field."""
        self._words.ask()

    def on_input_submitted(self, event: LineInput.Submitted) -> None:
        """Search upward from the visible part while the view follows the end, else downward."""
        event.stop()
        self._words.remove_class("-shown")
        self.view.focus(scroll_visible=False)
        words = self._words.value
        if not words:
            self._forget()
            return
        # As in less -i: case matters only if the words have capitals. The box folds only ASCII.
        self._pattern = re.compile(
            re.escape(words), 0 if words != words.lower() else re.IGNORECASE | re.ASCII
        )
        self._text, self._found = words, None
        self._uncount()
        self.view.mark(self._pattern, None)
        self.refresh_bindings()
        self.action_next(-1 if self.view.follows else 1)

    def action_next(self, step: int) -> None:
        """Go to the next matching line in the whole log; wraps at the end.

        It starts at the line found last if that is visible, else at the visible part.
        """
        source, pattern = self.view.source, self._pattern
        if source is None or pattern is None or self._searching:
            return
        lines = source.window.lines
        begin, end, _ = self.view.place
        found = self._found if self._sees_found else None
        if step > 0:
            edge = behind(lines, found) if found is not None else begin
        else:
            edge = found if found is not None else behind(lines, end)
        self._missed, self._wrapped = "", -BRIEF
        self._searching = True
        search = Search(self._text, not pattern.flags & re.IGNORECASE, step)
        self._search = self.run_worker(
            guarded(self, self._go(source, pattern, search, edge)), exit_on_error=False
        )

    @property
    def _sees_found(self) -> bool:
        """Whether the line found last is visible."""
        begin, end, _ = self.view.place
        return self._found is not None and begin <= self._found <= end

    async def _go(self, source: Log, pattern: re.Pattern[str], search: Search, edge: int) -> None:
        try:
            hit = await source.find(search, edge)
        finally:
            self._searching = False
        if source is not self.view.source or pattern is not self._pattern:
            return
        if hit.at is None:
            self._missed_at = self._stands
            self._missed = f"“{clean(self._text, 24)}” not found"
        else:
            self._found = hit.at
            self._wrapped = time.monotonic() if hit.wrapped else -BRIEF
            self.view.mark(pattern, hit.at)
            self.view.reveal(hit.at)
            if self._count is None:
                self._count = source.counting(search)
            self._count_on()
        self.say()

    def _count_on(self) -> None:
        """Have the box count the matching lines, including new ones."""
        source, count = self.view.source, self._count
        if source is None or count is None or (self._counting is not None and self._counting.is_running):
            return
        if count.due(self._found) or (source.size > count.size and self.is_on_screen):
            self._counting = self.run_worker(guarded(self, self._count_all(count)), exit_on_error=False)

    async def _count_all(self, count: Count) -> None:
        try:
            while True:
                await count.go_on(self._found)
                self.say()
                if not count.due(self._found):
                    return
        except Dropped:
            pass  # counting continues from here when the link is back
        except GpuBoxError:
            self._count = None  # reported once, not every two seconds
            raise

    def _uncount(self) -> None:
        if self._counting is not None:
            self._counting.cancel()
        self._count = None

    def _counted(self, source: Log) -> str:
        """Return the rank of the visible match among all: `3 of 17`, or `3 of 17+` while still counting."""
        count, words = self._count, f"“{clean(self._text, 24)}”"
        if count is None or count.size < 0:
            return words
        total = f"{count.total:,}" + "+" * (not count.covers(source.size))
        if self._found is not None and self._sees_found:
            if (rank := count.rank(self._found)) is not None:
                return f"{words} {rank:,} of {total}"
            if count.due(self._found):
                return f"{words} … of {total}"
        return f"{words} on {total} {'line' if total == '1' else 'lines'}"

    def action_clear(self) -> None:
        """Clear the search, and stop searching."""
        self._forget()
        self.view.focus(scroll_visible=False)

    def _forget(self) -> None:
        if self._search is not None:
            self._search.cancel()
        self._pattern = self._found = None
        self._missed, self._wrapped = "", -BRIEF
        self._uncount()
        self._words.remove_class("-shown")
        self.view.mark(None, None)
        self.refresh_bindings()
        self.say()
