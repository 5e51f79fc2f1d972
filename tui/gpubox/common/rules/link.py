"""The rules about the link to a box and the age of its samples; only this machine can judge them."""

from __future__ import annotations

from gpubox.common.metrics import LINK
from gpubox.common.rules.rule import Condition, Reading, Rule
from gpubox.common.severity import Severity

STALE_SECONDS = 3.0
"""Seconds for which a sample counts as current, whatever the interval."""
STALE_READINGS = 3
"""Readings that may be overdue before the last one is stale."""
WAITING, REFUSED = "waiting", "refused"
"""Phases of a link that has trouble."""


def stale_after(interval: float) -> float:
    """Return the seconds after which a reading is stale, from the seconds between two readings."""
    return max(STALE_SECONDS, STALE_READINGS * interval)


def link_record(
    phase: str = "", *, trouble: object | None = None, age: float | None = None, interval: float = 1.0
) -> dict[str, object]:
    """Return the record of a link for the rules.

    Args:
        phase: the phase of the link; WAITING and REFUSED have rules.
        trouble: why, as an error with title, text and hint: of the link, or of the probe.
        age: seconds since the newest reading, or None before the first.
        interval: seconds between two readings.
    """
    return {
        "phase": phase,
        "trouble": trouble,
        "title": getattr(trouble, "title", "") or phase,
        "text": getattr(trouble, "text", ""),
        "hint": getattr(trouble, "hint", ""),
        "age": age,
        "interval": interval,
    }


def _in(phase: str) -> Condition:
    def same(value: str, _: Reading) -> bool:
        return value == phase

    return same


def _connected(link: Reading) -> bool:
    return link["phase"] not in (WAITING, REFUSED)


def _troubled(_: object, link: Reading) -> bool:
    return _connected(link)


def _stale(value: float, link: Reading) -> bool:
    return _connected(link) and value > stale_after(link["interval"])


_ERROR = ("{title}", "{text}", "{hint}")

LINK_RULES = (
    Rule("link-refused", LINK, "phase", _in(REFUSED), Severity.CRITICAL, *_ERROR),
    Rule("link-waiting", LINK, "phase", _in(WAITING), Severity.WARNING, *_ERROR),
    Rule("reading-stale", LINK, "age", _stale, Severity.WARNING, "no reading for {age}",
         "the box is connected, and its readings do not come"),
    Rule("probe-trouble", LINK, "trouble", _troubled, Severity.WARNING, *_ERROR),
)  # fmt: skip
"""Rows about a link."""
