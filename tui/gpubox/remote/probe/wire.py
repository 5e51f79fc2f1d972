"""The probe's channel: receives commands and sends samples, never blocking forever."""

from __future__ import annotations

import json
import os
import re
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

    Row = Dict[str, object]


STDIN, STDOUT = 0, 1
SILENCE = 45.0
"""Seconds without a heartbeat or a reader after which the probe ends: the laptop sleeps or is gone."""


class Stop(Exception):
    """The probe should end, with this exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Pack:
    """Compresses lines to a tenth: all lines are one deflate stream, flushed and base64-encoded after each.

    Successive samples are nearly equal: 16 kB become 0.5 kB. sshd could compress too, but then everything on
    the connection, which would slow down tunnels over a fast network.
    """

    def __init__(self) -> None:
        import base64
        import zlib

        self.stream = zlib.compressobj(6)
        self.flush = zlib.Z_SYNC_FLUSH
        self.encode = base64.b64encode
        self.head = b"Z"
        """`Z` begins a stream, `z` continues it."""

    def line(self, data: bytes) -> bytes:
        """Return the next line, packed."""
        head, self.head = self.head, b"z"
        return head + self.encode(self.stream.compress(data) + self.stream.flush(self.flush)) + b"\n"


def escaped(match: re.Match[str]) -> str:
    """Return a character as an ASCII escape for JSON; U+FFFD for a surrogate of a byte that is not UTF-8."""
    character = match.group()
    return json.dumps("\ufffd" if "\ud800" <= character <= "\udfff" else character)[1:-1]


class ProbeWire:
    """Both ends of the channel: receives commands and sends lines, never blocking forever."""

    def __init__(self, pack: bool = False) -> None:
        self.pack = Pack() if pack else None
        self.pending = b""
        self.beat_at = time.monotonic()
        self.pong: int | None = None
        self.pcie: int | None = None
        self.interval: float | None = None
        self.hurry = False
        """Whether a command changed the next sample, which should then come at once."""

    def wait(self, until: float) -> None:
        """Run commands until a moment; raises Stop."""
        while True:
            now = time.monotonic()
            left = min(until - now, self.beat_at + SILENCE - now)
            # Input is read before silence is judged: heartbeats may have waited behind a blocked write.
            if select.select([STDIN], [], [], max(0.0, left))[0]:
                self.take()
                if self.hurry:
                    self.hurry = False
                    return
            elif time.monotonic() - self.beat_at >= SILENCE:
                raise Stop(0)
            elif time.monotonic() >= until:
                return

    def take(self) -> None:
        """Read input and run its complete lines; raises Stop at the end of the channel."""
        block = os.read(STDIN, 4096)
        if not block:
            raise Stop(0)
        lines = (self.pending + block).split(b"\n")
        self.pending = lines.pop()[-4096:]
        for line in lines:
            self.obey(line.decode("ascii", "replace").split())

    def obey(self, words: list[str]) -> None:
        """Run the command of one line; unknown commands are for newer probes, and ignored."""
        verb, value = ([*words, "", ""])[:2]
        if verb == "quit":
            raise Stop(0)
        if verb == "beat":
            self.beat_at = time.monotonic()
            if value.isdigit():
                self.pong = int(value)
                self.send({"pong": self.pong})
        elif verb == "pcie":
            self.pcie = int(value) if value.isdigit() else None
            self.hurry = True
        elif verb == "fresh" and self.pack is not None:
            self.pack = Pack()
            self.hurry = True
        elif verb == "interval":
            self.interval = seconds(value) or self.interval
            self.hurry = True

    def send(self, row: Row) -> None:
        """Write one line; raises Stop when nobody reads for SILENCE seconds, or the reader is gone."""
        text = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
        if not text.isascii():
            text = re.sub("[^\0-\x7f]", escaped, text)
        data = text.encode() + b"\n"
        if self.pack is not None and "seq" in row:  # an answer to a heartbeat repeats nothing
            data = self.pack.line(data)
        last = time.monotonic()
        while data:
            wait = SILENCE - (time.monotonic() - last)
            if wait <= 0:
                raise Stop(6)
            if not select.select([], [STDOUT], [], wait)[1]:
                continue
            try:
                # A pipe that select reports as writable accepts 4,096 bytes without blocking.
                data = data[os.write(STDOUT, data[:4096]) :]
            except BrokenPipeError:
                raise Stop(0) from None
            last = time.monotonic()


def seconds(text: str) -> float | None:
    """Return an interval within its bounds, or None if it is not a number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return min(60.0, max(0.25, value)) if value == value else None
