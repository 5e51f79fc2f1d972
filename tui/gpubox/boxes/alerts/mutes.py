"""What is muted: an alert, all alerts about one subject, or the whole box."""

from __future__ import annotations

from collections.abc import Mapping

from gpubox.common.alerts.alert import Alert

BOX = "box"
"""Stands for all alerts of the box."""
Mutes = Mapping[str, float | None]
"""Until when, by what is muted: the key of an alert, the UUID of a card, the name of a subject, or BOX."""


def covers(mutes: Mutes, alert: Alert, now: float) -> bool:
    """Return whether an alert is muted at a moment, in seconds since the epoch."""
    names = (alert.key, alert.about, alert.subject, BOX)
    return any(name and name in mutes and is_on(mutes[name], now) for name in names)


def is_on(until: float | None, now: float) -> bool:
    """Return whether a mute has not ended."""
    return until is None or now < until


def subject_of(alert: Alert) -> str:
    """Return the name by which all alerts about the subject of an alert are muted."""
    return alert.about or alert.subject
