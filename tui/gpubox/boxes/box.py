"""A box: its link, newest sample, history, and the services that work on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from gpubox.agent.probe_session import ProbeSession
from gpubox.boxes import processes
from gpubox.boxes.desktops import Desktops
from gpubox.boxes.envs.envs import Environments
from gpubox.boxes.files.transfer import Files
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.login import Login
from gpubox.boxes.services import Services
from gpubox.boxes.sshd_policy import SshdPolicy, learn
from gpubox.boxes.tunnels.local_ports import Ports
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.boxes.x11.programs import Windows
from gpubox.common.rules.link import stale_after
from gpubox.config.settings import DesktopSettings, JobSettings, ProbeSettings
from gpubox.core.channels import Channels, Forward
from gpubox.core.errors import Dropped, GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.history import History, readings
from gpubox.core.link_state import Phase
from gpubox.core.retry import connected
from gpubox.core.sample import Process, Sample
from gpubox.core.shell import Link, Shell
from gpubox.core.target import Target
from gpubox.core.tasks import together
from gpubox.store.store import Store

_LEARN = 2.0
"""Seconds after which the first sample of a link is there, and there is time for what can wait."""


class Box:
    """An opened box; panels follow its feeds and call its methods."""

    def __init__(
        self,
        target: Target,
        link: Link,
        *,
        probe: ProbeSettings | None = None,
        python: str = "",
        environment: Mapping[str, str] | None = None,
        store: Store | None = None,
        channels_of: Callable[[Shell], Channels] | None = None,
        tunnels: Sequence[str] = (),
        desktop: DesktopSettings | None = None,
        jobs: JobSettings | None = None,
        projects: Sequence[str] = (),
        login: bool = False,
    ) -> None:
        self.target = target
        self.link = link
        self.sample: Feed[Sample | None] = Feed(None)
        """The newest sample; it stays when the link drops."""
        self.trouble: Feed[GpuBoxError | None] = Feed(None)
        """What is wrong with the probe while the link itself is live; None when nothing is."""
        self.shell: Feed[Shell | None] = Feed(None)
        """Runs commands; None while the link is down. It outlives a restart of the probe."""
        self.channels: Feed[Channels | None] = Feed(None)
        """Channels of the link besides commands; they come and go with `shell`."""
        self.tunnels = Tunnels(target.name, ports=Ports(target.name, store), find=self._place)
        """Forwarded ports and sockets of the box."""
        self.services = Services(target.name, self.shell, self.tunnels, python=python)
        """What listens on the box, by stable names."""
        self.desktops = Desktops(self.shell, self.channels, desktop or DesktopSettings(), box=target.name)
        """Desktops that run on the box; starts new ones."""
        self.limits: Feed[SshdPolicy] = Feed(SshdPolicy())
        """What sshd allows, read once per link."""
        self.files = Files(target.name, self.shell, self.channels, python=python)
        """Copies files and folders both ways."""
        self.envs = Environments(target.name, self.shell, store, python=python, folders=projects)
        """The box's software environments, and the one that shells and jobs run in."""
        self.login = Login(target.name, self.shell, python, environment) if login else None
        """The login environment of the box; None where commands inherit this program's environment."""
        self.jobs = Jobs(target.name, self.shell, self.channels, store=store, settings=jobs,
            limits=self.limits, python=python, environment=environment, login=self.login)  # fmt: skip
        """Jobs that run, wait and ended on the box."""
        self.tunnels.spec(tunnels)
        self.windows = Windows(target.name, self.channels, store)
        """Graphical programs of the box on this machine's display."""
        self.history = History()
        self.rtt: float | None = None
        """Seconds of the last heartbeat's round trip, the probe's answer included."""
        self.received_at: float | None = None
        """time.monotonic() when the newest sample came in."""
        self._probe = probe or ProbeSettings()
        self._python = python
        self._environment = environment
        self._store = store
        self._loaded = asyncio.Event()
        self._loaded.set()
        self._channels_of = channels_of
        self._reading: ProbeSession | None = None
        self._pcie: int | None = None

    @property
    def name(self) -> str:
        """What the person calls the box."""
        return self.target.name

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

    async def keep(self, *, probe: bool = True) -> None:
        """Keep the link up, the probe running, tunnels open and the history on disk, until cancelled.

        Without the probe the box is not read, and no channel is taken for it. It never raises GpuBoxError:
        the link's trouble is in `link.health`, the probe's in `trouble`, the disk's in the store's.
        """
        work = self._read if probe else self._stay
        jobs = [self.link.keep(work), self._watch(), self.tunnels.keep(self.channels, self.shell)]
        if probe:
            jobs += [self._learn(), self.jobs.keep(self.sample)]
        if self._store is not None and probe:
            self._loaded.clear()
            jobs.append(self._remember(self._store))
        try:
            await together(*jobs)
        finally:
            self._part()

    async def _watch(self) -> None:
        """Close the channels when the link drops while no work is done over it."""
        async for health in self.link.health.follow():
            if health.phase in (Phase.IDLE, Phase.CONNECTING):
                self._part()

    async def _learn(self) -> None:
        """Read what sshd allows and the login environment, once the first sample has come in."""
        async for channels in self.channels.follow():
            await asyncio.sleep(_LEARN)
            shell = self.shell.value
            if shell is not None and channels is not None and channels is self.channels.value:
                with suppress(Dropped):
                    self.limits.put(await learn(shell, channels))
                    if self.login is not None:
                        await self.login.read()

    def _meet(self, shell: Shell) -> None:
        if shell is not self.shell.value:
            self.shell.put(shell)
            self.channels.put(self._channels_of(shell) if self._channels_of is not None else None)

    def _part(self) -> None:
        if self.shell.value is not None:
            self.channels.put(None)
            self.shell.put(None)

    async def _remember(self, store: Store) -> None:
        try:
            await store.history.load(self.name, self.history)
        finally:
            self._loaded.set()
        await store.history.keep(self.name, self.history)

    def retry(self) -> None:
        """Try the link now."""
        self.link.retry()

    async def signal(self, process: Process, name: str) -> None:
        """Send a process a signal such as `TERM`, after making sure that it still is the same process.

        Raises RemoteError when it is gone, when its number belongs to another process by now, or when it
        belongs to another user; Dropped when the box is not connected, and when the link ends meanwhile.
        """
        await processes.signal(connected(self.shell, self.name), process, name)

    def watch_pcie(self, gpu: int | None) -> None:
        """Have PCIe rates read for one GPU, by index, or for none.

        They are asked for one at a time because the driver blocks 20 ms for each direction.
        """
        if gpu == self._pcie:
            return
        self._pcie = gpu
        if self._reading is not None:
            self._reading.say("pcie off" if gpu is None else f"pcie {gpu}")

    async def _place(self, name: str) -> Forward:
        """Return the forward spec of a service; how tunnels resolve names."""
        return await self.services.place(name)

    async def _stay(self, shell: Shell) -> None:
        """Hold the channels open while this link lasts; the link's work without a probe."""
        self._meet(shell)
        try:
            await asyncio.Event().wait()
        finally:
            self._part()

    async def _read(self, shell: Shell) -> None:
        """Sample the box while this link lasts; the link's work.

        A probe that fails ends this, but not the channels: the link is still there, and does its work again.
        """
        self._meet(shell)
        # History only grows forward: yesterday's readings cannot follow today's.
        await self._loaded.wait()
        self._reading = ProbeSession(self, self._probe, python=self._python, environment=self._environment)
        if self._pcie is not None:
            self._reading.say(f"pcie {self._pcie}")
        try:
            await self._reading.read(shell)
        except (Dropped, asyncio.CancelledError):
            self._part()
            raise
        finally:
            self._reading = None
            self.rtt = None
            self.troubled(None)

    def received(self, sample: Sample) -> None:
        """Receive a sample from the probe."""
        self.received_at = time.monotonic()
        self.history.put(time.time(), dict(readings(sample)))
        self.sample.put(sample)

    def answered(self, seconds: float) -> None:
        """Receive the round trip of a heartbeat."""
        self.rtt = seconds

    def troubled(self, trouble: GpuBoxError | None) -> None:
        """Receive the trouble of the probe, or None when that is over."""
        if trouble is not self.trouble.value:
            self.trouble.put(trouble)
