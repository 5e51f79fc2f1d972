"""Slurm's partitions and its queue of everybody's jobs, as lines."""

from __future__ import annotations

from gpubox.boxes.box import Box
from gpubox.boxes.jobs.slurm import SlurmView
from gpubox.boxes.jobs.slurm_text import Partition, QueueRow
from gpubox.core import units
from gpubox.core.text import clean
from gpubox.ui.widgets.details import Details
from gpubox.ui.widgets.ink import EMPTY, Line, Span, Tone, fit

_STATES: dict[str, Tone] = {"RUNNING": "accent", "PENDING": "warn"}


def queue_window(box: Box) -> Details:
    """Return a window with Slurm's partitions and queue, kept up to date."""
    view = box.jobs.slurm.view
    return Details("Slurm", box.sample, lambda width, _: draw_queue(view.value, width))


def draw_queue(view: SlurmView | None, width: int) -> list[Line]:
    """Return partitions first, then who runs and who waits, and why."""
    if view is None:
        return [(Span("The box has no Slurm", "muted"),)]
    out: list[Line] = [(Span(f"! {clean(view.trouble, 200)}", "warn"),)] if view.trouble else []
    out.append((Span(f"{'PARTITION':<16} {'NODES':>12} {'CPUS':>14} {'GPUS':>10} {'LIMIT':>9}", "muted"),))
    out += [_partition(one) for one in view.partitions]
    out += [EMPTY]
    heading = f"{'JOB':<10} {'USER':<10} {'NAME':<18} {'STATE':<10} {'TIME':>9} {'GPUS':>5}  WHERE OR WHY"
    out.append((Span(heading, "muted"),))
    if not view.queue:
        out.append((Span("Nobody's job waits or runs", "muted"),))
    return [fit(line, width) for line in (*out, *(_job(row, view.now) for row in view.queue))]


def _partition(one: Partition) -> Line:
    name = clean(one.name, 14) + ("*" if one.default else "")
    nodes = f"{one.idle}/{one.nodes} idle" if one.up else "closed"
    return (
        Span(f"{name:<16}", "title"),
        Span(f" {nodes:>12}", "text" if one.up and one.idle else "warn"),
        Span(f" {one.cpus - one.cpus_used:>4}/{one.cpus} free".ljust(15)),
        Span(f" {f'{one.gpus - one.gpus_used}/{one.gpus} free' if one.gpus else units.DASH:>10}"),
        Span(f" {units.duration(one.limit) if one.limit is not None else 'none':>9}", "muted"),
    )


def _job(row: QueueRow, now: float) -> Line:
    waited = now - row.submitted if row.submitted is not None else None
    state = clean(row.state, 10)
    tone: Tone = _STATES.get(row.state, "muted")
    return (
        Span(f"{clean(row.id, 10):<10}", "title" if row.job else "text"),
        Span(f" {clean(row.user, 10):<10} {clean(row.name, 18):<18}"),
        Span(f" {state.lower():<10}", tone),
        Span(f" {units.duration(row.ran if row.state != 'PENDING' else waited):>9}"),
        Span(f" {row.gpus or units.DASH:>5}  "),
        Span(clean(row.where or row.reason, 80), "muted"),
    )
