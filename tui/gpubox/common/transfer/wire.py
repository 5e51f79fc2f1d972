"""Lines of JSON and frames of bytes between both ends of a transfer of files, over two pipes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import select

from gpubox.common.refusal import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Protocol, Set, Tuple

    Row = Dict[str, Any]
    Parts = Tuple[str, ...]

    class Pipes(Protocol):
        """Bytes both ways."""

        def pull(self) -> bytes:
            """Return received bytes, or b"" at the end."""
            ...

        def transmit(self, data: bytes) -> None:
            """Send bytes now."""
            ...

        def waiting(self) -> bool:
            """Return whether something can be read at once."""
            ...

        def closed(self) -> bool:
            """Return whether the transfer was abandoned."""
            ...


FRAME = 1 << 20
"""Bytes sent at a time."""
ASK = 1 << 20
"""Size from which the receiver is asked what it has of a file before it is sent."""
TOGETHER = 1 << 16
"""Bytes up to which small pieces are sent together."""
LINE = 64 << 20
"""Most bytes of a line: the list of existing files may be long."""
END, FAILED = 0, 0xFFFFFFFF
SAME, UNWANTED = -1, -2
"""Instead of an offset: reasons why nothing of a file is sent."""
PART = re.compile(r"\.gpubox-[0-9a-f]{16}\.[0-9a-z]{1,32}\.part")


class Closed(Exception):
    """The other end is gone."""


class Tally:
    """The progress of a transfer."""

    def __init__(self) -> None:
        self.name = ""
        self.files = self.bytes = 0
        """Files done, and bytes of all files that are there."""
        self.all_files = self.all_bytes = 0
        self.reused = 0
        """Bytes of these that did not have to be sent."""
        self.skipped: List[str] = []
        """Paths that are neither file nor folder or could not be read, with the reason."""
        self.done: Set[Parts] = set()


class Standard:
    """Bytes both ways: stdin and stdout of this process."""

    def pull(self) -> bytes:
        """Return received bytes, or b"" at the end."""
        return os.read(0, FRAME)

    def transmit(self, data: bytes) -> None:
        """Send bytes now."""
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def waiting(self) -> bool:
        """Return whether something can be read at once."""
        return bool(select.select([0], [], [], 0)[0])

    def closed(self) -> bool:
        """Return whether the transfer was abandoned."""
        return False


class TransferWire:
    """Lines and bytes both ways, over the pipes of this process or others."""

    def __init__(self, pipes: Optional[Pipes] = None) -> None:
        self._pipes = pipes or Standard()
        self._held = memoryview(b"")
        self._out: List[bytes] = []
        self._size = 0

    def push(self, data: bytes) -> None:
        """Send bytes; small pieces are buffered until `flush`, or until `line` waits for an answer."""
        self._out.append(data)
        self._size += len(data)
        if self._size >= TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Send buffered bytes; raises Closed when the transfer was abandoned."""
        self.check()
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out, self._size = [], 0
            self._pipes.transmit(data)

    def waiting(self) -> bool:
        """Return whether something can be read at once."""
        return bool(self._held) or self._pipes.waiting()

    def check(self) -> None:
        """Raise Closed when the transfer was abandoned; called during long reads of files."""
        if self._pipes.closed():
            raise Closed

    def drain(self) -> None:
        """Discard incoming bytes: unread ones would reset the connection at its end."""
        self.flush()
        while self.waiting() and self._pipes.pull():
            pass

    def say(self, **words: object) -> None:
        """Send a line."""
        self.push(json.dumps(words).encode() + b"\n")

    def line(self) -> Row:
        """Return the next line.

        Raises Closed at the end, and Refused with the other end's reason.
        """
        try:
            row = json.loads(self._line().decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise Refused("Not understood", "The other end sent something else than files")
        error = row.get("error")
        if isinstance(error, dict):
            raise Refused(*(str(error.get(name, "")) for name in ("title", "text", "hint")))
        return row

    def _line(self) -> bytes:
        found: List[bytes] = []
        size = 0
        while not found or not found[-1].endswith(b"\n"):
            if size > LINE:
                raise Refused("Not understood", "The other end sent an endless line")
            held = self._held if self._held else memoryview(self._more())
            end = bytes(held[:4096]).find(b"\n") + 1 or bytes(held).find(b"\n") + 1 or len(held)
            found.append(bytes(held[:end]))
            self._held = held[end:]
            size += end
        return b"".join(found)

    def _more(self) -> bytes:
        self.flush()
        data = self._pipes.pull()
        if not data:
            raise Closed
        return data

    def pieces(self) -> Iterator[memoryview]:
        """Yield the bytes of one file as they arrive; raises Refused when the sender gave up."""
        while True:
            left = int.from_bytes(b"".join(self._exactly(4)), "big")
            if left == FAILED:
                self.line()
                raise Refused("Not understood", "The other end gave up without words")
            if left == END:
                return
            yield from self._exactly(left)

    def _exactly(self, left: int) -> Iterator[memoryview]:
        while left:
            held = self._held if self._held else memoryview(self._more())
            self._held = held[left:]
            yield held[:left]
            left -= min(left, len(held))


def digest_of(wire: TransferWire, file: Any, size: int) -> Any:
    """Return the digest of the first `size` bytes of a file, and leave its position after them."""
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0:
        wire.check()
        data = file.read(min(FRAME, size))
        if not data:
            break
        digest.update(data)
        size -= len(data)
    return digest


def frame(data: bytes) -> bytes:
    """Return bytes as one frame."""
    return len(data).to_bytes(4, "big") + data


def why(error: OSError) -> str:
    """Return the system's message."""
    return error.strerror or type(error).__name__
