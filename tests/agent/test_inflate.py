"""Packed lines, read back: whole, cut, foreign, damaged and far too long."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.agent.inflate import Inflater
from gpubox.core.decode import LINE_LIMIT
from gpubox.core.errors import ProbeError
from gpubox.remote.probe.wire import Pack

LINES = [b'{"v":1,"seq":%d,"time":1.5,"host":{"hostname":"attic"}}\n' % number for number in range(5)]


def test_what_the_probe_packs_comes_back() -> None:
    pack, unpacker = Pack(), Inflater()
    packed = [pack.line(line) for line in LINES]
    assert [unpacker.line(line) for line in packed] == LINES
    assert packed[0][:1] == b"Z"
    assert all(line[:1] == b"z" and len(line) < len(LINES[0]) for line in packed[1:])


def test_a_line_that_is_not_packed_comes_back_as_it_is() -> None:
    assert Inflater().line(LINES[0]) == LINES[0]


def test_a_damaged_line_breaks_the_stream_until_a_new_one_begins() -> None:
    pack, unpacker = Pack(), Inflater()
    unpacker.line(pack.line(LINES[0]))
    cut = pack.line(LINES[1])[:9] + b"\n"
    with pytest.raises(ProbeError, match="damaged"):
        unpacker.line(cut)
    assert unpacker.broken
    with pytest.raises(ProbeError, match="beginning was not seen"):
        unpacker.line(pack.line(LINES[2]))
    assert unpacker.line(Pack().line(LINES[3])) == LINES[3]
    assert not unpacker.broken


def test_a_line_that_unpacks_to_more_than_a_sample_is_refused() -> None:
    stream = zlib.compressobj(9)
    bomb = stream.compress(b" " * (LINE_LIMIT + 2)) + stream.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(ProbeError, match="more or less"):
        Inflater().line(b"Z" + base64.b64encode(bomb) + b"\n")


@given(st.binary(max_size=200))
def test_nothing_but_a_probe_error_comes_of_garbage(garbage: bytes) -> None:
    for head in (b"Z", b"z", b""):
        try:
            Inflater().line(head + garbage)
        except ProbeError:
            continue
