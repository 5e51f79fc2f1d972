"""Alert rules for Prometheus, one for each rule that the service raises, in the words of the table."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

from gpubox.common.metrics import DISK, GPU, HOST
from gpubox.common.prometheus.frame import ALERT_ACTIVE
from gpubox.common.prometheus.naming import Exported, of_metric
from gpubox.common.rules.alerts.alert_rule import AlertRule
from gpubox.common.rules.alerts.table import OF_SERVICE
from gpubox.common.rules.words import fill
from gpubox.common.severity import Severity

JOB = "gpubox"
"""The job of the scrape configuration."""
UNKNOWN = "…"
"""Stands for a value that Prometheus does not have."""
DOWN = "GpuboxDown"
"""The alert of a box that gives no metrics."""
DOWN_AFTER = "2m"
"""For so long a box may give none: it takes that long to boot, and a tunnel to come back."""

_ELSEWHERE: Mapping[str, str] = {
    "said": "",
    "looked_at": "",
    "xid_note": "",
    "versions": "Kernel module and library are of different versions",
    "xid_meaning": "`gpubox-tui status` says what it means",
    "xid_step": "See `gpubox-tui status` for the steps after this Xid",
}
"""What stands for texts of the box, which are no numbers."""

_SELECTORS: Mapping[str, Tuple[str, str]] = {
    GPU: ("instance=%q,uuid=%q", "$labels.instance $labels.uuid"),
    HOST: ("instance=%q", "$labels.instance"),
    DISK: ("instance=%q,mount=%q", f'$labels.instance (reReplaceAll "^{DISK} " "" $labels.subject)'),
}
"""How the series of an alert's subject are selected, and from which of its labels."""

_FORMATS: Mapping[str, str] = {
    "": '{{ . | first | value | printf "%.0f" }}',
    "%": "{{ . | first | value | humanizePercentage }}",
    "B": "{{ . | first | value | humanize1024 }}B",
    "B/s": "{{ . | first | value | humanize1024 }}B/s",
    "°C": '{{ . | first | value | printf "%.0f" }}°C',
    "W": '{{ . | first | value | printf "%.0f" }}W',
    "MHz": "{{ . | first | value | humanize }}Hz",
    "J": "{{ . | first | value | humanize }}J",
    "s": "{{ . | first | value | humanizeDuration }}",
    "time": "{{ . | first | value | humanizeTimestamp }}",
}
"""Templates of Prometheus that show a value of a base unit, by the units of the table of metrics."""


def alert_name(rule: AlertRule) -> str:
    """Return the name of a rule's alert, such as `GpuboxGpuTooHot`."""
    return "Gpubox" + rule.code.title().replace("-", "")


def words_of(rule: AlertRule) -> Dict[str, str]:
    """Return `summary`, `description` and, where the table has a hint, `next_step`."""
    bare = not fill(rule.title, lambda _: "")  # nothing but the driver's own words
    title = rule.code.partition("-")[2].replace("-", " ") if bare else _filled(rule, rule.title)
    text = _sentence(_filled(rule, rule.text))
    judged = of_metric(rule.subject, rule.needs[0]) if rule.needs else None
    if judged is not None and judged.metric.unit and f"{{{rule.needs[0]}}}" not in rule.text:
        text = f"{judged.metric.help}: {_query(judged)}. {text}"
    found = {
        "summary": f"{{{{ $labels.subject }}}} of {{{{ $labels.instance }}}}: {title}",
        "description": text,
    }
    return {**found, "next_step": _sentence(_filled(rule, rule.hint))} if rule.hint else found


def alert_rule(rule: AlertRule) -> Dict[str, Any]:
    """Return the alert rule of a row. It needs no `for`: the service holds an alert before it raises it."""
    return {
        "alert": alert_name(rule),
        "expr": f'{ALERT_ACTIVE.name}{{rule="{rule.code}"}} == 1',
        "labels": {"severity": rule.severity.word},
        "annotations": words_of(rule),
    }


def rule_groups() -> Dict[str, Any]:
    """Return the whole file of rules."""
    down = {
        "alert": DOWN,
        "expr": f'up{{job="{JOB}"}} == 0',
        "for": DOWN_AFTER,
        "labels": {"severity": Severity.CRITICAL.word},
        "annotations": {
            "summary": "{{ $labels.instance }} gives no metrics",
            "description": "The box is down, the tunnel to it is, its service does not run, or its readings "
            "are stale. Its other alerts are unknown meanwhile.",
            "next_step": "Open the box with gpubox-tui, and look at the target's error in Prometheus.",
        },
    }
    rules = [alert_rule(rule) for rule in OF_SERVICE]
    return {"groups": [{"name": "gpubox", "rules": [down, *rules]}]}


def _filled(rule: AlertRule, template: str) -> str:
    def value(name: str) -> str:
        row = of_metric(rule.subject, name)
        return _ELSEWHERE.get(name, UNKNOWN) if row is None else _query(row)

    return fill(template, value)


def _query(row: Exported) -> str:
    """Return a template that shows the metric of the alert's subject."""
    selector, labels = _SELECTORS[row.subject]
    asked = f'printf "{row.series}{{{selector}}}" {labels} | query'
    return f"{{{{ with {asked} }}}}{_FORMATS[row.metric.unit]}{{{{ else }}}}{UNKNOWN}{{{{ end }}}}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
