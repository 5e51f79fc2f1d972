"""The state of a link in words: a phrase for its row, and the lines that stay while something is wrong."""

from __future__ import annotations

import math
import time
from typing import NamedTuple, assert_never

from gpubox.boxes.box import Box
from gpubox.common import units
from gpubox.config.settings import UiSettings
from gpubox.core.errors import GpuBoxError
from gpubox.core.link_state import Health, Phase
from gpubox.core.sample import Sample, memory_share

DOT = " · "
TO_DO = "→ "
"""Begins a line that says what the person can do."""


class LinkPhrase(NamedTuple):
    """What a box is doing, in a sign, a color and words; the sign alone tells the states apart."""

    sign: str
    style: str
    words: str


def phrase(health: Health, box: Box | None) -> LinkPhrase:
    """Return the state of a link, and of the readings that come over it."""
    match health.phase:
        case Phase.IDLE:
            return LinkPhrase("○", "$foreground-muted", "not connected")
        case Phase.CONNECTING:
            step = health.step or "connecting"
            again = f" (try {health.attempt + 1})" if health.attempt else ""
            return LinkPhrase("◌", "$primary", _with_age(f"{step}{again}", box))
        case Phase.LIVE:
            return _live(box)
        case Phase.WAITING:
            title = health.reason.title if health.reason else "waiting"
            return LinkPhrase("▲", "$warning", _with_age(DOT.join((title, _countdown(health))), box))
        case Phase.REFUSED:
            title = health.reason.title if health.reason else "refused"
            return LinkPhrase("✖", "$error", _with_age(title, box))
        case _:
            assert_never(health.phase)


def _live(box: Box | None) -> LinkPhrase:
    if box is None or box.age is None:
        trouble = box.trouble.value if box else None
        if trouble is not None:
            return LinkPhrase("▲", "$warning", trouble.title)
        return LinkPhrase("●", "$primary", "connected, waiting for the first reading")
    if box.stale:
        return LinkPhrase("▲", "$warning", f"no reading for {units.duration(box.age)}")
    round_trip = "" if box.rtt is None else f" {units.milliseconds(box.rtt)}"
    return LinkPhrase("●", "$success", f"live{round_trip}")


def _countdown(health: Health) -> str:
    if health.retry_at is None:
        return "trying again"
    left = max(0, math.ceil(health.retry_at - time.monotonic()))
    return f"again in {units.duration(left)}" if left else "trying again"


def _with_age(words: str, box: Box | None) -> str:
    """Say how old the data is that is still shown."""
    if box is None or box.age is None:
        return words
    return f"{words}{DOT}data {units.duration(box.age)} old"


def lasting(health: Health, box: Box | None) -> list[str]:
    """Return the lines to show for as long as something is wrong: what happened, then what to do."""
    if health.phase in (Phase.WAITING, Phase.REFUSED) and health.reason is not None:
        return _lines(health.reason)
    trouble = box.trouble.value if box else None
    if trouble is None or health.phase is not Phase.LIVE:
        return []
    shown_above = box is not None and box.age is None
    return _lines(trouble) if shown_above else [trouble.title, *_lines(trouble)]


def _lines(error: GpuBoxError) -> list[str]:
    lines = [line for line in error.text.splitlines() if line.strip()]
    return [*lines, *(f"{TO_DO}{line}" for line in error.hint.splitlines() if line.strip())]


def summary(sample: Sample, ui: UiSettings) -> str:
    """Return a box's reading in one short line, for the list of boxes: `2 GPUs 93% 66%  71°C  7.6G`."""
    gpus = sample.gpus
    if not gpus:
        return f"no GPUs  cpu {units.percent(sample.host.cpu)}"
    count = "1 GPU" if len(gpus) == 1 else f"{len(gpus)} GPUs"
    loads = [gpu.util for gpu in gpus if gpu.util is not None]
    heat = [gpu.temperature for gpu in gpus if gpu.temperature is not None]
    fill = [share for gpu in gpus if (share := memory_share(gpu.memory_used, gpu.memory_total)) is not None]
    load = units.percent(sum(loads) / len(loads) if loads else None)
    return (
        f"{count:<7} {load:>4} busy  {units.percent(max(fill, default=None)):>4} memory"
        f"  {units.temperature(max(heat, default=None), ui.temperature_unit):>5}"
    )
