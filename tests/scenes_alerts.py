"""What the picture of alerts shows: invented ones of an invented day."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable

from textual.pilot import Pilot

from gpubox.boxes.alerts.alerts import AlertList, Alerts
from gpubox.boxes.box import Box
from gpubox.common.alerts.alert import Alert
from gpubox.common.rules.alerts.table import BY_CODE
from gpubox.store.alerts import AlertRecord
from gpubox.ui.screens.alerts import AlertsScreen

VALUES = {"share": "34", "free": "214GB", "held": "11.2GB"}
"""What stands in the words of the rules."""
ACTIVE = (
    ("gpu-throttles", "gpu 1", "Slowed down by heat", 380.0),
    ("disk-fills", "disk /data", "Will be full in 9h 20m", 2520.0),
    ("gpu-held-idle", "gpu 2", "Held idle by grace", 5400.0),
)
OVER = (
    ("gpu-near-limit", "gpu 1", "Near its thermal limit", 9000.0),
    ("gpu-xid-program", "gpu 0", "Xid 31", 22_000.0),
    ("host-rebooted", "host", "Rebooted", 90_000.0),
)
LASTED = 1260.0


class InventedAlerts(Alerts):
    """Alerts that are invented; nothing is judged."""

    async def background(self, purpose: object) -> None:
        """Judge nothing."""


def alert(code: str, subject: str, title: str, since: float) -> Alert:
    """An alert in the words of its rule."""
    rule = BY_CODE[code]
    known = defaultdict(lambda: "…", VALUES)
    text, hint = (words.format_map(known) for words in (rule.text, rule.hint))
    return Alert(code, subject, rule.severity, title, text, hint, since)


def furnish(box: Box) -> None:
    """Put invented alerts in the place of those of the demo box."""
    box.context.provide(Alerts, InventedAlerts(box.context))


async def draw(pilot: Pilot[None], box: Box, keep: Callable[[str], object]) -> None:
    """Draw the list of alerts, and leave it and the box without any."""
    now = time.time()
    *active, held = (alert(code, subject, title, now - ago) for code, subject, title, ago in ACTIVE)
    over = [alert(code, subject, title, now - ago) for code, subject, title, ago in OVER]
    past = tuple(AlertRecord(9 - place, one, one.since + LASTED) for place, one in enumerate(over))
    found = box.use(Alerts)
    found.feed.put(AlertList((*active, held._replace(acknowledged=True)), past, {}))
    await pilot.press("escape", "escape", "exclamation_mark")
    async with asyncio.timeout(20):
        while not isinstance(pilot.app.screen, AlertsScreen):
            await pilot.pause(0.1)  # the next look
    await pilot.pause(0.3)  # until it is painted
    keep("alerts")
    found.feed.put(AlertList())
    await pilot.press("escape")
    await pilot.pause(0.3)  # until it is painted
