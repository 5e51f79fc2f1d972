"""Samples as real boxes give them; every test that needs a box's reading takes it from here."""

from __future__ import annotations

import math
from collections.abc import Callable

from gpubox.common.series import readings
from gpubox.core.history import History
from gpubox.core.sample import Sample
from tests.parts import GIB, MIB, NOW, TIB, UUID_1070, UUID_4090
from tests.sick import HOSTILE, hostile, hot_and_throttled, lost_gpu, mismatch, no_device, no_driver
from tests.well import eight_gpus, mig_box, sparse, training_box, unified

__all__ = [
    "BUILDERS",
    "GIB",
    "HOSTILE",
    "MIB",
    "NOW",
    "TIB",
    "UUID_1070",
    "UUID_4090",
    "eight_gpus",
    "filled",
    "hostile",
    "hot_and_throttled",
    "lost_gpu",
    "mig_box",
    "mismatch",
    "no_device",
    "no_driver",
    "sparse",
    "training_box",
    "unified",
]


def filled(
    sample: Sample, seconds: int = 600, gap: tuple[int, int] | None = (200, 170), end: float = NOW
) -> History:
    """A history whose last reading is `sample`'s own, with waves before it.

    `gap` is a pair of seconds before `end` between which nothing was seen.
    """
    history = History()
    for back in range(seconds, -1, -1):
        if gap is not None and gap[1] <= back <= gap[0]:
            continue
        wave = 0.82 + 0.18 * math.sin(back / 17) if back else 1.0
        step = 0.35 if 60 < back % 150 < 75 else 1.0
        values = {
            key: value * (step * wave if key.endswith(("util", "power", "cpu")) else 0.9 + 0.1 * wave)
            for key, value in readings(sample)
        }
        history.put(end - back, values)
    return history


BUILDERS: dict[str, Callable[[], Sample]] = {
    builder.__name__: builder
    for builder in (
        training_box,
        eight_gpus,
        lost_gpu,
        mismatch,
        no_driver,
        no_device,
        mig_box,
        unified,
        hot_and_throttled,
        sparse,
        hostile,
    )
}
"""Every sample by its name, for tests that want them all."""
