"""Which screen shows a target."""

from __future__ import annotations

from gpubox.boxes.fleet import Fleet
from gpubox.core.target import Target
from gpubox.ui.screens.box import BoxScreen


def screen_of(target: Target, fleet: Fleet) -> BoxScreen:
    """Return a new screen for a target: that of a recording has keys to move in it."""
    if target.kind != "recording":
        return BoxScreen(target, fleet)
    from gpubox.ui.screens.replay import ReplayScreen

    return ReplayScreen(target, fleet)
