"""The last hour of a box: one slot a second, gaps where nothing was seen, and never more than that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.common.series import gpu_key, host_key, readings
from gpubox.core.history import SPAN, History
from gpubox.core.sample import Gpu, Host, Sample
from tests.samples import NOW, eight_gpus, filled, sparse, training_box

START = 1_700_000_000


def test_what_was_put_is_seen_and_the_rest_is_a_gap() -> None:
    history = History()
    history.put(START, {"a": 10.0})
    history.put(START + 3.9, {"a": 40.04})
    assert history.window("a", START + 4, 6, 6) == [None, 10.0, None, None, 40.0, None]
    assert history.window("b", START, 3, 3) == [None] * 3
    assert history.window("a", START, 60, 0) == []


def test_fewer_points_than_seconds_are_means_over_what_was_seen() -> None:
    history = History()
    for second, value in enumerate((10.0, 20.0, 30.0)):
        history.put(START + second, {"a": value})
    assert START % 4 == 0
    assert history.window("a", START + 3, 8, 2) == [None, 20.0]


def test_a_graph_scrolls_and_never_flickers() -> None:
    """The mean of a bucket that is over stays what it was, wherever the window ends."""
    history = History()
    for second in range(600):
        history.put(START + second, {"a": float(second % 97)})
    first = history.window("a", START + 599, 300, 60)
    later = history.window("a", START + 604, 300, 60)
    assert later[:-1] == first[1:]
    within = history.window("a", START + 601, 300, 60)
    assert within[:-1] == first[1:]


def test_the_last_value_of_a_second_stands() -> None:
    history = History()
    history.put(START, {"a": 1.0})
    history.put(START + 0.9, {"a": 2.0})
    assert history.window("a", START, 1, 1) == [2.0]


def test_an_hour_is_preserved_and_little_more() -> None:
    history = History()
    for second in range(3 * SPAN):
        history.put(START + second, {"a": float(second % 100)})
    shown = history.window("a", START + 3 * SPAN - 1, 2 * SPAN, 2 * SPAN)
    assert all(value is not None for value in shown[-SPAN:])
    assert sum(value is not None for value in shown) <= SPAN + 601


def test_after_an_hour_of_nothing_the_graph_begins_again() -> None:
    history = History()
    history.put(START, {"a": 1.0})
    history.put(START + 10 * SPAN, {"a": 2.0})
    shown = history.window("a", START + 10 * SPAN, 11 * SPAN, 11 * SPAN)
    assert [value for value in shown if value is not None] == [2.0]


def test_a_clock_that_is_set_back_does_not_stop_the_graph() -> None:
    history = History()
    for second in range(100):
        history.put(START + second, {"a": 1.0})
    history.put(START + 50, {"a": 9.0})  # a little: the past is written again
    assert history.window("a", START + 50, 1, 1) == [9.0]
    history.put(START - 7200, {"a": 5.0})  # by hours: it begins again
    assert history.window("a", START - 7200, 1, 1) == [5.0]


@pytest.mark.parametrize("value", [-5.0, 0.0, 7e9, float("inf"), float("-inf"), float("nan")])
def test_a_value_out_of_bounds_is_preserved_at_the_bound(value: float) -> None:
    history = History()
    history.put(START, {"a": value})
    (shown,) = history.window("a", START, 1, 1)
    assert shown in (0.0, 6553.4)


def test_filled_seconds_stand_for_a_mean_that_was_read_from_disk() -> None:
    history = History()
    history.fill(START, 10, {"a": 5.0})
    history.fill(START + 20, 10, {"a": 7.0})
    assert history.window("a", START + 29, 30, 3) == [5.0, None, 7.0]
    assert history.means(START + 20, 10) == {"a": 7.0}
    assert history.means(START + 10, 10) == {}


def test_taking_over_another_history_keeps_the_object_that_panels_hold() -> None:
    history, read = History(), History()
    read.put(START, {"a": 1.0})
    history.take(read)
    history.put(START + 1, {"a": 2.0})
    assert history.window("a", START + 1, 2, 2) == [1.0, 2.0]


def test_a_box_that_renames_its_gpus_every_second_does_not_fill_this_machine() -> None:
    history = History()
    for number in range(5000):
        history.put(START + number, {f"gpu/{number}/util": 1.0})
    assert len(history.keys()) <= 1024


def test_what_a_sample_gives_to_keep() -> None:
    known = dict(readings(training_box()))
    uuid = training_box().gpus[0].uuid
    assert known[gpu_key(uuid, "util")] == training_box().gpus[0].util
    assert 0 <= known[host_key("memory")] <= 100
    assert len(dict(readings(eight_gpus()))) >= 8 * 4
    assert all(value is not None for value in dict(readings(sparse())).values())


def test_unknown_values_and_totals_of_zero_are_left_out() -> None:
    sample = Sample(
        gpus=(Gpu(index=4, memory_used=5, memory_total=0, fan=30.0),),
        host=Host(memory_available=1, memory_total=0),
    )
    assert dict(readings(sample)) == {"gpu/4/fan": 30.0}


def test_a_filled_history_of_the_samples_has_its_gap() -> None:
    history = filled(training_box())
    assert None in history.window(host_key("cpu"), NOW, 600, 600)


@given(
    puts=st.lists(
        st.tuples(st.integers(START - 10_000, START + 10_000), st.floats(0, 6000), st.integers(1, 20)),
        max_size=60,
    ),
    now=st.integers(START - 10_000, START + 10_000),
    seconds=st.integers(1, 7200),
    points=st.integers(1, 300),
)
def test_any_order_of_puts_gives_a_window_of_the_asked_size(
    puts: list[tuple[int, float, int]], now: int, seconds: int, points: int
) -> None:
    history = History()
    for second, value, width in puts:
        history.fill(second, width, {"a": value})
    shown = history.window("a", now, seconds, points)
    assert len(shown) == points
    assert all(value is None or 0 <= value <= 6000.1 for value in shown)
    if puts:
        second, value, _ = puts[-1]
        (last,) = history.window("a", second, 1, 1)
        assert last == pytest.approx(value, abs=0.051)
