"""What comes from the probe, and what may come instead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec
import pytest

from gpubox.agent import probe_session
from gpubox.boxes.box import Box
from gpubox.config.settings import ProbeSettings
from gpubox.core.decode import LINE_LIMIT
from gpubox.core.errors import GpuBoxError, ProbeError
from gpubox.core.link_state import Phase
from gpubox.remote.probe.wire import Pack
from tests.boxes.conftest import Open
from tests.boxes.scripted import (
    ScriptedChannel,
    ScriptedLink,
    ScriptedShell,
    line_of,
    say_plain,
    until,
)
from tests.samples import eight_gpus, training_box


def failures(box: Box) -> list[GpuBoxError]:
    assert isinstance(box.link, ScriptedLink)
    return box.link.failures


async def test_a_sample_reaches_the_feed_and_the_history(opened: Open) -> None:
    async with opened() as (box, shell):
        shell.channel.sample(training_box())
        await until(lambda: box.sample.value)
        assert box.sample.value == training_box()
        assert box.age is not None
        assert box.age < 5
        assert not box.stale
        uuid = training_box().gpus[0].uuid
        shown = box.history.window(f"gpu/{uuid}/util", time.time(), 60, 60)
        assert [value for value in shown if value is not None] == [training_box().gpus[0].util]


async def test_heartbeats_give_the_round_trip(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_session, "BEAT", 0.02)
    async with opened() as (box, shell):
        channel = shell.channel
        await asyncio.sleep(0.05)  # two beats long none may come
        assert channel.beats == []  # the start of the probe is no round trip
        channel.sample(training_box())
        await until(lambda: channel.beats)
        assert box.rtt is None
        await until(lambda: len(channel.beats) > 2)
        channel.send(b'{"pong":%d}\n' % channel.beats[0])  # late, as over a satellite
        await until(lambda: box.rtt is not None)
        assert box.rtt is not None
        assert 0.03 <= box.rtt < 30
        assert box.trouble.value is None


async def test_a_strange_pong_is_no_round_trip(opened: Open) -> None:
    async with opened() as (box, shell):
        shell.channel.send(b'{"pong":7}\n{"pong":"x"}\n{"pong":\n{"pong":1e99}\n{"pong":\xff}\n')
        shell.channel.sample(training_box())
        await until(lambda: box.sample.value)
        assert box.rtt is None
        assert failures(box) == []


async def test_a_broken_stream_of_packed_lines_is_begun_again(opened: Open) -> None:
    async with opened() as (box, shell):
        first, second = line_of(training_box()), line_of(eight_gpus())
        pack = Pack()
        shell.channel.send(pack.line(first))
        await until(lambda: box.sample.value == training_box())
        lost = pack.line(second)
        shell.channel.send(lost[:20] + b"Broadcast message\n" + pack.line(second) + pack.line(second))
        await until(lambda: b"fresh\n" in shell.channel.written)
        assert box.trouble.value is not None
        shell.channel.send(Pack().line(second))
        await until(lambda: box.sample.value == eight_gpus())
        assert shell.channel.written.count(b"fresh") == 1
        assert failures(box) == []


async def test_garbage_is_skipped_reported_and_forgotten(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_session, "GARBAGE_SHOWN", 0.0)
    async with opened() as (box, shell):
        shell.channel.send(b"Broadcast message from root@xub\x1b[2J\n")
        await until(lambda: box.trouble.value)
        trouble = box.trouble.value
        assert isinstance(trouble, ProbeError)
        assert "Broadcast message" in trouble.text
        assert "\x1b" not in str(trouble)
        assert box.link.health.value.phase is Phase.LIVE
        shell.channel.sample(training_box())
        await until(lambda: box.trouble.value is None)
        assert box.sample.value == training_box()


async def test_a_frame_cut_in_half_costs_one_reading(opened: Open) -> None:
    line = line_of(training_box())
    async with opened() as (box, shell):
        shell.channel.send(line[: len(line) // 2] + b"\n" + line)
        await until(lambda: box.sample.value)
        assert box.trouble.value is not None
        assert failures(box) == []


async def test_a_frame_cut_by_the_end_is_reported_as_the_end(opened: Open) -> None:
    async with opened() as (box, shell):
        channel = shell.channel
        channel.sample(training_box())
        channel.send(line_of(training_box())[:500])
        channel.end(1, b"Traceback (most recent call last):\nMemoryError\n")
        await until(lambda: failures(box))
        (failure,) = failures(box)
        assert isinstance(failure, ProbeError)
        assert failure.again
        assert "MemoryError" in failure.text
        assert failure.status == 1
        assert box.trouble.value is None


async def test_a_line_of_a_megabyte_is_no_trouble_and_a_longer_one_is_reported(opened: Open) -> None:
    sample = training_box()
    long = msgspec.structs.replace(
        sample, host=msgspec.structs.replace(sample.host, distribution="x" * 1_000_000)
    )
    async with opened() as (box, shell):
        shell.channel.sample(long)
        await until(lambda: box.sample.value)
        assert box.sample.value is not None
        assert len(box.sample.value.host.distribution) == 512
        shell.channel.send(b"y" * (LINE_LIMIT + 10) + b"\n")
        await until(lambda: box.trouble.value)
        assert len(str(box.trouble.value)) < 500


async def test_nothing_but_garbage_starts_the_probe_again(opened: Open) -> None:
    async with opened() as (box, shell):
        shell.channel.send(b"no\n" * probe_session.GARBAGE_LIMIT)
        await until(lambda: failures(box))
        assert "garbage" in failures(box)[0].title
        await until(lambda: len(shell.channels) == 2)


async def test_a_newer_line_format_is_refused_in_words_and_an_older_one_is_read(opened: Open) -> None:
    async with opened() as (box, shell):
        shell.channel.send(b'{"v":0,"time":5,"host":{"hostname":"old"}}\n')
        await until(lambda: box.sample.value)
        shell.channel.send(b'{"v":2,"time":5,"host":["another","shape"]}\n')
        await until(lambda: failures(box))
        assert "format 2" in failures(box)[0].text
        assert box.link.health.value.phase is Phase.REFUSED
        box.retry()
        await until(lambda: len(shell.channels) == 2)


async def test_a_box_without_python_is_read_by_the_plain_reader(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpubox.agent.shell_samples.ShellSampleReader", _Plain)
    async with opened(ScriptedShell(say_plain)) as (box, shell):
        shell.channel.send(b"t 1\n.\n")
        await until(lambda: box.sample.value)
        await until(lambda: shell.channel.beats)  # without one it ends after 45 seconds
        shell.channel.send(b'{"pong":1}\n')
        await until(lambda: box.rtt is not None)


class _Plain:
    """A reader for which a dot ends a sample."""

    def feed(self, line: bytes) -> object:
        return training_box() if line == b".\n" else None


async def test_a_box_that_floods_the_channel_does_not_stop_this_program(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_session, "PACE", 10)
    async with opened() as (box, shell):
        for number in range(1000):
            shell.channel.sample(msgspec.structs.replace(training_box(), seq=number))
        await until(lambda: box.sample.value)
        for _ in range(20):
            await asyncio.sleep(0)
        assert box.sample.value is not None
        assert box.sample.value.seq < 500


def _lack(channel: ScriptedChannel) -> None:
    channel.end(127, b"sh: not found\n")


def _refuse(channel: ScriptedChannel) -> None:
    channel.send(b"This account is currently not available.\n")
    channel.end(1)


@pytest.mark.parametrize(
    ("greet", "words"),
    [(_refuse, "not available"), (_lack, "not found")],
)
async def test_a_probe_that_cannot_start_is_reported_with_what_the_box_printed(
    opened: Open, greet: Callable[[ScriptedChannel], None], words: str
) -> None:
    async with opened(ScriptedShell(greet)) as (box, _):
        await until(lambda: failures(box))
        assert words in failures(box)[0].text


async def test_pcie_is_asked_for_one_gpu_and_again_after_a_restart(opened: Open) -> None:
    async with opened() as (box, shell):
        box.watch_pcie(3)
        await until(lambda: b"pcie 3\n" in shell.channel.written)
        box.watch_pcie(3)
        box.watch_pcie(None)
        await until(lambda: b"pcie off\n" in shell.channel.written)
        assert shell.channel.written.count(b"pcie 3\n") == 1
        box.watch_pcie(1)
        shell.channel.end(0)
        await until(lambda: len(shell.channels) == 2 and b"pcie 1\n" in shell.channel.written)


async def test_the_settings_of_the_probe_are_in_its_command(opened: Open) -> None:
    async with opened(probe=ProbeSettings(interval=7.25)) as (_, shell):
        assert "7.25" in shell.channel.command


async def test_a_dropped_link_keeps_the_sample_and_makes_it_old(opened: Open) -> None:
    async with opened() as (box, shell):
        shell.channel.sample(eight_gpus())
        await until(lambda: box.sample.value)
        shell.channel.drop()
        await until(lambda: failures(box))
        assert box.sample.value == eight_gpus()
        assert box.rtt is None
