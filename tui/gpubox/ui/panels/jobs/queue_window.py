"""The queues of a box besides its own: partitions and everybody's jobs, as lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from gpubox.boxes.box import Box
from gpubox.boxes.jobs.backend import queues
from gpubox.boxes.jobs.backends import title_of
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.jobs.queue_view import Partition, QueueRow, QueueView
from gpubox.common import units
from gpubox.core.sanitize import clean
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import EMPTY, Line, Span, Tone, fit
from gpubox.ui.widgets.details import Details
from gpubox.ui.widgets.list_filter import ListFilter

_STATES: dict[str, Tone] = {"RUNNING": "accent", "PENDING": "warn"}


class QueueWindow(Details, inherit_bindings=False):
    """Partitions and everybody's jobs, updated and filtered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "Close", id="queue.close", tooltip="Drop the filter, or go back"),
        Binding("enter,q", "close", "Close", id="details.close", tooltip="Go back", show=False),
        Binding("slash", "filter", "Filter", id="queue.filter", tooltip="Show only jobs with these words"),
    ]

    def __init__(self, box: Box) -> None:
        backends = box.use(Jobs).backends
        super().__init__(
            ", ".join(map(title_of, queues(backends))),
            box.sample,
            lambda width, _: draw_queues(queues(backends), width, self._words.value),
        )
        self._words = ListFilter("words in user, name, state, partition …", self._redraw, self._body)

    def compose(self) -> ComposeResult:
        """Compose the window with the line of its filter."""
        yield from super().compose()
        yield self._words

    def _body(self) -> LineView:
        return self.query_one(LineView)

    def _redraw(self) -> None:
        self._body().redraw()

    def action_filter(self) -> None:
        """Open the filter."""
        self._words.ask()

    def action_clear(self) -> None:
        """Drop the filter; without one, go back."""
        if not self._words.used:
            self.dismiss()
            return
        self._words.clear_words()


def draw_queues(views: Mapping[str, QueueView], width: int, words: str) -> list[Line]:
    """Return each queue, with its name if there are several."""
    if not views:
        return [(Span("The box has no queue but its own", "muted"),)]
    out: list[Line] = []
    for name, view in views.items():
        if len(views) > 1:
            out += [*([EMPTY] if out else []), (Span(title_of(name), "accent"),)]
        out += draw_queue(view, width, words)
    return out


def draw_queue(view: QueueView, width: int, words: str = "") -> list[Line]:
    """Return partitions and why nodes are down; then running and waiting jobs, with the reasons.

    The user's own jobs come first, marked, then running ones; only jobs that contain `words` are shown.
    """
    out: list[Line] = [(Span(f"! {clean(view.trouble, 200)}", "warn"),)] if view.trouble else []
    out.append((Span(f"{'PARTITION':<16} {'NODES':>12} {'CPUS':>14} {'GPUS':>10} {'LIMIT':>9}", "muted"),))
    for one in view.partitions:
        out.append(_partition(one))
        out += [(Span(f"  ! {reason}", "warn"),) for reason in one.reasons]
    out += [EMPTY]
    heading = f"  {'JOB':<10} {'USER':<10} {'NAME':<18} {'STATE':<10} {'TIME':>9} {'GPUS':>5}  WHERE OR WHY"
    out.append((Span(heading, "muted"),))
    rows = [row for row in view.queue if _matches(row, words.lower().split())]
    rows.sort(key=lambda row: (not row.own, row.state != "RUNNING"))
    if not rows:
        out.append((Span("No job matches" if view.queue else "Nobody's job waits or runs", "muted"),))
    return [fit(line, width) for line in (*out, *(_job(row, view.now) for row in rows))]


def _matches(row: QueueRow, words: list[str]) -> bool:
    text = " ".join((row.id, row.user, row.name, row.state, row.partition, row.where, row.reason)).lower()
    return all(word in text for word in words)


def _partition(one: Partition) -> Line:
    name = clean(one.name, 14) + ("*" if one.default else "")
    nodes = f"{one.idle}/{one.nodes} idle" if one.up else "closed"
    return (
        Span(f"{name:<16}", "title"),
        Span(f" {nodes:>12}", "text" if one.up and one.idle else "warn"),
        Span(f" {one.cpus - one.cpus_used:>4}/{one.cpus} free".ljust(15)),
        Span(f" {f'{one.gpus - one.gpus_used}/{one.gpus} free' if one.gpus else units.DASH:>10}"),
        Span(f" {units.duration(one.limit) if one.limit is not None else 'none':>9}", "muted"),
    )


def _job(row: QueueRow, now: float) -> Line:
    waited = now - row.submitted if row.submitted is not None else None
    state = clean(row.state, 10)
    tone: Tone = _STATES.get(row.state, "muted")
    return (
        Span("▸ " if row.own else "  ", "accent"),
        Span(f"{clean(row.id, 10):<10}", "title" if row.own else "text"),
        Span(f" {clean(row.user, 10):<10} {clean(row.name, 18):<18}"),
        Span(f" {state.lower():<10}", tone),
        Span(f" {units.duration(row.ran if row.state != 'PENDING' else waited):>9}"),
        Span(f" {row.gpus or units.DASH:>5}  "),
        Span(clean(row.where or row.reason, 80), "muted"),
    )
