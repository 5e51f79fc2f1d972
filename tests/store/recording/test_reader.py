"""Files that are no recordings, damaged ones, and ones that were made to do harm."""

from __future__ import annotations

import gzip
import json
import os
import random
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gpubox.core.decode import LINE_LIMIT
from gpubox.core.errors import RecordingError
from gpubox.core.sample import Sample
from gpubox.store.recording.changes import tree
from gpubox.store.recording.reader import Recording
from tests.drawable import drawable
from tests.samples import NOW, eight_gpus, training_box
from tests.store.recording.test_writer import record

HEAD: dict[str, object] = {"t": NOW, "recording": {"v": 1, "box": "xub"}}
WHOLE: dict[str, object] = {"t": NOW, "sample": tree(training_box())}
MOST = 64 * 2**20
"""Bytes of memory that any file may take."""


def packed(*lines: object) -> bytes:
    """A gzip file of lines."""
    return gzip.compress(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def made(path: Path, data: bytes) -> Path:
    """A file of bytes."""
    path.write_bytes(data)
    return path


def played(path: Path) -> list[Sample]:
    """All readings; raises RecordingError when it is damaged."""
    recording = Recording.open(path)
    found = [frame.sample for frame in recording.frames(0) if frame.sample is not None]
    if recording.error is not None:
        raise recording.error
    return found


def test_a_small_recording_is_read(tmp_path: Path) -> None:
    assert played(made(tmp_path / "file", packed(HEAD, WHOLE))) == [training_box()]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#!/bin/sh\n",
        b"\x1f\x8b",
        b"\x1f\x8b" + bytes(500),
        gzip.compress(b""),
        gzip.compress(b"a log\n" * 1000),
        gzip.compress(b"\xff\xfe\n"),
        packed([1, 2]),
        packed({"t": NOW}),
        packed({"t": NOW, "recording": 5}),
        packed({"t": NOW, "recording": {"v": 1}}),
        packed({"t": NOW, "recording": {"v": "1", "box": "xub"}}),
        packed({"t": -1, "recording": {"v": 1, "box": "xub"}}),
        packed(WHOLE),
    ],
    ids=range(14),
)
def test_another_file_is_no_recording(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(RecordingError, match="Not a recording"):
        Recording.open(made(tmp_path / "file", data))


def test_a_recording_of_a_newer_version_says_so(tmp_path: Path) -> None:
    head = {"t": NOW, "recording": {"v": 2, "name": {"of": "box"}}}
    with pytest.raises(RecordingError, match=r"newer version.*format 2.*knows 1"):
        Recording.open(made(tmp_path / "file", packed(head)))


def test_what_a_newer_minor_version_adds_is_ignored(tmp_path: Path) -> None:
    lines = ({**HEAD, "more": 1}, {"t": NOW, "mark": "here"}, {**WHOLE, "more": []})
    assert played(made(tmp_path / "file", packed(*lines))) == [training_box()]


def test_no_pipe_or_folder_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing", Path("/dev/zero")):
        with pytest.raises(RecordingError):
            Recording.open(path)


HARMFUL: dict[str, Callable[[], bytes]] = {
    "a change first": lambda: packed(HEAD, {"t": NOW, "change": {"seq+": 1}}),
    "a misfit": lambda: packed(HEAD, WHOLE, {"t": NOW, "change": {"gpus": {"util": []}}}),
    "no sample": lambda: packed(HEAD, {"t": NOW, "sample": {"time": "now"}}),
    "a list": lambda: packed(HEAD, {"t": NOW, "sample": [1]}),
    "a newer probe": lambda: packed(HEAD, {"t": NOW, "sample": {"v": 99, "time": 1}}),
    "another link": lambda: packed(HEAD, {"t": NOW, "link": {"phase": "teleported"}}),
    "a large sum": lambda: packed(HEAD, WHOLE, *[{"t": NOW, "change": {"seq+": 2**62}}] * 4),
    "a deep line": lambda: gzip.compress(msgspec.json.encode(HEAD) + b"\n" + b'{"t":' * 200_000 + b"\n"),
    "a deep sample": lambda: gzip.compress(
        msgspec.json.encode(HEAD) + b'\n{"t":1,"sample":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001 + b"\n"
    ),
    "a long number": lambda: gzip.compress(
        msgspec.json.encode(HEAD) + b'\n{"t":1,"sample":{"seq":' + b"9" * 100_000 + b"}}\n"
    ),
    "an endless line": lambda: gzip.compress(msgspec.json.encode(HEAD) + b"\n" + bytes(200 * 2**20), 1),
    "repeated rows": lambda: packed(HEAD, WHOLE, {"t": NOW, "change": {"gpus": {"=": [0] * 1_000_000}}}),
    "a growing sample": lambda: packed(
        HEAD, WHOLE, *({"t": NOW, "change": {f"more{n}": "x" * (LINE_LIMIT // 2)}} for n in range(9))
    ),
    "something after it": lambda: packed(HEAD, WHOLE) + b"and more",
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_file_ends_with_a_sentence_in_bounded_memory(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / "file", HARMFUL[name]())
    tracemalloc.start()
    try:
        with pytest.raises(RecordingError, match="damaged"):
            played(path)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


def test_a_member_within_a_line_is_damage(tmp_path: Path) -> None:
    line = msgspec.json.encode(WHOLE)
    data = packed(HEAD) + gzip.compress(line[:50]) + gzip.compress(line[50:] + b"\n")
    assert Recording.open(made(tmp_path / "file", data)).damage == "a line is cut"


def test_any_flipped_byte_leads_to_readings_or_a_sentence(tmp_path: Path) -> None:
    record(tmp_path / "good", 6)
    good = (tmp_path / "good").read_bytes()
    rng = random.Random(7)
    sentences: list[str] = []
    for _ in range(300):
        data = bytearray(good)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            played(made(tmp_path / "bad", bytes(data)))
        except RecordingError as error:
            sentences.append(str(error))
    assert len(sentences) > 200
    assert all(map(drawable, sentences))


def test_readings_before_the_damage_are_there(tmp_path: Path) -> None:
    record(tmp_path / "file", 310)
    recording = Recording.open(tmp_path / "file")
    second = recording.members[1].offset
    data = bytearray((tmp_path / "file").read_bytes())
    data[second + 40 : second + 60] = bytes(20)
    recording = Recording.open(made(tmp_path / "file", bytes(data)))
    assert recording.error is not None
    assert recording.end == NOW + 299
    assert recording.last().time == NOW + 299


def test_text_of_a_recording_is_safe_to_draw(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\u202e"
    link = {
        "t": NOW,
        "link": {"phase": "waiting", "title": evil, "text": evil, "hint": evil, "address": evil},
    }
    sample = json.loads(msgspec.json.encode(eight_gpus()))
    sample["host"]["hostname"] = evil
    head = {"t": NOW, "recording": {"v": 1, "box": evil}}
    recording = Recording.open(made(tmp_path / "file", packed(head, link, {"t": NOW, "sample": sample})))
    state, reading = recording.frames(0)
    assert state.link is not None
    assert reading.sample is not None
    health = state.link.health
    for text in (recording.box, str(health.reason), health.address, reading.sample.host.hostname):
        assert text
        assert drawable(text)


def test_a_link_in_trouble_has_an_error_to_draw(tmp_path: Path) -> None:
    lines = (HEAD, {"t": NOW, "link": {"phase": "refused"}}, WHOLE)
    state, _ = Recording.open(made(tmp_path / "file", packed(*lines))).frames(0)
    assert state.link is not None
    assert state.link.health.reason is not None


def test_a_bomb_of_lines_takes_no_memory(tmp_path: Path) -> None:
    pack = zlib.compressobj(1, zlib.DEFLATED, 31)
    line = msgspec.json.encode({"t": NOW, "more": "x" * 100_000}) + b"\n"
    data = pack.compress(msgspec.json.encode(HEAD) + b"\n") + b"".join(
        pack.compress(line) for _ in range(3000)
    )
    path = made(tmp_path / "file", data + pack.flush())
    tracemalloc.start()
    try:
        assert not Recording.open(path).damage  # 300 MB
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()
