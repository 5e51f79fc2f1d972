"""Remote text is data: whatever a box sends, nothing of it moves the cursor or turns the line around."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gpubox.core.sanitize import LONGEST, clean, clean_bytes, clean_lines
from tests.drawable import drawable

ESCAPES = (
    "\x1b[2J", "\x1b]0;title\x07", "\x1b]52;c;aGk=\x07", "\x9b31m", "\x90q\x9c", "\r\x1b[K", "\x08" * 20,
    "\x7f", "\u202e", "\u2066", "\u200e", "\u200f", "\ufeff", "\U000e0041", "\ud800", "\u2028", "\x00",
    "\x85", "\xad",
)  # fmt: skip
anything = st.text(st.characters(codec=None)) | st.lists(st.sampled_from(ESCAPES) | st.text()).map("".join)


@given(anything)
@example("".join(ESCAPES))
def test_nothing_that_a_terminal_acts_on_is_left(text: str) -> None:
    shown = clean(text)
    for character in shown:
        category = unicodedata.category(character)
        assert category not in ("Cc", "Cs", "Co", "Zl", "Zp"), ascii(character)
        assert category != "Cf" or character in "\u200c\u200d", ascii(character)
        assert unicodedata.bidirectional(character) not in (
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        )
    assert len(shown) <= LONGEST


@given(anything)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=LONGEST))
def test_plain_text_of_any_language_stays(text: str) -> None:
    assert clean(text) == "".join(" " if unicodedata.category(one) == "Zs" else one for one in text)


@given(st.binary(max_size=5000))
def test_bytes_of_any_kind_can_be_drawn(data: bytes) -> None:
    shown = clean_bytes(data)
    assert drawable(shown)
    assert len(shown) <= LONGEST


def test_a_megabyte_is_cut_and_says_so() -> None:
    for text in ("x" * 1_000_000, "é" * 1_000_000, "\x1b" * 1_000_000):
        shown = clean(text)
        assert len(shown) == LONGEST
        assert shown.endswith("…")
    assert clean_bytes(b"\xff" * 1_000_000, 10) == "\ufffd" * 9 + "…"


def test_what_fits_is_not_cut() -> None:
    assert clean("x" * LONGEST) == "x" * LONGEST
    assert clean("naïve", 5) == "naïve"
    assert clean("naïve", 4) == "naï…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc\r\nd", "a b c  d"),
        ("red \x1b[31malert", "red \ufffd[31malert"),
        ("evil\u202egnp.exe", "evil\ufffdgnp.exe"),
        ("👩‍🔬 trains", "👩‍🔬 trains"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
        ("Größe\u00a05", "Größe 5"),
    ],
)
def test_a_person_sees_that_something_was_there(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_character_cut_in_half_is_no_fault() -> None:
    assert clean_bytes("é".encode()[:1]) == "\ufffd"
    assert clean_bytes("é".encode() * 100, 3) == "éé…"


@pytest.mark.parametrize(
    ("log", "lines"),
    [
        (b"", []),
        (b" \n\r\n\t\n", []),
        (b"\x1b[1;31mTraceback\x1b[0m\nend", ["Traceback", "end"]),
        (b"10%\r20%\r\x1b[2K30%\n", ["10%", "20%", "30%"]),
        (b"\x1b]0;evil\x07a\x1b]8;;http://x\x1b\\b\x1b(Bc", ["abc"]),
        (b"cut\x1b[3", ["cut"]),
        (b"\xff\xe2\x80\xaeback", ["\ufffd\ufffdback"]),
    ],
)
def test_lines_of_a_log_lose_what_only_terminals_act_on(log: bytes, lines: list[str]) -> None:
    assert clean_lines(log) == lines


@given(st.binary(max_size=200))
def test_no_log_gives_a_line_that_cannot_be_drawn(log: bytes) -> None:
    for line in clean_lines(log, 40):
        assert 0 < len(line) <= 40
        assert "\x1b" not in line
        assert line == clean(line)
