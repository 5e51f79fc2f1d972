"""The braille graph and the readings it is made from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gpubox.core.history import History
from gpubox.ui.draw.spans import Line, Tone, length
from gpubox.ui.draw.trend import GAP, captioned, series, trend
from gpubox.ui.severity import level

NOW = 1_000_000.0


def rows(lines: list[Line]) -> list[str]:
    return ["".join(span.text for span in line) for line in lines]


def seen(readings: dict[int, float]) -> History:
    """Return a history with readings at so many seconds before now."""
    history = History()
    for back in sorted(readings, reverse=True):
        history.put(NOW - back, {"key": readings[back]})
    return history


def test_two_readings_share_a_cell_and_fill_it_from_below() -> None:
    assert rows(trend([100, 100, 0, 50, 100, 0], 1, 0, 100, "util")) == ["⣿⣠⣇"]


def test_a_graph_grows_upwards_over_its_lines() -> None:
    assert rows(trend([100, 100, 50, 50], 2, 0, 100, "util")) == ["⣿ ", "⣿⣿"]


def test_zero_and_a_gap_look_different() -> None:
    zero, gap = trend([0, 0], 1, 0, 100, "util"), trend([None, None], 1, 0, 100, "util")
    assert rows(zero) == ["⣀"]
    assert rows(gap) == [GAP]
    assert gap[0][0].tone == "faint"


def test_a_gap_is_marked_on_the_ground_line_only() -> None:
    assert rows(trend([100, 100, None, None, 100, 100], 2, 0, 100, "util")) == ["⣿ ⣿", "⣿┈⣿"]


def test_colors_follow_the_threshold_cell_by_cell() -> None:
    def tone(value: float) -> Tone:
        return level(value, (80, 90), "memory")

    line = trend([10, 20, 85, 20, 95, 95, 95, 95], 1, 0, 100, tone)[0]
    assert [(span.tone, len(span.text)) for span in line] == [("memory", 1), ("warn", 1), ("alarm", 2)]


def test_neighbors_of_one_tone_are_one_span() -> None:
    assert len(trend([50.0] * 400, 1, 0, 100, "util")[0]) == 1


def test_a_reading_that_came_a_second_late_leaves_no_hole() -> None:
    history = seen({back: 50.0 for back in range(60) if back not in (20, 21)})
    assert None not in series(history, "key", NOW, 60, 60)


def test_a_lost_link_leaves_a_hole_as_wide_as_it_was_long() -> None:
    history = seen({back: 50.0 for back in range(60) if not 20 <= back < 40})
    assert series(history, "key", NOW, 60, 60).count(None) == 20


def test_the_open_end_becomes_a_gap_when_readings_stop() -> None:
    history = seen({back: 50.0 for back in range(10, 60)})
    assert series(history, "key", NOW, 60, 60)[-10:] == [None] * 10
    assert None not in series(history, "key", NOW - 8, 50, 50)[-10:]


def test_a_minute_fills_the_whole_width_of_a_wide_graph() -> None:
    history = seen(dict.fromkeys(range(60), 50.0))
    assert series(history, "key", NOW, 60, 150) == [50.0] * 150


def test_a_caption_covers_the_upper_left_corner() -> None:
    lines = captioned(trend([100.0] * 20, 2, 0, 100, "util"), "util")
    assert rows(lines) == ["util ⣿⣿⣿⣿⣿", "⣿⣿⣿⣿⣿⣿⣿⣿⣿⣿"]
    assert captioned([()], "util") == [()]


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=80).filter(
        lambda values: len(values) % 2 == 0
    ),
    st.integers(1, 12),
    st.floats(-100, 100),
    st.floats(-100, 100),
)
def test_a_graph_takes_exactly_its_room(
    values: list[float | None], height: int, low: float, high: float
) -> None:
    lines = trend(values, height, low, high, "util")
    assert len(lines) == height
    assert all(length(line) == len(values) // 2 for line in lines)


@given(st.integers(1, 7200), st.integers(1, 400))
def test_a_series_has_exactly_as_many_readings_as_dots(seconds: int, dots: int) -> None:
    assert len(series(seen({0: 1.0, 5: 2.0}), "key", NOW, seconds, dots)) == dots
