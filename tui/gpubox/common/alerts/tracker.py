"""Follows samples of one box, and says when an alert is raised and when it is cleared."""

from __future__ import annotations

from typing import Sequence

from gpubox.common.alerts.alert import Alert, AlertChange
from gpubox.common.metrics import field
from gpubox.common.rules.rule import DEFAULTS, Finding, Limits
from gpubox.common.rules.table import evaluate
from gpubox.common.severity import Severity


class AlertTracker:
    """The alerts of one box. A record is a struct of `core.sample` or a dict of the same fields."""

    def __init__(self, limits: Limits = DEFAULTS) -> None:
        self.limits = limits
        self._active: dict[str, Alert] = {}

    @property
    def active(self) -> Sequence[Alert]:
        """The alerts that are raised and not cleared: the most severe first, then the oldest."""
        return sorted(self._active.values(), key=lambda alert: (-alert.severity, alert.since))

    def feed(self, sample: object, now: float) -> list[AlertChange]:
        """Judge a sample, and return what was raised and cleared by it; `now` is its time."""
        found = {alert.key: alert for alert in self._alerts(sample, now)}
        cleared = [
            AlertChange(self._active.pop(key), False, now) for key in [*self._active] if key not in found
        ]
        raised = [AlertChange(alert, True, now) for key, alert in found.items() if key not in self._active]
        for change in raised:
            self._active[change.alert.key] = change.alert
        return [*cleared, *raised]

    def _alerts(self, sample: object, now: float) -> list[Alert]:
        uuids = {
            f"gpu {field(gpu, 'index')}": field(gpu, "uuid") or "" for gpu in field(sample, "gpus") or ()
        }
        return [
            _alert(finding, now, str(uuids.get(finding.subject, "")))
            for finding in evaluate(sample, self.limits)
            if finding.severity >= Severity.WARNING
        ]


def _alert(finding: Finding, now: float, about: str) -> Alert:
    return Alert(
        finding.code, finding.subject, finding.severity, finding.title, finding.text, finding.hint, now, about
    )
