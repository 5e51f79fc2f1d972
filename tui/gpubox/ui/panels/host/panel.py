"""The host: processor, memory, disks, network, and its hardware and system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Size

from gpubox.boxes.box import Box
from gpubox.common.metrics import DISK, HOST
from gpubox.config.settings import Settings
from gpubox.core.sample import Sample
from gpubox.core.sanitize import clean
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line, Span
from gpubox.ui.panel import Panel
from gpubox.ui.panels.host.text import draw_host
from gpubox.ui.widgets.titles import set_caption


class HostPanel(Panel):
    """The host as one column of meters and text."""

    NAME = "host"
    TITLE = "Host"
    ORDER = 3
    PLACE = "side"
    ROWS = 8
    JUDGES = (HOST, DISK)
    HELP = """\
The machine around the GPUs. **cores** has one small bar for each processor core. **mem** is what
programs hold; what the kernel uses to cache files
counts as free. `!` marks a disk that is nearly full or read-only.
**probe** is what the reading itself costs the box.
"""
    BINDINGS: ClassVar[list[BindingType]] = []

    DEFAULT_CSS = """
    HostPanel LineView { height: 100h; }  /* not 1fr, which stretches a panel of height auto */
    """

    def __init__(self, box: Box, settings: Settings) -> None:
        super().__init__(box, settings)
        self._lines = LineView(self._draw)

    def compose(self) -> ComposeResult:
        """Compose the lines."""
        yield self._lines

    def watch_sample(self, sample: Sample | None) -> None:
        """Draw the new sample."""
        if not self.is_mounted:
            return
        set_caption(self, clean(sample.host.hostname, 32) if sample else "")
        before = len(self._lines.shown_lines)
        self._lines.redraw()
        if before != len(self._lines.shown_lines):
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the lines that the content needs, for a panel that is as high as its content."""
        return len(self._draw(width, viewport.height))

    def _draw(self, width: int, _height: int) -> Sequence[Line]:
        if self.sample is None:
            return [(Span("No reading yet", "muted"),)]
        return draw_host(self.sample, self.settings, width)
