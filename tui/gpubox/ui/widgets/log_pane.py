"""A log with a line to search in it, and words for where in it one is."""

from __future__ import annotations

import re
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.worker import Worker

from gpubox.boxes.box import Box
from gpubox.boxes.jobs.backend import Search
from gpubox.core import units
from gpubox.core.health import Phase
from gpubox.core.text import clean
from gpubox.ui.border import guarded
from gpubox.ui.widgets.line_input import LineInput
from gpubox.ui.widgets.log_source import Log, Logs
from gpubox.ui.widgets.log_view import LogView
from gpubox.ui.widgets.titles import set_caption
from gpubox.ui.widgets.words import Words

_RETRY = 2.0
"""Seconds between two tries to read on after a failure."""


class LogPane(Vertical):
    """Shows the log of one job of a box; its lower border says where one is and what the link does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", id="log.search", tooltip="Search the whole log for words"),
        Binding("n", "next(1)", "Next", id="log.next", tooltip="Go to the next line with the words"),
        Binding("N", "next(-1)", "Previous", id="log.previous", tooltip="Go to the line with them before"),
        Binding("escape", "clear", "Clear search", id="log.clear", tooltip="Mark nothing any more"),
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
        self._words = Words(placeholder="search", id="search", select_on_focus=True)
        self._wanted: re.Pattern[str] | None = None
        self._text = ""
        self._found: int | None = None
        self._missed = ""
        self._missed_at: int | None = None
        self._search: Worker[bool] | None = None
        self._searching = False

    def compose(self) -> ComposeResult:
        """Make the view and the line to search in."""
        yield self.view
        yield self._words

    def on_mount(self) -> None:
        """Try again now and then when reading failed."""
        self.set_interval(_RETRY, self._retry)

    def _retry(self) -> None:
        if self._box.link.health.value.phase is Phase.LIVE:
            self.view.resume()
        self.say()

    def show(self, job: str | None) -> None:
        """Show the end of a job's log."""
        self._forget()
        self.view.show(job)

    def tell(self, ending: str, nothing: str, *, waits: bool) -> None:
        """Say how the job ended, and what stands in place of an empty log; all of it is safe to draw.

        With `waits` there is nothing to be read yet.
        """
        self._ending, self._waits = ending, waits
        if nothing != self.view.words:
            self.view.words = nothing
            self.view.refresh()
        self.say()

    def on_log_view_moved(self) -> None:
        """Say where one is."""
        self.say()

    def say(self) -> None:
        """Write into the lower border where one is, and what is wrong."""
        source = self.view.source
        set_caption(self, "" if source is None else " · ".join(self._parts(source)))

    def _parts(self, source: Log) -> list[str]:
        if self._missed_at != self._stands:
            self._missed = ""  # it was said of another place
        if self._searching:
            return [f"searching, {units.size(source.searched)} looked through", "esc stops"]
        parts = [self._missed] if self._missed else []
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
        """The byte at the top of the view; None while the end is followed, which moves by itself."""
        return None if self.view.follows else self.view.place[0]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Say what can be done now."""
        if action in ("next", "clear"):
            return self._wanted is not None or self._words.has_focus
        return True

    def action_search(self) -> None:
        """Ask for words."""
        self._words.add_class("-shown")
        self._words.focus(scroll_visible=False)

    def on_input_submitted(self, event: LineInput.Submitted) -> None:
        """Search upward from what is seen when the end is followed, else downward."""
        event.stop()
        self._words.remove_class("-shown")
        self.view.focus(scroll_visible=False)
        words = self._words.value
        if not words:
            self._forget()
            return
        # As in less -i: capital letters count only when one is asked for.
        self._wanted = re.compile(re.escape(words), 0 if words != words.lower() else re.IGNORECASE)
        self._text, self._found = words, None
        self.view.mark(self._wanted, None)
        self.refresh_bindings()
        self.action_next(-1 if self.view.follows else 1)

    def action_next(self, step: int) -> None:
        """Go to the next line that matches, in the whole log."""
        source, wanted = self.view.source, self._wanted
        if source is None or wanted is None or self._searching:
            return
        begin, end, _ = self.view.place
        start = self._found if self._found is not None else (begin - 1 if step > 0 else end + 1)
        self._missed = ""
        self._searching = True
        self._search = self.run_worker(
            guarded(self, self._go(source, wanted, start, step)), exit_on_error=False
        )

    async def _go(self, source: Log, wanted: re.Pattern[str], start: int, step: int) -> None:
        try:
            found = await source.find(Search(self._text, not wanted.flags & re.IGNORECASE, step), start)
        finally:
            self._searching = False
        if source is not self.view.source or wanted is not self._wanted:
            return
        if found is None:
            self._missed_at = self._stands
            self._missed = f"“{clean(self._words.value, 24)}” not found {'below' if step > 0 else 'above'}"
        else:
            self._found = found
            self.view.mark(wanted, found)
            self.view.reveal(found)
        self.say()

    def action_clear(self) -> None:
        """Mark nothing any more, and stop searching."""
        self._forget()
        self.view.focus(scroll_visible=False)

    def _forget(self) -> None:
        if self._search is not None:
            self._search.cancel()
        self._wanted = self._found = None
        self._missed = ""
        self._words.remove_class("-shown")
        self.view.mark(None, None)
        self.refresh_bindings()
        self.say()
