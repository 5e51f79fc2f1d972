"""What a job wrote reaches a user's terminal with its colors and without anything else that acts."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.core.terminal_text import LONGEST, TerminalText


def cleaned(*pieces: bytes) -> str:
    """A stream that comes in pieces, as it is written."""
    text = TerminalText()
    return b"".join([*(text.clean(piece) for piece in pieces), text.clean(b"", last=True)]).decode()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain\ttext\r\n", "plain\ttext\r\n"),
        (b"\x1b[31mred\x1b[0m \x1b[38;5;4mblue\x1b[m", "\x1b[31mred\x1b[0m \x1b[38;5;4mblue\x1b[m"),
        (b"\r 50%\x1b[K", "\r 50%\x1b[K"),
        (b"a\x1b]0;title\x07b\x1b]0;title\x1b\\c", "abc"),
        (b"a\x1b]52;c;aGk=\x07b", "ab"),
        (b"a\x1b[6n\x1b[c\x1b[>q\x1bP+q544e\x1b\\b", "ab"),
        (b"a\x1b[2J\x1b[H\x1b[3A\x1b[?1049h\x1bcb\x1b(0", "ab"),
        (b"a\x1b]0;never ended\nb", "a\nb"),
        ("a\x9b2J\u202eb\x00\x7f".encode(), "a\ufffd2J\ufffdb\ufffd\ufffd"),
        (b"a\x9d52;c;aGk=\x9cb", "a\ufffd52;c;aGk=\ufffdb"),
        ("宽字 émoji 👩\u200d💻".encode(), "宽字 émoji 👩\u200d💻"),
        (b"a\x1b", "a"),
        (b"a\x1b[31", "a[31"),
        (b"a\x1b\x1b[31mb\x1b[5\xc3\xa9", "a\x1b[31mbé"),
    ],
)
def test_colors_stay_and_nothing_else_that_a_terminal_acts_on(raw: bytes, shown: str) -> None:
    assert cleaned(raw) == shown
    assert cleaned(*(raw[at : at + 1] for at in range(len(raw)))) == shown


def test_an_escape_that_never_ends_holds_nothing_back_for_ever() -> None:
    text = TerminalText()
    assert text.clean(b"a\x1b]0;" + b"x" * 100) == b"a"
    assert b"xxx" in text.clean(b"x" * LONGEST)


@given(st.lists(st.binary(max_size=12) | st.sampled_from([b"\x1b", b"\x1b[", b"\x1b]", b"\x07", b"\x1b\\"])))
def test_whatever_comes_only_colors_and_wiping_are_left_of_escapes(pieces: list[bytes]) -> None:
    shown = cleaned(*pieces)
    rest = re.sub(r"\x1b\[[0-9:;]*m|\x1b\[[0-2]?K", "", shown)
    assert not {one for one in rest if unicodedata.category(one) == "Cc" and one not in "\n\r\t\x08"}
