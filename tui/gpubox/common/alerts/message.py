"""What a message about alerts says: one title, a text of some lines, and the same as JSON."""

from __future__ import annotations

import time
from typing import Any, Dict, List, NamedTuple, Sequence

from gpubox.common.severity import Severity

Row = Dict[str, Any]
_LINE = 300
"""Most characters of one line: names of disks and words of drivers come from elsewhere."""
_MOST = 20
"""Most alerts that a text names; more are counted."""


class Message(NamedTuple):
    """One message, for each way of sending it."""

    title: str
    """One line without control characters."""
    text: str
    severity: str
    """The word of the most severe alert that it raises; `info` when all are over."""
    event: Row
    """The message for programs: `v`, `host`, `title`, `severity`, `test` and `changes`."""


def message_of(host: str, changes: Sequence[Row], *, test: bool = False) -> Message:
    """Return the message about changes of alerts, which are rows of AlertChange."""
    raised = [change["alert"] for change in changes if change["raised"]]
    severity = max((_severity(str(alert["severity"])) for alert in raised), default=Severity.INFO).word
    label = "[TEST] " if test else ""
    title = line(f"{label}{host}: {_title(changes)}")
    lines = [_text(change) for change in changes[:_MOST]]
    if len(changes) > _MOST:
        lines.append(f"and {len(changes) - _MOST} more")
    event: Row = {
        "v": 1,
        "host": host,
        "title": title,
        "severity": severity,
        "test": test,
        "changes": [*changes],
    }
    return Message(title, "\n".join(lines), severity, event)


def line(text: str) -> str:
    """Return text on one line without control characters: a title becomes the header of a mail."""
    return "".join(one if one.isprintable() else " " for one in text[:_LINE]).strip()


def at_least(word: str, least: str) -> bool:
    """Return whether a severity is at least another."""
    return _severity(word) >= _severity(least)


def _severity(word: str) -> Severity:
    return Severity.__members__.get(word.upper(), Severity.INFO)


def _title(changes: Sequence[Row]) -> str:
    if len(changes) == 1:
        alert = changes[0]["alert"]
        over = "" if changes[0]["raised"] else ": over"
        return f"{alert['subject']} {alert['title']}{over}"
    raised = sum(1 for change in changes if change["raised"])
    parts = [f"{raised} alert{'s' * (raised != 1)}"] * bool(raised)
    parts += [f"{len(changes) - raised} over"] * (raised != len(changes))
    return ", ".join(parts)


def _text(change: Row) -> str:
    alert, moment = change["alert"], time.strftime("%H:%M:%S", time.localtime(change["at"]))
    what = line(f"{moment} {alert['subject']}: {alert['title']}")
    if not change["raised"]:
        return what + ": over"
    parts: List[str] = [f"{what} ({alert['severity']})"]
    parts += [line(alert[name]) for name in ("text", "hint") if alert.get(name)]
    return ". ".join(part.rstrip(".") for part in parts) + "."
