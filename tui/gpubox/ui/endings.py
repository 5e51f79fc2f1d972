"""Tells the person of jobs that ended, also of those that did so while this machine was away."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import App

from gpubox.boxes.box import Box
from gpubox.core.record import Record
from gpubox.core.text import clean
from gpubox.ui.widgets import job_words
from gpubox.ui.widgets.ink import cut

_FEW = 2
"""Jobs with a toast of their own; more that end together share one, so that the panels are still seen."""
_MOST = 6
"""Jobs that such a toast names; the others are counted."""
_SECONDS = 12.0


async def tell(app: App[object], box: Box, *, notify: bool) -> None:
    """Show a toast and ring the bell for every job that ends, until cancelled; each is told once.

    Without `notify` they only count as told.
    Raises what box.jobs raises.
    """
    async for records in box.jobs.finished.follow():
        wanted = [record for record in records if notify and record.wish.notify]
        if len(wanted) > _FEW:
            _toast_of_all(app, box, wanted)
        else:
            for record in wanted:
                _toast(app, box, record)
        if wanted:
            app.bell()
        if records:
            await box.jobs.told([record.id for record in records])


def _toast(app: App[object], box: Box, record: Record) -> None:
    app.notify(
        job_words.farewell(record),
        title=clean(box.name, 60),
        severity="information" if _well(record) else "error",
        timeout=_SECONDS,
        markup=False,
    )


def _toast_of_all(app: App[object], box: Box, records: Sequence[Record]) -> None:
    lines = [
        f"{job_words.phrase(one).sign} {cut(job_words.name(one), 28)}  {cut(job_words.ended(one), 26)}"
        for one in records[:_MOST]
    ]
    if len(records) > _MOST:
        lines.append(f"and {len(records) - _MOST} more")
    app.notify(
        "\n".join(lines),
        title=f"{clean(box.name, 60)}: {len(records)} jobs ended",
        severity="information" if all(map(_well, records)) else "error",
        timeout=_SECONDS,
        markup=False,
    )


def _well(record: Record) -> bool:
    """Tell whether a job ended as somebody wanted."""
    return job_words.succeeded(record) or (record.ending is not None and record.ending.how == "stopped")
