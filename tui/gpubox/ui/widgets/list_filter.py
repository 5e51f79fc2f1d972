"""The filter of a list: it opens, narrows while the user types, stays or goes, and gives the focus back."""

from __future__ import annotations

from collections.abc import Callable

from textual.widget import Widget

from gpubox.ui.widgets.filter_input import FilterInput


class ListFilter(FilterInput):
    """An input whose words every shown row of a list has.

    `narrow` shows the rows again after each change; `rows` returns the widget that has the focus otherwise.
    """

    def __init__(self, placeholder: str, narrow: Callable[[], object], rows: Callable[[], Widget]) -> None:
        super().__init__(placeholder=placeholder, id="words")
        self._narrow = narrow
        self._rows = rows

    @property
    def text(self) -> str:
        """What was typed."""
        return self.value.strip()

    @property
    def words(self) -> list[str]:
        """The words that a row must have, in lower case."""
        return self.value.lower().split()

    @property
    def used(self) -> bool:
        """Whether there is something to drop: words, or the open input."""
        return bool(self.text) or self.shown

    def admits(self, *texts: str) -> bool:
        """Return whether the texts of a row contain all words."""
        text = " ".join(texts).lower()
        return all(word in text for word in self.words)

    def leave(self) -> None:
        """Keep the words, and give the focus back to the list."""
        self.keep()
        self._rows().focus(scroll_visible=False)

    def clear_words(self) -> None:
        """Show all rows again, and give the focus back to the list."""
        self.drop()
        self._rows().focus(scroll_visible=False)

    def on_input_changed(self, event: FilterInput.Changed) -> None:
        """Narrow the list while the user types."""
        event.stop()
        self._narrow()

    def on_input_submitted(self, event: FilterInput.Submitted) -> None:
        """Go back to the list."""
        event.stop()
        self.leave()
