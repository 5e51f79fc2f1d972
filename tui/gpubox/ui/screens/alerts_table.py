"""Alerts as rows, and an alert in full as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gpubox.boxes.alerts.alerts import AlertList
from gpubox.common.alerts.alert import Alert
from gpubox.common.rules.alerts.table import BY_CODE
from gpubox.common.units import clock_time, duration
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import Line, Span, wrapped
from gpubox.ui.draw.table import Column
from gpubox.ui.severity import TONES

_SIGNS = ("· ", "! ", "!!")
"""A sign beside the word, so that color is never the only one; by severity."""
_TEXT = 400


class AlertRow(NamedTuple):
    """An alert as it is listed."""

    key: str
    """Stays the same while it is active; one of the past has its number in it."""
    alert: Alert
    order: int
    """Its place: active ones first, the most severe first; then the past, the newest first."""
    state: str
    """`active`, `seen`, `muted`, `test`, or empty for the past."""
    age: float
    """Seconds since it was raised."""
    lasted: float | None = None
    """Seconds for which it was active; None while it is."""

    @property
    def active(self) -> bool:
        """Whether it is not over."""
        return self.lasted is None


def rows_of(found: AlertList, now: float) -> list[AlertRow]:
    """Return the rows of a list at a moment, in seconds since the epoch."""
    rows: list[AlertRow] = []
    for alert in found.active:
        state = "seen" if alert.acknowledged else "muted" if found.muted(alert, now) else "active"
        rows.append(AlertRow(alert.key, alert, len(rows), state, now - alert.since))
    for record in found.past:
        alert = record.alert
        lasted = (record.cleared or alert.since) - alert.since
        state = "test" if record.test else ""
        rows.append(
            AlertRow(f"{alert.key} #{record.number}", alert, len(rows), state, now - alert.since, lasted)
        )
    return rows


def _severity(row: AlertRow) -> Line:
    word = row.alert.severity.word
    if not row.active:
        return (Span(f"   {word}", "faint"),)
    loud = row.state == "active"
    return (Span(f"{_SIGNS[row.alert.severity]} {word}", TONES[row.alert.severity] if loud else "muted"),)


def _when(row: AlertRow) -> Line:
    return (Span(duration(row.age), "muted" if row.active else "faint"),)


def _state(row: AlertRow) -> Line:
    if row.lasted is not None and row.state != "test":
        return (Span(f"over, {duration(row.lasted)}", "faint"),)
    return (Span(row.state, "text" if row.state == "active" else "muted"),)


def _title(row: AlertRow) -> Line:
    return (Span(clean(row.alert.title, _TEXT), "text" if row.state == "active" else "muted"),)


COLUMNS: Sequence[Column[AlertRow]] = (
    Column("severity", 12, _severity, lambda row: -row.alert.severity, left=True),
    Column("since", 8, _when, lambda row: row.age),
    Column("about", 12, lambda row: clean(row.alert.subject, 40), lambda row: row.alert.subject, left=True,
           tone="muted"),
    Column("alert", 24, _title, lambda row: row.alert.title, left=True, grows=True),
    Column("state", 14, _state, lambda row: row.order, left=True, need=1),
)  # fmt: skip
"""The columns of the list; sorted by state, active ones come first."""


def about(row: AlertRow | None, width: int) -> list[Line]:
    """Return what an alert means, what to do, and when it was raised and is cleared, wrapped."""
    if row is None:
        return []
    alert, rule = row.alert, BY_CODE.get(row.alert.code)
    what = f"{clean(alert.subject, 60)}: {clean(alert.title, 200)}"
    head = f"{_SIGNS[alert.severity]} {alert.severity.word}: {what}"
    tone = TONES[alert.severity] if row.active else "muted"
    lines: list[Line] = [(Span(head, tone), Span(f"  {alert.code}", "faint"))]
    lines += wrapped(clean(alert.text, _TEXT), width)
    if alert.hint:
        lines += wrapped(f"→ {clean(alert.hint, _TEXT)}", width, "accent")
    raised = f"Raised at {clock_time(alert.since)}"
    if row.lasted is not None:
        raised += f", over after {duration(row.lasted)}"
    elif rule is not None:
        raised += f"; over: {rule.cleared_when}"
    lines += wrapped(raised, width, "muted")
    return lines
