"""Notifies the user of jobs that ended, also of those that ended while this machine was away."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from textual.app import App

from gpubox.boxes.box import Box
from gpubox.boxes.jobs import wording
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.jobs.wording import succeeded
from gpubox.core.record import Record
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import cut

_MOST = 2
"""Most jobs with a toast each; more of them share one."""
_NAMED = 3
"""Most failed jobs that a shared toast names."""
_SECONDS = 12.0


async def notify_endings(app: App[object], box: Box, *, notify: bool) -> None:
    """Show a toast and ring the bell for jobs that end, until cancelled; only one window announces each.

    Without `notify` they are only claimed. Raises what Jobs.claim_endings raises.
    """
    recent: list[tuple[float, Record]] = []
    jobs = box.use(Jobs)
    async for records in jobs.finished.follow():
        claimed = await jobs.claim_endings([record.id for record in records])
        notable = [one for one in records if one.id in claimed and notify and one.spec.notify]
        now = time.monotonic()
        recent = [one for one in recent if now - one[0] < _SECONDS]
        recent += [(now, record) for record in notable]
        if notable and len(recent) > _MOST:
            app.clear_notifications()
            _sum_up(app, box, [record for _, record in recent])
        else:
            for record in notable:
                _toast(app, box, record)
        if notable:
            app.bell()


def _toast(app: App[object], box: Box, record: Record) -> None:
    _show(app, box, wording.ending_sentence(record), well=_outcome(record) != "failed")


def _sum_up(app: App[object], box: Box, records: Sequence[Record]) -> None:
    """Show one toast for many: `5 jobs ended: 3 ok, 1 stopped, 1 failed (evaluate)`."""
    counts = Counter(_outcome(record) for record in records)
    words = [f"{counts[word]} {word}" for word in ("ok", "stopped", "failed") if counts[word]]
    failed = [cut(wording.name(one), 24) for one in records if _outcome(one) == "failed"]
    if failed:
        more = [f"{len(failed) - _NAMED} more"] if len(failed) > _NAMED else []
        words[-1] += f" ({', '.join([*failed[:_NAMED], *more])})"
    _show(app, box, f"{len(records)} jobs ended: {', '.join(words)}", well=not failed)


def _outcome(record: Record) -> str:
    if succeeded(record):
        return "ok"
    return "stopped" if record.ending is not None and record.ending.how == "stopped" else "failed"


def _show(app: App[object], box: Box, words: str, *, well: bool) -> None:
    app.notify(
        words,
        title=clean(box.name, 60),
        severity="information" if well else "error",
        timeout=_SECONDS,
        markup=False,
    )
