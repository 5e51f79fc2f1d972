"""Lines of a log: cut anywhere, drawn over, colored, hostile, and endless."""

from __future__ import annotations

import itertools
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.ui.log.ansi import PLAIN, Pen, after, pieces, shown_last, style
from gpubox.ui.log.window import LONGEST, MOST, MOST_BYTES, Window
from tests.drawable import drawable


def text(line: bytes, *, whole: bool = True) -> str:
    return "".join(piece.text for piece in pieces(line, PLAIN, whole=whole))


def window_of(*parts: bytes, offset: int = 0) -> Window:
    window = Window()
    window.restart(offset, within=offset > 0)
    for part in parts:
        window.add(part)
    return window


def drawn(window: Window) -> list[str]:
    return ["".join(p.text for p in pieces(raw.data, raw.pen, whole=raw.whole)) for raw in window.lines]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"plain", "plain"),
        (b"\x1b]0;owned\x07title", "title"),
        (b"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1b]52;c;aGk=\x07clip", "clip"),
        (b"\x1b[2J\x1b[H\x1b[?1049lcleared", "cleared"),
        (b"up\x1b[3Aand\x1b[10Gback", "upandback"),
        (b"\x1bP+q544e\x1b\\dcs", "dcs"),
        (b"\x1b]0;never closed", ""),
        (b"\x1bcreset", "reset"),
        (b"\x1b(0charset", "charset"),
        (b"bell\x07null\x00", "bell\ufffdnull\ufffd"),
        (b"c1 \xc2\x9b31m", "c1 \ufffd31m"),
        (b"\x9b31m broken \xff", "\ufffd31m broken \ufffd"),
        ("bidi \u202e evil".encode(), "bidi \ufffd evil"),
        (b"a\tb", "a       b"),
        (b"\x1b[31mab\tc", "ab      c"),
        (b"|\x08/\x08-\x08\\ done", "\\ done"),
    ],
)
def test_nothing_but_colors_reaches_the_terminal(line: bytes, said: str) -> None:
    assert text(line) == said


@given(st.binary(max_size=200))
def test_no_control_character_is_ever_drawn(line: bytes) -> None:
    line = line.replace(b"\n", b"")
    for whole in (True, False):
        assert drawable(text(line, whole=whole))


def test_colors_are_preserved_and_carried_to_the_next_lines() -> None:
    window = window_of(b"\x1b[1;31mred\nstill \x1b[0mplain\n\x1b[38;5;208mo\x1b[48;2;1;2;3mx\n")
    pens = [[(p.text, p.pen) for p in pieces(raw.data, raw.pen, whole=True)] for raw in window.lines]
    bold_red = Pen("1", "", frozenset({"bold"}))
    assert pens[0] == [("red", bold_red)]
    assert pens[1] == [("still ", bold_red), ("plain", PLAIN)]
    assert pens[2] == [("o", Pen("208")), ("x", Pen("208", "#010203"))]
    look = style(bold_red)
    assert look.bold
    assert look.color is not None
    assert look.color.number == 1


@pytest.mark.parametrize(
    ("sequence", "pen"),
    [
        (b"\x1b[38:2::9:8:7m", Pen("#090807")),
        (b"\x1b[38:5:33m", Pen("33")),
        (b"\x1b[4:3m", Pen(attributes=frozenset({"underline"}))),
        (b"\x1b[38;5;999m", PLAIN),
        (b"\x1b[38;2;300;0;0m", Pen("#ff0000")),
        (b"\x1b[97;104m", Pen("15", "12")),
        (b"\x1b[31m\x1b[39m", PLAIN),
        (b"\x1b[1;2m\x1b[22m", PLAIN),
        (b"\x1b[8;5mhidden", PLAIN),
        (b"\x1b[99999999999m", PLAIN),
        (b"\x1b[m", PLAIN),
    ],
)
def test_every_way_to_write_a_color_is_understood(sequence: bytes, pen: Pen) -> None:
    assert after(sequence, PLAIN) == pen


def test_a_cut_inside_a_character_or_an_escape_is_not_shown_before_the_rest_came() -> None:
    line = "naïve 🚀 \x1b[31mred".encode()
    for cut in range(len(line)):
        shown = text(line[:cut], whole=False)
        assert "\ufffd" not in shown
        assert "naïve 🚀 red".startswith(shown)


@given(st.lists(st.integers(0, 400), max_size=8), st.randoms())
def test_lines_do_not_depend_on_where_the_stream_was_cut(cuts: list[int], rng: random.Random) -> None:
    parts = [
        b"one\n",
        b"\r 10%\r 20%\r 100%\n",
        "ü→🚀\n".encode(),
        b"\x1b[32mok\x1b[0m\n",
        b"\n",
        b"x" * 90,
        b"\n",
    ]
    rng.shuffle(parts)
    log = b"".join(parts) + b"open"
    edges = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    cut_up = window_of(*(log[a:b] for a, b in itertools.pairwise(edges)))
    whole = window_of(log)
    assert cut_up.lines == whole.lines
    assert cut_up.end == len(log)
    assert [raw.end for raw in whole.lines[:-1]] == [raw.offset for raw in whole.lines[1:]]


def test_a_progress_bar_is_one_line_that_shows_its_last_state() -> None:
    window = window_of(*(b"\r%3d%%|%s" % (n, b"#" * n) for n in range(0, 101, 10)), b"\nnext\n")
    assert drawn(window)[0].startswith("100%|###")
    assert drawn(window)[1] == "next"
    assert shown_last(b"ten\rhundred\r   ") == (4, 11)
    assert drawn(window_of(b"dos line\r\n")) == ["dos line"]


def test_a_bar_of_a_million_steps_stays_small_and_keeps_its_place_in_the_file() -> None:
    window = window_of(b"begin\n")
    step = b"\r\x1b[32m%7d/1000000 it/s 3.14\x1b[0m"
    for number in range(0, 1_000_000, 500):
        window.add(b"".join(step % n for n in range(number, number + 20)))
    size = 6 + 2000 * 20 * len(step % 0)
    assert window.end == size
    assert len(window.lines) == 2
    assert window.lines[1].end == size
    assert len(window.lines[1].data) < LONGEST
    assert "999519" in drawn(window)[1]


def test_a_line_without_an_end_goes_on_in_pieces_that_cut_no_character() -> None:
    log = "→🚀ä".encode() * 9000
    window = window_of(*(log[n : n + 1000] for n in range(0, len(log), 1000)))
    assert "".join(drawn(window)) == "→🚀ä" * 9000
    assert all(len(raw.data) <= LONGEST for raw in window.lines)
    assert window.lines[-1].end == len(log)


def test_what_begins_inside_a_line_leaves_that_line_out() -> None:
    assert drawn(window_of(b"alf a line\nwhole\n", offset=700)) == ["whole"]
    window = window_of(b"alf a line\nwhole\n", offset=700)
    assert (window.start, window.end) == (711, 717)
    endless = window_of(b"\xbf\xbf" + b"x" * (2 * LONGEST), offset=5)
    assert "\ufffd" not in "".join(drawn(endless))


def test_a_page_before_the_window_joins_it_without_a_gap() -> None:
    log = b"".join(b"line %d\n" % n for n in range(1000))
    window = window_of(log[5000:], offset=5000)
    before = len(window.lines)
    begin = window.start
    came = window.put_before(1000, log[1000:begin])
    assert len(window.lines) == before + came
    assert [raw.end for raw in window.lines[:-1]] == [raw.offset for raw in window.lines[1:]]
    assert log[window.start :] == b"".join(raw.data + b"\n" for raw in window.lines)


def test_the_window_stays_small_whichever_end_grows() -> None:
    window = window_of()
    for _ in range(60):
        window.add(b"short line of a log\n" * 10_000)
        window.drop_before()
        assert len(window.lines) <= MOST
        assert window.end - window.start <= MOST_BYTES
    end = window.end
    window.put_before(window.start - 1_000_000, b"short line of a log\n" * 50_000)
    assert window.drop_behind()
    assert window.end < end
    assert not window.crowded
    window.add(b"goes on\n")
    assert drawn(window)[-1] == "goes on"


def test_a_million_lines_take_flat_memory() -> None:
    window = window_of()
    piece = b"".join(b"epoch %d loss 0.123456 lr 0.001 time 12.3\n" % n for n in range(4000))
    after_some = 0
    tracemalloc.start()
    for number in range(250):
        window.add(piece)
        window.drop_before()
        if number == 50:
            after_some = tracemalloc.get_traced_memory()[0]
    now = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert window.end == 250 * len(piece)
    assert now - after_some < 2_000_000
    assert now < 30_000_000
