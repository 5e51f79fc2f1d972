"""A box: its link, newest sample and history, and what its features are made with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from gpubox.agent import bootstrap
from gpubox.agent.probe_session import ProbeSession
from gpubox.boxes.context import BoxContext, Feature, Purpose
from gpubox.common.rules.link import stale_after
from gpubox.common.series import readings
from gpubox.core.channels import Channels
from gpubox.core.errors import Dropped, GpuBoxError
from gpubox.core.link_state import Phase
from gpubox.core.sample import Sample
from gpubox.core.shell import Link, Shell
from gpubox.core.tasks import together

if TYPE_CHECKING:  # SQLite, which a command without history does without
    from gpubox.common.tiers import HistorySpan
    from gpubox.store.store import Store

F = TypeVar("F", bound=Feature)


class Box:
    """An opened box; panels follow its feeds and use its features."""

    def __init__(
        self, context: BoxContext, link: Link, channels_of: Callable[[Shell], Channels] | None = None
    ) -> None:
        self.context = context
        self.target, self.settings = context.target, context.settings
        self.link = link
        self.sample, self.shell, self.channels = context.sample, context.shell, context.channels
        self.trouble = context.trouble
        """What is wrong with the probe while the link itself is live; None when nothing is."""
        self.history = context.history
        self.rtt: float | None = None
        """Seconds of the last heartbeat's round trip, the probe's answer included."""
        self.received_at: float | None = None
        """time.monotonic() when the newest sample came in."""
        self._loaded = asyncio.Event()
        self._loaded.set()
        self._channels_of = channels_of
        self._reading: ProbeSession | None = None
        self._pcie: int | None = None

    @property
    def name(self) -> str:
        """What the user calls the box."""
        return self.target.name

    def now(self) -> float:
        """Return the moment that the box is shown at, in seconds since the epoch, as history counts them."""
        return time.time()

    @property
    def age(self) -> float | None:
        """Seconds since the newest sample came in, or None before the first."""
        return None if self.received_at is None else time.monotonic() - self.received_at

    @property
    def stale(self) -> bool:
        """Whether the newest sample is outdated: the link is down, or three samples are overdue."""
        sample, age = self.sample.value, self.age
        if sample is None or age is None:
            return False
        return self.link.health.value.phase is not Phase.LIVE or age > stale_after(sample.interval)

    def use(self, kind: type[F]) -> F:
        """Return what can be done with the box, by its class: `box.use(Jobs)`."""
        return self.context.use(kind)

    def prepare(self) -> None:
        """Import and compute what a first sample needs; call it in a thread, beside `keep`."""
        self.link.prepare()
        bootstrap.prepare()

    async def keep(self, purpose: Purpose = Purpose.WORK) -> None:
        """Keep the link up, run the probe and the features, and record the history, until cancelled.

        For Purpose.COMMAND no probe runs, so that no channel is used for it. This never raises GpuBoxError:
        errors of the link are in `link.health`, of the probe in `trouble`, of the disk in the store's.
        """
        work = self._stay if purpose is Purpose.COMMAND else self._read
        jobs = [self.link.keep(work), self._watch(), self._run_features(purpose)]
        if self.context.store is not None and purpose is not Purpose.COMMAND:
            self._loaded.clear()
            jobs.append(self._remember(self.context.store))
        try:
            await together(*jobs)
        finally:
            self._detach()

    async def _run_features(self, purpose: Purpose) -> None:
        """Run the background work of all features, including those made later."""
        running: set[Feature] = set()
        async with asyncio.TaskGroup() as group:
            async for features in self.context.features.follow():
                for feature in features.values():
                    if feature not in running:
                        running.add(feature)
                        group.create_task(feature.background(purpose))

    async def _watch(self) -> None:
        """Publish the state of the link, and detach when it drops while no work runs over it."""
        async for health in self.link.health.follow():
            self.context.health.put(health)
            if health.phase in (Phase.IDLE, Phase.CONNECTING):
                self._detach()

    def _attach(self, shell: Shell) -> None:
        """Publish a new shell and its channels; does nothing for the present one."""
        if shell is not self.shell.value:
            self.shell.put(shell)
            self.channels.put(self._channels_of(shell) if self._channels_of is not None else None)

    def _detach(self) -> None:
        """Withdraw the channels and the shell."""
        if self.shell.value is not None:
            self.channels.put(None)
            self.shell.put(None)

    async def _remember(self, store: Store) -> None:
        try:
            await store.history.load(self.name, self.history)
        finally:
            self._loaded.set()
        await store.history.keep(self.name, self.history)

    async def past(self, begin: float, end: float) -> HistorySpan | None:
        """Return the history on this machine's disk between two seconds since the epoch.

        It is None without a store, and when the disk fails.
        """
        store = self.context.store
        return None if store is None else await store.history.read(self.name, int(begin), int(end))

    def retry(self) -> None:
        """Try the link now."""
        self.link.retry()

    def watch_pcie(self, gpu: int | None) -> None:
        """Sample the PCIe rates of one GPU, by index, or of none.

        Only one at a time: the driver blocks for 20 ms per direction.
        """
        if gpu == self._pcie:
            return
        self._pcie = gpu
        if self._reading is not None:
            self._reading.say("pcie off" if gpu is None else f"pcie {gpu}")

    async def _stay(self, shell: Shell) -> None:
        """Stay attached until this link ends: the link's work without a probe."""
        self._attach(shell)
        try:
            await asyncio.Event().wait()
        finally:
            self._detach()

    async def _read(self, shell: Shell) -> None:
        """Sample the box until this link ends: the link's work.

        A failed probe ends this but keeps the channels open: the link is still up, and runs its work again.
        """
        self._attach(shell)
        # History only grows forward: yesterday's readings cannot follow today's.
        await self._loaded.wait()
        self._reading = ProbeSession(
            self, self.settings.probe, python=self.context.python, environment=self.context.environment
        )
        if self._pcie is not None:
            self._reading.say(f"pcie {self._pcie}")
        try:
            await self._reading.read(shell)
        except (Dropped, asyncio.CancelledError):
            self._detach()
            raise
        finally:
            self._reading = None
            self.rtt = None
            self.troubled(None)

    def received(self, sample: Sample) -> None:
        """Receive a sample from the probe."""
        self.received_at = time.monotonic()
        self.history.put(self.now(), dict(readings(sample)))
        self.sample.put(sample)

    def answered(self, seconds: float) -> None:
        """Receive the round trip of a heartbeat."""
        self.rtt = seconds

    def troubled(self, trouble: GpuBoxError | None) -> None:
        """Receive an error of the probe, or None when it is over."""
        if trouble is not self.trouble.value:
            self.trouble.put(trouble)
