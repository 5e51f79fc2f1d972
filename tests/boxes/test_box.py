"""A box as its panels see it: how old its sample is, and whether it may pass for now."""

from __future__ import annotations

import time

import msgspec
import pytest

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.core.errors import ProbeError
from gpubox.core.link_state import Health, Phase
from gpubox.core.target import Target
from tests.boxes.scripted import ScriptedLink
from tests.samples import training_box


@pytest.fixture
def box() -> Box:
    link = ScriptedLink()
    link.health.put(Health(Phase.LIVE))
    return Box(BoxContext(Target("xub", "ssh")), link)


def test_before_the_first_sample_nothing_is_old(box: Box) -> None:
    assert box.age is None
    assert not box.stale
    assert box.name == "xub"


def test_a_fresh_sample_over_a_live_link_passes_for_now(box: Box) -> None:
    box.received(training_box())
    assert not box.stale


@pytest.mark.parametrize(
    ("interval", "age", "stale"), [(1, 2, False), (1, 4, True), (5, 4, False), (5, 16, True)]
)
def test_three_overdue_samples_make_it_old(box: Box, interval: float, age: float, stale: bool) -> None:
    box.received(msgspec.structs.replace(training_box(), interval=interval))
    box.received_at = time.monotonic() - age
    assert box.stale is stale


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.CONNECTING, Phase.WAITING, Phase.REFUSED])
def test_a_link_that_is_not_live_makes_it_old_at_once(box: Box, phase: Phase) -> None:
    box.received(training_box())
    box.link.health.put(Health(phase))
    assert box.stale


def test_the_same_trouble_is_reported_once(box: Box) -> None:
    reported: list[object] = []
    put = box.trouble.put
    box.trouble.put = lambda value: (reported.append(value), put(value))[1]  # type: ignore[method-assign]
    box.troubled(None)
    trouble = ProbeError("Garbage")
    box.troubled(trouble)
    box.troubled(trouble)
    box.troubled(None)
    assert reported == [trouble, None]


def test_retry_reaches_the_link(box: Box) -> None:
    box.retry()
    assert isinstance(box.link, ScriptedLink)
    assert box.link.retries == 1
