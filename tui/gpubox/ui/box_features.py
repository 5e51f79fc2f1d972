"""Follows what the features of a box offer to its screen; imported late: a first sample needs none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from textual.screen import Screen

from gpubox.boxes.alerts.alerts import Alerts
from gpubox.boxes.box import Box
from gpubox.boxes.envs.envs import Environments
from gpubox.boxes.monitor import BoxHistory
from gpubox.core.feed import Feed
from gpubox.ui.alert_notifications import announce_alerts
from gpubox.ui.app_access import program
from gpubox.ui.error_boundary import guarded
from gpubox.ui.first_visit import offer_guide
from gpubox.ui.job_notifications import notify_endings
from gpubox.ui.status_bar import StatusBar

T = TypeVar("T")


def use_features(screen: Screen[None], box: Box, state: StatusBar, *, new: bool) -> None:
    """Show the chosen environment and the count of alerts, and announce alerts and ends of jobs.

    A box that is `new` to this machine gets the offer of the guide.
    """
    if new:
        screen.run_worker(guarded(screen, offer_guide(screen, box)), exit_on_error=False)
    box.use(BoxHistory)  # fills the gaps of the graphs at each new link
    app = program(screen)
    for announce in (notify_endings(app, box, notify=box.settings.jobs.notify), announce_alerts(app, box)):
        app.run_worker(guarded(screen, announce), exit_on_error=False)
    for follow in (
        _follow(box.use(Environments).chosen, state.show_env),
        _follow(box.use(Alerts).feed, state.show_alerts),
    ):
        screen.run_worker(guarded(screen, follow), exit_on_error=False)


async def _follow(feed: Feed[T], react: Callable[[T], None]) -> None:
    async for value in feed.follow():
        react(value)
