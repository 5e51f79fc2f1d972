"""The state of a job as it is drawn: a sign, a word and a tone."""

from __future__ import annotations

from typing import NamedTuple

from gpubox.boxes.jobs import wording
from gpubox.core.record import Record
from gpubox.ui.draw.spans import Tone


class Phrase(NamedTuple):
    """A drawn state; the sign alone distinguishes it, without color."""

    sign: str
    words: str
    tone: Tone


_SIGNS: dict[str, tuple[str, Tone]] = {
    "queued": ("◌", "warn"),
    "starting": ("▷", "accent"),
    "running": ("▶", "accent"),
    "stopping": ("▽", "warn"),
    "done": ("✔", "util"),
    "failed": ("✖", "alarm"),
    "lost": ("✖", "alarm"),
    "stopped": ("■", "muted"),
    "ended": ("?", "muted"),
}
"""How each state of `wording.state` is drawn."""


def phrase(record: Record) -> Phrase:
    """Return the state of a job."""
    words = wording.state(record)
    sign, tone = _SIGNS[words]
    return Phrase(sign, words, tone)
