"""The alerts about a GPU that follow from what it reads now, and from how it went."""

from __future__ import annotations

from typing import List, Optional

from gpubox.common import throttle
from gpubox.common.metrics import GPU, field
from gpubox.common.rules.alerts.alert_rule import AlertRule, Fires, Observation, above, by_rule, words_of
from gpubox.common.rules.alerts.windows import before, share, trail
from gpubox.common.rules.gpu import GPU_RULES, pcie_below_best
from gpubox.common.severity import Severity
from gpubox.common.units import size

MARGIN = 5.0
"""Degrees below its slowdown threshold from which a card is near it; NVIDIA's advice is to stay away."""
GAP = 3.0
"""Degrees by which a temperature has to fall again."""
STOPPED = 60.0
"""Degrees from which a fan has to turn; cards stop theirs below about 50."""
BUSY, IDLE, WORKS = 50.0, 5.0, 10.0
"""Percent of load: from here a link should run at its best, below here a card idles, from here it works."""
FULL, ROOM = 97.0, 90.0
"""Percent of memory in use at which a program is about to fail, and below which there is room again."""
STEP = 0.0005
"""Share of the memory by which it has to grow in a minute to count as growth."""
UNOWNED, RELEASED = 1024**3, 768 * 1024**2
"""Bytes that nobody holds: the driver's own reserve, which some readings include, is up to 700 MB."""
HELD = 10**9
"""Bytes that a process has to hold to keep others out."""
ROWS = 512
"""Rows that were replaced after hard errors from which DCGM calls a card bad."""
_MPS = "M"
_RULES = {rule.code: rule for rule in GPU_RULES}


def _near_limit(view: Observation) -> float:
    slowdown = view["temperature_slowdown"]
    return slowdown - MARGIN if slowdown else view.limits.temperature[1]


def _throttles(percent: float, span: float) -> Fires:
    """Fire when heat held the clock for a share of the time; clear below 2% of it."""

    def fires(view: Observation) -> Optional[bool]:
        held, known = share(view.memory, view.moment, span, bool(view["throttle"] & throttle.HEAT))
        view.values["share"] = f"{held:.0f}"
        if not view.active:
            return held >= percent
        return held >= 2.0 or None if not known else held >= 2.0

    return fires


def _brakes(view: Observation) -> bool:
    return bool(view["throttle"] & throttle.POWER_BRAKE)


def _fan_stopped(view: Observation) -> bool:
    return view["fan"] <= 0 and view["temperature"] >= STOPPED - (GAP if view.active else 0.0)


def _fan_full(view: Observation) -> bool:
    near = _near_limit(view) - (GAP if view.active else 0.0)
    return view["fan"] >= 100 and view["temperature"] >= near  # percent of NVML may pass 100


def _rows_used_up(view: Observation) -> bool:
    return view["rows_uncorrectable"] >= ROWS


def _slow_link(view: Observation) -> Optional[bool]:
    """Fire for a narrow or slow link under load; an idle card slows its link down on purpose."""
    if view["util"] <= BUSY:
        return None
    return pcie_below_best(view["pcie_link"], view.reading)


def _fills(view: Observation) -> Optional[bool]:
    """Fire while nearly all memory is in use, and still grows; a program that took it all at once is well."""
    if field(view.record, "unified"):
        return False  # the memory is the host's
    used, total = view["memory_used"], view["memory_total"]
    marks = trail(view.memory, view.moment, used, 10, 60)
    if view.active:
        return view["memory"] >= ROOM
    earlier = before(marks, view.moment.clock - 60)
    return view["memory"] >= FULL and earlier is not None and used > earlier + STEP * total


def _processes(view: Observation) -> List[object]:
    index = view["index"]
    return [one for one in field(view.sample, "processes") or () if field(one, "gpu") == index]


def _unowned(view: Observation) -> Optional[bool]:
    if field(view.record, "unified") or field(view.record, "mig"):
        return None
    # In a container the driver lists no processes; whatever computes is no leftover.
    if _processes(view) or field(view.record, "display_active") or (view["util"] or 0) >= IDLE:
        return False
    return view["memory_used"] >= (RELEASED if view.active else UNOWNED)


def _held_idle(view: Observation) -> bool:
    holders = [one for one in _processes(view) if (field(one, "gpu_memory") or 0) >= HELD]
    users = sorted({str(field(one, "user") or "somebody") for one in holders if field(one, "kind") != _MPS})
    view.values["users"] = ", ".join(users)
    view.values["held"] = size(sum(field(one, "gpu_memory") for one in holders))
    return bool(users) and view["util"] < (WORKS if view.active else IDLE)


_HOT = (
    "The chip has {temperature}, and slows itself down from {temperature_slowdown}",
    "Look at fans, dust, and what blows at it; `nvidia-smi -pl` lowers its power limit",
)
_LONG = (
    "Heat held its clock for {share}% of the last minutes: what runs on it takes longer",
    "Clean the fans and filters, leave room between cards, or lower its power limit with `nvidia-smi -pl`",
)
_HEAT_CLEARED = "below 2% of that time, for 5 min"

GPU_ALERTS = (
    AlertRule(
        "gpu-too-hot", GPU, "temperature", ("temperature",),
        above("temperature", lambda view: view.limits.temperature[1], GAP), Severity.CRITICAL, "Too hot",
        *_HOT,
        "temperature at the second threshold of yours, or at the card's slowdown threshold, for 60 s",
        "3 °C below it for 60 s", hold=60, calm=60,
    ),
    AlertRule(
        "gpu-near-limit", GPU, "temperature", ("temperature",), above("temperature", _near_limit, GAP),
        Severity.WARNING, "Near its thermal limit", *_HOT,
        "5 °C or less below the card's slowdown threshold (your second threshold without one) for 60 s",
        "8 °C below it for 60 s", hold=60, calm=60,
    ),
    AlertRule(
        "gpu-throttles-long", GPU, "heat", ("throttle",), _throttles(60, 600), Severity.CRITICAL,
        "Slowed down by heat most of the time", *_LONG, "heat holds the clock for 60% of 10 min",
        _HEAT_CLEARED, calm=300,
    ),
    AlertRule(
        "gpu-throttles", GPU, "heat", ("throttle",), _throttles(10, 300), Severity.WARNING,
        "Slowed down by heat", *_LONG, "heat holds the clock for 10% of 5 min", _HEAT_CLEARED, calm=300,
    ),
    AlertRule(
        "gpu-power-brake", GPU, "power brake", ("throttle",), _brakes, Severity.WARNING, "Power brake",
        "The power supply or the board asks the card to slow down",
        "Check the power supply's size, its cables, and the plugs of the card",
        "the power brake holds the clock for 30 s", "not for 5 min", hold=30, calm=300,
    ),
    AlertRule(
        "gpu-fan-stopped", GPU, "fan", ("fan", "temperature"), _fan_stopped, Severity.CRITICAL,
        "Fan stopped at {temperature}", "The card is warm, and its fan does not turn",
        "Stop its jobs; check the fan and its plug. A fan curve of your own may hold it, too",
        "the fan is at 0% from 60 °C on, for 60 s", "it turns, or below 57 °C, for 60 s", hold=60, calm=60,
    ),
    AlertRule(
        "gpu-fan-full", GPU, "fan", ("fan", "temperature"), _fan_full, Severity.WARNING,
        "Full fan does not cool it",
        "Its fan has run at full speed for ten minutes, and the chip has {temperature}",
        "Clean it, check the thermal paste and the air it gets, or lower its power limit",
        "the fan is at 100% and the card near its thermal limit, for 10 min", "either is gone for 60 s",
        hold=600, calm=60,
    ),
    AlertRule(
        "gpu-reset-required", GPU, "failure", (), by_rule(_RULES["gpu-reset-required"]),
        *words_of(_RULES["gpu-reset-required"]), "the driver says so", "it reads again", calm=5,
    ),
    AlertRule(
        "gpu-lost", GPU, "failure", (), by_rule(_RULES["gpu-lost"]), *words_of(_RULES["gpu-lost"]),
        "the driver lost the card", "it reads again", calm=5,
    ),
    AlertRule(
        "gpu-fails", GPU, "failure", (), by_rule(_RULES["gpu-fails"]), *words_of(_RULES["gpu-fails"]),
        "the driver gives an error instead of readings for 10 s", "it reads again for 10 s", hold=10, calm=10,
    ),
    AlertRule(
        "gpu-rows-failed", GPU, "rows", ("rows_failed",), by_rule(_RULES["gpu-rows-failed"]),
        *words_of(_RULES["gpu-rows-failed"], "Row remap failed"), "bad memory could not be replaced",
        "never, as a rule",
    ),
    AlertRule(
        "gpu-rows-pending", GPU, "rows", ("rows_pending",), by_rule(_RULES["gpu-rows-pending"]),
        *words_of(_RULES["gpu-rows-pending"], "Row remap pending"), "rows wait for a reset to be replaced",
        "after a reset",
    ),
    AlertRule(
        "gpu-rows-used-up", GPU, "rows used", ("rows_uncorrectable",),
        _rows_used_up, Severity.CRITICAL,
        "{rows_uncorrectable} rows remapped",
        "So many memory rows were replaced after hard errors that the maker takes the card back",
        "Save `sudo nvidia-bug-report.sh`, and have the card replaced", "512 rows remapped",
        "never, as a rule",
    ),
    AlertRule(
        "gpu-pcie-slow", GPU, "pcie_link", ("pcie_link", "pcie_link_max", "util"), _slow_link,
        Severity.WARNING,
        "PCIe {pcie_link} under load",
        "Slot or riser give {pcie_link} of the card's {pcie_link_max}: data reaches it more slowly",
        "Switch the box off, and seat the card and its riser again; look for another slot, or a BIOS setting",
        "below its best link while its load is over 50%, for 5 min", "at its best under load for 60 s",
        hold=300, calm=60,
    ),
    AlertRule(
        "gpu-memory-fills", GPU, "memory", ("memory", "memory_used", "memory_total"), _fills,
        Severity.WARNING,
        "Memory nearly full, and growing",
        "{memory} of its memory is in use, and it still grows: a program may fail soon",
        "See in the list of processes who holds it; a smaller batch takes less",
        "97% of the memory in use and growing for 2 min", "below 90% for 60 s", hold=120, calm=60,
    ),
    AlertRule(
        "gpu-memory-unowned", GPU, "unowned", ("memory_used",), _unowned, Severity.WARNING,
        "{memory_used} of memory held by nobody",
        "No process is listed that holds it: one that died may have left it",
        "`sudo fuser -v /dev/nvidia{index}` shows who has the card open; in a container look at the host",
        "1 GiB in use with no process and no load, for 5 min", "below 768 MiB, or a process, for 60 s",
        hold=300, calm=60,
    ),
    AlertRule(
        "gpu-held-idle", GPU, "idle", ("util",), _held_idle, Severity.INFO, "Held idle by {users}",
        "{held} of memory are held, and the card has done nothing for half an hour",
        "Ask whether it is still needed",
        "a process holds 1 GB and the load is below 5%, for 30 min", "10% load, or released, for 60 s",
        hold=1800, calm=60,
    ),
)  # fmt: skip
"""Rows about a GPU."""
