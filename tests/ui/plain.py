"""Panels made for tests of the frame; they say what they drew."""

from __future__ import annotations

from gpubox.core.sample import Sample
from gpubox.ui.panel import Panel


class Plain(Panel, can_focus=True):
    """A panel that counts what it draws."""

    HELP = "What is **shown** here."

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # pyright: ignore[reportArgumentType]
        self.drawn: list[Sample | None] = []
        self.displayed_at_first = False

    def on_mount(self) -> None:
        self.displayed_at_first = self.display

    def watch_sample(self, sample: Sample | None) -> None:
        self.drawn.append(sample)

    def render(self) -> str:
        return f"{self.TITLE} of {self.box.name}"


class Cards(Plain):
    NAME, TITLE, ORDER, PLACE, ROWS = "cards", "Cards", 1, "top", 5

    def render(self) -> str:
        return "\n".join(("load", "memory", "heat", "power"))


class Table(Plain):
    NAME, TITLE, ORDER, PLACE = "rows", "Rows", 2, "main"


class Machine(Plain):
    NAME, TITLE, ORDER = "machine", "Machine", 3


class Past(Plain):
    NAME, TITLE, ORDER = "past", "Past", 4


class Tunnels(Plain):
    NAME, TITLE, ORDER, ROWS = "tunnels", "Tunnels", 5, 12
