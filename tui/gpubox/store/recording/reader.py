"""Reads a recording; whatever is in the file, memory stays bounded."""

from __future__ import annotations

import math
import os
import stat
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import msgspec

from gpubox.core.bounds import Moment, Whole
from gpubox.core.decode import LINE_LIMIT, decode
from gpubox.core.errors import ProbeError, RecordingError
from gpubox.core.json_bytes import Unreadable, decode_json
from gpubox.core.sample import Sample
from gpubox.core.sanitize import clean
from gpubox.store.recording.changes import Misfit, Row, changed
from gpubox.store.recording.lines import GZIP, VERSION, Head, LinkChange, RecordedLine

_CHUNK = 64 * 1024
_MAGIC = b"\x1f\x8b"
_INFLATED = 4 * 1024**3
"""Most bytes of all lines: a month of eight GPUs."""
_MEMBERS = 100_000
"""Most members: nearly a year."""


class _Inflater(Protocol):
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Stamp(msgspec.Struct):
    """What every line has; the first has a head."""

    t: Moment
    recording: msgspec.Raw = msgspec.Raw()


class _Version(msgspec.Struct):
    v: Whole


_STAMPS = msgspec.json.Decoder(_Stamp)
_HEADS = msgspec.json.Decoder(Head)
_VERSIONS = msgspec.json.Decoder(_Version)
_LINES = msgspec.json.Decoder(RecordedLine)


class _Damaged(Exception):
    """The file goes on with something that no recording holds; the text says what."""


class Member(NamedTuple):
    """A part of the file that can be replayed by itself."""

    offset: int
    time: float
    """The moment of its first line."""


class Frame(NamedTuple):
    """A reading, or a new state of the link."""

    time: float
    """When it was recorded, in seconds since the epoch."""
    sample: Sample | None = None
    link: LinkChange | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that was looked through from start to end."""

    path: Path
    box: str
    """What the box was called where it was recorded."""
    begin: float
    end: float
    """The moments of the first and last line, in seconds since the epoch."""
    members: tuple[Member, ...]
    damage: str
    """Why the file cannot be read beyond `end`; empty when it was read to its end."""

    @classmethod
    def open(cls, path: Path) -> Recording:
        """Return the recording in a file; takes 0.1 s for an hour.

        Raises RecordingError when the file cannot be read, is no recording, or is one of a newer version.
        """
        try:
            with _opened(path) as file:
                return _scan(path, file)
        except OSError as error:
            raise RecordingError(
                "The recording cannot be read",
                f"{clean(str(path), 200)}: {error.strerror or type(error).__name__}",
            ) from error

    @property
    def error(self) -> RecordingError | None:
        """The damage as an error; None when there is none."""
        if not self.damage:
            return None
        return RecordingError(
            "The recording is damaged",
            f"{clean(str(self.path), 200)} cannot be read further: {self.damage}",
            "What comes before is shown",
        )

    def member(self, moment: float) -> Member:
        """Return the member that holds a moment; the first one for a moment before it."""
        after = bisect_right(self.members, moment, key=lambda member: member.time)
        return self.members[max(0, after - 1)]

    def frames(self, moment: float) -> Iterator[Frame]:
        """Yield everything from the member on that holds a moment.

        The first frames are the state of the link, then the whole sample before that moment. It ends at
        `end`; it raises RecordingError where a line before that cannot be read.
        """
        reached = 0.0
        try:
            with _opened(self.path) as file:
                for frame in _frames(_Text(file, self.member(moment).offset), self.end):
                    reached = frame.time
                    yield frame
        except (OSError, _Damaged, Misfit, Unreadable, ProbeError, OverflowError, RecursionError) as error:
            if self.damage and reached >= self.end:
                return
            raise RecordingError(
                "The recording is damaged",
                f"{clean(str(self.path), 200)} cannot be read further",
                "What comes before can be replayed",
            ) from error

    def last(self) -> Frame:
        """Return the last reading; raises RecordingError when there is none."""
        last: Frame | None = None
        for frame in self.frames(math.inf):
            last = frame if frame.sample is not None else last
        if last is None:
            raise RecordingError("The recording has no reading", clean(str(self.path), 200))
        return last


class _Text:
    """The lines of a file of gzip members from an offset on."""

    def __init__(self, file: BinaryIO, offset: int = 0) -> None:
        self._file = file
        self._place = offset
        self.member = offset
        """Where the member of the newest line begins."""
        self._rest = b""
        self._inflated = 0
        file.seek(offset)

    def lines(self) -> Iterator[bytes]:
        """Yield whole lines; an unfinished one at the end is dropped: the program was killed there.

        Raises _Damaged.
        """
        inflater: _Inflater | None = None
        while chunk := self._file.read(_CHUNK):
            while chunk:
                if inflater is None:
                    self._begin(chunk)
                    inflater = zlib.decompressobj(GZIP)
                left = len(chunk)
                yield from self._split(inflater, chunk)
                chunk = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
                self._place += left - len(chunk)
                if inflater.eof:
                    inflater = None
        if inflater is not None:
            yield from self._split(inflater, b"")
        elif self._rest:
            raise _Damaged("a line is cut")

    def _begin(self, chunk: bytes) -> None:
        if not chunk.startswith(_MAGIC[: len(chunk)]):
            raise _Damaged("it goes on with something else")
        if self._rest:
            raise _Damaged("a line is cut")
        self.member = self._place

    def _split(self, inflater: _Inflater, data: bytes) -> Iterator[bytes]:
        try:
            text = inflater.decompress(data, LINE_LIMIT)
        except zlib.error as error:
            raise _Damaged(clean(str(error), 100)) from error
        self._inflated += len(text)
        if self._inflated > _INFLATED:
            raise _Damaged("it holds more than any recording")
        *lines, self._rest = (self._rest + text).split(b"\n")
        if len(self._rest) > LINE_LIMIT:
            raise _Damaged("a line is longer than any reading")
        yield from lines


def _opened(path: Path) -> BinaryIO:
    """Open a regular file; a pipe or a device would hang or never end."""
    file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _no_recording(path)
    return file


def _no_recording(path: Path) -> RecordingError:
    return RecordingError(
        "Not a recording",
        f"{clean(str(path), 200)} was not made by `gpubox-tui record`",
        "Record a box with: gpubox-tui record BOX FILE",
    )


def _scan(path: Path, file: BinaryIO) -> Recording:
    text = _Text(file)
    members: list[Member] = []
    box, end, damage = "", 0.0, ""
    try:
        for line in text.lines():
            stamp = decode_json(line, _STAMPS)
            if not members:
                box = _head(path, stamp)
                end = stamp.t
            if not members or members[-1].offset != text.member:
                if len(members) >= _MEMBERS:
                    raise _Damaged("it is longer than any recording")
                members.append(Member(text.member, max(end, stamp.t)))
            end = max(end, stamp.t)
    except (_Damaged, Unreadable) as error:
        damage = str(error)
    if not members:
        raise _no_recording(path)
    return Recording(path, clean(box, 64), members[0].time, end, tuple(members), damage)


def _head(path: Path, stamp: _Stamp) -> str:
    """Return the name of the recorded box, from the first line."""
    if not bytes(stamp.recording):
        raise _no_recording(path)
    try:
        version = decode_json(stamp.recording, _VERSIONS).v
        if version > VERSION:
            raise RecordingError(
                "A recording of a newer version",
                f"{clean(str(path), 200)} has format {version}, this program knows {VERSION}",
                "Update gpubox-tui on this machine",
            )
        return decode_json(stamp.recording, _HEADS).box
    except Unreadable:
        raise _no_recording(path) from None


def _frames(text: _Text, end: float) -> Iterator[Frame]:
    row: Row | None = None
    moment = 0.0
    for data in text.lines():
        line = decode_json(data, _LINES)
        moment = max(moment, line.t)
        if moment > end:
            return
        if line.link is not None:
            yield Frame(moment, link=line.link)
        if line.sample is not None:
            row = line.sample
        elif line.change is not None:
            row = changed(_known(row), line.change)
        else:
            continue
        if len(encoded := msgspec.json.encode(row)) > LINE_LIMIT:
            raise _Damaged("a reading is larger than any")
        yield Frame(moment, sample=decode(encoded))


def _known(row: Row | None) -> Row:
    if row is None:
        raise _Damaged("a change without a reading before it")
    return row
