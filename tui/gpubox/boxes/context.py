"""The context that the features of a box are made from, and the features made so far."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Self, TypeVar, cast

from gpubox.config.settings import Settings
from gpubox.core.channels import Channels
from gpubox.core.errors import Dropped, GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.history import History
from gpubox.core.link_state import Health
from gpubox.core.sample import Sample
from gpubox.core.shell import Shell
from gpubox.core.target import Target

if TYPE_CHECKING:  # SQLite, which a command without history does without
    from gpubox.store.store import Store

_SETTLED = 2.0
"""Seconds after which a new link has brought its first sample, and deferred work may start."""


class Purpose(Enum):
    """What a box is opened for."""

    COMMAND = "command"
    """One command over the link; the box is not read."""
    WATCH = "watch"
    """Only its samples."""
    WORK = "work"
    """A screen: samples, and the background work of the features."""


class Feature:
    """A capability of one box. A box has one of each kind, made when it is first requested."""

    def __init__(self, context: BoxContext) -> None:
        self._context = context

    @classmethod
    def of(cls, context: BoxContext) -> Self:
        """Make it for a box."""
        return cls(context)

    async def background(self, purpose: Purpose) -> None:
        """Run the feature's background work while the box is open, until cancelled."""

    @property
    def notice(self) -> str:
        """A line for the state of the box while something has to be watched; mostly empty."""
        return ""


F = TypeVar("F", bound=Feature)


@dataclass(frozen=True, slots=True)
class BoxContext:
    """A box as its features see it."""

    target: Target
    settings: Settings = field(default_factory=Settings)
    """The settings of this box."""
    tunnels: tuple[str, ...] = ()
    """Tunnels of its settings, one line each."""
    python: str = ""
    """Python on the box for programs of ours; empty finds one."""
    environment: Mapping[str, str] | None = None
    """Environment variables for programs of ours."""
    has_login: bool = False
    """Whether a login there has an environment of its own: commands over ssh have a bare one."""
    store: Store | None = None
    sample: Feed[Sample | None] = field(default_factory=lambda: Feed[Sample | None](None))
    """The newest sample; it stays when the link drops."""
    history: History = field(default_factory=History)
    """The last hour of its readings."""
    shell: Feed[Shell | None] = field(default_factory=lambda: Feed[Shell | None](None))
    """Runs commands; None while the link is down. It outlives a restart of the probe."""
    health: Feed[Health] = field(default_factory=lambda: Feed(Health()))
    """The state of the link, while the box is kept."""
    trouble: Feed[GpuBoxError | None] = field(default_factory=lambda: Feed[GpuBoxError | None](None))
    """What is wrong with the probe while the link itself is live; None when nothing is."""
    channels: Feed[Channels | None] = field(default_factory=lambda: Feed[Channels | None](None))
    """Channels of the link besides commands; they come and go with `shell`."""
    features: Feed[Mapping[type[Feature], Feature]] = field(
        default_factory=lambda: Feed[Mapping[type[Feature], Feature]]({})
    )
    """The features that were made so far, by their classes."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the one feature that works in the background over the link."""

    @property
    def name(self) -> str:
        """What the user calls the box."""
        return self.target.name

    def use(self, kind: type[F]) -> F:
        """Return the feature of a kind."""
        if kind not in self.features.value:
            self.provide(kind, kind.of(self))
        return cast("F", self.features.value[kind])

    def provide(self, kind: type[F], feature: F) -> None:
        """Set the feature that `use` returns for a kind."""
        self.features.put({**self.features.value, kind: feature})

    async def after_each_link(self, work: Callable[[Shell, Channels], Awaitable[None]]) -> None:
        """Run `work` over each new link, until cancelled, after time for its first sample.

        Features take turns: a link may allow only two sessions, and the probe uses one.
        """
        async for channels in self.channels.follow():
            await asyncio.sleep(_SETTLED)
            async with self.turn:
                shell = self.shell.value
                if shell is not None and channels is not None and channels is self.channels.value:
                    with suppress(Dropped):
                        await work(shell, channels)
