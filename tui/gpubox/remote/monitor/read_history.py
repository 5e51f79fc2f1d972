"""Reads the history that the service keeps: takes a request as JSON on stdin, answers with JSON.

The request has `parts`, each with `width` (seconds of a row), `begin` and `end` (seconds since the epoch),
and perhaps `usage` with `begin` and `end`. The answer has `now` (the clock of the box), `present` (whether
there is any history), `parts`, each with `width`, `layouts` (the series of rows) and `rows`, and `usage`, if
it was asked for, with `watched` (seconds) and `rows` of `uuid`, `user`, `held`, `busy` and `energy`.

`rows` of a part are records, one after the other, compressed by zlib and encoded in base64: the second (8
bytes), the index of the layout (2 bytes), and a float of 4 bytes for each of its series, little endian.
"""

from __future__ import annotations

import base64
import os
import struct
import time
import zlib

from gpubox.common import tiers, usage
from gpubox.common.refusal import Refused
from gpubox.remote import json_io
from gpubox.remote.monitor import history

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from typing import Any, Dict, List

    Row = Dict[str, Any]

MOST = 20_000
"""Most rows of one part; the newest are sent."""


def part(connection: sqlite3.Connection, asked: Row) -> Row:
    """Return the rows of one tier; raises sqlite3.Error, and Refused for a tier that is none."""
    width, begin, end = int(asked["width"]), int(asked["begin"]), int(asked["end"])
    if width not in tiers.WIDTHS:
        raise Refused("Not understood", "History has no rows of %d seconds" % width)
    layouts: Dict[str, int] = {}
    series: List[object] = []
    data = bytearray()
    for second, text, means in tiers.raw_rows(connection, width, history.BOX, begin, end)[-MOST:]:
        if text not in layouts:
            layouts[text] = len(layouts)
            series.append(tiers.series_of(text))
        data += struct.pack("<QH", second, layouts[text]) + means
    packed = base64.b64encode(zlib.compress(bytes(data), 6)).decode()
    return {"width": width, "layouts": series, "rows": packed}


def read(asked: Row) -> Row:
    """Return the answer to a request; raises Refused."""
    answer: Row = {"now": time.time(), "present": False, "parts": []}
    name = history.path()
    if not os.path.exists(name):
        return answer
    try:
        import sqlite3
    except ImportError:
        return answer  # then the service has stored nothing either
    try:
        connection = sqlite3.connect(name, timeout=5.0)
        try:
            answer["parts"] = [part(connection, one) for one in asked.get("parts") or ()]
            if asked.get("usage"):
                watched, uses = usage.read(
                    connection, int(asked["usage"]["begin"]), int(asked["usage"]["end"])
                )
                answer["usage"] = {"watched": watched, "rows": [use._asdict() for use in uses]}
        finally:
            connection.close()
    except (sqlite3.Error, struct.error) as error:
        raise Refused(
            "The history of the box cannot be read",
            "%s: %s" % (name, error),
            "The service replaces a damaged file when it is started again",
        ) from None
    answer["present"] = True
    return answer


def serve() -> int:
    """Answer one request; raises Refused."""
    json_io.emit(read(json_io.request()))
    return 0


def main(_words: List[str]) -> int:
    """Serve one request, or answer why not; returns the exit code."""
    return json_io.serve("The history failed on the box", serve)
