"""Tells the person of jobs that ended, also of those that did so while this machine was away."""

from __future__ import annotations

from textual.app import App

from gpubox.boxes.box import Box
from gpubox.core.endings import succeeded
from gpubox.core.record import Record
from gpubox.core.text import clean
from gpubox.ui.widgets import job_words

_MOST = 4
"""Toasts at once; what ended besides is counted."""
_SECONDS = 12.0


async def tell(app: App[object], box: Box, *, notify: bool) -> None:
    """Show a toast and ring the bell for every job that ends, until cancelled; each is told once.

    Without `notify` they only count as told.
    Raises what box.jobs raises.
    """
    async for records in box.jobs.finished.follow():
        wanted = [record for record in records if notify and record.wish.notify]
        for record in wanted[:_MOST]:
            _toast(app, box, record)
        if len(wanted) > _MOST:
            app.notify(f"{len(wanted) - _MOST} more jobs ended", title=clean(box.name, 60), markup=False)
        if wanted:
            app.bell()
        if records:
            await box.jobs.told([record.id for record in records])


def _toast(app: App[object], box: Box, record: Record) -> None:
    ending = record.ending
    well = succeeded(record) or (ending is not None and ending.how == "stopped")
    app.notify(
        job_words.farewell(record),
        title=clean(box.name, 60),
        severity="information" if well else "error",
        timeout=_SECONDS,
        markup=False,
    )
