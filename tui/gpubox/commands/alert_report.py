"""Alerts and their rules as lines for people or as JSON; pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.boxes.alerts.mutes import Mutes, covers
from gpubox.common.rules.alerts.alert_rule import AlertRule
from gpubox.common.rules.alerts.table import ALERT_RULES, NOT_JUDGED, unreadable
from gpubox.common.units import duration
from gpubox.core.sanitize import aligned, clean
from gpubox.store.alerts import AlertRecord

_HEAD = ("ID", "SEVERITY", "SINCE", "SUBJECT", "ALERT", "STATE")
_RULES_HEAD = ("RULE", "SEVERITY", "HERE", "RAISED WHEN")
_TEXT = 200


def newest(records: Sequence[AlertRecord]) -> list[AlertRecord]:
    """Return records as they are listed: active ones first, the most severe first, then the past."""
    active = [one for one in records if one.cleared is None]
    active.sort(key=lambda one: (-one.alert.severity, one.alert.since))
    return [*active, *(one for one in records if one.cleared is not None)]


def rows(records: Sequence[AlertRecord], mutes: Mutes, now: float) -> list[str]:
    """Return alerts as aligned lines below a head."""
    return aligned([_HEAD, *(_row(one, mutes, now) for one in records)])


def _row(one: AlertRecord, mutes: Mutes, now: float) -> tuple[str, ...]:
    alert = one.alert
    return (
        str(one.number),
        alert.severity.word,
        f"{duration(now - alert.since)} ago",
        clean(alert.subject, 40),
        clean(alert.title, _TEXT),
        state(one, mutes, now),
    )


def state(one: AlertRecord, mutes: Mutes, now: float) -> str:
    """Return the state of an alert in words."""
    if one.test:
        return "test"
    if one.cleared is not None:
        return f"over after {duration(one.cleared - one.alert.since)}"
    if one.acknowledged is not None:
        return "acknowledged"
    return "muted" if covers(mutes, one.alert, now) else "active"


def steps(records: Sequence[AlertRecord]) -> list[str]:
    """Return what active alerts mean and what to do, with their ids."""
    lines: list[str] = []
    for one in records:
        if one.cleared is None:
            lines.append(f"{one.number}: {clean(one.alert.text, 400)}")
            if one.alert.hint:
                lines.append(f"   → {clean(one.alert.hint, 400)}")
    return lines


def to_json(one: AlertRecord, mutes: Mutes, now: float) -> dict[str, object]:
    """Return an alert as JSON has it."""
    alert = one.alert
    return {
        "id": one.number,
        "code": alert.code,
        "subject": alert.subject,
        "uuid": alert.about or None,
        "severity": alert.severity.word,
        "title": alert.title,
        "text": alert.text,
        "hint": alert.hint,
        "raised": alert.since,
        "cleared": one.cleared,
        "acknowledged": one.acknowledged,
        "muted": one.cleared is None and covers(mutes, alert, now),
        "test": one.test,
    }


def why_not(rule: AlertRule, sample: object, off: Sequence[str]) -> str:
    """Return why a rule does not fire on a box; empty when it can."""
    if rule.code in off:
        return "off in the settings"
    return unreadable(rule, sample)


def rule_rows(sample: object, off: Sequence[str]) -> list[str]:
    """Return all rules as aligned lines below a head, and what is not judged anywhere."""
    table: list[tuple[str, ...]] = [_RULES_HEAD]
    for rule in ALERT_RULES:
        why = why_not(rule, sample, off)
        here = f"cannot fire: {why}" if why else "yes"
        table.append((rule.code, rule.severity.word, here, rule.raised_when))
    rest = [(one.code, one.title, one.why) for one in NOT_JUDGED]
    return [*aligned(table), "", "Not judged on any box:", *aligned(rest)]


def rule_to_json(rule: AlertRule, sample: object, off: Sequence[str]) -> dict[str, object]:
    """Return a rule as JSON has it."""
    why = why_not(rule, sample, off)
    return {
        "code": rule.code,
        "severity": rule.severity.word,
        "raised_when": rule.raised_when,
        "cleared_when": rule.cleared_when,
        "can_fire": not why,
        "why_not": why or None,
    }
