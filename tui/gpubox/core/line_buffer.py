"""Splits a stream of bytes into lines, with bounded memory."""

from __future__ import annotations


class LineBuffer:
    """A buffer that accepts pieces of any size and returns lines; it has no timer and no lock."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._skipping = False
        self._ended = False

    @property
    def size(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add a piece."""
        if self._skipping:
            end = data.find(b"\n")
            if end < 0:
                return
            self._skipping = False
            data = data[end + 1 :]
        self._buffer += data

    def end(self) -> None:
        """Mark the end of input."""
        self._ended = True

    def take(self, limit: int) -> bytes | None:
        """Return the next line with its newline, b"" at the end, or None when more must come first.

        A line over `limit` bytes is returned cut to `limit`, without a newline, and its rest is dropped
        as it comes. The last line may lack its newline.
        """
        end = self._buffer.find(b"\n", self._scanned, limit)
        if end >= 0:
            return self._cut(end + 1)
        if len(self._buffer) > limit:
            line = self._cut(limit)
            self._drop_rest()
            return line
        self._scanned = len(self._buffer)
        if not self._ended:
            return None
        return self._cut(len(self._buffer))

    def take_all(self) -> bytes | None:
        """Return everything buffered, b"" at the end, or None when more must come first."""
        return self._cut(len(self._buffer)) if self._buffer or self._ended else None

    def _cut(self, length: int) -> bytes:
        line = bytes(memoryview(self._buffer)[:length])
        del self._buffer[:length]
        self._scanned = 0
        return line

    def _drop_rest(self) -> None:
        end = self._buffer.find(b"\n")
        if end >= 0:
            del self._buffer[: end + 1]
        else:
            self._buffer.clear()
            self._skipping = True
