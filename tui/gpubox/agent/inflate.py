"""Unpacks the lines of the probe."""

from __future__ import annotations

import binascii
import zlib
from typing import Protocol

from gpubox.core.decode import LINE_LIMIT
from gpubox.core.errors import ProbeError


class _Stream(Protocol):
    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Inflater:
    """Reads the deflate stream of one probe line by line; see `Pack` of the probe."""

    def __init__(self) -> None:
        self._stream: _Stream | None = None
        self.broken = False
        """Whether the stream is unusable; the probe must begin a `fresh` one."""

    def line(self, line: bytes) -> bytes:
        """Return a line unpacked; a line that is not packed is returned unchanged.

        Raises ProbeError when it is damaged or larger than a sample can be; then `broken` is set until a new
        stream begins.
        """
        if line.startswith(b"Z"):
            self._stream = zlib.decompressobj()
            self.broken = False
        elif not line.startswith(b"z"):
            return line
        if self._stream is None:
            raise self._damaged("its beginning was not seen")
        try:
            plain = self._stream.decompress(binascii.a2b_base64(line[1:], strict_mode=False), LINE_LIMIT)
        except (binascii.Error, zlib.error) as error:
            raise self._damaged(str(error)) from error
        if self._stream.unconsumed_tail or not plain.endswith(b"\n"):
            raise self._damaged("it holds more or less than one sample")
        return plain

    def _damaged(self, why: str) -> ProbeError:
        self._stream = None
        self.broken = True
        return ProbeError(
            "Garbage on the channel",
            f"A packed line is damaged: {why}",
            "The probe is asked to start over; if it stays, something on the box writes into its output",
        )
