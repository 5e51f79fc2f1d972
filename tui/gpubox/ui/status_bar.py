"""The first line of a box's screen: its name and state, and the present errors below."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from gpubox.boxes.box import Box
from gpubox.common import units
from gpubox.core.env import Env
from gpubox.core.link_state import Health
from gpubox.core.sample import Sample
from gpubox.core.sanitize import clean
from gpubox.core.target import Target
from gpubox.ui.draw.spans import SIGNS
from gpubox.ui.link_status import TO_DO, lasting, phrase
from gpubox.ui.severity import STYLES, TONES

if TYPE_CHECKING:  # SQLite, which the first paint does without
    from gpubox.boxes.alerts.alerts import AlertList

GAP = "   "
ALONE = 1.4
"""Seconds without a sample after which the line is drawn on its own, once a second."""


class StatusPiece(NamedTuple):
    """A part of the line; when space is short, those with the highest `rank` are dropped first."""

    rank: int
    text: Content


class StatusBar(Widget, can_focus=False):
    """The state of one box: one row, and more while something is wrong."""

    def __init__(self, target: Target) -> None:
        super().__init__(id="state")
        self.target = target
        self.box: Box | None = None
        """The box, once it is opened."""
        self.health = Health()
        """The state of its link."""
        self._env = ""
        self._alerts: AlertList | None = None
        self._trouble: list[str] = []
        self._ticked = 0.0

    def on_mount(self) -> None:
        """Update clock, age and countdown."""
        self.set_interval(1.0, self._second)

    def tick(self) -> None:
        """Redraw with a new sample."""
        self._ticked = time.monotonic()
        self._redraw()

    def show_env(self, env: Env | None) -> None:
        """Draw the environment that shells and jobs of the box use."""
        self._env = "" if env is None else f"env {clean(env.name, 30)}"
        self._redraw()

    def show_alerts(self, found: AlertList) -> None:
        """Count the alerts that nobody acknowledged or muted."""
        self._alerts = found
        self._redraw()

    def _second(self) -> None:
        """Redraw while no sample comes in; otherwise the samples do it, because each paint costs."""
        if self.screen.is_current and time.monotonic() - self._ticked > ALONE:
            self._redraw()

    def _redraw(self) -> None:
        """Redraw; the rows below move only when the number of lines changes."""
        trouble = lasting(self.health, self.box)
        layout = trouble != self._trouble
        self._trouble = trouble
        self.refresh(layout=layout)

    def show(self, health: Health) -> None:
        """Draw a new state of the link."""
        self.health = health
        self.tick()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return one row for the state, plus the rows of its wrapped trouble."""
        return 1 + len(self._trouble_rows(width))

    def render(self) -> Content:
        """Draw the parts that fit."""
        width = self.content_size.width
        row = _fitted(self._left(), self._right(), width)
        return Content("\n").join([row, *self._trouble_rows(width)])

    def _trouble_rows(self, width: int) -> list[Content]:
        rows: list[Content] = []
        for line in self._trouble:
            todo = line.startswith(TO_DO)
            text = Content.styled(line.removeprefix(TO_DO), "$foreground" if todo else "$foreground-muted")
            for number, part in enumerate(text.wrap(max(10, width - 4))):
                rows.append(Content.assemble(f"  {TO_DO}" if todo and not number else "    ", part))
        return rows

    def _left(self) -> list[StatusPiece]:
        state = phrase(self.health, self.box)
        address = self.health.address if self.health.address != self.target.name else ""
        pieces = [
            StatusPiece(0, Content.assemble((state.sign, state.style), " ", (self.target.name, "bold"))),
            StatusPiece(3, Content.styled(address, "$foreground-muted")),
            StatusPiece(0, Content.styled(state.words, state.style)),
            *alert_pieces(self._alerts),
            StatusPiece(2, Content.styled(self._env, "$primary")),
        ]
        return [piece for piece in pieces if piece.text.plain]

    def _right(self) -> list[StatusPiece]:
        sample = self.box.sample.value if self.box else None
        pieces = [] if sample is None else driver_pieces(sample)
        return [*pieces, StatusPiece(2, Content.styled(time.strftime("%H:%M:%S"), "$foreground-muted"))]


def alert_pieces(found: AlertList | None) -> list[StatusPiece]:
    """Return how many alerts are open, in the color of the worst; nothing without one."""
    alerts = () if found is None else found.open(time.time())
    if not alerts:
        return []
    worst = max(alert.severity for alert in alerts)
    words = "1 alert" if len(alerts) == 1 else f"{len(alerts)} alerts"
    return [StatusPiece(1, Content.styled(f"{SIGNS.get(TONES[worst], '·')} {words}", STYLES[worst]))]


def driver_pieces(sample: Sample) -> list[StatusPiece]:
    """Return what a sample says of the driver and the probe."""
    driver, cost = sample.driver, sample.probe
    simulated = driver.simulated or any(gpu.simulated for gpu in sample.gpus)
    texts = (
        (1, " SIMULATED " if simulated else "", "bold $on-warning on $warning"),
        (4, f"driver {driver.version}" if driver.version else "", "$foreground-muted"),
        (5, f"CUDA {driver.cuda}" if driver.cuda else "", "$foreground-muted"),
        (
            6,
            "" if cost.cpu is None else f"probe {cost.cpu:.1f}% {units.size(cost.memory)}",
            "$foreground-disabled",
        ),
    )
    return [StatusPiece(rank, Content.styled(text, style)) for rank, text, style in texts if text]


def _fitted(left: list[StatusPiece], right: list[StatusPiece], width: int) -> Content:
    """Join the parts, the right ones at the right edge; leave out the least important until they fit."""
    while True:
        head = Content(GAP).join([piece.text for piece in left])
        tail = Content(GAP).join([piece.text for piece in right])
        room = width - head.cell_length - tail.cell_length
        if room >= len(GAP) or not width:
            return Content.assemble(head, " " * max(1, room), tail)
        droppable = [piece for piece in (*left, *right) if piece.rank]
        if not droppable:
            return head.truncate(width, ellipsis=True)
        worst = max(droppable, key=lambda piece: piece.rank)
        left = [piece for piece in left if piece is not worst]
        right = [piece for piece in right if piece is not worst]
