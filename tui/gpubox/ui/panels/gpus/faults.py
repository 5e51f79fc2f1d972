"""Why there are no GPU readings, in words, with the searched paths and what to do."""

from __future__ import annotations

from gpubox.common.rules.driver import NO_GPU, looked_for, without_gpus
from gpubox.common.rules.table import judge_fault
from gpubox.core.sample import Sample
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import EMPTY, SIGNS, Line, Span, cut, wrapped
from gpubox.ui.severity import TONES

_TIGHT = 3
"""Lines up to which a fault is only its title and its hint."""


def draw_faults(sample: Sample, width: int, height: int) -> list[Line]:
    """Return what is wrong in at most `height` lines; with few lines, only titles and hints.

    A box without a GPU is no alarm: one line says so, and its tooltip lists the searched paths.
    """
    if not sample.faults:
        # A driver without persistence takes ten seconds and more to wake its cards.
        return [] if height <= _TIGHT else [(Span("Waiting for the driver", "muted"),)]
    out: list[Line] = []
    gpuless = without_gpus(sample)
    for fault in sample.faults:
        for finding in judge_fault(fault, gpuless=gpuless):
            if finding.code == NO_GPU:
                return [(Span(finding.title, "faint", "", clean(f"{finding.text}. {finding.hint}")),)]
            tone = TONES[finding.severity]
            head = f"{SIGNS.get(tone, '')} {finding.title}".lstrip()
            if height <= _TIGHT:
                words = finding.hint or finding.text
                out.append((Span(f"{head}  ", tone), Span(cut(clean(words), max(0, width - 4)))))
                continue
            out.append((Span(head, tone),))
            out += wrapped(clean(finding.text), width)
            out += wrapped(f"→ {clean(finding.hint)}", width, "title") if finding.hint else []
            looked = ", ".join(clean(place, 80) for place in looked_for(fault, finding.text))
            out += wrapped(f"Looked for: {looked}", width, "muted", 3) if looked else []
            out.append(EMPTY)
    return out[: min(height, len(out) - 1)] if not out[-1] else out[:height]
