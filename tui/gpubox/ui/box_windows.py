"""The windows about a whole box, which its screen opens by their names; each is imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_never

from textual.binding import Binding

if TYPE_CHECKING:
    from textual.screen import Screen

    from gpubox.boxes.box import Box

WindowName = Literal["checks", "alerts", "guide", "monitor"]

CHECKS = Binding("d,D", "window('checks')", "Checks", id="box.checks", tooltip="Check how it is set up")
ALERTS = Binding(
    "exclamation_mark", "window('alerts')", "Alerts", show=False, id="box.alerts", tooltip="List its alerts"
)
GUIDE = Binding(
    "G",
    "window('guide')",
    "Guide",
    show=False,
    id="box.guide",
    tooltip="Go through its set-up step by step",
)
MONITOR = Binding(
    "M",
    "window('monitor')",
    "Monitoring",
    show=False,
    id="box.monitor",
    tooltip="Monitor it day and night by a service there",
)


def window_of(box: Box, name: WindowName) -> Screen[None]:
    """Return a new window about a box."""
    match name:
        case "checks":
            from gpubox.ui.screens.checks import ChecksScreen

            return ChecksScreen(box)
        case "alerts":
            from gpubox.ui.screens.alerts import AlertsScreen

            return AlertsScreen(box)
        case "guide":
            from gpubox.ui.screens.guide import GuideScreen

            return GuideScreen(box)
        case "monitor":
            from gpubox.ui.screens.monitor import MonitorScreen

            return MonitorScreen(box)
        case _:
            assert_never(name)
