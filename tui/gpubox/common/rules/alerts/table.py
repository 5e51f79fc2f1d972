"""The whole table of alerts, what cannot be judged and why, and what of it a box can fire."""

from __future__ import annotations

from typing import Dict, Iterable, NamedTuple, Tuple

from gpubox.common.metrics import DISK, GPU, HOST, LINK, field, metric
from gpubox.common.rules.alerts.alert_rule import AlertRule
from gpubox.common.rules.alerts.events import EVENT_ALERTS
from gpubox.common.rules.alerts.gpu import GPU_ALERTS
from gpubox.common.rules.alerts.host import DRIVER_ALERTS, HOST_ALERTS, LINK_ALERTS
from gpubox.common.rules.alerts.xid import XID_ALERTS
from gpubox.common.severity import Severity


class NotJudged(NamedTuple):
    """Something worth an alert for which samples have no reading."""

    code: str
    title: str
    why: str


ALERT_RULES: Tuple[AlertRule, ...] = (
    *DRIVER_ALERTS,
    *HOST_ALERTS,
    *GPU_ALERTS,
    *XID_ALERTS,
    *EVENT_ALERTS,
    *LINK_ALERTS,
)
"""Every rule with a memory. A new one is a row in the file of its subject."""
BY_CODE: Dict[str, AlertRule] = {rule.code: rule for rule in ALERT_RULES}

OF_SERVICE: Tuple[AlertRule, ...] = tuple(
    rule for rule in ALERT_RULES if rule.subject != LINK and rule.severity >= Severity.WARNING
)
"""The rules that need somebody's care, on the box itself: Prometheus and Zabbix have one each."""

NOT_JUDGED: Tuple[NotJudged, ...] = (
    NotJudged(
        "gpu-memory-too-hot", "The memory of a card is too hot", "no reading for the limit of its temperature"
    ),
    NotJudged(
        "gpu-recovery-action", "The driver asks for a reset or a reboot", "no reading for its recovery action"
    ),
    NotJudged("gpu-pcie-replays", "The PCIe link repeats data", "no reading for replays"),
    NotJudged("gpu-nvlink", "An NVLink is down or has errors", "no reading for NVLinks"),
    NotJudged(
        "host-oom-kill", "The kernel ended a program for its memory", "no reading for the count of such ends"
    ),
    NotJudged("host-swaps", "A job of a GPU is swapped out", "no reading for the rate of swapping"),
    NotJudged("host-clock", "The clock of the box is wrong", "no reading for its offset"),
    NotJudged("host-process-stuck", "A process is stuck in the kernel", "samples list only some processes"),
    NotJudged(
        "host-reboot-wanted",
        "An update waits for a reboot",
        "no reading for it; the checks of the system say so",
    ),
    NotJudged("disk-inodes", "A disk has no more room for files", "no reading for inodes"),
    NotJudged("disk-broken", "An NVMe or RAID disk reports errors", "no reading for the kernel's log"),
    NotJudged("certificate", "A certificate ends soon", "no reading for it; the checks of web pages say so"),
    NotJudged("job-idle", "A job leaves its GPU idle", "samples do not say which job holds a GPU"),
    NotJudged("job-ended", "A job ended, failed, or waits long", "jobs announce that themselves"),
    NotJudged(
        "gpu-free", "A GPU that you wait for is free", "no reading for what you wait for; the queue does that"
    ),
    NotJudged("energy-budget", "A user or a job took more energy than planned", "no reading for a plan"),
)
"""What is worth an alert and cannot fire here."""


def unreadable(rule: AlertRule, sample: object) -> str:
    """Return why a rule cannot fire on the box of this sample, in words; empty when it can."""
    records = list(_records(rule.subject, sample))
    if rule.subject == GPU and not records:
        return "there is no GPU"
    if rule.subject == DISK and not records:
        return "no disk is read"
    for name in rule.needs:
        if not any(metric(rule.subject, name).of(record) is not None for record in records):
            return f"no reading for {metric(rule.subject, name).help.lower() or name}"
    return ""


def _records(subject: str, sample: object) -> Iterable[object]:
    host = field(sample, "host")
    if subject == GPU:
        return field(sample, "gpus") or ()
    if subject == DISK:
        return field(host, "disks") or ()
    return (host,) if subject == HOST else ()
