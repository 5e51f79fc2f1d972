"""No sample of a box makes the tracker raise an exception, or write what JSON cannot hold."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gpubox.common.alerts.tracker import AlertTracker
from gpubox.core.sample import Sample
from tests.common.rules.test_table import SAMPLES


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(SAMPLES, st.floats(-1e6, 1e6)), min_size=1, max_size=4))
def test_no_samples_make_the_tracker_raise(lines: list[tuple[object, float]]) -> None:
    tracker, plain, now = AlertTracker(), AlertTracker(), 1e9
    for line, pause in lines:
        sample = msgspec.json.decode(json.dumps(line), type=Sample)
        for _ in range(3):
            now += pause
            changes = tracker.feed(sample, now)
            assert plain.feed(msgspec.to_builtins(sample), now) == changes
            assert all("{" not in alert.title for alert in tracker.active if "{" not in str(line))
        for alert in tracker.active:
            tracker.acknowledge(alert.key, now)
            plain.acknowledge(alert.key, now)
    state = json.loads(json.dumps(tracker.state()))
    again = AlertTracker()
    assert again.restore(state)
    assert list(again.active) == list(tracker.active)
