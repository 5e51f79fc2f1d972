"""Lines out of pieces, whatever the pieces are."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gpubox.core.line_buffer import LineBuffer

pieces = st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"\x01", b"\n")), max_size=30)


def expected(data: bytes, limit: int) -> list[bytes]:
    """What the contract says, over the whole of the data."""
    whole = data.split(b"\n")
    ended = [line + b"\n" for line in whole[:-1]] + ([whole[-1]] if whole[-1] else [])
    return [line if len(line) <= limit else line[:limit] for line in ended]


def taken(parts: Sequence[bytes], limit: int) -> tuple[list[bytes], int]:
    """What comes out when pieces go in one by one, and the most bytes held after reading."""
    buffer, out, most = LineBuffer(), list[bytes](), 0
    for part in parts:
        buffer.feed(part)
        while (line := buffer.take(limit)) is not None:
            out.append(line)
        most = max(most, buffer.size)
    buffer.end()
    while line := buffer.take(limit):
        out.append(line)
    assert buffer.take(limit) == b""
    return out, most


@given(pieces, st.integers(1, 50))
def test_lines_do_not_depend_on_how_they_were_cut(parts: Sequence[bytes], limit: int) -> None:
    out, most = taken(parts, limit)
    assert out == expected(b"".join(parts), limit)
    assert most <= limit


@given(pieces)
def test_all_there_is_comes_out_in_one(parts: Sequence[bytes]) -> None:
    buffer = LineBuffer()
    for part in parts:
        buffer.feed(part)
    assert (buffer.take_all() or b"") == b"".join(parts)
    assert buffer.take_all() is None
    buffer.end()
    assert buffer.take_all() == b""


def test_a_line_that_just_fits_keeps_its_newline() -> None:
    assert taken([b"12345\n6"], 6)[0] == [b"12345\n", b"6"]


def test_a_line_that_is_one_byte_too_long_is_cut_without_a_newline() -> None:
    assert taken([b"12345\n6"], 5)[0] == [b"12345", b"6"]


def test_of_an_endless_line_nothing_is_preserved() -> None:
    buffer = LineBuffer()
    buffer.feed(b"x" * 101)
    assert buffer.take(100) == b"x" * 100
    for _ in range(100):
        buffer.feed(b"x" * 1000)
        assert buffer.take(100) is None
        assert buffer.size == 0
