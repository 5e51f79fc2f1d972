"""Why there are no GPU readings, in words, with what was looked for and what to do."""

from __future__ import annotations

from gpubox.core.faults import explain, without_gpus
from gpubox.core.sample import Sample
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import EMPTY, Line, Span, cut, wrapped


def draw_faults(sample: Sample, width: int, height: int) -> list[Line]:
    """Return what is wrong in at most `height` lines; with few of them, titles and hints alone.

    A box that has no GPU is no alarm: one line says so, and the pointer finds where they were looked for.
    """
    faults = sample.faults
    if without_gpus(sample):
        error = explain(faults[0])
        return [(Span(error.title, "faint", "", clean(f"{error.text}. {error.hint}")),)]
    if not faults:
        # A driver without persistence takes ten seconds and more to wake its cards.
        return [] if height <= 3 else [(Span("Waiting for the driver", "muted"),)]
    out: list[Line] = []
    for fault in faults:
        error = explain(fault)
        if height <= 3:
            words = error.hint or error.text
            out.append((Span(f"!! {error.title}  ", "alarm"), Span(cut(clean(words), max(0, width - 4)))))
            continue
        out.append((Span(f"!! {error.title}", "alarm"),))
        out += wrapped(clean(error.text), width)
        out += wrapped(f"→ {clean(error.hint)}", width, "title") if error.hint else []
        looked = ", ".join(clean(place, 80) for place in fault.looked[:12])
        out += (
            wrapped(f"Looked for: {looked}", width, "muted", 3)
            if looked and "Looked at" not in error.text
            else []
        )
        out.append(EMPTY)
    return out[: min(height, len(out) - 1)] if not out[-1] else out[:height]
