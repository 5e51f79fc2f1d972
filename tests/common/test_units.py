"""Numbers as people read them: fixed widths, and a dash where nothing is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.common import units

FORMATS: tuple[Callable[[float | None], str], ...] = (
    units.size, units.rate, units.percent, units.watts, units.celsius,
    units.megahertz, units.duration, units.milliseconds,
)  # fmt: skip


@pytest.mark.parametrize("shown", FORMATS)
def test_what_is_unknown_is_a_dash_and_never_zero(shown: Callable[[float | None], str]) -> None:
    assert shown(None) == units.DASH
    assert shown(0) != units.DASH


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0B"), (999, "999B"), (1000, "1.0K"), (1023, "1.0K"), (1024, "1.0K"), (1536, "1.5K"),
        (102_290, "99.9K"), (102_400, "100K"), (1023 * 1024, "1.0M"), (8 * 1024**3, "8.0G"),
        (int(23.6 * 1024**3), "23.6G"), (1024**4, "1.0T"), (2**60, "1024P"),
    ],
)  # fmt: skip
def test_sizes(value: float, text: str) -> None:
    assert units.size(value) == text


@given(st.floats(0, 2.0**59))
def test_a_size_is_never_wider_than_five(value: float) -> None:
    assert len(units.size(value)) <= 5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0s"), (-3, "0s"), (59.9, "59s"), (60, "1m 00s"), (200, "3m 20s"), (3600, "1h 00m"),
        (7500, "2h 05m"), (86_400, "1d 0h"), (12 * 86_400 + 3 * 3600 + 5, "12d 3h"),
    ],
)  # fmt: skip
def test_durations_in_their_two_largest_units(value: float, text: str) -> None:
    assert units.duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0004, "0.4 ms"), (0.0099, "9.9 ms"), (0.012, "12 ms"), (0.5, "500 ms"), (1.8, "1.8 s")],
)
def test_short_times(value: float, text: str) -> None:
    assert units.milliseconds(value) == text


def test_the_others() -> None:
    assert units.percent(86.6) == "87%"
    assert units.watts(143.2) == "143W"
    assert units.celsius(71) == "71°C"
    assert units.megahertz(1911) == "1911MHz"
    assert units.rate(1_258_291) == "1.2M/s"


@given(st.floats(-1e18, 1e18) | st.integers(-(2**63), 2**63))
def test_any_number_of_a_sample_can_be_shown(value: float) -> None:
    for shown in FORMATS:
        assert shown(value)
