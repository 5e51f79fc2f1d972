"""Results of checks as rows, and a result in full as lines."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.boxes.checks.check import GROUPS, Check, Outcome, Result
from gpubox.boxes.checks.run import Judged
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import EMPTY, Line, Span, Tone, wrapped
from gpubox.ui.draw.table import Column

LOUD = (Outcome.FAILED, Outcome.WARNING, Outcome.UNKNOWN, Outcome.HINT)
"""Outcomes that ask for something."""
_SIGNS: dict[Outcome, tuple[str, Tone]] = {
    Outcome.FAILED: ("!!", "alarm"),
    Outcome.WARNING: ("! ", "warn"),
    Outcome.UNKNOWN: ("? ", "muted"),
    Outcome.HINT: ("· ", "accent"),
    Outcome.OK: ("✓ ", "util"),
    Outcome.NOT_HERE: ("  ", "faint"),
}
"""A sign beside the word, so that color is never the only one, and the tone."""
_ORDER = list(Outcome)
_TEXT = 400
"""Most characters of a text that is drawn."""


def outcome(result: Result) -> Line:
    """Return an outcome with its sign: `!! failed`."""
    sign, tone = _SIGNS[result.outcome]
    return (Span(f"{sign} {result.outcome.value}", tone),)


def _place(one: Judged) -> float:
    return list(GROUPS).index(one.check.group)


def _severity(one: Judged) -> float:
    return _ORDER.index(one.result.outcome)


def _title(one: Judged) -> Line:
    tone: Tone = "faint" if one.result.outcome is Outcome.NOT_HERE else "text"
    mark = (Span(" ↻", "accent", "", "It was different at the last look"),) if one.changed else ()
    return (Span(one.check.title, tone), *mark)


COLUMNS: Sequence[Column[Judged]] = (
    Column("outcome", 11, lambda one: outcome(one.result), _severity, left=True),
    Column("group", 18, lambda one: GROUPS[one.check.group], _place, left=True, tone="muted", need=2),
    Column("check", 38, _title, lambda one: one.check.title, left=True),
    Column(
        "found", 20, lambda one: clean(one.result.text, _TEXT), lambda one: one.result.text,
        left=True, tone="muted", need=1, grows=True,
    ),
)  # fmt: skip
"""The columns of the list; in the order of groups, rows keep the order of the table of checks."""


def about(one: Judged | None, width: int) -> list[Line]:
    """Return what a check found and what to do, wrapped."""
    if one is None:
        return []
    result = one.result
    sign, tone = _SIGNS[result.outcome]
    not_seen = "Could not be looked at: " if result.outcome is Outcome.UNKNOWN else ""
    lines = [(Span(f"{sign} {not_seen}{one.check.title}", tone), Span(f"  {one.check.id}", "faint"))]
    lines += wrapped(clean(result.text, _TEXT), width)
    if one.changed and one.before is not None:
        lines += wrapped(f"Before: {clean(one.before.text, _TEXT)}", width, "muted")
    for detail in result.details:
        lines += wrapped(clean(detail, _TEXT), width, "muted")
    if result.step:
        lines += wrapped(f"→ {clean(result.step, _TEXT)}", width, "accent")
    if result.fix is not None:
        lines += wrapped(f"f does it: {result.fix.title}", width, "accent")
    return lines


def reasons(check: Check, width: int) -> list[Line]:
    """Return why a check matters, and how to look by hand."""
    return [
        (Span("Why", "title"),),
        *wrapped(check.why, width, most=24),
        EMPTY,
        (Span("By hand, on the box", "title"),),
        *wrapped(check.command, width, "accent", most=6),
    ]


def explanation(one: Judged, width: int, _height: int) -> list[Line]:
    """Return everything about a check: what it found, why it matters, and how to look by hand."""
    return [*about(one, width), EMPTY, *reasons(one.check, width)]
