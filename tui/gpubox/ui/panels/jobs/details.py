"""The facts of a job: a few lines above its log, or all of them in a window."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.boxes.jobs import wording
from gpubox.boxes.jobs.backends import title_of
from gpubox.boxes.jobs.facts import JobFact, facts, gpu_figures, gpu_name, gpu_notes, largest, precise, times
from gpubox.common import units
from gpubox.core.record import Record, Usage
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import EMPTY, Line, Span, Tone, fit, joined, length, spread, wrapped
from gpubox.ui.panels.jobs.phrase import phrase

_LABEL = 13


def draw_head(record: Record, at: float, width: int, *, tall: bool) -> list[Line]:
    """Return the lines above the log: state and time, command, place, and usage."""
    sign, words, tone = phrase(record)
    state: list[Span] = [Span(f"{sign} {words}", tone)]
    took = wording.seconds(record, at)
    right: tuple[Span, ...] = (Span(units.duration(took), "title"),) if took is not None else ()
    about = wording.about(record)
    room = width - length((*state, *right)) - 4
    more = wrapped(about, max(10, width - 2), most=3) if length((Span(about),)) > room else []
    state += [Span("  "), Span(about, "text")] if about and not more else []
    out: list[Line] = [spread(tuple(state), right, width)]
    out += [(Span("  "), *line) for line in more]
    out.append((Span(wording.command(record), "accent"),))
    out.append(joined(_place(record), width, between=" · "))
    if record.warning and wording.active(record):
        out.append((Span(f"! {clean(record.warning, 300)}", "warn"),))
    if record.usage is not None:
        out.append(joined([Span(part, "text") for part in _usage(record.usage)], width, between=" · "))
    if not tall:
        return out
    for gpu in record.gpus[:4]:
        if parts := list(gpu_figures(gpu)):
            out.append(joined([Span(gpu_name(gpu), "muted"), *(Span(part) for part in parts)], width))
        out += [(Span(note, "warn"),) for note in gpu_notes(gpu)] if record.ending is not None else []
    return out


def _place(record: Record) -> list[Span]:
    spec = record.spec
    parts = [Span(f"env {clean(spec.env, 40)}" if spec.env else "no env", "muted")]
    parts.append(Span(clean(record.cwd or spec.cwd or "~", 200), "muted"))
    if record.gpus or spec.gpus.mode != "none":
        has = "GPU" if record.gpus else "wants GPUs:"
        parts.append(Span(f"{has} {wording.gpus(record)}", "muted"))
    else:
        parts.append(Span("CPU only", "muted"))
    parts.append(Span(f"by {clean(spec.by, 40)}", "muted"))
    if record.queue_id:
        words = (title_of(spec.backend), record.queue_id, *spec.options.values())
        parts.append(Span(" ".join(clean(word, 20) for word in words), "muted"))
    return parts


def _usage(usage: Usage) -> list[str]:
    parts = [
        f"real {precise(usage.real)}",
        f"user {precise(usage.user)}",
        f"sys {precise(usage.sys)}",
        f"{usage.cpu:.0f}% CPU",
    ]
    if usage.peak_tree is not None:
        parts.append(f"memory {units.size(usage.peak_tree)}, largest process {largest(usage)}")
    else:
        parts.append(f"memory {largest(usage)}")
    return parts


def draw_all(record: Record, width: int) -> list[Line]:
    """Return all facts, one per line."""
    out = _drawn(facts(record), width)
    if record.usage is not None:
        out += [EMPTY, *_drawn(times(record.usage), width)]
    for gpu in record.gpus:
        out += [EMPTY, (Span(gpu_name(gpu), "accent"),)]
        out += [fit((Span(f"  {part}"),), width) for part in (*gpu_figures(gpu), *gpu_notes(gpu))]
    return out


def _drawn(known: Sequence[JobFact], width: int) -> list[Line]:
    out: list[Line] = []
    for label, value in known:
        tone: Tone = "text" if value else "faint"
        lines = wrapped(value or units.DASH, max(10, width - _LABEL), tone, most=6)
        for number, line in enumerate(lines):
            out.append((Span(f"{label if not number else '':<{_LABEL}}", "muted"), *line))
    return out
