"""A script of samples for each alert: what raises it, and what clears it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gpubox.common.alerts.alert import AlertChange
from gpubox.common.alerts.tracker import AlertTracker
from gpubox.common.metrics import LINK
from gpubox.common.rules.alerts.table import BY_CODE
from gpubox.common.rules.link import REFUSED, WAITING, link_record
from gpubox.common.rules.rule import Limits
from gpubox.core.errors import Unreachable

Row = dict[str, Any]
START = 1_763_901_234.0
GIB = 1024**3
LIMITS = Limits()


def sample(
    gpu: Row | None = None,
    host: Row | None = None,
    disk: Row | None = None,
    interval: float = 10.0,
    **rest: Any,
) -> Row:
    """A sample of a box that is well; changes replace fields."""
    card: Row = {
        "index": 0, "uuid": "GPU-a", "name": "NVIDIA A100", "util": 97.0, "memory_used": 20 * GIB,
        "memory_total": 80 * GIB, "temperature": 70.0, "temperature_slowdown": 93.0, "fan": 60.0,
        "power_limit": 300.0, "pstate": 0, "throttle": 0, "pcie_gen": 4, "pcie_gen_max": 4,
        "pcie_width": 16, "pcie_width_max": 16, "ecc_corrected": 0, "ecc_uncorrected": 0,
        "remapped_rows": {"uncorrectable": 0, "pending": False, "failed": False}, "retired_pages": 0,
        "persistence": True,
    }  # fmt: skip
    machine: Row = {
        "memory_total": 100, "memory_available": 60, "temperature": 50.0, "boot_id": "one", "uptime": 60.0,
        "disks": [{"mount": "/", "used": 40_000, "total": 100_000, "read_only": False, **(disk or {})}],
    }  # fmt: skip
    process = {"pid": 7, "gpu": 0, "user": "ada", "kind": "C", "gpu_memory": 19 * GIB}
    return {
        "interval": interval,
        "gpus": [{**card, **(gpu or {})}],
        "host": {**machine, **(host or {})},
        "driver": {"version": "550.1"},
        "processes": [process],
        **rest,
    }


Look = Callable[[float], object]
"""What is seen so many seconds after a part of the script began."""


@dataclass(frozen=True)
class Script:
    """Three parts; every one is seen for its seconds."""

    during: Look
    seconds: float
    """At most these are needed to raise it."""
    after: Look | None = None
    """None sees again what was seen before."""
    rest: float = 0.0
    """At most these are needed to clear it."""
    early: float = 0.0
    """So long it is not raised yet."""
    before: Look = lambda _: sample()
    acknowledged: bool = False
    """Cleared by an acknowledgment."""
    step: float = 10.0


def seen(**gpu: Any) -> Look:
    return lambda _: sample(gpu)


def of_host(**host: Any) -> Look:
    return lambda _: sample(host=host)


def of_disk(**disk: Any) -> Look:
    return lambda _: sample(disk=disk)


def fault(code: str) -> Script:
    look = {"code": code}
    return Script(lambda _: sample(gpus=[], faults=[look]), 20, rest=30)


def link(phase: str = "live", **more: Any) -> Look:
    return lambda _: link_record(phase, **more)


def rows(**rows: Any) -> Look:
    return seen(remapped_rows={"uncorrectable": 0, "pending": False, "failed": False, **rows})


def xids(*codes: int, every: float = 600.0, then: float = 0.0) -> Look:
    """One Xid error after another."""

    def look(passed: float) -> Row:
        which = min(int(passed // every), len(codes) - 1)
        return sample({"xid": codes[which], "xid_at": 1000.0 + every * which + then})

    return look


TWO_CARDS = sample(
    gpus=[sample({"uuid": uuid, "index": at})["gpus"][0] for at, uuid in enumerate(("GPU-a", "GPU-b"))]
)
TROUBLE = Unreachable("No answer", "attic is silent", "Wake it")
HOUR = 3610.0
SCRIPTS: dict[str, Script] = {
    **{
        f"driver-{code}": fault(code)
        for code in ("no-driver", "mismatch", "permission", "no-library", "hang", "error", "melted")
    },
    "driver-no-device": Script(
        lambda _: sample(gpus=[], faults=[{"code": "no-device"}]), 20, rest=30
    ),
    "gpu-missing": Script(
        lambda _: sample({"uuid": "GPU-b", "index": 1}), 20, lambda _: TWO_CARDS, 10,
        before=lambda _: TWO_CARDS,
    ),
    "host-memory-full": Script(of_host(memory_available=3), 130, of_host(memory_available=20), 70, 110),
    "host-memory-nearly-full": Script(of_host(memory_available=12), 130, of_host(memory_available=30), 70,
    110),
    "host-too-hot": Script(of_host(temperature=95.0), 70, of_host(temperature=80.0), 70, 50),
    "disk-full": Script(of_disk(used=98_000), 130, of_disk(used=80_000), 70, 110),
    "disk-nearly-full": Script(of_disk(used=88_000), 130, of_disk(used=75_000), 70, 110),
    "disk-fills": Script(
        lambda passed: sample(disk={"used": 40_000 + int(passed * 1.5)}, interval=60), 4 * 3600,
        lambda _: sample(disk={"used": 40_000}, interval=60), 3 * 3600, 3 * 3600, step=60,
    ),
    "disk-read-only": Script(of_disk(read_only=True), 10, rest=20),
    "disk-hangs": Script(of_disk(hangs=130.0), 10, rest=20),
    "disk-fails": Script(of_disk(fault="Stale file handle"), 130, rest=20, early=110),
    "gpu-too-hot": Script(seen(temperature=91.0), 70, seen(temperature=80.0), 70, 50),
    "gpu-near-limit": Script(seen(temperature=89.0), 70, seen(temperature=84.0), 70, 50),
    "gpu-throttles": Script(seen(throttle=0x20), 40, rest=620, early=10),
    "gpu-throttles-long": Script(seen(throttle=0x40), 370, rest=920, early=340),
    "gpu-power-brake": Script(seen(throttle=0x80), 40, rest=310, early=20),
    "gpu-fan-stopped": Script(seen(fan=0.0, temperature=75.0), 70, rest=70, early=50),
    "gpu-fan-full": Script(seen(fan=100.0, temperature=89.0), 610, rest=70, early=590),
    "gpu-reset-required": Script(seen(fault="GPU requires reset"), 10, rest=20),
    "gpu-lost": Script(seen(lost_at=5.0), 10, rest=20),
    "gpu-fails": Script(seen(fault="Unknown Error"), 20, rest=20),
    "gpu-rows-failed": Script(rows(failed=True), 10, rest=10),
    "gpu-rows-pending": Script(rows(pending=True), 10, rest=10),
    "gpu-rows-used-up": Script(rows(uncorrectable=512), 10, rest=10),
    "gpu-rows-remapped": Script(rows(uncorrectable=1), 10, rows(uncorrectable=1), HOUR),
    "gpu-pcie-slow": Script(seen(pcie_width=4), 310, rest=70, early=290),
    "gpu-memory-fills": Script(
        lambda passed: sample({"memory_used": int((0.97 + passed * 5e-5) * 80 * GIB)}), 250, rest=70,
        early=110,
        before=seen(memory_used=70 * GIB),
    ),
    "gpu-memory-unowned": Script(lambda _: sample({"util": 0.0}, processes=[]), 310, rest=70, early=290),
    "gpu-held-idle": Script(seen(util=0.0), 1810, rest=70, early=1790),
    "gpu-xid": Script(xids(79), 10, seen(xid=79, xid_at=1000.0), acknowledged=True),
    "gpu-xid-watch": Script(xids(92), 10, xids(92), HOUR),
    "gpu-xid-program": Script(xids(31), 10, xids(31), HOUR),
    "gpu-xid-repeats": Script(xids(119, 62, 79, 119, 62), 2500, xids(62, then=2400.0), acknowledged=True,
    early=2300),
    "gpu-xid-same": Script(xids(31, 31), 700, xids(31, then=600.0), acknowledged=True, early=590),
    "gpu-ecc-uncorrected": Script(seen(ecc_uncorrected=1), 10, seen(ecc_uncorrected=1), HOUR),
    "gpu-ecc-corrected": Script(seen(ecc_corrected=11), 10, seen(ecc_corrected=11), HOUR),
    "gpu-pages-retired": Script(seen(retired_pages=1), 10, seen(retired_pages=1), HOUR),
    "gpu-pages-used-up": Script(seen(retired_pages=63), 10, seen(retired_pages=63), acknowledged=True),
    "gpu-power-limit-changed": Script(seen(power_limit=200.0), 70, seen(power_limit=200.0), HOUR, 50),
    "gpu-memory-changed": Script(seen(memory_total=75 * GIB), 70, seen(memory_total=75 * GIB), HOUR, 50),
    "gpu-persistence-changed": Script(seen(persistence=False), 70, seen(persistence=False), HOUR, 50),
    "driver-changed": Script(
        lambda _: sample(driver={"version": "560.2"}), 20, lambda _: sample(driver={"version": "560.2"}),
        HOUR,
    ),
    "host-rebooted": Script(of_host(boot_id="two"), 10, of_host(boot_id="two"), HOUR),
    "link-refused": Script(link(REFUSED, trouble=TROUBLE), 10, rest=10, before=link()),
    "link-waiting": Script(link(WAITING, trouble=TROUBLE), 190, rest=10, early=170, before=link()),
    "reading-stale": Script(link(age=50.0), 40, rest=10, early=20, before=link()),
    "probe-trouble": Script(link(trouble=TROUBLE), 40, rest=10, early=20, before=link()),
}  # fmt: skip
SCRIPTS["driver-unknown"] = SCRIPTS.pop("driver-melted")
"""A script for each rule."""


class Player:
    """Plays scripts to a tracker; its clock is the test's."""

    def __init__(self, tracker: AlertTracker | None = None) -> None:
        self.tracker = tracker or AlertTracker(LIMITS)
        self.now = START
        self.changes: list[AlertChange] = []

    def play(self, code: str, look: Look, seconds: float, step: float = 10.0) -> list[AlertChange]:
        """See something for so long; returns what changed about the alert of that code."""
        feed = self.tracker.feed_link if BY_CODE[code].subject == LINK else self.tracker.feed
        changes = [*self._feeds(feed, look, seconds, step)]
        self.changes += changes
        return [change for change in changes if change.alert.code == code]

    def _feeds(
        self, feed: Callable[[object, float], list[AlertChange]], look: Look, seconds: float, step: float
    ) -> Iterator[AlertChange]:
        for passed in range(0, int(seconds) + 1, int(step)):
            self.now += step
            yield from feed(look(float(passed)), self.now)
