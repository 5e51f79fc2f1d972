"""How bad something is, in tones, colors and signs: the one place where the screen decides that."""

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
"""The same as a color of the theme, where lines of text are styled."""
TITLE, TEXT = 24, 200
"""Characters of a finding's title and text that are shown: both may hold words of the box."""

_PARAGRAPH = 600
"""The same of a text and its hint together."""


def level(value: float | None, limits: Pair, calm: Tone = "calm") -> Tone:
    """Return `calm` below both limits (and for an unknown value), else `warn` or `alarm`."""
    severity = rule.level(value, limits)
    return calm if severity is None else TONES[severity]


def tone_of(findings: Sequence[Finding], name: str, calm: Tone = "text") -> Tone:
    """Return the tone of a metric: that of the worst finding about it, else `calm`."""
    worst = next((finding for finding in findings if finding.metric == name), None)
    return calm if worst is None else TONES[worst.severity]


def explained(finding: Finding) -> Content:
    """Return a finding as a paragraph for the help: its sign, what it is about, what it means, what to do."""
    sign = SIGNS.get(TONES[finding.severity], "·")
    head = clean(f"{finding.subject}: {finding.title}", TEXT)
    hint = f" → {finding.hint}" if finding.hint else ""
    text = clean(f"{finding.text}{hint}", _PARAGRAPH)
    return Content.assemble((f"{sign} {head}", STYLES[finding.severity]), ", " if text else "", text)


def signed(finding: Finding) -> Span:
    """Return the title of a finding with its sign, and the whole story for the pointer."""
    tone = TONES[finding.severity]
    sign = SIGNS.get(tone, "")
    title = clean(finding.title, TITLE)
    return Span(f"{sign} {title}" if sign else title, tone, "", clean(finding.text, TEXT))
