"""The alerts of one box: judges its samples and its link, and says what is raised, cleared and announced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gpubox.boxes.alerts.announcement import Announcement, is_notable, is_quiet, run_command
from gpubox.boxes.alerts.mutes import Mutes, covers
from gpubox.boxes.context import BoxContext, Feature, Purpose
from gpubox.common.alerts.alert import Alert, AlertChange
from gpubox.common.alerts.tracker import TICK, AlertTracker
from gpubox.common.rules.alerts.table import BY_CODE
from gpubox.common.rules.link import link_record
from gpubox.core.errors import GpuBoxError, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.link_state import Phase
from gpubox.core.sanitize import clean
from gpubox.core.tasks import together
from gpubox.store.alerts import AlertRecord, StoredAlerts

SAVED = 60.0
"""Most seconds between two writes of what the rules remember."""
_NEWS = 20
"""Most announcements that wait for a screen."""


@dataclass(frozen=True, slots=True)
class AlertList:
    """The alerts of a box, as a screen shows them."""

    active: tuple[Alert, ...] = ()
    """The most severe first, then the oldest."""
    past: tuple[AlertRecord, ...] = ()
    """Those that were cleared, and tests, the newest first."""
    mutes: Mutes = field(default_factory=dict[str, "float | None"])

    def muted(self, alert: Alert, now: float) -> bool:
        """Return whether an alert is muted."""
        return covers(self.mutes, alert, now)

    def open(self, now: float) -> Sequence[Alert]:
        """Return the active alerts that nobody acknowledged or muted."""
        return [one for one in self.active if not one.acknowledged and not self.muted(one, now)]


class Alerts(Feature):
    """Follows a box, and keeps its alerts."""

    def __init__(self, context: BoxContext) -> None:
        super().__init__(context)
        self.feed: Feed[AlertList] = Feed(AlertList())
        """What is active, what was, and what is muted."""
        self.news: Feed[tuple[tuple[int, Announcement], ...]] = Feed(())
        """The last announcements that are this program's to make, with numbers that grow."""
        self._settings = context.settings.alerts
        self._tracker = AlertTracker(context.settings.limits)
        self._stored = context.store.alerts if context.store is not None else StoredAlerts()
        self._records: list[AlertRecord] = []
        self._mutes: Mapping[str, float | None] = {}
        self._number = 0
        self._last_test = 0
        self._received: float | None = None
        self._saved = 0.0
        self._reason: GpuBoxError | None = None
        """Why the link is down."""
        self._commands: asyncio.Queue[Announcement] = asyncio.Queue()

    @property
    def _box(self) -> str:
        return self._context.name

    def now(self) -> float:
        """Return the moment by which alerts are dated: of a recording, that of its sample."""
        sample = self._context.sample.value
        return sample.time if self._context.target.kind == "recording" and sample else time.time()

    async def background(self, purpose: Purpose) -> None:
        """Judge every sample, and the link every few seconds; see Feature."""
        if purpose is Purpose.COMMAND:
            return
        await self._begin()
        await together(self._judge_samples(), self._judge_link(), self._run_commands())

    async def _begin(self) -> None:
        """Continue from what the rules remembered when the last program ended."""
        state = await self._stored.state(self._box)
        if state is not None:
            self._tracker.restore(state[0])
        await self._read()
        self._last_test = max((one.number for one in self._records), default=0)
        active = {alert.key for alert in self._tracker.active}
        for record in self._records:
            if record.cleared is None and record.alert.key not in active:
                await self._stored.clear(self._box, record.alert.key, self.now())
        await self._read()
        self._publish()

    async def _judge_samples(self) -> None:
        async for sample in self._context.sample.follow():
            if sample is not None:
                self._received = time.monotonic()
                await self._take(self._tracker.feed(sample, self.now()))

    async def _judge_link(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            await self._take(self._tracker.feed_link(self._link(), self.now()))
            await self._read()
            for one in self._records:
                if one.cleared is None and one.acknowledged is not None:
                    await self._take(self._tracker.acknowledge(one.alert.key, self.now()))
            self._announce_tests()
            self._publish()
            if time.monotonic() - self._saved > SAVED:
                await self._save()

    def _link(self) -> dict[str, object]:
        """Return the record of the link; an attempt to reconnect belongs to the wait before it."""
        health, sample = self._context.health.value, self._context.sample.value
        live = health.phase is Phase.LIVE
        self._reason = None if live else health.reason or self._reason
        again = health.phase is Phase.CONNECTING and health.attempt > 0
        return link_record(
            Phase.WAITING.value if again else health.phase.value,
            trouble=self._context.trouble.value if live else self._reason,
            age=time.monotonic() - self._received if live and self._received is not None else None,
            interval=1.0 if sample is None else sample.interval,
        )

    async def _read(self) -> None:
        """Read what other programs wrote: acknowledgments, mutes, tests."""
        records = await self._stored.records(self._box)
        self._records = self._records if records is None else records
        self._mutes = await self._stored.mutes(self._box)

    async def _save(self) -> None:
        self._saved = time.monotonic()
        await self._stored.write_state(self._box, self._tracker.state(), time.time())

    async def _take(self, changes: Sequence[AlertChange]) -> None:
        """Record what was raised and cleared, and announce what no other program has."""
        if changes:  # before their rows: a program that starts now closes active rows that it does not know
            await self._save()
        for change in changes:
            alert = change.alert
            if alert.code in self._settings.off:
                continue
            if change.raised:
                mine = await self._stored.add(self._box, alert)
            else:
                mine = await self._stored.clear(self._box, alert.key, change.at)
            if mine and is_notable(alert, self._settings) and not covers(self._mutes, alert, self.now()):
                self._announce(Announcement(self._box, alert, change.raised, change.at))
        if changes:
            await self._read()
        if changes or self.feed.value.active != self._shown():
            self._publish()

    def _announce(self, announcement: Announcement) -> None:
        quiet = is_quiet(self._settings.quiet, announcement.at)
        announcement = Announcement(
            announcement.box, announcement.alert, announcement.raised, announcement.at,
            loud=not quiet, test=announcement.test,
        )  # fmt: skip
        self._number += 1
        self.news.put((*self.news.value, (self._number, announcement))[-_NEWS:])
        if announcement.loud and not announcement.test:  # who tests has run the command
            self._commands.put_nowait(announcement)

    def _announce_tests(self) -> None:
        for record in reversed(self._records):
            if record.test and record.number > self._last_test:
                self._announce(Announcement(self._box, record.alert, True, record.alert.since, test=True))
        self._last_test = max([self._last_test, *(one.number for one in self._records)])

    async def _run_commands(self) -> None:
        while True:
            await run_command(self._settings.command, await self._commands.get())

    def _shown(self) -> tuple[Alert, ...]:
        return tuple(alert for alert in self._tracker.active if alert.code not in self._settings.off)

    def _publish(self) -> None:
        past = tuple(record for record in self._records if record.cleared is not None)
        found = AlertList(self._shown(), past, self._mutes)
        if found != self.feed.value:
            self.feed.put(found)

    async def acknowledge(self, key: str) -> None:
        """Mark an active alert as seen; one that stays until then is cleared."""
        await self._stored.acknowledge(self._box, key, self.now())
        await self._take(self._tracker.acknowledge(key, self.now()))
        await self._read()
        self._publish()

    async def mute(self, what: str, until: float | None) -> None:
        """Announce nothing about an alert, a card, a subject, or the box until a moment.

        None is until the alert is cleared, or until it is unmuted.
        """
        await self._stored.mute(self._box, what, until)
        await self._read()
        self._publish()

    async def unmute(self, *names: str) -> None:
        """Announce again what was muted by any of these names."""
        for name in names:
            await self._stored.unmute(self._box, name)
        await self._read()
        self._publish()


def trial(code: str, now: float) -> Alert:
    """Return an alert of a rule that tries how it is announced; raises RemoteError for an unknown rule."""
    rule = BY_CODE.get(code)
    if rule is None:
        raise RemoteError(
            "No such rule", f"{clean(code, 60)} is no rule", "`gpubox-tui alerts BOX rules` lists them"
        )
    words = "This only tries how alerts are announced"
    return Alert(code, rule.subject, rule.severity, f"Test of {code}", words, "Nothing has to be done", now)
