"""Every field of one GPU, for its window."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.common import units
from gpubox.common.metrics import GPU
from gpubox.common.rules.rule import Finding
from gpubox.common.rules.table import judge
from gpubox.config.settings import Settings
from gpubox.core.feed import Feed
from gpubox.core.sample import Gpu, Sample
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import EMPTY, SIGNS, Line, Span, Tone, beside, wrapped
from gpubox.ui.panels.gpus.gpu_status import Fact, facts, failed, identity, marks, tags
from gpubox.ui.severity import TEXT, TITLE, TONES

_LABEL = 20


def draw_details(feed: Feed[Sample | None], index: int, settings: Settings, width: int, _: int) -> list[Line]:
    """Return the lines for GPU `index` of the newest sample, in two columns where there is room."""
    sample = feed.value
    gpu = next((gpu for gpu in sample.gpus if gpu.index == index), None) if sample else None
    if gpu is None:
        return [(Span("This GPU is no longer reported", "muted"),)]
    limits = settings.limits.for_gpu(gpu)
    findings = judge(GPU, gpu, limits)
    out = _said(gpu, findings, width)
    groups = [[_group(name), *map(_line, found), EMPTY] for name, found in facts(gpu, limits, findings)]
    groups += [_instances(gpu)] if gpu.mig_instances else []
    tail = [_line(fact) for fact in identity(gpu)]
    if width < 90:
        return [*out, *(line for group in groups for line in group), *tail]
    half = (width - 2) // 2
    columns: tuple[list[Line], list[Line]] = ([], [])
    for group in groups:
        min(columns, key=len).extend(group)
    return [*out, *beside([(columns[0], half), (columns[1], width - 2 - half)]), *tail]


def _said(gpu: Gpu, findings: Sequence[Finding], width: int) -> list[Line]:
    """Return the findings in whole sentences."""
    out: list[Line] = []
    if gpu.simulated:
        out.append((Span("SIMULATED", "label"), Span("  no real card stands behind these numbers", "muted")))
    broken = failed(findings)
    if broken is not None:
        out += wrapped(clean(broken.text), width, "alarm" if not out else "text")
        out += wrapped(broken.hint, width)
    for finding in marks(findings):
        if finding is not broken:
            title, text = clean(finding.title, TITLE), clean(finding.text, TEXT)
            out += _story(title, text, TONES[finding.severity], width)
    for tag in tags(gpu):
        out += _story(tag.text, tag.note, tag.tone, width)
    if gpu.unified:
        out.append((Span("Used and total memory are the whole machine's: GPU and CPU share it", "muted"),))
    return [*out, EMPTY] if out else out


def _story(title: str, text: str, tone: Tone, width: int) -> list[Line]:
    head = f"{SIGNS.get(tone, '·'):<2} {title}: "
    first, *rest = wrapped(text, width - len(head)) or [EMPTY]
    return [(Span(head, tone), *first), *((Span(" " * len(head)), *line) for line in rest)]


def _group(name: str) -> Line:
    return (Span(name, "accent"),)


def _line(fact: Fact) -> Line:
    label = Span(f"{fact.label:<{_LABEL}}", "muted")
    if fact.reason:
        return (label, Span(f"{fact.value} ", "faint"), Span(fact.reason, "muted"))
    sign = SIGNS.get(fact.tone, "")
    return (label, Span(f"{fact.value} {sign}" if sign else fact.value, fact.tone))


def _instances(gpu: Gpu) -> list[Line]:
    out: list[Line] = [_group("MIG instances")]
    for one in gpu.mig_instances:
        used = f"{units.size(one.memory_used):>6} of {units.size(one.memory_total):>6}"
        place = f"{units.DASH if one.gpu_instance is None else one.gpu_instance}"
        out.append((Span(f"{place:>3} "), Span(f"{clean(one.name, 24):<{_LABEL - 4}}", "muted"), Span(used)))
    return [*out, EMPTY]
