"""Announces alerts of a box: a toast once, with a bell and a notification of the desktop if wanted."""

from __future__ import annotations

from typing import Literal

from textual.app import App

from gpubox.boxes.alerts.alerts import Alerts
from gpubox.boxes.alerts.announcement import Announcement, spoken
from gpubox.boxes.box import Box
from gpubox.common.severity import Severity
from gpubox.ui.app_access import write_to_terminal

_SECONDS = 12.0
_MOST = 3
"""Most toasts of one moment; more alerts share the last one."""
_LEVELS: dict[Severity, Literal["information", "warning", "error"]] = {
    Severity.INFO: "information",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "error",
}


async def announce_alerts(app: App[object], box: Box) -> None:
    """Announce what the alerts of a box report, until cancelled.

    That an alert is over is shown by no toast: the list has it, and the user's command reads it.
    """
    last = 0
    settings = box.settings.alerts
    async for news in box.use(Alerts).news.follow():
        raised = [one for number, one in news if number > last and one.raised]
        last = max((number for number, _ in news), default=last)
        if not raised:
            continue
        if settings.notify:
            for one in raised[: _MOST if len(raised) <= _MOST else _MOST - 1]:
                _toast(app, one, one.words)
            if len(raised) > _MOST:
                worst = max(raised[_MOST - 1 :], key=lambda one: one.alert.severity)
                _toast(app, worst, f"{worst.words}, and {len(raised) - _MOST} more: ! lists them")
        loud = [one for one in raised if one.loud]
        if loud and settings.bell:
            app.bell()
        for one in loud[:_MOST]:
            if sequence := spoken(settings.desktop, one):
                write_to_terminal(app, sequence)


def _toast(app: App[object], one: Announcement, words: str) -> None:
    app.notify(words, title=one.title, severity=_LEVELS[one.alert.severity], timeout=_SECONDS, markup=False)
