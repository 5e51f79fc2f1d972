"""Sends a message when alerts are raised or cleared: once by each channel, even if the service is killed."""

from __future__ import annotations

import os
import queue
import threading
import time

from gpubox.common.alerts.message import at_least, line, message_of
from gpubox.remote.monitor.message_channels import CHANNELS, SendError, wrong_in
from gpubox.remote.monitor.message_journal import Journal
from gpubox.remote.monitor.outlet import Outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    Row = Dict[str, Any]

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0
"""Seconds after a failure until the next try: twice as many each time."""
LIFE = 24 * 3600.0
"""Seconds after which a message that could not be sent is dropped."""
LEAST = "warning"
"""The lowest severity that is worth a message, unless the channel says otherwise."""


class MessageChannel:
    """One way to send messages, with a thread of its own: a slow one delays no other."""

    def __init__(self, config: Row, path: str) -> None:
        self.kind = str(config.get("kind"))
        self.words = ""
        """Why the last message did not go; empty when it did."""
        self.journal = Journal(path)
        self._config = config
        self._offered: queue.SimpleQueue[Optional[Row]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="messages by " + self.kind, daemon=True)
        self._ended = False
        self._tries = 0
        self._next = 0.0
        """When to send again after a failure, by the monotonic clock."""

    def start(self) -> None:
        """Begin, with what waits from the last run."""
        self._thread.start()

    def offer(self, event: Row) -> None:
        """Send the changes of an event that are severe enough; never blocks."""
        least = str(self._config.get("least", LEAST))
        changes = [each for each in event["changes"] if at_least(str(each["alert"]["severity"]), least)]
        if changes:
            self._offered.put({**event, "changes": changes})

    def close(self) -> None:
        """End; what waits is sent after the next start."""
        self._ended = True
        self._offered.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the end."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._ended:
            try:
                event = self._offered.get(timeout=self._pause())
            except queue.Empty:
                event = None
            if event is not None:
                self.journal.add(event, time.time())
            while not self._ended and self.journal.waiting and time.monotonic() >= self._next:
                self._send(self.journal.waiting[0])

    def _pause(self) -> Optional[float]:
        """Return the seconds until the next try; None when nothing waits."""
        return max(0.0, self._next - time.monotonic()) if self.journal.waiting else None

    def _send(self, one: Row) -> None:
        age = time.time() - one["at"]
        if age > LIFE:
            self.journal.end(one, "failed")
            return
        self.journal.begin(one)
        event = one["event"]
        message = message_of(str(event["host"]), event["changes"], test=bool(event["test"]))
        try:
            CHANNELS[self.kind](self._config, message, one["key"])
        except SendError as error:
            self.words = "%s: %s" % (self.kind, error)
            if error.final:
                self.journal.end(one, "failed")
            else:
                self.journal.put_off()
                self._put_off()
        else:
            self.words, self._tries = "", 0
            self.journal.end(one, "sent")

    def _put_off(self) -> None:
        self._tries += 1
        self._next = time.monotonic() + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._tries - 1, 16))


class MessagesOutlet(Outlet):
    """Sends messages about the changes of alerts in each frame.

    `config` has `channels`: rows with `kind` (a key of CHANNELS), what the kind needs, and perhaps `least`.
    """

    name = "messages"

    def __init__(self, config: Row, folder: str) -> None:
        self._configs: List[Row] = list(config.get("channels") or ())
        self._folder = folder
        self._channels: List[MessageChannel] = []

    def start(self) -> None:
        """Begin; raises ValueError for a channel that cannot work as it is configured."""
        for config in self._configs:
            wrong = wrong_in(config)
            if wrong:
                raise ValueError(wrong)
        self._channels = [
            MessageChannel(
                config, os.path.join(self._folder, "messages-%d-%s.json" % (place, config["kind"]))
            )
            for place, config in enumerate(self._configs)
        ]
        for channel in self._channels:
            channel.start()

    def offer(self, frame: Row) -> None:
        """Send what changed; never blocks, never raises."""
        if frame.get("changes"):
            test = bool(frame.get("test"))
            event = {"host": frame.get("host", ""), "changes": frame["changes"], "test": test}
            for channel in self._channels:
                channel.offer(event)

    def status(self) -> Row:
        """Return whether all channels work, what to tell the user, and how many messages went where."""
        troubles = [words for each in self._channels for words in (each.journal.trouble, each.words) if words]
        counts = {
            name: sum(each.journal.counts[name] for each in self._channels)
            for name in ("sent", "failed", "unsure")
        }
        kinds = ", ".join(line(each.kind) for each in self._channels) or "no channel"
        return {
            "ok": not troubles,
            "words": "; ".join(troubles) or "%s: %d sent" % (kinds, counts["sent"]),
            "waiting": sum(len(each.journal.waiting) for each in self._channels),
            **counts,
        }

    def close(self) -> None:
        """End; what waits is sent after the next start."""
        for channel in self._channels:
            channel.close()
        end = time.monotonic() + 0.8
        for channel in self._channels:
            channel.join(max(0.0, end - time.monotonic()))
