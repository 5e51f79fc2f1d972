"""A small image in half cells: each cell shows two pixels, the upper as `▀`, the lower as its background.

Terminals that draw pixels get those instead; see ui.draw.graphics.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from gpubox.core.sanitize import clean
from gpubox.rfb.image import Picture
from gpubox.ui.draw import graphics
from gpubox.ui.failure_isolation import isolated

if TYPE_CHECKING:
    from textual_image.widget import SixelImage, TGPImage

_HALF = "▀"
_FINE = 0xFC
"""Color quantization: 64 steps. Finer ones are invisible, and only make more styles."""


@isolated
class Thumbnail(Widget, can_focus=False):
    """Shows a picture as large as fits, centered, and repaints only changed lines."""

    DEFAULT_CSS = """
    Thumbnail { width: 1fr; height: 1fr; color: $foreground 62%; align: center middle; }
    """
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.picture: Picture | None = None
        """The shown picture."""
        self.words = ""
        """The text shown without a picture; safe to draw, and never parsed."""
        self._strips: list[Strip] = []
        self._top = 0
        self._pixels: SixelImage | TGPImage | None = graphics.found() if graphics.found else None

    def compose(self) -> ComposeResult:
        """Compose the pixel widget, if there is one."""
        if self._pixels is not None:
            self._pixels.display = False
            yield self._pixels

    def show(self, picture: Picture | None, words: str = "") -> None:
        """Show a picture from now on; None shows `words`."""
        self.picture, self.words = picture, clean(words)
        if picture is None or self._pixels is not None:
            self._strips = []
            self._paint()
            self.refresh()
            return
        old, top = self._strips, self._top
        self._draw()
        if len(old) != len(self._strips) or top != self._top:
            self.refresh()
            return
        width = self.size.width
        changed = [y for y, (one, other) in enumerate(zip(old, self._strips, strict=True)) if one != other]
        if changed:
            self.refresh(*(Region(0, self._top + y, width, 1) for y in changed))

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._draw()
        self._fit()
        self.refresh()

    def on_unmount(self) -> None:
        """Free the picture in the terminal's memory."""
        if self._pixels is not None:
            self._pixels.image = None

    def _paint(self) -> None:
        """Pass the picture to the pixel widget."""
        if self._pixels is None:
            return
        self._pixels.display = self.picture is not None
        if self.picture is not None:
            from PIL import Image

            size = (self.picture.width, self.picture.height)
            self._fit()
            self._pixels.image = Image.frombytes("RGB", size, self.picture.rgb)

    def _fit(self) -> None:
        if self._pixels is not None and self.picture is not None and all(self.size):
            self._pixels.styles.width, self._pixels.styles.height = fit(self.picture, *self.size)

    def _draw(self) -> None:
        width, height = self.size
        if self.picture is None or self._pixels is not None or not width or not height:
            self._strips = []
            return
        columns, rows = fit(self.picture, width, height)
        left = (width - columns) // 2
        self._top = (height - rows) // 2
        margin = [Segment(" " * left)] if left else []
        self._strips = [Strip([*margin, *line]) for line in cells(self.picture, columns, rows)]

    def render(self) -> Content:
        """Return the text in place of a picture."""
        return Content(self.words)

    def render_line(self, y: int) -> Strip:
        """Return one line of the screen."""
        if not self._strips:
            return super().render_line(y)
        base = self.rich_style
        if not 0 <= y - self._top < len(self._strips):
            return Strip.blank(self.size.width, base)
        return self._strips[y - self._top].apply_style(base).adjust_cell_length(self.size.width, base)


def fit(picture: Picture, width: int, height: int) -> tuple[int, int]:
    """Return the columns and rows of a picture that fits into an area of cells; at least one each."""
    if picture.width * 2 * height <= picture.height * width:
        rows = height
        columns = max(1, min(width, round(2 * rows * picture.width / max(1, picture.height))))
    else:
        columns = width
        rows = max(1, min(height, round(columns * picture.height / max(1, picture.width) / 2)))
    return columns, rows


def cells(picture: Picture, columns: int, rows: int) -> list[list[Segment]]:
    """Return a picture as lines of half cells, neighbors of one color joined.

    5 ms for 1280x800 pixels in 60x20 cells: a pixel of the terminal is the mean of nine of the picture's.
    """
    small = picture.scaled(columns, 2 * rows).rgb.translate(_COARSE)
    stride = 3 * columns
    out: list[list[Segment]] = []
    for row in range(rows):
        upper = small[2 * row * stride : (2 * row + 1) * stride]
        lower = small[(2 * row + 1) * stride : (2 * row + 2) * stride]
        pairs = zip(upper[0::3], upper[1::3], upper[2::3], lower[0::3], lower[1::3], lower[2::3], strict=True)
        out.append([Segment(_HALF * len(list(run)), _style(*pair)) for pair, run in groupby(pairs)])
    return out


_COARSE = bytes(value & _FINE | value >> 6 for value in range(256))


@lru_cache(maxsize=8192)
def _style(*rgb: int) -> Style:
    return Style(color=Color.from_rgb(*rgb[:3]), bgcolor=Color.from_rgb(*rgb[3:]))
