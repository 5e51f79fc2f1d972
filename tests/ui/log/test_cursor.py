"""Progress bars that move the cursor, against what a terminal draws."""

from __future__ import annotations

import itertools
from pathlib import Path

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.ui.log.ansi import PLAIN, Pen, after, pieces, sgr
from gpubox.ui.log.cursor import COLUMNS, REACH
from gpubox.ui.log.window import MOST_BYTES, Window
from tests.drawable import drawable
from tests.ui.log.test_window import drawn, window_of

RECORDED = Path(__file__).parents[2] / "recorded"
LOGS = ["tqdm_nested.log", "tqdm_positions.log", "rich_progress.log"]
FULL = b"\n" * REACH
"""Brings the cursor to the last line of a terminal, where a log that is long has it."""


def screen(log: bytes) -> list[str]:
    """Return what a terminal shows of a log, which it gets through a line discipline with ONLCR."""
    shown = pyte.Screen(COLUMNS, REACH)
    pyte.ByteStream(shown).feed((FULL + log).replace(b"\n", b"\r\n"))
    return [line.rstrip() for line in shown.display]


def seen(window: Window) -> list[str]:
    """Return what the view shows of the same lines."""
    lines = [line.rstrip() for line in drawn(window)]
    if window.lines[-1].whole:
        lines.append("")
    return lines[-REACH:]


@pytest.mark.parametrize("name", LOGS)
def test_a_recorded_log_is_drawn_as_a_terminal_draws_it_wherever_it_is_cut(name: str) -> None:
    log = (RECORDED / name).read_bytes()
    whole = window_of(FULL + log)
    assert seen(whole) == screen(log)
    assert whole.end == len(FULL + log)
    bytewise = window_of(FULL, *(log[at : at + 1] for at in range(len(log))))
    assert bytewise.lines == whole.lines
    for cut in range(0, len(log), max(1, len(log) // 40)):
        begun = window_of(FULL, log[:cut])
        assert seen(begun) == screen(log[:cut])
        begun.add(log[cut:])
        assert begun.lines == whole.lines


STEPS = st.one_of(
    st.sampled_from([b"\n", b"\n", b"\r\x1b[K", b"\x1b[A", b"\x1b[2K", b"\x1b[K", b"\x1b[1K", b"\x1b[J"]),
    st.sampled_from([b"\x1b[?25l", b"\x1b[?25h", b"\x1b[31m", b"\x1b[0m", b"\x08", b"\t", "█▌".encode()]),
    st.builds("\x1b[{}{}".format, st.integers(0, 9), st.sampled_from("ABCDEFG")).map(str.encode),
    st.text("abcdefgh ", min_size=1, max_size=9).map(str.encode),
)


@given(st.lists(STEPS, max_size=40), st.lists(st.integers(0, 400), max_size=6))
def test_any_mix_of_moves_is_drawn_as_a_terminal_draws_it(steps: list[bytes], cuts: list[int]) -> None:
    log = b"\x1b[A" + b"".join(steps).replace(b"\n", b"\n\x1b[G")  # each line moves the cursor
    edges = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    window = window_of(FULL, *(log[a:b] for a, b in itertools.pairwise(edges)))
    assert window.lines == window_of(FULL + log).lines
    assert seen(window) == screen(log)
    assert [raw.end for raw in window.lines[:-1]] == [raw.offset for raw in window.lines[1:]]
    assert window.end == window.lines[-1].end == len(FULL + log)


@given(st.binary(max_size=300))
def test_hostile_moves_break_nothing(log: bytes) -> None:
    log = b"one\ntwo\x1b[A" + log.replace(b"x", b"\x1b[").replace(b"y", b"\x1b[9A")
    window = window_of(*(log[at : at + 3] for at in range(0, len(log), 3)))
    assert drawable("".join(drawn(window)))
    assert window.end == len(log)


@pytest.mark.parametrize(
    "log",
    [
        b"\x1b[99999999999999999999999Ax",
        b"\x1b[" + b"9" * 9000 + b"Ax",
        b"\x1b[Aa\x1b[88888888Cb\x1b[99999999Gc",
        b"\x1b[A" + b"x" * 100_000,
        b"\x1b[A\x1b]0;" + b"x" * 100_000,
        b"".join(b"\x1b[Aa\x1b[38;5;%dm%s\n\n\n" % (n % 256, b"x" * n) for n in range(800)),
    ],
)
def test_absurd_moves_take_little(log: bytes) -> None:
    window = window_of(*(log[at : at + 4096] for at in range(0, len(log), 4096)))
    assert window.end == len(log)
    assert all(len(raw.data) < 4 * COLUMNS for raw in window.lines)


def test_bars_over_bars_for_hours_stay_small_and_keep_the_lines_above() -> None:
    window = window_of(b"begin\n\router 0\n")
    step = b"\r\x1b[32minner %7d it/s\x1b[0m\x1b[A\router %7d\n"
    window.add(b"\rinner\x1b[A\n")
    size = window.end
    for number in range(1000):
        piece = step % (number, number) * 30
        size += len(piece)
        window.add(piece)
        window.drop_before()
    assert size > MOST_BYTES
    assert not window.crowded
    assert drawn(window) == ["begin", "outer     999", "inner     999 it/s"]
    assert sum(len(raw.data) for raw in window.lines) < 200
    window.add(b"\nnext\n")
    assert drawn(window)[-1] == "next"
    assert window.lines[-1].end == window.end == size + 6


def test_what_is_drawn_over_is_colored_and_cut_at_no_wide_character() -> None:
    window = window_of("宽宽宽\x1b[2D\x1b[31mx\x1b[0m\x1b[1Gy\n".encode())
    (line,) = window.lines
    assert [(p.text, p.pen) for p in pieces(line.data, line.pen, whole=True)] == [
        ("y 宽", PLAIN),
        ("x", Pen("1")),
        (" ", PLAIN),
    ]
    rich = window_of((RECORDED / "rich_progress.log").read_bytes())
    pens = {p.pen for line in rich.lines for p in pieces(line.data, line.pen, whole=True)}
    assert {Pen("5"), Pen("6"), Pen("8")} <= pens  # magenta, cyan, gray


PENS = st.builds(
    Pen,
    st.sampled_from(["", "0", "9", "255", "#0a0b0c"]),
    st.sampled_from(["", "7", "100", "#ffffff"]),
    st.frozensets(st.sampled_from(["bold", "dim", "italic", "underline", "reverse", "strike"])),
)


@given(PENS, PENS)
def test_a_pen_is_written_so_that_it_is_read_the_same(pen: Pen, before: Pen) -> None:
    assert after(sgr(pen).encode(), before) == pen
