"""What every panel is: a widget with a name, bound to the box that its screen shows."""

from __future__ import annotations

from typing import ClassVar

from textual.reactive import reactive
from textual.widget import Widget

from gpubox.boxes.box import Box
from gpubox.config.settings import Settings
from gpubox.core.sample import Sample


class Panel(Widget, can_focus=False):
    """One panel of the box screen.

    The screen binds `sample` and `stale`; a panel draws in `watch_sample`, owns its BINDINGS (ids
    `<name>.<verb>`) and talks to `box` in workers. A panel that is not displayed draws nothing.
    """

    NAME: ClassVar[str]
    """One word, also the panel's id, its file and the first half of its binding ids."""
    TITLE: ClassVar[str]
    """What stands in its border."""
    ORDER: ClassVar[int]
    """Its place on the screen and its number key, from 1."""
    HELP: ClassVar[str]
    """Two or three sentences of Markdown for the help screen: what is shown and what the signs mean."""

    sample: reactive[Sample | None] = reactive(None)
    """The newest sample of the box."""
    stale: reactive[bool] = reactive(False)
    """Whether that sample is too old to pass for now; then the panel is dimmed."""

    def __init__(self, box: Box, settings: Settings) -> None:
        super().__init__(id=self.NAME)
        self.box = box
        self.settings = settings
        self.border_title = self.TITLE

    def watch_stale(self, stale: bool) -> None:
        """Dim old data."""
        self.set_class(stale, "-stale")
