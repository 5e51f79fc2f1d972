"""Jobs of a box over a scripted backend, as one window of the program has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from gpubox.boxes.context import Purpose
from gpubox.boxes.jobs.box_backend import BoxBackend
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.sshd_policy import SshdPolicy
from gpubox.config.settings import JobSettings
from gpubox.core.channels import Channels
from gpubox.core.errors import RemoteError
from gpubox.core.feed import Feed
from gpubox.core.record import Record
from gpubox.core.sample import Sample
from gpubox.core.shell import Shell
from gpubox.store.store import Store
from tests.boxes.jobs.backend import ScriptedBackend, link
from tests.boxes.scripted import ScriptedShell

BUSY = RemoteError("No channel", "The box opens no further one")


class Saved:
    """Jobs over a scripted backend, with what a test changes."""

    def __init__(
        self, *records: Record, store: Store | None = None, settings: JobSettings | None = None
    ) -> None:
        self.shell: Feed[Shell | None] = Feed(ScriptedShell())
        self.channels: Feed[Channels | None] = Feed(link())
        self.sample: Feed[Sample | None] = Feed(None)
        self.limits = Feed(SshdPolicy())
        self.jobs = Jobs(
            "xub",
            self.shell,
            self.channels,
            store=store,
            settings=settings,
            limits=self.limits,
            sample=self.sample,
        )
        self.backend = ScriptedBackend(*records)
        self.jobs.box_backend = cast("BoxBackend", self.backend)
        self.jobs.backends = {"box": self.backend}

    def change(self, at: float) -> None:
        """Let the probe say that a job changed."""
        self.sample.put(Sample(v=1, seq=0, time=at, interval=1.0, jobs=at))

    @property
    def looks(self) -> int:
        """How often the box was asked for its list."""
        return self.backend.asked.count("look")

    @asynccontextmanager
    async def keep(self) -> AsyncGenerator[None]:
        keeping_ = asyncio.ensure_future(self.jobs.background(Purpose.WORK))
        try:
            yield
            assert not keeping_.done(), keeping_
        finally:
            keeping_.cancel()
            await asyncio.gather(keeping_, return_exceptions=True)
