"""A table widget: columns are data, rows are identified by key, and only changes are painted."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from gpubox.common.units import DASH
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line, Span, Tone, cut, fit, length, wrapped

T = TypeVar("T")
SortKey = float | str | None
"""Sort key of a column; None sorts last in both directions."""


SORT = Binding("greater_than_sign", "sort", "Sort", tooltip="Sort by the next column")
REVERSE = Binding("less_than_sign", "reverse", "Reverse", tooltip="Sort the other way")
"""The sort bindings of a list; each panel gives them its own ids."""


_NOTHING: Line = (Span(DASH, "faint"),)
_GAP = Span(" ")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column of a table of things of type T."""

    name: str
    """Its name in settings and tests; also its title, in capitals, unless `title` is given."""
    width: int
    """Cells; the one column that grows takes at least these."""
    cell: Callable[[T], str | Line]
    """Returns the cell of a row. Text is drawn in the column's tone; an empty text becomes a dash."""
    sort: Callable[[T], SortKey]
    """Returns its sort key."""
    title: str = ""
    left: bool = False
    """Flush left, for words; numbers are flush right."""
    falling: bool = False
    """Whether the first sort is from the largest down."""
    tone: Tone = "text"
    need: int = 0
    """Priority for dropping: when space is short, the highest number goes first; 0 always stays."""
    grows: bool = False

    @property
    def heading(self) -> str:
        """The title as drawn."""
        return self.title or self.name.upper()


class Table(LineView, Generic[T], inherit_bindings=False):
    """A table that sorts, filters and redraws its rows; columns define what a row shows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "end(-1)", "Top", show=False),
        Binding("end", "end(1)", "Bottom", show=False),
    ]
    HEAD = 1

    @dataclass
    class Chosen(Message):
        """The cursor came to another row, or the row under it changed."""

        rows: Table[object]

    @dataclass
    class Opened(Message):
        """A row was double-clicked."""

        rows: Table[object]

    @dataclass
    class Sorted(Message):
        """The sort column or direction changed."""

        rows: Table[object]

    def __init__(
        self,
        columns: Sequence[Column[T]],
        key: Callable[[T], Hashable],
        *,
        sort: str,
        empty: str,
        id: str | None = None,
    ) -> None:
        super().__init__(self._draw_table, id=id)
        self.columns = tuple(columns)
        self.empty = empty
        """The text shown when there is no row."""
        self._key = key
        self._items: list[T] = []
        self._order: list[T] = []
        self._filter: Callable[[T], bool] | None = None
        self._cursor: Hashable | None = None
        self._layout: list[tuple[Column[T], int]] = []
        self._sort = self.column(sort)
        self._falling = self._sort.falling

    def column(self, name: str) -> Column[T]:
        """Return a column by name; raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def sort(self) -> tuple[str, bool]:
        """The sort column, and whether it is descending."""
        return self._sort.name, self._falling

    @property
    def shown(self) -> Sequence[T]:
        """The visible rows, in order."""
        return self._order

    @property
    def chosen(self) -> T | None:
        """The row under the cursor."""
        place = self._place()
        return None if place is None else self._order[place]

    @property
    def shown_columns(self) -> tuple[str, ...]:
        """Names of the columns that fit."""
        return tuple(column.name for column, _ in self._layout)

    def show(self, items: Iterable[T]) -> None:
        """Replace the rows; the cursor stays on its key."""
        self._items = list(items)
        self._arrange()

    def choose(self, key: Hashable) -> None:
        """Put the cursor on the row of a key, if there is one."""
        for place, item in enumerate(self._order):
            if self._key(item) == key:
                self._move_to(place)

    def narrow(self, keep: Callable[[T], bool] | None) -> None:
        """Show only rows for which `keep` is true; None shows everything."""
        self._filter = keep
        self._arrange()

    def sort_by(self, name: str, falling: bool | None = None) -> None:
        """Sort by a column in its default direction, or reverse it when it is the sort column."""
        column = self.column(name)
        again = column is self._sort
        self._falling = (not self._falling if again else column.falling) if falling is None else falling
        self._sort = column
        self._arrange()
        self.post_message(self.Sorted(self))  # pyright: ignore[reportArgumentType] a message is read only

    def sort_by_next(self, step: int = 1) -> None:
        """Sort by the next shown column."""
        names = self.shown_columns or tuple(column.name for column in self.columns)
        place = names.index(self._sort.name) if self._sort.name in names else -step
        self.sort_by(names[(place + step) % len(names)])

    def reverse(self) -> None:
        """Reverse the sort."""
        self.sort_by(self._sort.name)

    def _arrange(self) -> None:
        old = self._place()
        keep = self._filter
        items = self._items if keep is None else [item for item in self._items if keep(item)]
        known: list[tuple[float | str, T]] = []
        unknown: list[T] = []
        for item in items:
            value = self._sort.sort(item)
            if value is None:
                unknown.append(item)
            else:
                known.append((value, item))
        known.sort(key=lambda pair: pair[0], reverse=self._falling)
        self._order = [item for _, item in known] + unknown
        if self._place() is None and self._order:
            self._cursor = self._key(self._order[min(old or 0, len(self._order) - 1)])
        self.redraw()

    def _place(self) -> int | None:
        if self._cursor is None:
            return None
        for place, item in enumerate(self._order):
            if self._key(item) == self._cursor:
                return place
        return None

    def _draw_table(self, width: int, _height: int) -> list[Line]:
        self._layout = _layout(self.columns, width)
        out = [self._heading(), *map(self._row, self._order)]
        if not self._order:
            out += wrapped(self.empty, width, "muted")
        place = self._place()
        self.cursor_line = None if place is None else place + 1
        return out

    def redraw(self) -> None:
        """Redraw; a cursor whose row moved is painted at both places."""
        old = self.cursor_line
        super().redraw()
        if old != self.cursor_line:
            new, self.cursor_line = self.cursor_line, old
            self.move_cursor(new)

    def _heading(self) -> Line:
        spans: list[Span] = []
        for column, width in self._layout:
            sorts = column is self._sort
            title = column.heading + (("▼" if self._falling else "▲") if sorts else "")
            text = f"{title:<{width}}" if column.left else f"{title:>{width}}"
            spans += [Span(cut(text, width), "accent" if sorts else "muted"), Span(" ")]
        return tuple(spans)

    def _row(self, item: T) -> Line:
        spans: list[Span] = []
        for column, width in self._layout:
            drawn = column.cell(item)
            if isinstance(drawn, str):
                drawn = (Span(drawn, column.tone),) if drawn and drawn != DASH else _NOTHING
            space = width - length(drawn)
            if space < 0:
                drawn = fit(drawn, width)
            elif space:
                drawn = (*drawn, Span(" " * space)) if column.left else (Span(" " * space), *drawn)
            spans += drawn
            spans.append(_GAP)
        return tuple(spans)

    def action_move(self, step: int) -> None:
        """Move the cursor by `step` rows."""
        place = self._place()
        self._move_to(0 if place is None else place + step)

    def action_page(self, step: int) -> None:
        """Move the cursor by a page."""
        self.action_move(step * max(1, self.size.height - self.HEAD - 1))

    def action_end(self, step: int) -> None:
        """Move the cursor to the first or the last row."""
        self._move_to(0 if step < 0 else len(self._order) - 1)

    def _move_to(self, place: int) -> None:
        if not self._order:
            return
        place = max(0, min(len(self._order) - 1, place))
        self._cursor = self._key(self._order[place])
        self.move_cursor(place + 1)
        self.post_message(self.Chosen(self))  # pyright: ignore[reportArgumentType] a message is read only

    def on_resize(self) -> None:
        """Draw for the new size, with the row under the cursor in view."""
        super().on_resize()
        if self.cursor_line is not None:
            self.reveal(self.cursor_line, 1)

    def on_click(self, event: events.Click) -> None:
        """Sort by the clicked heading, or choose the clicked row; a double click opens it."""
        index = event.y if event.y < self.HEAD else event.y + self.scroll_offset.y
        if index == 0:
            left = 0
            for column, width in self._layout:
                if left <= event.x <= left + width:
                    self.sort_by(column.name)
                left += width + 1
        elif index <= len(self._order):
            self._move_to(index - 1)
            if event.chain > 1:
                self.post_message(self.Opened(self))  # pyright: ignore[reportArgumentType] as above
        event.prevent_default()


def _layout(columns: Sequence[Column[T]], width: int) -> list[tuple[Column[T], int]]:
    """Return the columns that fit and their widths: dispensable ones are dropped, and one gets the rest."""
    fitting = list(columns)
    while sum(column.width + 1 for column in fitting) > width:
        spare = max(fitting, key=lambda column: column.need)
        if spare.need == 0:
            break
        fitting.remove(spare)
    rest = max(0, width - sum(column.width + 1 for column in fitting))
    return [(column, column.width + (rest if column.grows else 0)) for column in fitting]
