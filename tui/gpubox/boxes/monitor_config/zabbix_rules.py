"""Triggers of Zabbix, one for each rule whose alerts the service raises, in the words of the table."""

from __future__ import annotations

import re
from typing import Any

from gpubox.common.metrics import DISK, GPU
from gpubox.common.rules.alerts.alert_rule import AlertRule
from gpubox.common.rules.alerts.table import OF_SERVICE
from gpubox.common.rules.words import fill
from gpubox.common.severity import Severity
from gpubox.common.zabbix_items import BOX

Part = dict[str, Any]
"""A part of a template, as its YAML has it."""

PRIORITIES = {Severity.INFO: "INFO", Severity.WARNING: "WARNING", Severity.CRITICAL: "HIGH"}
"""Severities of Zabbix by ours."""
_VALUES = {
    **dict.fromkeys(("said", "looked_at", "xid_note"), ""),  # often empty
    **dict.fromkeys(("xid_meaning", "xid_step"), "see the alert"),
}
"""What stands for values of the box; others are an ellipsis."""
_SUBJECTS = {GPU: "GPU {#GPU.INDEX} ({#GPU.NAME}): ", DISK: "Disk {#MOUNT}: "}
"""How names of triggers begin, by the subject of the rule."""


def lasting(rule: AlertRule) -> bool:
    """Return whether an alert stays after its cause is over, so that the user may close the problem."""
    return rule.stays is not None


def place(rule: AlertRule) -> str:
    """Return the subject of the item `alerts` that has a rule's alerts."""
    return rule.subject if rule.subject in (GPU, DISK) else BOX


def triggers(subject: str, alerts: str, uuid: Any) -> list[Part]:
    """Return the triggers over an item `alerts`, given as /TEMPLATE/KEY; `uuid` names a part by its code."""
    return [
        _trigger(rule, alerts, uuid(f"rule {rule.code}")) for rule in OF_SERVICE if place(rule) == subject
    ]


def _trigger(rule: AlertRule, alerts: str, uuid: str) -> Part:
    begin = _SUBJECTS.get(rule.subject, "")
    line = f"(^|\\n){rule.code}: "
    part = {
        "uuid": uuid,
        "expression": f'find({alerts},,"regexp","{line}")=1',
        "name": begin + _title(rule),
        "event_name": f'{begin}{{{{ITEM.VALUE}}.regsub("{line}(.*?)( →|\\n|$)", "\\2")}}',
        "opdata": rule.code,
        "priority": PRIORITIES[rule.severity],
        "description": _description(rule),
        "tags": [{"tag": "rule", "value": rule.code}, {"tag": "scope", "value": rule.subject}],
    }
    return {**part, "manual_close": "YES"} if lasting(rule) else part


def _title(rule: AlertRule) -> str:
    """Return the title of a rule; what is only a value of the box is named by the code."""
    known = not re.search(r"\{\w+\}", rule.title)
    title = rule.title if known else rule.code.partition("-")[2].replace("-", " ")
    return title[:1].upper() + title[1:]


def _description(rule: AlertRule) -> str:
    parts = [_plain(rule.text), f"What to do: {_plain(rule.hint)}" if rule.hint else ""]
    parts += [f"Raised: {rule.raised_when}", f"Cleared: {rule.cleared_when}"]
    return "\n\n".join(part for part in parts if part)


def _plain(words: str) -> str:
    """Return words with an ellipsis where a value of the box stands."""
    return fill(words, lambda name: _VALUES.get(name, "…"))
