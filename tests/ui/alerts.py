"""Alerts of a box for tests of the screen: some active, some over."""

from __future__ import annotations

from gpubox.boxes.alerts.alerts import AlertList, Alerts
from gpubox.boxes.alerts.announcement import Announcement
from gpubox.boxes.box import Box
from gpubox.common.alerts.alert import Alert
from gpubox.common.severity import Severity
from gpubox.store.alerts import AlertRecord
from tests.samples import NOW

LOST = Alert(
    "gpu-lost", "gpu 1", Severity.CRITICAL, "GPU is lost",
    "GPU is lost: the card no longer answers, and what ran on it has ended.",
    "Reboot the box. If it comes again, check seat, riser and power cables", NOW - 192, "GPU-b",
)  # fmt: skip
FULL = Alert(
    "disk-nearly-full", "disk /data", Severity.WARNING, "Nearly full: 376GB free", "376GB free", "",
    NOW - 7300,
)  # fmt: skip
IDLE = Alert(
    "gpu-held-idle", "gpu 0", Severity.INFO, "Held idle by ada", "7.1GB of memory are held", "Ask",
    NOW - 4000,
    "GPU-a",
)  # fmt: skip
HOT = Alert(
    "gpu-near-limit", "gpu 0", Severity.WARNING, "Near its thermal limit", "The chip has 89°C",
    "Look at fans",
    NOW - 90_000, "GPU-a",
)  # fmt: skip
ACTIVE = (LOST, FULL, IDLE)
PAST = (
    AlertRecord(2, HOT._replace(code="disk-full", title="Test of disk-full"), NOW - 90_000, None, test=True),
    AlertRecord(1, HOT, NOW - 89_400, NOW - 89_500),
)


class FakeAlerts(Alerts):
    """Alerts that are given, and that note what is asked of them."""

    def __init__(self, box: Box, found: AlertList) -> None:
        super().__init__(box.context)
        self.feed.put(found)
        self.asked: list[tuple[object, ...]] = []

    def now(self) -> float:
        return NOW

    async def background(self, purpose: object) -> None:
        """Judge nothing."""

    async def acknowledge(self, key: str) -> None:
        self.asked.append(("acknowledge", key))

    async def mute(self, what: str, until: float | None) -> None:
        self.asked.append(("mute", what, until))

    async def unmute(self, *names: str) -> None:
        self.asked.append(("unmute", *names))

    def report(self, *announcements: Announcement) -> None:
        """Announce something."""
        last = max((number for number, _ in self.news.value), default=0)
        numbered = tuple(enumerate(announcements, last + 1))
        self.news.put((*self.news.value, *numbered))


def provide(box: Box, found: AlertList | None = None) -> FakeAlerts:
    """Put given alerts into the place of those of a box."""
    fake = FakeAlerts(box, AlertList(ACTIVE, PAST, {}) if found is None else found)
    box.context.provide(Alerts, fake)
    return fake
