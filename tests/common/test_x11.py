"""Cookies, greetings and answers of X11."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.common import x11

NAME = b"MIT-MAGIC-COOKIE-1"
HOSTS = {"", "box"}


def entry(family: int, host: bytes, number: bytes, value: bytes) -> bytes:
    """Return an entry of a file of cookies."""
    words = (host, number, NAME, value)
    return struct.pack(">H", family) + b"".join(struct.pack(">H", len(word)) + word for word in words)


def test_the_cookie_of_this_machine_and_number_is_taken() -> None:
    data = entry(256, b"other", b"1", b"a") + entry(0, b"\x7f\0\0\1", b"1", b"b")
    data += entry(256, b"box", b"2", b"c") + entry(256, b"box", b"1", b"d") + entry(65535, b"", b"", b"e")
    assert x11.cookie(data, 1, HOSTS) == (NAME, b"d")
    assert x11.cookie(data, 2, HOSTS) == (NAME, b"c")
    assert x11.cookie(data, 3, HOSTS) == (NAME, b"e")


def test_the_cookie_of_a_display_that_was_reached_by_its_address_is_taken() -> None:
    data = entry(0, b"\x0a\0\0\1", b"1", b"a") + entry(0, b"\x0a\0\0\2", b"1", b"b")
    data += entry(6, bytes(15) + b"\1", b"1", b"c")
    assert x11.cookie(data, 1, HOSTS, b"\x0a\0\0\2") == (NAME, b"b")
    assert x11.cookie(data, 1, HOSTS, bytes(15) + b"\1") == (NAME, b"c")
    assert x11.cookie(data, 1, HOSTS) == (b"", b"")


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\xff\xff\xff\xff", entry(65535, b"", b"", b"e")[:-3], b"\0" * 99]
)
def test_a_broken_file_of_cookies_harms_nothing(data: bytes) -> None:
    assert x11.cookie(data, 1, HOSTS) == (b"", b"")


@given(st.text(max_size=20))
def test_any_name_is_a_display_or_none(name: str) -> None:
    found = x11.address(name)
    assert found is None or found.number >= 0


@given(st.binary(min_size=x11.HEAD, max_size=x11.HEAD), st.binary(max_size=40))
def test_any_answer_is_read(head: bytes, rest: bytes) -> None:
    assert 0 <= x11.rest_of_answer(head) <= 4 * 0xFFFF
    assert len(x11.reason(head, rest)) <= len(rest)
