"""The alerts about the machine and its disks, about the driver, and about the link to the box."""

from __future__ import annotations

from typing import Optional

from gpubox.common.metrics import DISK, GPU, HOST, LINK, field
from gpubox.common.rules.alerts.alert_rule import AlertRule, Observation, above, by_rule, words_of
from gpubox.common.rules.alerts.windows import before, trail
from gpubox.common.rules.driver import DRIVER, DRIVER_RULES
from gpubox.common.rules.host import HOST_RULES
from gpubox.common.rules.link import LINK_RULES
from gpubox.common.rules.rule import Rule
from gpubox.common.severity import Severity
from gpubox.common.units import duration

GAP = 5.0
"""Percent, or degrees, by which a value has to fall again."""
LOOK, SOON, LATER = 3 * 3600.0, 86400.0, 1.5 * 86400.0
"""Seconds that are looked back, within which a disk will be full, and after which that is no alert."""
SILENT = 120.0
"""Seconds without an answer after which a disk counts as gone."""
_RULES = {rule.code: rule for rule in (*HOST_RULES, *LINK_RULES)}


def _fills(view: Observation) -> Optional[bool]:
    """Fire when a disk grew in each of the last three hours, and will be full within a day."""
    used, clock = view["used"], view.moment.clock
    marks = trail(view.memory, view.moment, used, LOOK / 18, LOOK)
    first, second, third = (before(marks, clock - LOOK * part / 3) for part in (3, 2, 1))
    if first is None or second is None or third is None:
        return None
    if not first < second < third < used:
        return False
    left = view["free"] * LOOK / (used - first)
    view.values["left"] = duration(left)
    return left < (LATER if view.active else SOON)


def _became_read_only(view: Observation) -> Optional[bool]:
    """Fire for a disk that could be written before: some are meant to be read-only."""
    if not field(view.record, "read_only"):
        view.memory["written"] = True
        return False
    return bool(view.memory.get("written"))


def _hangs(view: Observation) -> bool:
    return (view["hangs"] or 0) > SILENT


def _missing(view: Observation) -> Optional[bool]:
    """Fire for a card that was there before, while others are seen; without any, the driver has its say."""
    if not field(view.record, "absent"):
        return False
    # A probe that has just started may not have looked for GPUs yet, and then has no fault either.
    return None if field(view.sample, "faults") or not field(view.sample, "gpus") else True


HOST_ALERTS = (
    AlertRule(
        "gpu-missing", GPU, "missing", (), _missing, Severity.CRITICAL, "GPU is gone",
        "The driver no longer lists {name}, which was there before",
        "`journalctl -k | grep -iE 'nvrm|xid'` may say why; reboot, and check its seat, riser and power "
        "cables. "
        "Acknowledge this if it was taken out",
        "a GPU that was there is missing in 2 samples, and others are read", "it is back", hold=0.001,
    ),
    AlertRule(
        "host-memory-full", HOST, "memory", ("memory",), above("memory",
        lambda view: view.limits.host_memory[1], GAP),
        *words_of(_RULES["host-memory-full"], "Memory full"), "memory at the second threshold for 2 min",
        "5% below it for 60 s", hold=120, calm=60,
    ),
    AlertRule(
        "host-memory-nearly-full", HOST, "memory", ("memory",),
        above("memory", lambda view: view.limits.host_memory[0], GAP),
        *words_of(_RULES["host-memory-nearly-full"], "Memory nearly full"),
        "memory at the first threshold for 2 min",
        "5% below it for 60 s", hold=120, calm=60,
    ),
    AlertRule(
        "host-too-hot", HOST, "temperature", ("temperature",),
        above("temperature", lambda view: view.limits.temperature[1], GAP),
        *words_of(_RULES["host-too-hot"], "Processor too hot"),
        "the processor at the second threshold for 60 s",
        "5 °C below it for 60 s", hold=60, calm=60,
    ),
    AlertRule(
        "disk-full", DISK, "fullness", ("fullness",), above("fullness", lambda view: view.limits.disk[1],
        GAP),
        *words_of(_RULES["disk-full"], "Full: {free} free"), "fullness at the second threshold for 2 min",
        "5% below it for 60 s", hold=120, calm=60,
    ),
    AlertRule(
        "disk-nearly-full", DISK, "fullness", ("fullness",), above("fullness",
        lambda view: view.limits.disk[0], GAP),
        *words_of(_RULES["disk-nearly-full"], "Nearly full: {free} free"),
        "fullness at the first threshold for 2 min",
        "5% below it for 60 s", hold=120, calm=60,
    ),
    AlertRule(
        "disk-fills", DISK, "filling", ("fullness",), _fills, Severity.WARNING, "Will be full in {left}",
        "At the pace of the last three hours its {free} are used up by then",
        "`du -xh -d1 | sort -h` shows what grows",
        "it grew in each of the last 3 hours, and will be full within 24 h at that pace", "36 h, for 30 min",
        hold=600, calm=1800,
    ),
    AlertRule(
        "disk-read-only", DISK, "read_only", (), _became_read_only, Severity.CRITICAL, "Became read-only",
        "The kernel mounts a disk so when it finds errors on it; jobs cannot write there",
        "`journalctl -k -e` names the error. Save what is on it before anything else",
        "a disk that could be written is read-only", "it can be written again", calm=5,
    ),
    AlertRule(
        "disk-hangs", DISK, "answer", (), _hangs,
        *words_of(_RULES["disk-hangs"], "No answer for {hangs}"), "no answer for 2 min", "it answers", calm=5,
    ),
    AlertRule(
        "disk-fails", DISK, "answer", (), by_rule(_RULES["disk-fails"]), *words_of(_RULES["disk-fails"]),
        "the kernel gives an error instead of its size for 2 min", "it gives its size", hold=120, calm=5,
    ),
)  # fmt: skip
"""Rows about the machine, its disks, and cards that are no longer listed."""


def _of_driver(rule: Rule) -> AlertRule:
    hangs = rule.code == "driver-hang"  # the probe waited long enough
    when = f"the driver is in this state {'in 2 samples' if hangs else 'for 10 s'}"
    return AlertRule(
        rule.code, DRIVER, "driver", (), by_rule(rule), *words_of(rule), when,
        "the GPUs read again for 10 s", hold=0.001 if hangs else 10, calm=10,
    )  # fmt: skip


DRIVER_ALERTS = tuple(_of_driver(rule) for rule in DRIVER_RULES if rule.severity > Severity.INFO)
"""Rows about the driver, from the rules without a memory."""
LINK_ALERTS = (
    AlertRule(
        "link-refused", LINK, "link", (), by_rule(_RULES["link-refused"]), *words_of(_RULES["link-refused"]),
        "the box refuses the login", "connected",
    ),
    AlertRule(
        "link-waiting", LINK, "link", (), by_rule(_RULES["link-waiting"]), *words_of(_RULES["link-waiting"]),
        "no connection for 3 min", "connected", hold=180,
    ),
    AlertRule(
        "reading-stale", LINK, "readings", (), by_rule(_RULES["reading-stale"]),
        *words_of(_RULES["reading-stale"]),
        "connected, but no sample came for three intervals, for 30 s", "a sample came", hold=30,
    ),
    AlertRule(
        "probe-trouble", LINK, "readings", (), by_rule(_RULES["probe-trouble"]),
        *words_of(_RULES["probe-trouble"]),
        "the probe has an error for 30 s", "it runs again", hold=30,
    ),
)  # fmt: skip
"""Rows about the link; only the laptop can judge them."""
