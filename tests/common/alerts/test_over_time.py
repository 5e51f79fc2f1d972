"""Alerts over a noisy day, and over any script: each is raised and cleared in turn."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpubox.common.alerts.alert import AlertChange
from gpubox.common.alerts.tracker import AlertTracker
from tests.common.alerts.scripts import GIB, START, Player, sample

HOT = "gpu-too-hot"
DAY = 86400


def noisy(second: int, chance: random.Random) -> dict[str, Any]:
    """A box at its limits: every value swings about a threshold, by less than the gaps."""
    return sample(
        {
            "temperature": 88.0 + chance.uniform(-0.9, 0.9) + (2.5 if second > 20_000 else 0),
            "throttle": 0x20 if chance.random() < 0.25 else 0,
            "memory_used": int((0.96 + chance.uniform(0, 0.03)) * 80 * GIB),
            "fan": 100.0 if chance.random() < 0.9 else 99.0,
            "util": chance.choice([0.0, 30.0, 60.0, 97.0]),
            "pcie_width": 4 if second > 9000 else 16,
            "power_limit": 300.0 + chance.uniform(-0.4, 0.4),
        },
        {"memory_available": int(14 + chance.uniform(-3, 3)), "temperature": 89.0 + chance.uniform(-2, 2)},
        {"used": int(86_000 + chance.uniform(-3000, 3000))},
    )


@pytest.mark.parametrize("seed", range(2))
def test_a_noisy_day_raises_each_rule_at_most_once(seed: int) -> None:
    chance, player = random.Random(seed), Player()
    player.play(HOT, lambda passed: noisy(int(passed), chance), DAY, 20)
    raised = [change.alert.code for change in player.changes if change.raised]
    assert sorted(set(raised)) == sorted(raised)
    assert {"host-memory-nearly-full", "disk-nearly-full", "gpu-throttles", "gpu-pcie-slow"} <= {*raised}


LOOKS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([None, 20.0, 86.0, 89.0, 91.0, 200.0]),
        "throttle": st.sampled_from([None, 0, 0x20, 0x80]),
        "memory_used": st.sampled_from([None, 0, 2 * GIB, 78 * GIB, 79 * GIB]),
        "util": st.sampled_from([None, 0.0, 60.0]),
        "fan": st.sampled_from([None, 0.0, 100.0]),
        "xid": st.sampled_from([None, 13, 31, 79, 92, 119, 999]),
        "xid_at": st.sampled_from([None, 5.0, 600.0, 90_000.0]),
        "ecc_uncorrected": st.integers(0, 3),
        "ecc_corrected": st.integers(0, 40),
        "retired_pages": st.sampled_from([None, 0, 1, 64]),
        "fault": st.sampled_from([None, "GPU requires reset", "Unknown Error"]),
        "lost_at": st.sampled_from([None, 5.0]),
        "uuid": st.sampled_from(["GPU-a", "GPU-b", ""]),
        "pcie_width": st.sampled_from([None, 4, 16]),
        "persistence": st.booleans(),
    },
)
STEPS = st.tuples(
    LOOKS,
    st.integers(1, 60),
    st.sampled_from([10.0, 10.0, 10.0, 0.0, -5000.0, 50_000.0]),
    st.sampled_from(["", "", "", "restart", "acknowledge", "gone"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_every_alert_is_raised_and_cleared_in_turn(
    steps: list[tuple[dict[str, Any], int, float, str]],
) -> None:
    tracker, now = AlertTracker(), START
    changes: list[AlertChange] = []
    for gpu, times, pause, act in steps:
        now += pause
        look = sample(gpus=[]) if act == "gone" else sample(gpu)
        for _ in range(times):
            now += 10
            changes += tracker.feed(look, now)
        if act == "acknowledge":
            for alert in tracker.active:
                changes += tracker.acknowledge(alert.key, now)
        if act == "restart":
            state = json.loads(json.dumps(tracker.state()))
            tracker = AlertTracker()
            assert tracker.restore(state)
            assert tracker.state() == state
    for key in {change.alert.key for change in changes}:
        mine = [change.raised for change in changes if change.alert.key == key]
        assert mine[0]
        assert all(one is not other for one, other in pairwise(mine))
    left = {change.alert.key for change in changes if change.raised}
    for change in changes:
        (left.add if change.raised else left.discard)(change.alert.key)
    assert {alert.key for alert in tracker.active} == left
