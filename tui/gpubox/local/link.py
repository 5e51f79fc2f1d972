"""The link to this machine: always up, with the same phases as a link over ssh."""

from __future__ import annotations

import asyncio
import getpass
import random
import socket
import time

from gpubox.core.errors import GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.link_state import Health, Phase
from gpubox.core.sanitize import clean
from gpubox.core.shell import Work
from gpubox.local.shell import LocalShell


class LocalLink:
    """A link that fails only when its work does."""

    def __init__(self, *, retry_first: float = 0.5, retry_cap: float = 30.0) -> None:
        self.health: Feed[Health] = Feed(Health())
        self._retry_first = retry_first
        self._retry_cap = retry_cap
        self._retry = asyncio.Event()

    def prepare(self) -> None:
        """Import nothing: all modules are there."""

    async def keep(self, work: Work) -> None:
        """Run `work`, again after each failure, until cancelled."""
        attempt = 0
        try:
            while True:
                begun = time.monotonic()
                self.health.put(Health(Phase.LIVE, begun, address=_address()))
                try:
                    await work(LocalShell())
                except GpuBoxError as error:
                    attempt = 0 if time.monotonic() - begun > self._retry_cap else attempt
                    attempt += 1
                    await self._wait(error, attempt)
                else:
                    await asyncio.Event().wait()
        finally:
            self.health.put(Health(since=time.monotonic()))

    async def _wait(self, error: GpuBoxError, attempt: int) -> None:
        """Wait for the next retry, or for the user when a retry cannot help."""
        now = time.monotonic()
        pause = min(self._retry_cap, self._retry_first * 2 ** min(attempt - 1, 16)) * random.uniform(0.8, 1)
        retry_at = now + pause if error.again else None
        phase = Phase.WAITING if error.again else Phase.REFUSED
        self.health.put(Health(phase, now, "", retry_at, attempt, error, _address()))
        self._retry.clear()
        try:
            async with asyncio.timeout(pause if error.again else None):
                await self._retry.wait()
        except TimeoutError:
            return

    def retry(self) -> None:
        """Retry now."""
        self._retry.set()


def _address() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        user = ""
    return clean(f"{user}@{socket.gethostname()}".removeprefix("@"), 120)
