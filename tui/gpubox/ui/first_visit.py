"""Offers the guide through the set-up of a box that this machine sees for the first time."""

from __future__ import annotations

from gpubox.boxes.box import Box
from gpubox.ui.error_boundary import Notifier

_OFFER = "First time on this box: G is a guide through its set-up"


async def offer_guide(notifier: Notifier, box: Box) -> None:
    """Name the key of the guide once the box has sent a sample; the demo box needs no set-up."""
    if box.target.kind == "demo":
        return
    async for sample in box.sample.follow():
        if sample is not None:
            notifier.notify(_OFFER, markup=False)
            return
