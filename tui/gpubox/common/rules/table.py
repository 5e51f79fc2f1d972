"""The whole table of rules, and the functions that judge a sample by it."""

from __future__ import annotations

from typing import Iterator

from gpubox.common.metrics import DISK, GPU, HOST, field
from gpubox.common.rules.driver import DRIVER, DRIVER_RULES, fault_record, without_gpus
from gpubox.common.rules.gpu import GPU_RULES
from gpubox.common.rules.host import HOST_RULES
from gpubox.common.rules.link import LINK_RULES
from gpubox.common.rules.rule import DEFAULTS, Finding, Limits, Reading, Rule

RULES: tuple[Rule, ...] = (*DRIVER_RULES, *GPU_RULES, *HOST_RULES, *LINK_RULES)
"""Every rule. A new one is a row in the file of its subject."""


def judge(subject: str, record: object, limits: Limits = DEFAULTS) -> list[Finding]:
    """Return the findings of one record, the most severe first, else in the order of the table."""
    reading = Reading(subject, record, limits)
    found = [rule.judge(reading) for rule in RULES if rule.subject == subject]
    return sorted((finding for finding in found if finding), key=lambda finding: -finding.severity)


def evaluate(sample: object, limits: Limits = DEFAULTS) -> list[Finding]:
    """Return the findings of a whole sample: the driver's, then each GPU's, the host's and each disk's."""
    return [finding for subject, record in _records(sample) for finding in judge(subject, record, limits)]


def judge_fault(fault: object, *, gpuless: bool = False) -> list[Finding]:
    """Return the findings of one fault of a sample; `without_gpus` says whether the box is `gpuless`."""
    return judge(DRIVER, fault_record(fault, gpuless=gpuless))


def _records(sample: object) -> Iterator[tuple[str, object]]:
    gpuless = without_gpus(sample)
    host = field(sample, "host")
    for fault in field(sample, "faults") or ():
        yield DRIVER, fault_record(fault, gpuless=gpuless)
    for gpu in field(sample, "gpus") or ():
        yield GPU, gpu
    yield HOST, host
    for disk in field(host, "disks") or ():
        yield DISK, disk
