"""The open boxes: each is opened once, kept, and forgotten when it is closed."""

from __future__ import annotations

import asyncio

import msgspec

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext, Purpose
from gpubox.boxes.fleet import Fleet
from gpubox.config.settings import ProbeSettings, Settings
from gpubox.core.prompts import Asker, Nobody
from gpubox.core.target import Target
from tests.boxes.scripted import ScriptedLink, until

XUB = Target("xub", "ssh")


async def test_a_box_is_opened_once_and_again_after_it_was_closed() -> None:
    made: list[Box] = []

    def opener(target: Target, asker: Asker) -> Box:
        made.append(Box(BoxContext(target), ScriptedLink()))
        return made[-1]

    fleet = Fleet(Settings(), Nobody(), opener=opener)
    box = fleet.open(XUB)
    assert fleet.open(XUB) is box
    assert fleet.boxes == {"xub": box}
    keeping = asyncio.create_task(fleet.keep(box, Purpose.COMMAND))
    await until(lambda: box.shell.value is not None)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert box.shell.value is None
    assert fleet.boxes == {}
    assert fleet.open(XUB) is not box
    assert len(made) == 2


def test_boxes_have_the_settings_that_were_read_last() -> None:
    fleet = Fleet(Settings(), Nobody())
    before = fleet.open(Target("ada@attic", "ssh", "typed"))
    fleet.settings = msgspec.structs.replace(fleet.settings, probe=ProbeSettings(interval=7))
    after = fleet.open(Target("ada@lab", "ssh", "typed"))
    assert (before.settings.probe.interval, after.settings.probe.interval) == (1.0, 7)
