"""Fetches the history that the service stored on the box while nobody looked, and fills the gaps here."""

from __future__ import annotations

import struct
import time
import zlib
from base64 import b64decode
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import cast

import msgspec

from gpubox.agent import bundle
from gpubox.agent.call import Wording, call
from gpubox.boxes.context import Feature, Purpose
from gpubox.common.tiers import COARSEST, FINEST, WIDTHS, HistoryRow
from gpubox.core.bounds import Moment, Number, Whole
from gpubox.core.channels import Channels
from gpubox.core.errors import Dropped, GpuBoxError
from gpubox.core.retry import connected
from gpubox.core.shell import Shell

DAY = 86_400
REACH = {FINEST: DAY // 4, 300: 30 * DAY, COARSEST: 365 * DAY}
"""Seconds that are fetched of each tier: what is shown in its rows, see `tiers.pick`."""
_LARGEST = 32 << 20
"""Bytes of one unpacked part: 20,000 rows of 400 series."""
_HEAD = "<QH"
"""The second of a row and the index of its layout."""
_HEAD_SIZE = struct.calcsize(_HEAD)
_NAME = 200
"""Most characters of the name of a series."""
_SERIES = 1024
"""Most series of a row."""
_CLOCK = 5.0
"""Seconds by which two clocks may differ and still count as the same."""
_WORDING = Wording("The history of the box cannot be read", "a history")
_PATIENCE = 60.0


class Part(msgspec.Struct, frozen=True):
    """The rows of one tier, as remote/monitor/read_history.py sends them."""

    width: Whole
    layouts: tuple[tuple[str, ...], ...] = ()
    rows: str = ""


class UserHours(msgspec.Struct, frozen=True):
    """The use of one GPU by one user."""

    uuid: str
    user: str
    """Empty for nobody."""
    held: Number = 0.0
    """Seconds with a process on the GPU; users at the same time share them."""
    busy: Number = 0.0
    """Seconds in which the GPU worked."""
    energy: Number = 0.0
    """Joules."""


class GpuUsage(msgspec.Struct, frozen=True):
    """The use of all GPUs over some time."""

    watched: Number = 0.0
    """Seconds that the service watched."""
    rows: tuple[UserHours, ...] = ()


class HistoryAnswer(msgspec.Struct, frozen=True):
    """The answer of the box."""

    now: Moment
    """Its clock, in seconds since the epoch."""
    present: bool = False
    """Whether a service ever stored anything there."""
    parts: tuple[Part, ...] = ()
    usage: GpuUsage | None = None


def rows_of(part: Part, box: str, shift: float = 0.0) -> Iterator[HistoryRow]:
    """Yield the rows of a part by the clock of this machine, which is `shift` ahead of the box's.

    Raises RemoteError for a part that is damaged or larger than a history can be.
    """
    try:
        packed = zlib.decompressobj()
        data = packed.decompress(b64decode(part.rows, validate=True), _LARGEST)
        if packed.unconsumed_tail or part.width not in WIDTHS:
            raise _WORDING.garbled("it is too large")
        place = 0
        formats = [f"<{len(names)}f" for names in part.layouts if _is_layout(names)]
        if len(formats) != len(part.layouts):
            raise _WORDING.garbled("a series has no name")
        while place < len(data):
            second, layout = struct.unpack_from(_HEAD, data, place)
            values = cast("tuple[float, ...]", struct.unpack_from(formats[layout], data, place + _HEAD_SIZE))
            place += _HEAD_SIZE + 4 * len(values)
            means = dict(zip(part.layouts[layout], values, strict=True))
            yield HistoryRow(box, _aligned(second + shift, part.width), _finite(means))
    except (ValueError, zlib.error, struct.error, IndexError) as error:
        raise _WORDING.garbled(str(error)) from None


def _is_layout(names: Sequence[str]) -> bool:
    return len(names) <= _SERIES and all(0 < len(name) <= _NAME for name in names)


def _aligned(second: float, width: int) -> int:
    return round(second / width) * width


def _finite(means: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in means.items() if isfinite(value)}


class BoxHistory(Feature):
    """The history that the service keeps on one box."""

    async def background(self, purpose: Purpose) -> None:
        """Fill the gaps of this machine's history at each new link, until cancelled."""
        if purpose is Purpose.WORK and self._context.store is not None:
            await self._context.after_each_link(self._fill)

    async def usage(self, begin: float, end: float) -> HistoryAnswer:
        """Return who used the GPUs from `begin` to `end`, in whole hours; raises RemoteError and Dropped."""
        shell = connected(self._context.shell, self._context.name)
        return await self._ask(shell, {"usage": {"begin": int(begin), "end": int(end)}})

    async def _fill(self, shell: Shell, _channels: Channels) -> None:
        context, now = self._context, time.time()
        store = context.store
        if store is None or not context.settings.history.keep:
            return
        since = await store.events.fetched(context.name) or 0.0
        if since > now:  # the clock of this machine was set back
            since = 0.0
        parts = [
            {"width": width, "begin": int(max(now - reach, since - width)), "end": int(now)}
            for width, reach in REACH.items()
            if now - since > width
        ]
        try:
            answer = await self._ask(shell, {"parts": parts})
            shift = now - answer.now if abs(now - answer.now) > _CLOCK else 0.0
            for part in answer.parts:
                await store.history.add(part.width, list(rows_of(part, context.name, shift)))
        except Dropped:
            raise
        except GpuBoxError:
            return  # a box without Python, or one that is full: its live readings come all the same
        await store.events.fetch(context.name, now)
        if answer.parts:
            await store.history.complete(context.name, context.history)

    async def _ask(self, shell: Shell, request: object) -> HistoryAnswer:
        context = self._context
        return await call(
            shell, bundle.program("history", "gpubox.remote.monitor.read_history"), request, HistoryAnswer,
            _WORDING, python=context.python, environment=context.environment or {}, timeout=_PATIENCE,
        )  # fmt: skip
