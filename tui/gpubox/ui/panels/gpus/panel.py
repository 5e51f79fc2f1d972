"""The GPUs: a card or a line for each, with throttling reasons and findings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size

from gpubox.boxes.box import Box
from gpubox.common.metrics import GPU
from gpubox.common.rules.driver import DRIVER
from gpubox.config.settings import Settings
from gpubox.core.sample import Gpu, Sample
from gpubox.ui.app_access import program
from gpubox.ui.draw import trend
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import EMPTY, Line, Span, beside
from gpubox.ui.draw.table import Table
from gpubox.ui.panel import Panel
from gpubox.ui.panels.gpus import card
from gpubox.ui.panels.gpus.card import Card
from gpubox.ui.panels.gpus.details import draw_details
from gpubox.ui.panels.gpus.faults import draw_faults
from gpubox.ui.panels.gpus.gpu_status import short_name
from gpubox.ui.panels.gpus.table import columns
from gpubox.ui.widgets.details import Details
from gpubox.ui.widgets.titles import set_caption

_WIDE = 58
"""Fewest cells of a card beside another one, where lines are short."""
_BROAD = 90
"""Cells from which cards are always side by side."""
_TALL = 30
"""Lines of a screen from which the panel need not save lines."""
_WHOLE = 4
"""Lines of a card with the essentials: enough where more would leave a gap beside the last card."""


class Gpus(Panel):
    """Cards, or a table for many GPUs; faults are described above them."""

    NAME = "gpus"
    TITLE = "GPUs"
    ORDER = 1
    PLACE = "top"
    ROWS = 6
    JUDGES = (DRIVER, GPU)
    HELP = """\
One card for each GPU: load, memory, temperature (the second number is where the card slows itself down),
power of its limit and fan, with the last minutes as graphs; `┈` marks a time without readings.
`!` warns and `!!` is an alarm. **power cap** is normal under full load; **hot** and **power brake** are not.
A dash is a value that the driver does not give: rest the pointer on it, or press enter, to see why.
A lost GPU keeps its place, with the time it was lost. Processes and history are about the GPU that was
chosen with the arrow keys or a click; `0` shows all again.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "details", "Details", id="gpus.details",
            tooltip="Every field of the chosen GPU, and why some are missing"),
        Binding("c", "view", "View", id="gpus.view", tooltip="Switch between cards and the compact table"),
        Binding("up,left", "choose(-1)", "Previous GPU", show=False, id="gpus.previous",
            tooltip="Choose the GPU before"),
        Binding("down,right", "choose(1)", "Next GPU", show=False, id="gpus.next",
            tooltip="Choose the GPU after"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    Gpus LineView { height: 100h; }  /* not 1fr, which stretches a panel of height auto */
    """

    def __init__(self, box: Box, settings: Settings) -> None:
        super().__init__(box, settings)
        self._index: int | None = None
        self._shape = (0, 0)
        self._per_row = 1
        self._card_height = 1
        self._tabular: bool | None = None
        self._cards = Cards(self._draw_cards, id="cards")
        self._table: Table[Gpu] = Table(
            columns(settings, box.history, box.now),
            lambda gpu: gpu.index,
            sort="gpu",
            empty="No GPU",
            id="table",
        )

    def compose(self) -> ComposeResult:
        """Compose both views; one of them is shown."""
        self._table.display = False
        yield self._cards
        yield self._table

    @property
    def tabular(self) -> bool:
        """Whether the compact table is shown: by choice, else because there are many GPUs."""
        if self._tabular is not None:
            return self._tabular
        return len(self._gpus()) > self.settings.ui.cards_up_to

    @property
    def chosen(self) -> Gpu | None:
        """The GPU that details are about: the chosen one, else the first."""
        if self._table.display:
            return self._table.chosen
        gpus = self._gpus()
        return next((gpu for gpu in gpus if gpu.index == self._index), gpus[0] if gpus else None)

    def watch_sample(self, sample: Sample | None) -> None:
        """Draw the new sample."""
        if not self.is_mounted:
            return
        set_caption(self, self._subtitle(sample))
        self._swap()
        if self._table.display:
            self._table.show(self._gpus())
        self._redraw_cards()
        shape = (len(self._gpus()), len(sample.faults) if sample else 0)
        if shape != self._shape:
            self._shape = shape
            self.refresh(layout=True)
            self.refresh_bindings()

    def _subtitle(self, sample: Sample | None) -> str:
        if sample is None:
            return ""
        words = ["SIMULATED"] if sample.driver.simulated else []
        words += ["by nvidia-smi"] if sample.driver.source == "nvidia-smi" else []
        words += [f"{len(sample.gpus)} GPUs"] if len(sample.gpus) > 1 else []
        return " · ".join(words)

    def _swap(self) -> None:
        table = self.tabular and bool(self._gpus())
        if self._table.display == table:
            return
        focused = self.screen.focused in (self._cards, self._table)  # has_focus comes with a later message
        self._table.display = table
        self._cards.display = not table
        self.refresh(layout=True)
        if focused:
            self.screen.set_focus(self._table if table else self._cards, scroll_visible=False)

    def _gpus(self) -> tuple[Gpu, ...]:
        return self.sample.gpus if self.sample else ()

    def _redraw_cards(self) -> None:
        """Redraw the cards, if they are shown: Textual tells them only later that they are not."""
        if self._cards.display:
            self._cards.redraw()

    def _draw_cards(self, width: int, height: int) -> Sequence[Line]:
        sample = self.sample
        if sample is None:
            return [(Span("No reading yet", "muted"),)]
        notice = draw_faults(sample, width, height if not sample.gpus else 3)
        if not sample.gpus:
            return notice
        count = len(sample.gpus)
        self._per_row, self._card_height = arrange(count, width, height - len(notice))
        now = self.box.now()
        chosen = self.chosen if count > 1 else None
        drawn = [
            Card(
                gpu=gpu,
                limits=self.settings.limits.for_gpu(gpu),
                history=self.box.history,
                now=now,
                seconds=60 * self.settings.ui.history_minutes,
                bridge=trend.bridge(sample.interval),
                chosen=gpu is chosen and self._cards.has_focus,
            )
            for gpu in sample.gpus
        ]
        part = width // self._per_row
        out = list(notice)
        for first in range(0, count, self._per_row):
            row = drawn[first : first + self._per_row]
            out += beside([(card.card(one, part, self._card_height), part) for one in row], gap=0)
            out += [EMPTY] * self._air(height - len(notice), count)
        return out[: len(out) - self._air(height - len(notice), count)]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the lines that the GPUs need, up to two fifths of the screen."""
        most = viewport.height * 2 // 5
        if viewport.height >= _TALL:
            most -= 2  # the two fifths include the borders there
        sample = self.sample
        if sample is None or not sample.gpus:
            return min(most, len(self._draw_cards(width, most)))
        count = len(sample.gpus)
        if self._table.display:
            return min(most, count + 1)
        notice = len(draw_faults(sample, width, 3))
        per_row, each = arrange(count, width, most - notice)
        rows = -(-count // per_row)
        air = rows - 1 if each >= card.RICH and rows * (each + 1) - 1 <= most - notice else 0
        return min(most, notice + rows * each + air)

    def _air(self, height: int, count: int) -> int:
        """Return the blank lines between cards that there is room for: one or none."""
        rows = -(-count // self._per_row)
        return int(rows * (self._card_height + 1) - 1 <= height)

    def action_choose(self, step: int) -> None:
        """Choose the next or the previous card."""
        gpus = self._gpus()
        if not gpus:
            return
        indexes = [gpu.index for gpu in gpus]
        place = indexes.index(self._index) if self._index in indexes else 0
        self._choose(max(0, min(len(indexes) - 1, place + step)))

    def _choose(self, place: int) -> None:
        self._index = self._gpus()[place].index
        self.post_message(self.GpuChosen(self._index))
        self._cards.redraw()
        pitch = self._card_height + self._air(self._cards.size.height, len(self._gpus()))
        self._cards.reveal(place // self._per_row * pitch, self._card_height)

    def on_line_view_clicked(self, event: LineView.Clicked) -> None:
        """Choose the clicked card; a double click opens its details."""
        gpus = self._gpus()
        if event.lines is not self._cards or not gpus:
            return
        pitch = self._card_height + self._air(self._cards.size.height, len(gpus))
        column = event.column // max(1, self._cards.size.width // self._per_row)
        place = event.index // pitch * self._per_row + min(column, self._per_row - 1)
        if place < len(gpus):
            self._choose(place)
            if event.twice:
                self.action_details()

    def on_table_chosen(self) -> None:
        """Post which GPU was chosen."""
        if (gpu := self._table.chosen) is not None:
            self.post_message(self.GpuChosen(gpu.index))

    def on_table_opened(self) -> None:
        """Open the details of the double-clicked row."""
        self.action_details()

    def on_descendant_focus(self) -> None:
        """Show which card the keys act on."""
        self._redraw_cards()

    def on_descendant_blur(self) -> None:
        """Show that no card is chosen."""
        self._redraw_cards()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        if action in ("details", "view"):
            return bool(self._gpus())
        return True

    def action_view(self) -> None:
        """Switch between cards and table."""
        self._tabular = not self.tabular
        self._swap()
        self._table.show(self._gpus())

    def action_details(self) -> None:
        """Open the window with every field of the chosen GPU."""
        gpu = self.chosen
        if gpu is None:
            return
        self.box.watch_pcie(gpu.index)
        draw = partial(draw_details, self.box.sample, gpu.index, self.settings)
        window = Details(f"GPU {gpu.index} · {short_name(gpu)}", self.box.sample, draw)
        program(self).push_screen(window, lambda _: self.box.watch_pcie(None))


class Cards(LineView, inherit_bindings=False):
    """The cards; arrow keys go to the panel, which moves from card to card."""


def arrange(count: int, width: int, height: int) -> tuple[int, int]:
    """Return the number of cards per row and the lines of each.

    If the last row would have a gap, other arrangements are preferred.
    """
    first = max(1, min(count, width // _BROAD))
    best = (first, 0)
    for per_row in range(first, max(first, min(count, width // _WIDE)) + 1):
        rows = -(-count // per_row)
        airy = (height - rows + 1) // rows
        each = min(card.MOST, airy if airy >= card.RICH else height // rows)
        enough = _WHOLE if count % per_row else card.RICH
        if each > best[1] and (best[1] < enough or count % best[0]):
            best = (per_row, each)
    per_row, each = best
    return per_row, max(card.LEAST, each)
