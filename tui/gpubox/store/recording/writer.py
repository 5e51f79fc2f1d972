"""Writes a recording."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from gpubox.core.errors import GpuBoxError, RecordingError
from gpubox.core.link_state import Health
from gpubox.core.new_file import temporary
from gpubox.core.sample import Sample
from gpubox.core.sanitize import clean
from gpubox.store.recording.changes import Row, change, tree
from gpubox.store.recording.lines import GZIP, SEGMENT, VERSION, Head, LinkChange, RecordedLine

_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self, mode: int = ..., /) -> bytes: ...


class Writer:
    """A recording that grows; its methods may be called from any thread.

    A new file is there at once. With `replace`, a file that is already there stays until the first reading.
    Only its owner can read the file: it has the command lines of everybody on the box. Leaving its block
    ends the recording, and removes a file without a reading. Raises RecordingError when the disk refuses.
    """

    def __init__(self, path: Path, box: str, *, replace: bool = False) -> None:
        self.path = path
        self.readings = 0
        """Readings so far."""
        self.size = 0
        """Bytes so far."""
        self._box = box
        self._made = temporary(path) if replace else path
        self._file = self._open()
        self._failed = False
        self._lock = threading.Lock()
        self._member: _Compressor | None = None
        self._last: Row | None = None
        self._time = 0.0
        self._states: dict[str, LinkChange] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def link(self, moment: float, health: Health) -> None:
        """Write a new state of the link; `moment` is in seconds since the epoch."""
        self._note(moment, LinkChange.of(health))

    def trouble(self, moment: float, trouble: GpuBoxError | None) -> None:
        """Write an error of the probe, or None when it is over."""
        self._note(moment, LinkChange.of_probe(trouble))

    def sample(self, moment: float, sample: Sample) -> None:
        """Write a reading; `moment` is when it came in."""
        row = tree(sample)
        with self._lock:
            if self._last is None or self.readings % SEGMENT == 0:
                self._start(moment)
                self._write(RecordedLine(t=self._moment(moment), sample=row))
            else:
                self._write(RecordedLine(t=self._moment(moment), change=change(self._last, row)))
            self._last = row
            self.readings += 1
            if self._made != self.path:
                self._guard(lambda: self._made.replace(self.path))
                self._made = self.path

    def close(self) -> None:
        """End the recording; what was written is on the disk then."""
        with self._lock:
            if self._file.closed:
                return
            try:
                if self.readings and not self._failed:
                    self._end_member()
                    self._guard(lambda: os.fsync(self._file.fileno()))
                elif not self.readings:
                    self._made.unlink(missing_ok=True)
            finally:
                self._file.close()

    def _open(self) -> BinaryIO:
        try:
            return open(os.open(self._made, _MAKE, 0o600), "wb", buffering=0)
        except FileExistsError:
            raise RecordingError(
                "The file is there already",
                f"{clean(str(self.path), 200)} was not touched",
                "Name another file, or replace it with --force",
            ) from None
        except OSError as error:
            raise self._refused(error) from error

    def _note(self, moment: float, state: LinkChange) -> None:
        with self._lock:
            if self._states.get(state.about) == state:
                return
            self._states[state.about] = state
            if self._member is not None:
                self._write(RecordedLine(t=self._moment(moment), link=state))

    def _moment(self, moment: float) -> float:
        """Return a moment in milliseconds, rounded down: never before the last one, in no later second."""
        self._time = max(self._time, int(moment * 1000) / 1000)
        return self._time

    def _start(self, moment: float) -> None:
        """Begin a member, which repeats what is known of the link."""
        first = self._member is None
        if not first:
            self._end_member()
        self._member = zlib.compressobj(9, zlib.DEFLATED, GZIP)
        if first:
            self._write(RecordedLine(t=self._moment(moment), recording=Head(VERSION, self._box)))
        for state in self._states.values():
            self._write(RecordedLine(t=self._moment(moment), link=state))

    def _write(self, line: RecordedLine) -> None:
        if self._member is not None:
            data = self._member.compress(msgspec.json.encode(line) + b"\n")
            self._put(data + self._member.flush(zlib.Z_SYNC_FLUSH))

    def _end_member(self) -> None:
        if self._member is not None:
            self._put(self._member.flush(zlib.Z_FINISH))

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                written = self._file.write(left)
            except OSError as error:
                self._failed = True
                raise self._refused(error) from error
            left = left[written:]
            self.size += written

    def _guard(self, step: Callable[[], object]) -> None:
        """Run a step; raises RecordingError when the disk refuses it."""
        try:
            step()
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> RecordingError:
        return RecordingError(
            "The recording cannot be written",
            f"{clean(str(self.path), 200)}: {error.strerror or type(error).__name__}",
            "What was written before can be replayed" if self.readings else "",
        )
