"""From bytes of any kind to a sample that is safe to draw, or one kind of error."""

from __future__ import annotations

import json
import time

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpubox.core.decode import decode
from gpubox.core.errors import ProbeError, ProbeTooNew
from gpubox.core.sample import Gpu, Host, Process, Sample
from gpubox.core.sanitize import LONGEST, clean
from tests.samples import BUILDERS, HOSTILE, eight_gpus, hostile

_ENCODE = msgspec.json.encode
CLEAN = [name for name in BUILDERS if name != "hostile"]


@pytest.mark.parametrize("name", CLEAN)
def test_every_sample_comes_back_as_it_was(name: str) -> None:
    sample = BUILDERS[name]()
    assert decode(_ENCODE(sample)) == sample
    escaped = json.dumps(msgspec.to_builtins(sample), ensure_ascii=True).encode()
    assert decode(escaped + b"\n") == sample


def texts(value: object) -> list[str]:
    """Every text in a value, at any depth."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, msgspec.Struct):
        return [text for field in value.__struct_fields__ for text in texts(getattr(value, field))]
    if isinstance(value, tuple):
        return [text for item in value for text in texts(item)]
    if isinstance(value, dict):
        return [text for pair in value.items() for text in texts(pair)]
    return []


def assert_safe(sample: Sample) -> None:
    for text in texts(sample):
        assert text == clean(text), ascii(text[:80])
        assert len(text) <= LONGEST


def test_a_hostile_sample_comes_back_harmless() -> None:
    read = 0
    for ascii_only in (True, False):
        line = json.dumps(msgspec.to_builtins(hostile()), ensure_ascii=ascii_only).encode(
            "utf-8", "surrogatepass"
        )
        try:
            sample = decode(line)
        except ProbeError:  # a lone surrogate is no UTF-8; the rest is tried below
            continue
        assert_safe(sample)
        assert sample != hostile()
        read += 1
    assert read


@given(st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
@example("\x7f", True)
@example('\\"' * 300, True)
@example("\\" * 1000, True)
@example('\\\x1b"', False)
@example("x" * 513, True)
@example("1," * 600, True)
@example('"' + ":[1," * 300, True)
def test_text_is_cleaned_in_every_place(text: str, ascii_only: bool) -> None:
    sample = Sample(
        time=5,
        host=Host(hostname=text, distribution=f"a{text}"),
        gpus=(Gpu(index=0, name=text, missing={text: text}),),
        processes=(Process(pid=2, command=f'python "{text}"', env=text),),
    )
    line = json.dumps(msgspec.to_builtins(sample), ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        decoded = decode(line)
    except ProbeError:
        assert not text.isascii()
        return
    assert_safe(decoded)
    assert decoded.processes[0].command == clean(f'python "{text}"')
    assert decoded.gpus[0].missing == {clean(text): clean(text)}


@given(st.integers(0, 600), st.integers(505, 520))
def test_a_text_over_the_limit_is_found_wherever_it_stands(offset: int, length: int) -> None:
    sample = Sample(time=5, host=Host(kernel="k" * (offset % 500), hostname="x" * length))
    decoded = decode(b" " * offset + _ENCODE(sample))
    assert decoded.host.hostname == clean("x" * length)


@given(st.binary())
@example(b"")
@example(b"\xff\xfe")
@example(b"[" * 200_000)
@example(b'{"x":' * 100_000)
@example(b'{"host":{"hostname":"\xff"}}')
@example(b'{"host":{"hostname":"\\ud800"}}')
@example(b'{"v":' + b"9" * 5000 + b"}")
def test_bytes_of_any_kind_are_a_sample_or_a_probe_error(data: bytes) -> None:
    try:
        sample = decode(data)
    except ProbeError as error:
        reported = str(error)
    else:
        assert_safe(sample)
        return
    assert reported == clean(reported, 2000)


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from([*Sample.__struct_fields__, *Host.__struct_fields__, *Gpu.__struct_fields__])


@given(st.dictionaries(fields, json_value, max_size=6), st.dictionaries(fields, json_value, max_size=4))
@settings(max_examples=300)
def test_json_of_any_shape_is_a_sample_or_a_probe_error(
    outer: dict[str, object], inner: dict[str, object]
) -> None:
    line = json.dumps({"time": 5.0, "host": inner, "gpus": [inner | {"index": 0}]} | outer).encode()
    try:
        assert_safe(decode(line))
    except ProbeError:
        return


@given(st.integers(0, 10_000), st.sampled_from(["training_box", "eight_gpus"]))
def test_a_frame_cut_anywhere_is_a_probe_error(cut: int, name: str) -> None:
    line = _ENCODE(BUILDERS[name]())
    with pytest.raises(ProbeError, match="Garbage"):
        decode(line[: cut % len(line)])


@pytest.mark.parametrize(
    "line",
    [
        b"{}", b'{"pong":3}', b'{"v":1}', b'{"error":"no"}', b"null", b"0", b'""',
        b'{"time":-1}', b'{"time":1e300}', b'{"time":5,"interval":0}', b'{"time":5,"interval":1e9}',
        b'{"time":5,"seq":1' + b"0" * 400 + b"}",
        b'{"time":5,"host":{"uptime":1e300}}',
        b'{"time":5,"gpus":[{"index":0,"lost_at":1e18}]}',
    ],
)  # fmt: skip
def test_json_that_is_no_sample_is_refused(line: bytes) -> None:
    with pytest.raises(ProbeError, match="Garbage"):
        decode(line)


def test_unknown_fields_are_ignored_and_missing_ones_have_defaults() -> None:
    sample = decode(b'{"v":1,"time":5,"new":{"a":[1]},"gpus":[{"index":0,"newer":2,"util":null}]}')
    assert sample.gpus == (Gpu(index=0),)
    assert sample.host == Host()


@pytest.mark.parametrize("line", [b'{"v":2,"time":5}', b'{"v":7,"gpus":"another shape"}'])
def test_a_newer_line_format_is_reported_as_such(line: bytes) -> None:
    with pytest.raises(ProbeTooNew, match="knows 1") as caught:
        decode(line)
    assert not caught.value.again


def test_a_garbage_error_shows_a_piece_of_the_line_and_no_more() -> None:
    with pytest.raises(ProbeError) as caught:
        decode(b"\x1b[31mwall: the disk is full" + b"!" * 1_000_000)
    assert "wall: the disk is full" in caught.value.text
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_plain_lines_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(value: object) -> object:
        raise AssertionError(value)

    monkeypatch.setattr("gpubox.core.decode._cleaned", fail)
    sample = eight_gpus()
    quoting = msgspec.structs.replace(
        sample,
        processes=(Process(pid=2, command="python -c \"print('a\\b')\""),),
        host=msgspec.structs.replace(sample.host, cores=(99.5,) * 256),
    )
    line = json.dumps(msgspec.to_builtins(quoting)).encode()
    assert line.isascii()
    assert b"\\u" not in line
    assert decode(line) == quoting


def test_a_megabyte_of_text_is_read_in_time() -> None:
    long = Sample(time=5, processes=(Process(pid=2, command="\x1b" * 500_000),))
    begun = time.process_time()
    sample = decode(_ENCODE(long))
    assert time.process_time() - begun < 30  # by a pattern that goes back and forth it takes hours
    assert len(sample.processes[0].command) == LONGEST
