"""The keys that leave a program which no longer answers, and what a lost program leaves switched on."""

from __future__ import annotations

import pytest

from gpubox.local.escape_sequence import Escape
from gpubox.local.terminal_modes import Modes


@pytest.mark.parametrize(
    ("typed", "sent", "left"),
    [
        (b"~.", b"", True),
        (b"ls\r~.", b"ls\r", True),
        (b"ls\n~.rest", b"ls\n", True),
        (b"ls ~.", b"ls ~.", False),
        (b"a~.b", b"a~.b", False),
        (b"\r~~.", b"\r~.", False),
        (b"\r~a~.", b"\r~a~.", False),
        (b"\r~\r~.", b"\r~\r", True),
        (b"\r~", b"\r", False),
        ("\rgrün ~ 字".encode(), "\rgrün ~ 字".encode(), False),
    ],
)
def test_only_enter_tilde_dot_leaves(typed: bytes, sent: bytes, left: bool) -> None:
    whole, single = Escape(), Escape()
    assert (whole.feed(typed), whole.left) == (sent, left)
    pieces = b"".join(single.feed(typed[at : at + 1]) for at in range(len(typed)))
    assert (pieces, single.left) == (sent, left)


def test_a_question_mark_asks_for_the_keys() -> None:
    escape = Escape()
    assert escape.feed(b"\r~?ls") == b"\rls"
    assert escape.asked
    assert not escape.left


PLAIN = Modes().undo()


@pytest.mark.parametrize(
    ("drawn", "undone"),
    [
        (b"\x1b[?1049h\x1b[?1h\x1b=", b"\x1b[r\x1b[?1l\x1b[?1049l"),
        (b"\x1b[?1049h\x1b[?1049l", b""),
        (b"\x1b[?1000;1006h\x1b[?2004h", b"\x1b[?1000l\x1b[?1006l\x1b[?2004l"),
        (b"\x1b[?25l\x1b[?7l", b"\x1b[?7h\x1b[?25h"),
        (b"\x1b[?25l\x1b[?25h", b""),
        (b"\x1b[>1u\x1b[>5u\x1b[<u", b"\x1b[<1u"),
        (b"\x1b[>4;2m", b"\x1b[>4m"),
        (b"\x1b[>4;2m\x1b[>4m", b""),
        (b"\x1b[5 q", b"\x1b[0 q"),
        (b"\x1b[?1049h\x1b[?2004h\x1bc", b""),
        (b"text \x1b[1;31mred\x1b[0m", b""),
    ],
)
def test_what_is_on_is_switched_off_and_nothing_else(drawn: bytes, undone: bytes) -> None:
    whole = Modes()
    whole.feed(drawn)
    assert whole.undo() == PLAIN + undone
    pieces = Modes()
    for at in range(len(drawn)):
        pieces.feed(drawn[at : at + 1])
    assert pieces.undo() == PLAIN + undone
    assert pieces.undo() == PLAIN, "it is off now"


def test_a_flood_of_numbers_costs_no_memory() -> None:
    modes = Modes()
    modes.feed(b"\x1b[?" + b"1" * 100_000)
    modes.feed(b"h")
    assert modes.undo() == PLAIN
