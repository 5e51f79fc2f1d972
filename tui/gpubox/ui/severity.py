"""How bad something is, in tones, colors and signs: the one place where the screen decides that."""

from __future__ import annotations

from collections.abc import Sequence

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


def level(value: float | None, limits: Pair, calm: Tone = "calm") -> Tone:
    """Return `calm` below both limits (and for an unknown value), else `warn` or `alarm`."""
    severity = rule.level(value, limits)
    return calm if severity is None else TONES[severity]


def tone_of(findings: Sequence[Finding], name: str, calm: Tone = "text") -> Tone:
    """Return the tone of a metric: that of the worst finding about it, else `calm`."""
    worst = next((finding for finding in findings if finding.metric == name), None)
    return calm if worst is None else TONES[worst.severity]


def signed(finding: Finding) -> Span:
    """Return the title of a finding with its sign, and the whole story for the pointer."""
    tone = TONES[finding.severity]
    sign = SIGNS.get(tone, "")
    title = clean(finding.title, TITLE)
    return Span(f"{sign} {title}" if sign else title, tone, "", clean(finding.text, TEXT))
