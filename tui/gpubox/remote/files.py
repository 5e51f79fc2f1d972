"""Sends and receives files, at both ends of the link: JSON lines, and frames of bytes, over two pipes.

For a large file, the sender first asks how much of it the receiver has; that part is not sent again if both
ends agree on its digest. Every file is written beside its target, compared by its SHA-256, and renamed into
place, so that it never appears incomplete.
"""

from __future__ import annotations

import contextlib

from gpubox.common.refusal import Refused
from gpubox.common.transfer.receiving import Taker
from gpubox.common.transfer.sending import absolute, found, send
from gpubox.common.transfer.wire import Closed, Tally, TransferWire
from gpubox.remote.json_io import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List


def serve(wire: TransferWire) -> None:
    """Serve the request of the first line: `get` paths, or `put` to a place."""
    asked = wire.line()
    tally = Tally()
    if asked.get("verb") == "get":
        tally.done = {tuple(parts) for parts in asked["done"]}
        send(wire, found(asked["paths"]), tally, str(asked["transfer"]))
    elif asked.get("verb") == "put":
        Taker(wire, tally).take(absolute(asked["to"]))
    else:
        raise Refused("Not understood", "The request is neither get nor put")


def main(_: List[str]) -> int:
    """Serve one request; return the exit code."""
    wire = TransferWire()
    try:
        serve(wire)
        wire.flush()
        return 0
    except (Closed, BrokenPipeError):
        return 1
    except Refused as refused:
        answer = refused.answer
    except (OSError, ValueError, OverflowError, KeyError, TypeError) as error:
        answer = failure("Files failed on the box", error)
    with contextlib.suppress(OSError):
        wire.say(**answer)
        wire.drain()
    return 1
