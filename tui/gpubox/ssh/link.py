"""The link to one box: connects, watches the connection, and alone decides when to reconnect."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from importlib import import_module
from typing import TYPE_CHECKING

from gpubox.config.settings import SshSettings
from gpubox.core.errors import GpuBoxError, LinkError
from gpubox.core.feed import Feed
from gpubox.core.link_state import Health, Phase
from gpubox.core.prompts import Asker
from gpubox.core.shell import Link, Work
from gpubox.ssh import fast_import, port_probe, suspend_detector
from gpubox.ssh.approach import Approach
from gpubox.ssh.resolve import HostSpec, Resolved, resolve

if TYPE_CHECKING:  # asyncssh is imported when the link is kept, beside the network
    from gpubox.ssh.connect import Dialer
    from gpubox.ssh.connection import Connection
    from gpubox.ssh.shell import SshShell

_LOG = logging.getLogger(__name__)

CHECK_LIMIT = 3.0
"""Seconds that a possibly dead link gets to answer."""
_CHECK_STEPS = 12
"""Keep-alives in that time; a box that has forgotten the link says so to the first of them."""

STEADY = 2.0
"""Seconds after which a link counts as good, so that its loss resets the back-off."""


class SshLink(Link):
    """One box over ssh; see core.shell.Link."""

    def __init__(
        self,
        name: str,
        options: HostSpec,
        asker: Asker,
        settings: SshSettings,
        clocks: suspend_detector.Clocks | None = None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._clocks = clocks or suspend_detector.Clocks()
        self._health: Feed[Health] = Feed(Health(since=time.monotonic()))
        self._options = options
        self._asker = asker
        self._dialer: Dialer | None = None
        self._connection: Connection | None = None
        self._calm: asyncio.TimerHandle | None = None
        self._again = asyncio.Event()
        self._failures = 0
        self._address = ""
        self._peer: tuple[str, int] | None = None

    @property
    def health(self) -> Feed[Health]:
        """The state of the link."""
        return self._health

    @property
    def connection(self) -> Connection | None:
        """The open connection, or None."""
        return self._connection

    def prepare(self) -> None:
        """Import asyncssh and what logs in, which takes 0.1 s, and then what works over the connection."""
        _import_login()
        import_module("gpubox.ssh.shell")
        import_module("gpubox.ssh.channels")

    def retry(self) -> None:
        """Retry now: ends WAITING or REFUSED at once; a LIVE link must answer within CHECK_LIMIT seconds."""
        self._again.set()
        self._check()

    async def keep(self, work: Work) -> None:
        """Connect, run `work`, and reconnect after each loss, until cancelled; see core.shell.Link."""
        try:
            async with asyncio.TaskGroup() as group:
                watcher = group.create_task(suspend_detector.watch(self._clocks, self._woke))
                try:
                    await self._forever(work)
                finally:
                    watcher.cancel()
        finally:
            self._put(Phase.IDLE)

    async def _begin(self) -> tuple[Dialer, Resolved | GpuBoxError, Approach | None]:
        """Import what logs in, which takes 0.1 s, while ssh says how to reach the box, and that is begun."""
        self._step("resolving", "")
        approach = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.to_thread(_import_login))
                where = await self._resolved()
                if isinstance(where, Resolved):
                    first = (*where.jumps, where)[0]
                    approach = Approach(first, self._settings, self._asker)
                    self._step(f"reaching {first.host}", first.address)
        except BaseException:
            if approach is not None:
                await approach.abandon()
            raise
        from gpubox.ssh.connect import Dialer

        dialer = self._dialer or Dialer(self._name, self._options, self._asker, self._settings, self._step)
        return dialer, where, approach

    async def _resolved(self) -> Resolved | GpuBoxError:
        try:
            return await resolve(self._options)
        except GpuBoxError as error:
            return error

    async def _forever(self, work: Work) -> None:
        self._dialer, where, approach = await self._begin()
        while True:
            dialing = self._dialer.dial(where, approach)
            where = approach = None
            try:
                connection = await dialing
            except GpuBoxError as error:
                _LOG.info("%s: attempt %d: %s", self._name, self._failures + 1, error)
                await self._rest(error, None)
                continue
            lost = await self._use(connection, work)
            _LOG.info("%s: %s", self._name, lost)
            await self._rest(lost, None)

    async def _use(self, connection: Connection, work: Work) -> GpuBoxError:
        """Run the work until the connection ends; returns why it ended."""
        from gpubox.ssh.shell import SshShell

        self._connection, self._peer = connection, connection.peer
        shell = SshShell(self._name, connection)
        try:
            while not connection.ssh.is_closed():
                self._put(Phase.LIVE)
                began = time.monotonic()
                trouble = await self._do(work, shell)
                if time.monotonic() - began >= STEADY:
                    self._failures = 0
                if trouble is None:
                    await connection.wait_closed()
                elif not connection.ssh.is_closed():
                    await self._rest(trouble, connection)
            return shell.dropped()
        finally:
            self._connection = None
            if self._calm is not None:
                self._calm.cancel()
            await connection.close()
            await shell.close()

    async def _do(self, work: Work, shell: SshShell) -> GpuBoxError | None:
        """Run the work once; it is cancelled when the connection ends. Returns what it raised."""

        async def all_of_it() -> None:
            await work(shell)

        doing = asyncio.ensure_future(all_of_it())
        await _until_first(doing, shell.connection.wait_closed())
        if doing.cancelled():
            return None
        error = doing.exception()
        if error is not None and not isinstance(error, GpuBoxError):
            raise error
        return error

    async def _rest(self, error: GpuBoxError, connection: Connection | None) -> None:
        """Wait until the next retry; with a connection, only the work is retried."""
        self._failures += 1
        self._again.clear()
        assert self._dialer is not None
        if connection is None and error.again and self._dialer.cache.second_factor:
            # The next login would ask for a code: not while nobody is looking.
            error = LinkError(
                error.title, error.text, "Log in again (r in the panel): it takes your second factor"
            )
        if not error.again:
            self._put(Phase.REFUSED, reason=error)
            await self._again.wait()
            self._failures = 0
            return
        pause = self._pause()
        self._put(Phase.WAITING, reason=error, retry_at=time.monotonic() + pause)
        ends: list[Coroutine[object, object, object]] = [asyncio.sleep(pause), self._again.wait()]
        if connection is not None:
            ends.append(connection.wait_closed())
        elif self._peer is not None and self._dialer.unmet:
            ends.append(port_probe.knock(*self._peer))
        await _until_first(*ends)

    def _pause(self) -> float:
        longest = self._settings.retry_first * 2.0 ** min(self._failures - 1, 20)
        # Half of it is jitter, so that fifty boxes behind one router do not reconnect at once.
        return min(longest, self._settings.retry_cap) * random.uniform(0.5, 1.0)

    def _woke(self, slept: float) -> None:
        _LOG.info("%s: this machine slept for %.0f s", self._name, slept)
        if self._health.value.phase is Phase.WAITING:
            self._failures = 0
            self._again.set()
        self._check()

    def _check(self) -> None:
        """Make an open link answer within CHECK_LIMIT seconds, or end it."""
        connection = self._connection
        if connection is None or connection.ssh.is_closed():
            return
        connection.ssh.set_keepalive(CHECK_LIMIT / _CHECK_STEPS, _CHECK_STEPS - 1)
        if self._calm is not None:
            self._calm.cancel()
        later = asyncio.get_running_loop().call_later
        self._calm = later(CHECK_LIMIT + port_probe.LIMIT, self._calm_down, connection)

    def _calm_down(self, connection: Connection) -> None:
        from gpubox.ssh.connect import UNANSWERED

        self._calm = None
        if not connection.ssh.is_closed():
            connection.ssh.set_keepalive(self._settings.keepalive, UNANSWERED)

    def _step(self, step: str, address: str) -> None:
        self._address = address or self._address
        self._put(Phase.CONNECTING, step=step)

    def _put(
        self,
        phase: Phase,
        *,
        step: str = "",
        reason: GpuBoxError | None = None,
        retry_at: float | None = None,
    ) -> None:
        before = self._health.value
        since = before.since if before.phase is phase else time.monotonic()
        self._health.put(Health(phase, since, step, retry_at, self._failures, reason, self._address))


def _import_login() -> None:
    """Import asyncssh and what logs in."""
    fast_import.load()
    import_module("gpubox.ssh.connect")


async def _until_first(*coroutines: Coroutine[object, object, object] | asyncio.Future[None]) -> None:
    """Return when one has ended, after cancelling the others."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
