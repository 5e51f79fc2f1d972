"""Maps severity to tones, colors and signs, for the whole screen."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from gpubox.common.rules import rule
from gpubox.common.rules.rule import Finding, Pair
from gpubox.common.severity import Severity
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import SIGNS, Span, Tone

TONES: dict[Severity, Tone] = {
    Severity.INFO: "muted",
    Severity.WARNING: "warn",
    Severity.CRITICAL: "alarm",
}
"""The tone of a finding."""
STYLES: dict[Severity, str] = {
    Severity.INFO: "$foreground-muted",
    Severity.WARNING: "$warning",
    Severity.CRITICAL: "$error",
}
"""Its theme color, for styled lines of text."""
TITLE, TEXT = 24, 200
"""Most characters of a finding's title and text: both may contain text of the box."""

_PARAGRAPH = 600
"""Most characters of a text with its hint."""


def level(value: float | None, limits: Pair, calm: Tone = "calm") -> Tone:
    """Return `calm` below both limits (and for an unknown value), else `warn` or `alarm`."""
    severity = rule.level(value, limits)
    return calm if severity is None else TONES[severity]


def tone_of(findings: Sequence[Finding], name: str, calm: Tone = "text") -> Tone:
    """Return the tone of a metric: that of the worst finding about it, else `calm`."""
    worst = next((finding for finding in findings if finding.metric == name), None)
    return calm if worst is None else TONES[worst.severity]


def explained(finding: Finding) -> Content:
    """Return a finding as a paragraph for the help: sign, subject, meaning, and what to do."""
    sign = SIGNS.get(TONES[finding.severity], "·")
    head = clean(f"{finding.subject}: {finding.title}", TEXT)
    hint = f" → {finding.hint}" if finding.hint else ""
    text = clean(f"{finding.text}{hint}", _PARAGRAPH)
    return Content.assemble((f"{sign} {head}", STYLES[finding.severity]), ", " if text else "", text)


def signed(finding: Finding) -> Span:
    """Return the title of a finding with its sign, and its text and hint as the tooltip."""
    tone = TONES[finding.severity]
    sign = SIGNS.get(tone, "")
    title = clean(finding.title, TITLE)
    return Span(f"{sign} {title}" if sign else title, tone, "", clean(finding.text, TEXT))
