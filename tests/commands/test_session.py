"""A command on one box: it has the settings of that box."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.boxes.fleet import Fleet
from gpubox.commands.common import common_options, run_async
from gpubox.commands.session import linked, with_box
from gpubox.config.resolve import resolved
from gpubox.config.settings import Settings
from gpubox.core import gc_tuning
from gpubox.core.prompts import Nobody
from gpubox.core.target import Target
from tests.boxes.scripted import ScriptedLink
from tests.hang import LIMIT

FILE = """
[jobs]
gpus = 1
grace = 5.0
[tag.lab.jobs]
grace = 30.0
[[box]]
name = "attic"
tags = ["lab"]
[box.jobs]
gpus = 3
"""


def test_a_command_has_the_settings_of_its_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpubox.toml").write_text(FILE)
    monkeypatch.setenv("GPUBOX_CONFIG", str(tmp_path / "gpubox.toml"))

    def open_box(target: Target, settings: Settings, *_: object, **__: object) -> Box:
        return Box(BoxContext(target, resolved(settings, target.name)), ScriptedLink())

    monkeypatch.setattr("gpubox.boxes.factory.open_box", open_box)

    @click.command()
    @common_options
    @click.pass_context
    def command(ctx: click.Context) -> int:
        async def work(box: Box, settings: Settings) -> int:
            jobs.append((settings.jobs.gpus, settings.jobs.grace))
            return 0

        return with_box(ctx, "attic", work)

    jobs: list[tuple[int, float]] = []
    done = CliRunner().invoke(command, [], standalone_mode=False)
    assert (done.exception, jobs) == (None, [(3, 30.0)])


async def test_a_box_is_closed_in_its_fleet_when_the_work_is_done() -> None:
    fleet = Fleet(Settings(), Nobody(), opener=lambda target, asker: Box(BoxContext(target), ScriptedLink()))
    box = fleet.open(Target("attic", "ssh"))

    async def work() -> list[str]:
        return list(fleet.boxes)

    assert await linked(fleet, box, work) == ["attic"]
    assert fleet.boxes == {}


def test_garbage_is_collected_again_once_a_command_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    released = asyncio.Event()
    monkeypatch.setattr(gc_tuning, "STARTED", 0.0)
    monkeypatch.setattr(gc_tuning, "release", released.set)

    async def work() -> bool:
        return await asyncio.wait_for(released.wait(), LIMIT)

    gc_tuning.hold()
    try:
        assert run_async(work())
    finally:
        gc.enable()
