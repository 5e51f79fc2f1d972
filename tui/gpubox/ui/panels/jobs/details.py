"""The facts of a job: a few lines above its log, or all of them in a window."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from gpubox.boxes.jobs.backends import title_of
from gpubox.common import units
from gpubox.core.record import GpuUse, Record, Usage
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import EMPTY, Line, Span, Tone, fit, joined, length, spread, wrapped
from gpubox.ui.panels.jobs import text

_LABEL = 13


def draw_head(record: Record, at: float, width: int, *, tall: bool) -> list[Line]:
    """Return the lines above the log: state and time, command, place, and usage."""
    sign, words, tone = text.phrase(record)
    state: list[Span] = [Span(f"{sign} {words}", tone)]
    took = text.seconds(record, at)
    right: tuple[Span, ...] = (Span(units.duration(took), "title"),) if took is not None else ()
    about = text.about(record)
    room = width - length((*state, *right)) - 4
    more = wrapped(about, max(10, width - 2), most=3) if length((Span(about),)) > room else []
    state += [Span("  "), Span(about, "text")] if about and not more else []
    out: list[Line] = [spread(tuple(state), right, width)]
    out += [(Span("  "), *line) for line in more]
    out.append((Span(text.command(record), "accent"),))
    out.append(joined(_place(record), width, between=" · "))
    if record.warning and text.active(record):
        out.append((Span(f"! {clean(record.warning, 300)}", "warn"),))
    if record.usage is not None:
        out.append(joined([Span(part, "text") for part in _usage(record.usage)], width, between=" · "))
    if not tall:
        return out
    for gpu in record.gpus[:4]:
        if parts := list(_gpu(gpu)):
            out.append(joined([Span(_gpu_name(gpu), "muted"), *(Span(part) for part in parts)], width))
        out += [(Span(note, "warn"),) for note in _notes(gpu)] if record.ending is not None else []
    return out


def _place(record: Record) -> list[Span]:
    spec = record.spec
    parts = [Span(f"env {clean(spec.env, 40)}" if spec.env else "no env", "muted")]
    parts.append(Span(clean(record.cwd or spec.cwd or "~", 200), "muted"))
    if record.gpus or spec.gpus.mode != "none":
        has = "GPU" if record.gpus else "wants GPUs:"
        parts.append(Span(f"{has} {text.gpus(record)}", "muted"))
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
    largest = units.size(usage.max_rss) if usage.max_rss > usage.floor else f"< {units.size(usage.floor)}"
    if usage.peak_tree is not None:
        parts.append(f"memory {units.size(usage.peak_tree)}, largest process {largest}")
    else:
        parts.append(f"memory {largest}")
    return parts


def precise(seconds: float) -> str:
    """Format a span for comparison: `13.20 s` under two minutes, else in its largest units."""
    return f"{seconds:.2f} s" if seconds < 120 else units.duration(seconds)


def _gpu_name(gpu: GpuUse) -> str:
    name = clean(gpu.name, 40).removeprefix("NVIDIA ").removeprefix("GeForce ")
    return f"GPU {gpu.index if gpu.index >= 0 else '?'} {name}".rstrip()


def _gpu(gpu: GpuUse) -> Iterator[str]:
    if gpu.simulated:
        yield "simulated"
    if gpu.mean_util is not None:
        busy = f", {gpu.busy_util:.0f}% while busy" if gpu.busy_util is not None else ""
        yield f"util {gpu.mean_util:.0f}%{busy}"
    if gpu.peak_memory is not None:
        of = f" of {units.size(gpu.memory_total)}" if gpu.memory_total else ""
        yield f"memory {units.size(gpu.peak_memory)}{of}"
    if gpu.mean_power is not None:
        yield f"{units.watts(gpu.mean_power)}, at most {units.watts(gpu.max_power)}"
    if gpu.energy is not None:
        yield energy(gpu.energy)
    if gpu.max_temperature is not None:
        yield f"at most {units.celsius(gpu.max_temperature)}"


def energy(joules: float) -> str:
    """Return an energy: `812 J`, `53.0 Wh`."""
    return f"{joules:.0f} J" if joules < 3600 else f"{joules / 3600:.1f} Wh"


def _notes(gpu: GpuUse) -> Iterator[str]:
    """Yield the caveats of a GPU's figures."""
    name = f"GPU {gpu.index}" if gpu.index >= 0 else "the GPU"
    if not gpu.used and gpu.mean_util is not None:
        yield f"! it never used {name}"
    if gpu.inferred:
        yield f"! that it used {name} is guessed from the memory alone"
    if gpu.shared:
        yield f"! {name} was shared with {clean(', '.join(gpu.shared), 200)}"
    for reason, seconds in gpu.throttled.items():
        if seconds >= 1:
            why = clean(reason.replace("_", " "), 60)
            yield f"! {name} was slowed down for {units.duration(seconds)}: {why}"


def draw_all(record: Record, width: int) -> list[Line]:
    """Return all facts, one per line."""
    out: list[Line] = []
    for label, value in _facts(record):
        tone: Tone = "text" if value else "faint"
        lines = wrapped(value or units.DASH, max(10, width - _LABEL), tone, most=6)
        for number, line in enumerate(lines):
            out.append((Span(f"{label if not number else '':<{_LABEL}}", "muted"), *line))
    if record.usage is not None:
        out += [EMPTY, *_times(record.usage)]
    for gpu in record.gpus:
        out += [EMPTY, (Span(_gpu_name(gpu), "accent"),)]
        out += [fit((Span(f"  {part}"),), width) for part in (*_gpu(gpu), *_notes(gpu))]
    return out


def _facts(record: Record) -> Sequence[tuple[str, str]]:
    spec = record.spec
    variables = " ".join(
        f"{clean(name, 60)}={'•••' if name in spec.hidden else clean(value, 80)}"
        for name, value in {**spec.environment, **dict.fromkeys(spec.hidden, "")}.items()
    )
    ending = record.ending
    facts = [
        ("Id", record.id),
        ("Command", text.command(record, 2000)),
        ("Folder", clean(record.cwd or spec.cwd or "~", 400)),
        ("Environment", clean(f"{spec.env}  {spec.prefix}", 400).strip()),
        *([] if spec.login else [("Login", "without the environment of one")]),
        ("Variables", variables),
        ("State", f"{text.phrase(record).words}  {text.about(record)}".rstrip()),
        ("Submitted", _clock(record.submitted) + (f" by {clean(spec.by, 60)}" if spec.by else "")),
        ("Started", _clock(record.started)),
        ("Ended", _clock(record.ended)),
        ("Activation", precise(record.activation) if record.activation is not None else ""),
        ("Time limit", units.duration(spec.limit) if spec.limit else "none"),
        ("Host", f"{clean(record.host, 60)}, {clean(record.cpu_model, 80)}".rstrip(", ")),
        ("Git commit", clean(record.commit, 60)),
        ("Warning", clean(record.warning, 400)),
        ("Log", units.size(record.log_bytes)),
        ("Record", clean(record.folder, 400)),
    ]
    if ending is not None:
        facts += [("Why", clean(ending.why, 400))] if ending.why else []
        facts += [("Core", clean(ending.core_file, 400))] if ending.core else []
        left = ", ".join(map(str, ending.leftovers))
        facts += [("Left behind", f"processes {left}, which were ended")] if left else []
    facts += [("Results", clean(", ".join(record.results), 800))] if record.results else []
    return facts


def _times(usage: Usage) -> list[Line]:
    """Return the figures of GNU time, under its names."""
    rows = (
        ("Elapsed", precise(usage.real)),
        ("User", precise(usage.user)),
        ("System", precise(usage.sys)),
        ("CPU", f"{usage.cpu:.0f}%"),
        (
            "Largest",
            units.size(usage.max_rss) if usage.max_rss > usage.floor else f"< {units.size(usage.floor)}",
        ),
        (
            "All memory",
            f"{units.size(usage.peak_tree)} at once" if usage.peak_tree is not None else units.DASH,
        ),
        ("Page faults", f"{usage.major_faults} from disk, {usage.minor_faults} from memory"),
        ("Switches", f"{usage.voluntary} by itself, {usage.involuntary} made to"),
        ("Disk", f"{units.size(512 * usage.inputs)} read, {units.size(512 * usage.outputs)} written"),
    )
    return [(Span(f"{label:<{_LABEL}}", "muted"), Span(value)) for label, value in rows]


def _clock(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at is not None else ""
