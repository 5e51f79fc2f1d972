"""Families as text: escaped, in one order, and as the Accept header prefers."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.common.prometheus.exposition import (
    LABEL_LIMIT,
    Family,
    Series,
    exposition,
    label_value,
    number,
    wants_openmetrics,
)
from gpubox.common.prometheus.naming import COUNTER, GAUGE, INFO

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
"""What Prometheus 2.42 sends."""
FAMILIES = [
    Family("a_watts", GAUGE, 'Power, of "it"', [Series({"gpu": 0, "model": 'x"\\\n'}, 1.5)], "watts"),
    Family("b_joules", COUNTER, "Energy", [Series({}, 7)], "joules"),
    Family("c", INFO, "Identity", [Series({"x": "y"}, 1)]),
    Family("empty", GAUGE, "Nothing", []),
]


def test_the_text_format() -> None:
    assert exposition(FAMILIES).decode() == (
        '# HELP a_watts Power, of "it".\n'
        "# TYPE a_watts gauge\n"
        'a_watts{gpu="0",model="x\\"\\\\\\n"} 1.5\n'
        "# HELP b_joules_total Energy.\n"
        "# TYPE b_joules_total counter\n"
        "b_joules_total 7\n"
        "# HELP c_info Identity.\n"
        "# TYPE c_info gauge\n"
        'c_info{x="y"} 1\n'
    )


def test_openmetrics() -> None:
    assert exposition(FAMILIES, openmetrics=True).decode() == (
        '# HELP a_watts Power, of \\"it\\".\n'
        "# TYPE a_watts gauge\n"
        "# UNIT a_watts watts\n"
        'a_watts{gpu="0",model="x\\"\\\\\\n"} 1.5\n'
        "# HELP b_joules Energy.\n"
        "# TYPE b_joules counter\n"
        "# UNIT b_joules joules\n"
        "b_joules_total 7\n"
        "# HELP c Identity.\n"
        "# TYPE c info\n"
        'c_info{x="y"} 1\n'
        "# EOF\n"
    )


def test_nothing_is_a_valid_body_of_both() -> None:
    assert exposition([]) == b""
    assert exposition([], openmetrics=True) == b"# EOF\n"


def test_a_series_stands_there_once() -> None:
    twice = Family("a", GAUGE, "A", [Series({"x": 1}, 1), Series({"x": "1"}, 2), Series({"x": 2}, 3)])
    assert exposition([twice]).decode().splitlines()[2:] == ['a{x="1"} 1', 'a{x="2"} 3']


@given(st.text(st.characters(codec=None)))
def test_any_text_is_one_quoted_word_that_reads_back(text: str) -> None:
    written = label_value(text)
    assert re.fullmatch(r'([^"\\\n]|\\["\\n])*', written)
    written.encode()
    back = re.sub(r'\\(["\\n])', lambda found: "\n" if found[1] == "n" else found[1], written)
    assert len(back) == len(text[:LABEL_LIMIT])
    assert all(now in (before, "\ufffd") for now, before in zip(back, text, strict=False))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (None, ""),
        ("two\nlines", "two\\nlines"),
        ('say "no"', 'say \\"no\\"'),
        ("C:\\", "C:\\\\"),
        ("\x00\x1b[31m\r", "\ufffd\ufffd[31m\ufffd"),
        ("\udcff", "\ufffd"),
        ("exe.\u202egnp", "exe.\ufffdgnp"),
        ("ü" * 1000, "ü" * LABEL_LIMIT),
        ('"' * 1000, '\\"' * LABEL_LIMIT),
    ],
)
def test_hostile_text_is_tamed(text: str | None, written: str) -> None:
    assert label_value(text) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (1.0, "1"),
        (0.97, "0.97"),
        (1763901234.25, "1763901234.25"),
        (85520809984, "85520809984"),
        (1e300, "1e+300"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_numbers_are_written_shortly(value: float, written: str) -> None:
    assert number(value) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself(value: float) -> None:
    assert float(number(value)) == value


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        (PROMETHEUS, True),
        ("text/plain;version=0.0.4", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=0.0.1; charset=utf-8", True),
        ('application/openmetrics-text; version="1.0.0"', True),
        ("application/openmetrics-text; version=9.0.0", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.4,text/plain;q=0.5", False),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.5", True),
        ("application/openmetrics-text;q=nan,text/plain", False),
        ("application/openmetrics-text;q=x", False),
        (",;=;,," * 1000, False),
    ],
)
def test_the_accept_header_decides(accept: str, openmetrics: bool) -> None:
    assert wants_openmetrics(accept) is openmetrics
