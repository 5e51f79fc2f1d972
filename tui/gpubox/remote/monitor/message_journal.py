"""The messages of one channel that are to be sent, on disk."""

from __future__ import annotations

import contextlib

from gpubox.remote.jobs import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    Row = Dict[str, Any]

MOST = 200
"""Most messages that wait; the oldest are dropped."""


class Journal:
    """Messages that wait, and counts of those that went.

    A message is marked before it is sent. One that was being sent when the service was killed is not sent
    again, since it may have arrived; it is counted as unsure.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.waiting: List[Row] = []
        """Rows with `key` (unique), `at` (when, in seconds since the epoch) and `event`, the oldest first."""
        self.counts = {"sent": 0, "failed": 0, "unsure": 0, "last": 0}
        """How many messages went, were dropped, may have gone, and were there at all."""
        self.trouble = ""
        """Why it could not be written; empty when it was."""
        self._sending = ""
        """The key of the message that is being sent."""
        self._read()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            row = records.load(self.path) or {}
            counts = {name: int(row["counts"][name]) for name in self.counts}
            waiting = [
                {"key": str(one["key"]), "at": float(one["at"]), "event": dict(one["event"])}
                for one in row["waiting"]
            ]
            marked = str(row["sending"])
            self.waiting = [one for one in waiting if one["key"] != marked]
            counts["unsure"] += len(waiting) - len(self.waiting)
            self.counts = counts

    def add(self, event: Row, now: float) -> None:
        """Put a message down, even if it cannot be written."""
        self.counts["last"] += 1
        self.waiting.append({"key": "%d-%d" % (now, self.counts["last"]), "at": now, "event": event})
        dropped = self.waiting[:-MOST]
        self.counts["failed"] += len(dropped)
        del self.waiting[: len(dropped)]
        self.write()

    def begin(self, one: Row) -> None:
        """Mark a message as being sent. On a full disk it goes unmarked."""
        self._sending = one["key"]
        self.write()

    def put_off(self) -> None:
        """Take back the mark: the message was not sent, and waits."""
        self._sending = ""
        self.write()

    def end(self, one: Row, outcome: str) -> None:
        """Forget a message that was `sent` or `failed`."""
        self._sending = ""
        self.waiting.remove(one)
        self.counts[outcome] += 1
        self.write()

    def write(self) -> None:
        """Write it in one step, readable only by the user."""
        row = {"counts": self.counts, "sending": self._sending, "waiting": self.waiting}
        written = records.store(self.path, row)
        self.trouble = "" if written else "the list of messages cannot be written: is the disk full?"
