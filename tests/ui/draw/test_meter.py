"""Meters: exact, aligned, and understood without color."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.ui.draw.meter import bar, inside, meter
from gpubox.ui.draw.spans import Line, Tone, length


def text(line: Line) -> str:
    return "".join(span.text for span in line)


def test_a_bar_is_exact_to_an_eighth_of_a_cell() -> None:
    assert text(bar(50, 10, "util")) == "█████     "
    assert text(bar(51.25, 10, "util")) == "█████▏    "
    assert text(bar(57.5, 10, "util")) == "█████▊    "
    assert text(bar(100, 10, "util")) == "██████████"


def test_something_is_never_drawn_as_nothing() -> None:
    assert text(bar(0, 10, "util")) == " " * 10
    assert text(bar(0.01, 10, "util")).startswith("▏")


def test_an_unknown_share_has_no_bar_at_all() -> None:
    assert all(span.ground == "" for span in bar(None, 10, "util"))
    assert any(span.ground == "track" for span in bar(0, 10, "util"))


def test_a_value_stands_flush_right_whatever_its_digits() -> None:
    first = text(meter("mem", 9, "9.9G/24.0G", 40, "memory"))
    second = text(meter("mem", 42, "10.1G/24.0G", 40, "memory"))
    assert first.index("/24.0G") == second.index("/24.0G")


@pytest.mark.parametrize(("tone", "sign"), [("calm", ""), ("warn", "!"), ("alarm", "!!")])
def test_color_is_never_the_only_sign(tone: Tone, sign: str) -> None:
    assert text(meter("temp", 90, "90°C", 40, tone)).rstrip().endswith("90°C" + sign)
    assert text(inside(90, "90%", 12, tone)).endswith("90%" + sign)


@given(st.one_of(st.none(), st.floats(-1e9, 1e9)), st.integers(0, 200), st.sampled_from(["util", "warn"]))
def test_a_meter_takes_exactly_its_width(share: float | None, width: int, tone: Tone) -> None:
    assert length(bar(share, width, tone)) == width
    assert length(meter("mem", share, "1G/2G", max(21, width), tone)) == max(21, width)
    if width:
        assert length(inside(share, "12%", width, tone)) == width
