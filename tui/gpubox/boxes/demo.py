"""The link to the demo box: over ssh, to a server that lives as long as the link."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gpubox.config.settings import SshSettings
from gpubox.core.errors import GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.link_state import Health, Phase
from gpubox.core.prompts import Asker
from gpubox.core.shell import Work
from gpubox.core.tasks import together

if TYPE_CHECKING:
    from gpubox.core.shell import Link


class DemoLink:
    """A link that starts the box that it connects to."""

    def __init__(self, name: str, asker: Asker, settings: SshSettings) -> None:
        self.health: Feed[Health] = Feed(Health())
        self._name = name
        self._asker = asker
        self._settings = settings
        self._link: Link | None = None

    def prepare(self) -> None:
        """Import asyncssh."""
        from gpubox.ssh.fast_import import load

        load()

    async def keep(self, work: Work) -> None:
        """Start the demo box, then keep the link to it, until cancelled."""
        self.health.put(Health(Phase.CONNECTING, time.monotonic(), "starting the demo box"))
        await asyncio.to_thread(self.prepare)
        from gpubox.demo.box import demo_box
        from gpubox.ssh.link import SshLink

        try:
            async with demo_box() as demo:
                link = self._link = SshLink(self._name, demo.spec, self._asker, self._settings)
                await together(self._mirror(link), link.keep(work))
        except GpuBoxError as error:
            self.health.put(Health(Phase.REFUSED, time.monotonic(), reason=error))
            await asyncio.Event().wait()
        finally:
            self._link = None
            self.health.put(Health())

    async def _mirror(self, link: Link) -> None:
        async for health in link.health.follow():
            if health.phase is not Phase.IDLE:
                self.health.put(health)

    def retry(self) -> None:
        """Retry now."""
        if self._link is not None:
            self._link.retry()
