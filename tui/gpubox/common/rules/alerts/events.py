"""The alerts about what happened once: counters that grew, and values that changed."""

from __future__ import annotations

from typing import Any, Callable, Tuple

from gpubox.common.metrics import GPU, HOST, field
from gpubox.common.rules.alerts.alert_rule import Fires, Observation
from gpubox.common.rules.alerts.happening import ACKNOWLEDGED, ONE_HOUR, SAVE_REPORT, boot_of, happening
from gpubox.common.rules.alerts.windows import daily, grew, said
from gpubox.common.severity import Severity

CORRECTED = 10
"""Corrected memory errors in a day that are worth knowing."""


def _grows(name: str) -> Tuple[Fires, Callable[[Observation], None]]:
    def fires(view: Observation) -> bool:
        growth = grew(view.memory, view[name])
        view.values["growth"] = f"{growth:.0f}"
        return growth > 0

    return fires, lambda view: said(view.memory, view[name])


def _reaches(name: str, count: int) -> Tuple[Fires, Callable[[Observation], None]]:
    """Fire when a counter that only grows has reached a count, once."""

    def fires(view: Observation) -> bool:
        return view[name] >= count and not view.memory.get("said")

    def happened(view: Observation) -> None:
        view.memory["said"] = True

    return fires, happened


def _corrected(view: Observation) -> bool:
    growth = daily(view.memory, view.moment.now, view["ecc_corrected"])
    view.values["growth"] = f"{growth:.0f}"
    return growth > CORRECTED


def _said_corrected(view: Observation) -> None:
    view.memory.pop("days", None)


def _changed(value: Callable[[Observation], Any]) -> Tuple[Fires, Callable[[Observation], None]]:
    """Fire when a value that should stay differs from the one that was known; None is not a value."""

    def fires(view: Observation) -> bool:
        now, known = value(view), view.memory.get("known")
        if now is None:
            return False
        if known is None:
            view.memory["known"] = known = now
        view.values["before"], view.values["now"] = str(known), str(now)
        return now != known

    def happened(view: Observation) -> None:
        view.memory["known"] = value(view)

    return fires, happened


def _driver(view: Observation) -> Any:
    return field(field(view.sample, "driver"), "version")


def _watts(view: Observation) -> Any:
    return None if view["power_limit"] is None else round(view["power_limit"])


def _mebibytes(view: Observation) -> Any:
    total = view["memory_total"]
    return None if total is None or field(view.record, "unified") else total // 1024**2


def _persistence(view: Observation) -> Any:
    mode = field(view.record, "persistence")
    return None if mode is None else "on" if mode else "off"


EVENT_ALERTS = (
    happening(
        "gpu-ecc-uncorrected", GPU, "ecc", ("ecc_uncorrected",), Severity.CRITICAL,
        *_grows("ecc_uncorrected"),
        ("{growth} ECC errors",
        "Memory errors that ECC could not correct; now {ecc_uncorrected} since the driver was "
         "loaded", "Results on this card may be wrong: reset it when no job runs, and watch whether it "
         "comes again"),
        "the count of uncorrected ECC errors grew", ONE_HOUR,
    ),
    happening(
        "gpu-ecc-corrected", GPU, "ecc corrected", ("ecc_corrected",), Severity.INFO, _corrected,
        _said_corrected,
        ("{growth} ECC errors corrected",
        "More memory errors than usual, all corrected: the card may be ageing",
         "Nothing now; look whether rows are remapped"), "more than 10 corrected ECC errors in 24 h",
         ONE_HOUR,
    ),
    happening(
        "gpu-pages-retired", GPU, "pages", ("retired_pages",), Severity.WARNING, *_grows("retired_pages"),
        ("{growth} memory pages retired", "Bad memory was taken out of use; now {retired_pages} pages",
         "Reset the card when no job runs"), "the count of retired pages grew", ONE_HOUR,
    ),
    happening(
        "gpu-pages-used-up", GPU, "pages", ("retired_pages",), Severity.CRITICAL,
        *_reaches("retired_pages", 63),
        ("{retired_pages} memory pages retired", "The card cannot take more bad memory out of use",
         SAVE_REPORT),
        "63 pages retired", ACKNOWLEDGED,
    ),
    happening(
        "gpu-rows-remapped", GPU, "rows remapped", ("rows_uncorrectable",), Severity.WARNING,
        *_grows("rows_uncorrectable"),
        ("{growth} memory rows remapped", "Rows were replaced after hard errors; now {rows_uncorrectable}",
         "Reset the card when no job runs"), "the count of rows remapped after hard errors grew", ONE_HOUR,
    ),
    happening(
        "gpu-power-limit-changed", GPU, "power limit", ("power_limit",), Severity.INFO, *_changed(_watts),
        ("Power limit {before} W → {now} W", "Somebody, or a reboot, set another power limit",
         "`sudo nvidia-smi -i {index} -pl {before}` sets it back"),
        "another power limit than before, for 60 s", ONE_HOUR, hold=60,
    ),
    happening(
        "gpu-memory-changed", GPU, "memory size", ("memory_total",), Severity.INFO, *_changed(_mebibytes),
        ("Memory {before} MiB → {now} MiB",
        "The card has another size of memory than before: ECC or MIG was switched",
         "`nvidia-smi -q -i {index}` shows both"), "another size of memory than before, for 60 s", ONE_HOUR,
         hold=60,
    ),
    happening(
        "gpu-persistence-changed", GPU, "persistence", ("persistence",), Severity.INFO,
        *_changed(_persistence),
        ("Persistence mode {before} → {now}",
        "Without it the driver unloads when nothing uses the card, and programs "
         "start more slowly", "`sudo nvidia-smi -pm 1` switches it on; nvidia-persistenced keeps it"),
        "persistence mode was switched, for 60 s", ONE_HOUR, hold=60,
    ),
    happening(
        "driver-changed", HOST, "driver version", (), Severity.INFO, *_changed(_driver),
        ("Driver {before} → {now}", "Another version of the NVIDIA driver is loaded",
         "Run `gpubox-tui check` to see whether the environments fit it"),
        "another version of the driver than before, for 10 s", ONE_HOUR, hold=10,
    ),
    happening(
        "host-rebooted", HOST, "boot", (), Severity.INFO, *_changed(lambda view: boot_of(view) or None),
        ("Rebooted", "The box was started again {uptime} ago",
        "`journalctl -b -1 -e` shows how it ended before"),
        "the box has another boot id than before", ONE_HOUR,
    ),
)  # fmt: skip
"""Rows about what happened once."""
