"""A probe that ends, falls silent or does not listen is started again."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from gpubox.agent import probe_session
from gpubox.boxes.box import Box
from gpubox.core.errors import GpuBoxError, ProbeError
from tests.boxes.conftest import Open
from tests.boxes.scripted import ScriptedChannel, ScriptedLink, ScriptedShell, line_of, say_ready, until
from tests.samples import eight_gpus, training_box


def failures(box: Box) -> list[GpuBoxError]:
    assert isinstance(box.link, ScriptedLink)
    return box.link.failures


async def test_the_probe_is_started_again_after_its_end(opened: Open) -> None:
    async with opened() as (box, shell):
        shell.channel.end(0)
        await until(lambda: len(shell.channels) == 2)
        shell.channel.sample(training_box())
        await until(lambda: box.sample.value)
        assert not shell.channels[0].open


def _end_at_need(channel: ScriptedChannel) -> None:
    """End where the probe itself is to be sent."""
    channel.send(channel.mark + b" NEED\n")
    channel.end(None, signal="HUP")


def _end_unread(channel: ScriptedChannel) -> None:
    """End with more samples unread than are read in a second, as after a sleep of this machine."""
    say_ready(channel)
    channel.send(line_of(training_box()) * 3 * probe_session.PACE)
    channel.end(6)


def _end_at_once(channel: ScriptedChannel) -> None:
    """End behind the greeting."""
    say_ready(channel)
    channel.end(0)


def _end_before(channel: ScriptedChannel) -> None:
    """End without a word."""
    channel.end(0)


@pytest.mark.parametrize("end", [_end_at_need, _end_unread, _end_at_once, _end_before])
async def test_a_probe_that_ended_unnoticed_is_started_again_whatever_was_to_be_sent(
    opened: Open, monkeypatch: pytest.MonkeyPatch, end: Callable[[ScriptedChannel], None]
) -> None:
    monkeypatch.setattr(probe_session, "BEAT", 0.01)
    ends = [end, say_ready]
    async with opened(ScriptedShell(lambda channel: ends.pop(0)(channel))) as (box, shell):
        box.watch_pcie(0)  # another thing that is sent without being asked
        await until(lambda: len(shell.channels) == 2)
        (failure,) = failures(box)
        assert isinstance(failure, ProbeError)
        shell.channel.sample(eight_gpus())
        await until(lambda: box.sample.value == eight_gpus())


async def test_silence_over_a_live_link_starts_the_probe_again(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"BEAT": 0.01, "SILENCE_LIMIT": 0.05, "FIRST_LIMIT": 0.05, "MISSED": 0}.items():
        monkeypatch.setattr(probe_session, name, value)
    async with opened() as (box, shell):
        await until(lambda: failures(box))
        assert failures(box)[0].title == "The probe sends nothing"
        await until(lambda: len(shell.channels) == 2)
        shell.channel.sample(training_box())
        await until(lambda: len(failures(box)) == 2)
        assert failures(box)[1].title == "The probe fell silent"


async def test_a_probe_that_does_not_listen_is_started_again(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_session, "SILENCE_LIMIT", 0.05)
    async with opened() as (box, shell):
        shell.channel.deaf = True
        shell.channel.sample(training_box())
        await until(lambda: failures(box))
        assert failures(box)[0].title == "The probe does not listen"


async def test_a_program_that_slept_itself_blames_no_probe(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 0.0
    monkeypatch.setattr(
        probe_session, "time", SimpleNamespace(monotonic=lambda: 1e6 + passed, time=time.time)
    )
    async with opened() as (box, shell):
        shell.channel.sample(training_box())
        await until(lambda: box.sample.value)
        before, beats = box.sample.value, len(shell.channel.beats)
        passed += 2 * probe_session.SILENCE_LIMIT  # the whole program stood still, as in a suspended terminal
        await until(lambda: len(shell.channel.beats) > beats)
        shell.channel.sample(training_box())  # what the box sent meanwhile is read only now
        await until(lambda: box.sample.value is not before)
        assert failures(box) == []
