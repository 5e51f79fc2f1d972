"""A request that is refused, at either end: what happened, to what, and what to do now."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict

    Row = Dict[str, Any]


class Refused(Exception):
    """A request is refused, with title, text and hint."""

    def __init__(self, title: str, text: str = "", hint: str = "") -> None:
        super().__init__(text)
        self.title = title
        self.text = text
        self.hint = hint

    @property
    def answer(self) -> Row:
        """The answer that says so."""
        return {"error": {"title": self.title, "text": self.text, "hint": self.hint}}
