"""The panel of the machine around the GPUs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion

from gpubox.config.settings import Settings
from gpubox.core.sample import Disk, Sample
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import length
from gpubox.ui.panels.host.panel import HostPanel
from gpubox.ui.panels.host.text import draw_host
from tests import samples
from tests.parts import host
from tests.ui.fakes import until
from tests.ui.stage import on_stage, same_picture

pytestmark = pytest.mark.usefixtures("clock")


async def text_of(sample: Sample, size: tuple[int, int] = (60, 24)) -> str:
    async with on_stage(HostPanel, sample, size) as (stage, _):
        return stage.text


def line_of(text: str, label: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(label))


async def test_the_machine_is_reported_in_full() -> None:
    text = await text_of(samples.training_box())
    for label, said in (
        ("cpu", "38%"),
        ("mem", "27.0G/64.0G"),
        ("swap", "312M/8.0G"),
        ("disk", "182M/s read"),
        ("net", "9.1K/s out"),
        ("load", "6.21  5.74  4.02 · 412 processes"),
        ("heat", "67°C · AMD Ryzen 7 5800X"),
        ("up", "12d 3h · Ubuntu 22.04.5 LTS"),
        ("linux", "6.8.0-60-generic · x86_64"),
        ("gpu", "driver 550.144.03 · CUDA 12.4"),
        ("probe", "0.6% cpu · 21.0M"),
    ):
        assert said in line_of(text, label), label


async def test_there_is_one_small_bar_for_each_core() -> None:
    text = await text_of(samples.training_box())
    assert line_of(text, "cores").split()[1] == "▇▃▃▁█▁▁▁▅▄▂▁▁▁█▃"


async def test_many_cores_fit_two_lines() -> None:
    lines = (await text_of(samples.eight_gpus(), (48, 24))).splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("cores"))
    assert lines[place + 1].startswith("      ▃") or "▁" in lines[place + 1]
    assert lines[place + 2].startswith("mem")


async def test_full_and_read_only_disks_are_reported_in_words() -> None:
    text = await text_of(samples.hot_and_throttled())
    assert "928G/931G!!" in text
    assert "!! full, 3.0G free" in text
    assert "! read-only" in text
    assert "! nearly full, 376G free" in await text_of(samples.training_box())


async def test_a_disk_without_a_size_is_named_with_the_reason() -> None:
    far = Disk(mount="/home", device="nas:/home", filesystem="nfs4")
    disks = (
        replace(far, hangs=72),
        replace(far, mount="/new", hangs=0.4),
        replace(far, mount="/old", fault="Stale"),
    )
    sample = replace(samples.training_box(), host=host(disks=disks))
    text = await text_of(sample)
    assert line_of(text, "/home").split(maxsplit=1)[1] == "! no answer for 1m 12s · nas:/home (nfs4)"
    assert line_of(text, "/new").split(maxsplit=1)[1] == "no answer yet · nas:/home (nfs4)"
    assert line_of(text, "/old").split(maxsplit=1)[1] == "! Stale · nas:/home (nfs4)"
    for width in (20, 38, 92):
        assert max(map(length, draw_host(sample, Settings(), width))) <= width


async def test_the_limits_of_a_container_are_named() -> None:
    limited = host(cpu_limit=2.5, memory_limit=8 << 30, memory_total=8 << 30, memory_available=2 << 30)
    text = await text_of(replace(samples.training_box(), host=limited))
    assert "6.0G/8.0G" in line_of(text, "mem")
    assert line_of(text, "limit").split(maxsplit=1)[1] == "of the container · 2.5 CPUs, 8.0G of memory"


async def test_short_memory_is_an_alarm() -> None:
    assert "62.0G/64.0G!!" in await text_of(samples.hot_and_throttled())


async def test_what_is_not_known_is_a_dash() -> None:
    text = await text_of(samples.sparse())
    assert "–" in line_of(text, "cpu")
    assert "–" in line_of(text, "heat")
    assert not any(line.startswith("swap") for line in text.splitlines())
    assert "0%" not in text.replace("10%", "")


async def test_the_host_is_shown_when_there_is_no_gpu() -> None:
    text = await text_of(samples.no_device())
    assert "38%" in line_of(text, "cpu")
    assert "no driver" in line_of(text, "gpu")


@pytest.mark.parametrize("width", [20, 38, 60, 91, 92, 120, 196])
@pytest.mark.parametrize("name", samples.BUILDERS)
def test_lines_are_never_wider_than_the_panel(name: str, width: int) -> None:
    lines = draw_host(samples.BUILDERS[name](), Settings(), width)
    assert max(map(length, lines)) <= width


async def test_nothing_is_hidden_behind_the_scroll_bar() -> None:
    async with on_stage(HostPanel, samples.hot_and_throttled(), (48, 8)) as (stage, pilot):
        await until(pilot, lambda: stage.query_one(LineView).show_vertical_scrollbar)
        await until(pilot, lambda: "62.0G/64.0G!!" in stage.painted())


async def test_the_panel_grows_with_its_content() -> None:
    async with on_stage(HostPanel, samples.training_box(), (60, 30)) as (stage, pilot):
        stage.panel.styles.height = "auto"
        await pilot.pause()
        before = stage.panel.size.height
        one = samples.training_box()
        stage.panel.sample = replace(one, host=host(disks=one.host.disks * 3))
        await pilot.pause()
        assert stage.panel.size.height == before + 6


@pytest.mark.parametrize("size", [(48, 20), (120, 14)], ids=["48", "120"])
async def test_the_picture_of_the_host(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    async with on_stage(HostPanel, samples.training_box(), size) as (stage, _):
        same_picture(stage, snapshot)
