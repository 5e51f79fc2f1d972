"""What rules remember of the past: the share of a time, how a value went, and whether a counter grew."""

from __future__ import annotations

from typing import List, Optional, Tuple

from gpubox.common.rules.alerts.alert_rule import Memory, Moment

_DAY = 86400.0
_PARTS = 30
"""Parts of a window: the oldest is dropped whole, so a share is exact to a thirtieth."""


def share(memory: Memory, moment: Moment, span: float, true: bool) -> Tuple[float, bool]:
    """Count a sample, and return the percent of the last `span` seconds that were true, and if all are known.

    Time that was not observed counts as false, so a short look raises nothing; a gap begins a new window.
    """
    width = span / _PARTS
    part = int(moment.clock // width)
    parts: List[List[float]] = [] if moment.gap else memory.get("parts", [])
    if not parts or parts[-1][0] != part:
        parts = [*(old for old in parts if old[0] > part - _PARTS), [part, 0.0, 0.0]]
    parts[-1][1] += moment.elapsed
    parts[-1][2] += moment.elapsed if true else 0.0
    memory["parts"] = parts
    seen, counted = (sum(old[column] for old in parts) for column in (1, 2))
    return 100.0 * counted / span, seen >= span - width


def trail(memory: Memory, moment: Moment, value: float, every: float, span: float) -> List[List[float]]:
    """Keep a value each `every` seconds for `span` seconds, and return them as [clock, value], oldest first.

    A gap starts it again.
    """
    marks: List[List[float]] = [] if moment.gap else memory.get("marks", [])
    if not marks or moment.clock - marks[-1][0] >= every:
        marks = [*(mark for mark in marks if mark[0] >= moment.clock - span - every), [moment.clock, value]]
    memory["marks"] = marks
    return marks


def before(marks: List[List[float]], clock: float) -> Optional[float]:
    """Return the value at the newest mark that is not younger than `clock`; None without one."""
    return next((value for at, value in reversed(marks) if at <= clock), None)


def grew(memory: Memory, value: float) -> float:
    """Return by how much a counter grew since `said`; one that went back was reset."""
    known = memory.get("counted")
    if known is None or value < known:
        memory["counted"] = known = value
    return value - known


def said(memory: Memory, value: float) -> None:
    """Count growth from this value on."""
    memory["counted"] = value


def daily(memory: Memory, now: float, value: float) -> float:
    """Return by how much a counter grew in the last 24 h by the clock, to the hour."""
    marks: List[List[float]] = [mark for mark in memory.get("days", ()) if 0 <= now - mark[0] <= _DAY]
    if marks and value < marks[-1][1]:
        marks = []
    if not marks or now - marks[-1][0] >= _DAY / 24:
        marks = [*marks, [now, value]]
    memory["days"] = marks
    return value - marks[0][1]
