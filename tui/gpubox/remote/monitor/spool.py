"""A bounded spool of frames that wait to be delivered, which outlives the program, whenever it is killed.

In its folder are segments, files of records that are only appended to, and `state`: the number of the last
record that was delivered, written in place, so that it needs no room on a full disk. What a kill or a power
cut left unfinished fails its checksum, and is skipped.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import threading
import zlib
from collections import deque
from itertools import islice
from typing import Deque, Iterator, List, NamedTuple, Optional, Tuple

LIMIT = 32 << 20
"""Bytes on disk; about 20,000 frames of eight GPUs, two days of one each ten seconds."""
SEGMENTS = 16
"""Parts of the limit: the oldest is dropped whole."""
IN_MEMORY = 500
"""Most frames that wait in memory while the disk takes none."""
SMALL = 64 << 10
"""Bytes from which a segment that is delivered makes room for a new one."""
_RECORD = struct.Struct("<4sQQIII")
"""Magic, id, clock, nanoseconds, length of the data, checksum of all but the magic."""
_MAGIC = b"GBF1"
_STATE = struct.Struct("<4sQ16sQQI")
"""Magic, number of the writing, session, id of the last delivered record, records dropped, checksum."""
_STATE_MAGIC = b"GBS1"
_SLOT = 64
"""Bytes of each of the two places of the state: one is whole, whatever happens to the other."""
_LONGEST = 4 << 20
"""Most bytes of a record."""


class Waiting(NamedTuple):
    """A record that waits."""

    id: int
    clock: int
    ns: int
    segment: str
    offset: int
    length: int
    data: Optional[bytes]
    """The data itself, where the disk did not take it."""


class Spool:
    """The spool in one folder; only one process uses it. Its methods may be called from several threads."""

    def __init__(self, folder: str, limit: int = LIMIT) -> None:
        self.folder = folder
        self.limit = limit
        self.dropped = 0
        """Records that were dropped undelivered, for lack of room; also before this start."""
        self.trouble = ""
        """Why records wait in memory only, for people; empty when they are on disk."""
        self.session = os.urandom(16)
        """Names a run of ids for the server; lasts until it is renewed."""
        self.confirmed = 0
        """Id of the last record that was delivered."""
        self._waiting: Deque[Waiting] = deque()
        self._sizes: Deque[Tuple[str, int]] = deque()
        """Segments with their bytes, the oldest first; the last one is written to, if `_file` is open."""
        self._last = 0
        self._file: Optional[int] = None
        self._state: Optional[int] = None
        self._writings = 0
        self._guard: Optional[int] = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Read what is there; raises BlockingIOError while another process uses the spool.

        A folder that cannot be used is `trouble`, and records wait in memory.
        """
        try:
            os.makedirs(self.folder, 0o700, exist_ok=True)
            self._guard = os.open(self._path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._state = os.open(self._path("state"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._read_state()
            self._scan()
        except BlockingIOError:
            self.close()
            raise BlockingIOError(errno.EAGAIN, "Another service already uses it", self.folder) from None
        except OSError as error:
            self._fails(error)
        self._last = max([self.confirmed, self._last])

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, data: bytes, clock: int, ns: int) -> None:
        """Take a record; where the disk does not take it, it waits in memory."""
        with self._lock:
            self._last += 1
            try:
                self._write(data, clock, ns)
                self.trouble = ""
            except OSError as error:
                self._fails(error)
                self._waiting.append(Waiting(self._last, clock, ns, "", 0, len(data), data))
            self._bound()

    def batch(self, count: int, size: int) -> List[Tuple[Waiting, bytes]]:
        """Return the oldest records with their data: at most `count`, and, beyond one, `size` bytes."""
        with self._lock:
            rows: List[Tuple[Waiting, bytes]] = []
            total = 0
            for one in list(islice(self._waiting, count)):
                data = self._data(one)
                if data is None:  # the file is gone or changed: there is nothing to deliver
                    self._waiting.remove(one)
                    self.dropped += 1
                    continue
                total += len(data)
                if rows and total > size:
                    break
                rows.append((one, data))
            return rows

    def confirm(self, last: int) -> None:
        """Forget the records up to an id: they are delivered."""
        with self._lock:
            self.confirmed = max(self.confirmed, last)
            self._write_state()
            while self._waiting and self._waiting[0].id <= last:
                self._waiting.popleft()
            self._tidy()

    def renew_session(self) -> None:
        """Take a new name for the run of ids."""
        with self._lock:
            self.session = os.urandom(16)
            self._write_state()

    def close(self) -> None:
        """Close its files."""
        with self._lock:
            for file in (self._file, self._state, self._guard):
                if file is not None:
                    os.close(file)
            self._file = self._state = self._guard = None

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _fails(self, error: OSError) -> None:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        said = "the disk is full" if full else error.strerror or str(error)
        self.trouble = f"Frames wait in memory only: {said} ({self.folder})"

    # --- records ---

    def _write(self, data: bytes, clock: int, ns: int) -> None:
        """Append a record to a segment; raises OSError, and leaves nothing of it then."""
        if self._file is None:
            self._begin()
        assert self._file is not None
        name, size = self._sizes[-1]
        numbers = (self._last, clock, ns, len(data))
        record = _RECORD.pack(_MAGIC, *numbers, _sum(numbers, data)) + data
        try:
            written = os.write(self._file, record)
            if written < len(record):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)
            raise
        self._sizes[-1] = (name, size + len(record))
        self._waiting.append(Waiting(self._last, clock, ns, name, size + _RECORD.size, len(data), None))
        if size + len(record) >= self.limit // SEGMENTS:
            self._end()

    def _begin(self) -> None:
        """Begin a segment: never the one of another process, whose last record may be cut."""
        name = f"{self._last:016x}.frames"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._path(name), flags, 0o600)
        self._sizes.append((name, 0))

    def _end(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _data(self, one: Waiting) -> Optional[bytes]:
        if one.data is not None:
            return one.data
        try:
            with open(self._path(one.segment), "rb") as file:
                file.seek(one.offset - _RECORD.size)
                found = file.read(_RECORD.size + one.length)
        except OSError:
            return None
        return next((data for _, data in _records(one.segment, found)), None)

    def _bound(self) -> None:
        """Drop the oldest beyond the limits."""
        while len(self._sizes) > 1 and sum(size for _, size in self._sizes) > self.limit:
            name, _ = self._sizes.popleft()
            others = [one for one in self._waiting if one.segment != name]
            self.dropped += len(self._waiting) - len(others)
            self._waiting = deque(others)
            self._remove(name)
            self._write_state()
        in_memory = [one for one in self._waiting if one.data is not None]
        for one in in_memory[: max(0, len(in_memory) - IN_MEMORY)]:
            self._waiting.remove(one)
            self.dropped += 1

    def _tidy(self) -> None:
        """Remove the segments of which nothing waits."""
        needed = {one.segment for one in self._waiting}
        for name, size in list(self._sizes):
            written_to = self._file is not None and name == self._sizes[-1][0]
            if name in needed or (written_to and size < SMALL):
                continue
            if written_to:
                self._end()
            self._sizes.remove((name, size))
            self._remove(name)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._path(name))

    def _scan(self) -> None:
        """Find the records that wait; raises OSError."""
        for name in sorted(os.listdir(self.folder)):
            if not name.endswith(".frames"):
                continue
            with open(self._path(name), "rb") as file:
                content = file.read(self.limit + _LONGEST)
            self._sizes.append((name, len(content)))
            for one, _ in _records(name, content):
                self._last = max(self._last, one.id)
                if one.id > self.confirmed:
                    self._waiting.append(one)
        self._last = max(self._last, *[int(name[:16], 16) for name, _ in self._sizes], 0)
        self._waiting = deque(sorted(self._waiting))
        self._bound()
        self._tidy()

    # --- the state ---

    def _read_state(self) -> None:
        assert self._state is not None
        content = os.pread(self._state, 2 * _SLOT, 0)
        for slot in (content[:_SLOT], content[_SLOT:]):
            if len(slot) < _STATE.size:
                continue
            magic, writing, session, confirmed, dropped, checksum = _STATE.unpack(slot[: _STATE.size])
            whole = magic == _STATE_MAGIC and checksum == zlib.crc32(slot[: _STATE.size - 4])
            if whole and writing > self._writings:
                self._writings, self.session = writing, session
                self.confirmed, self.dropped = confirmed, dropped
        if not self._writings:
            self._write_state()

    def _write_state(self) -> None:
        if self._state is None:
            return
        self._writings += 1
        record = _STATE.pack(_STATE_MAGIC, self._writings, self.session, self.confirmed, self.dropped, 0)[:-4]
        record += struct.pack("<I", zlib.crc32(record))
        try:
            os.pwrite(self._state, record.ljust(_SLOT, b"\0"), self._writings % 2 * _SLOT)
        except OSError as error:
            self._fails(error)


def _sum(numbers: Tuple[int, int, int, int], data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(struct.pack("<QQII", *numbers)))


def _records(segment: str, content: bytes) -> Iterator[Tuple[Waiting, bytes]]:
    """Yield the whole records of a segment; what is between them is skipped."""
    at = content.find(_MAGIC)
    while 0 <= at <= len(content) - _RECORD.size:
        _, number, clock, ns, length, checksum = _RECORD.unpack_from(content, at)
        begin = at + _RECORD.size
        data = content[begin : begin + length]
        if len(data) == length and checksum == _sum((number, clock, ns, length), data):
            yield Waiting(number, clock, ns, segment, begin, length, None), data
            at = content.find(_MAGIC, begin + length)
        else:
            at = content.find(_MAGIC, at + 1)
