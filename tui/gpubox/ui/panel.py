"""The base of all panels: a widget with a title, bound to the box that its screen shows."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from gpubox.boxes.box import Box
from gpubox.common.rules.rule import Finding
from gpubox.common.rules.table import evaluate
from gpubox.common.severity import Severity
from gpubox.config.settings import Settings
from gpubox.core.sample import Sample
from gpubox.core.sanitize import clean
from gpubox.ui import modal_guard
from gpubox.ui.error_boundary import guarded, where_to_look
from gpubox.ui.failure_isolation import isolated
from gpubox.ui.widgets.titles import set_title

log = logging.getLogger("gpubox.ui")

FORGIVEN = 10.0
"""Seconds without another failure after which a panel is no longer marked as failed."""


@isolated
class Panel(Widget, can_focus=False):
    """One panel of the box screen.

    The screen sets `sample` and `stale` of every visible panel at most twice a second, and at once when it
    becomes visible, so a hidden panel draws nothing. A panel draws in `watch_sample`, owns its BINDINGS (ids
    `<name>.<verb>`) and uses `box` through `attempt` and `open_window`.
    """

    NAME: ClassVar[str]
    """One word, also the panel's id, its file and the first half of its binding ids."""
    TITLE: ClassVar[str]
    """Its title in the border, after its number."""
    ORDER: ClassVar[int]
    """Its position on the screen and its number key, from 1."""
    PLACE: ClassVar[Literal["top", "main", "side"]] = "side"
    """Its place: across the top and always shown, or in the wide (main) or narrow (side) column below."""
    ROWS: ClassVar[int] = 8
    """Least useful height in rows, borders included; with less the screen shows fewer panels."""
    WAITS: ClassVar[bool] = False
    """Whether it is hidden first when space is short; its key shows it."""
    HELP: ClassVar[str | None]
    """Two or three sentences of Markdown for the help: what is shown and what the signs mean."""

    OFFERED: ClassVar[Sequence[str]] = ()
    """Actions whose keys depend on the selection."""
    JUDGES: ClassVar[tuple[str, ...]] = ()
    """Subjects of the rules whose findings the panel marks; its help says what the marks mean."""

    sample: reactive[Sample | None] = reactive(None, repaint=False)
    """The newest sample of the box."""
    stale: reactive[bool] = reactive(False, repaint=False)
    """Whether that sample is outdated; then the panel is dimmed."""

    gpu: reactive[int | None] = reactive(None, repaint=False)
    """Index of the selected GPU, None for all; the screen sets it in every panel."""

    @dataclass
    class GpuChosen(Message):
        """A GPU was selected; other panels follow."""

        index: int

    def __init__(self, box: Box, settings: Settings) -> None:
        super().__init__(id=self.NAME)
        self.box = box
        self.settings = settings
        self._about = ""
        self._could: tuple[tuple[bool, str | None], ...] = ()
        self._failed: tuple[str, float] | None = None
        self._entitle()

    def _entitle(self, failure: str = "") -> None:
        mark = (f" ✖ {failure}", "$error") if failure else ""
        about = (f" {self._about}", "not bold $warning") if self._about else ""
        set_title(self, Content.assemble((str(self.ORDER), "$accent"), " ", self.TITLE, about, mark))

    def fail(self, error: Exception) -> None:
        """Show a failure of this panel in its border; the traceback goes to the log, once."""
        words = clean(f"{type(error).__name__}: {error}", 60)
        if self._failed is None or self._failed[0] != words:
            log.error("the panel %s failed", self.NAME, exc_info=error)
            self._entitle(f"failed: {words}")
            self.notify(
                f"{words}. {where_to_look()}", title=f"{self.TITLE} failed", severity="error", markup=False
            )
        self._failed = words, time.monotonic()

    def receive(self, sample: Sample | None, *, stale: bool) -> None:
        """Receive a sample and draw it; a failure affects this panel only."""
        try:
            self.sample, self.stale = sample, stale
        except Exception as error:
            self.fail(error)
        if self._failed is not None and time.monotonic() - self._failed[1] > FORGIVEN:
            self._failed = None
            self._entitle()

    def title_of(self, action: str) -> str | None:
        """Return the current title of an action; None for that of its binding, "" when it is unavailable."""
        return None

    def _offer(self) -> None:
        """Refresh the footer when the available actions have changed."""
        could = tuple((bool(self.check_action(verb, ())), self.title_of(verb)) for verb in self.OFFERED)
        if could != self._could:
            self._could = could
            self.refresh_bindings()

    def entitle(self, about: str) -> None:
        """Show the panel's filter in the upper border, after the title; "" for none."""
        self._about = about
        self._entitle()

    @property
    def allow_maximize(self) -> bool:
        """Whether the panel can be maximized: always, whatever has the focus inside it."""
        return True

    def watch_stale(self, stale: bool) -> None:
        """Dim old data."""
        self.set_class(stale, "-stale")

    @property
    def findings(self) -> list[Finding]:
        """The findings about what the panel shows."""
        found = evaluate(self.sample, self.settings.limits) if self.sample and self.JUDGES else []
        return [
            finding
            for finding in found
            if finding.severity >= Severity.WARNING and finding.subject.partition(" ")[0] in self.JUDGES
        ]

    def take_focus(self) -> None:
        """Focus the panel itself, or the first focusable widget in it."""
        for widget in (self, *self.query("*").results(Widget)):
            if widget.focusable and widget.display:
                # Immediately: with widget.focus(), keys typed quickly would still reach the previous panel.
                self.screen.set_focus(widget, scroll_visible=False)
                return

    @property
    def displayed(self) -> bool:
        """Whether the layout of its screen shows it."""
        return self.is_mounted and self.display and self.screen.maximized in (None, self)

    @property
    def seen(self) -> bool:
        """Whether it is displayed and not hidden by another screen."""
        return self.displayed and self.screen.is_current

    def catch_up(self) -> None:
        """Draw what changed while this was hidden, except samples, which the screen provides."""

    def on_show(self) -> None:
        """Draw what changed while hidden."""
        self.catch_up()

    def opened_by_key(self, *, again: bool) -> None:
        """Run the action of the panel's own key besides focusing; `again` when it was already focused."""

    def attempt(self, work: Awaitable[object], done: str = "") -> None:
        """Await a method of a service in a worker: toast `done` on success, else the error with its hint."""
        self.run_worker(guarded(self, work, done), group=self.NAME, exit_on_error=False)

    def open_window(self, work: Callable[[], Awaitable[object]]) -> None:
        """Like `attempt`, for work that begins with a window: keys are blocked until it is open."""
        modal_guard.begin(self, work, group=self.NAME)
