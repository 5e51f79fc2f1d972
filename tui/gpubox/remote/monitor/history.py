"""Keeps the history of the box in SQLite: means in three tiers, and who used the GPUs hour by hour."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time

from gpubox.common import tiers, usage
from gpubox.common.series import readings
from gpubox.common.tier_writer import Tiers
from gpubox.remote.json_io import error_line
from gpubox.remote.monitor import folder
from gpubox.remote.monitor.outlet import Outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from typing import Any, Dict, List, Optional, Tuple

    Row = Dict[str, Any]

FILE = "history.sqlite"
BOX = "here"
"""The name of the only box in the file."""
BOUNDS = tiers.Bounds(days=(1, 30, 730), bytes=64 << 20, boxes=1)
"""What is stored of readings: with eight GPUs 13 MB after two years."""
USAGE_DAYS = 366
"""Days for which use is stored: 23 MB with eight GPUs, if two users take turns on each in every hour."""
FLUSH = 30.0
"""Seconds between two writes: a disk that sleeps is woken seldom, and a kill loses no more."""
WAITING = 1000
"""Most frames that wait for a slow disk; more are dropped."""
DAY = 86_400
GAP = 3.0
"""Intervals for which a frame holds at most, when the next one is late."""


def path() -> str:
    """Return the file on the box."""
    return folder.path(FILE)


def opened(name: str) -> sqlite3.Connection:
    """Open the file for any thread, and make its tables; raises sqlite3.Error and ImportError."""
    import sqlite3  # some builds of Python have none

    connection = sqlite3.connect(name, timeout=5.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'watched'").fetchone():
            statements = [
                tiers.BOXES,
                *(tiers.TIER.format(width=width) for width in tiers.WIDTHS),
                usage.TABLES,
            ]
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                for statement in ";".join(statements).split(";"):
                    connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


class Means:
    """The means of the readings over the rows of the finest tier."""

    def __init__(self) -> None:
        self.second: Optional[int] = None
        """The beginning of the row that is being filled."""
        self._sums: Dict[str, List[float]] = {}

    def add(self, moment: float, values: Dict[str, float]) -> Optional[tiers.HistoryRow]:
        """Add the readings of a moment; return the row before, if this one begins another."""
        second = int(moment) - int(moment) % tiers.FINEST
        done = self.end() if self.second not in (None, second) else None
        self.second = second
        for key, value in values.items():
            one = self._sums.setdefault(key, [0.0, 0.0])
            one[0] += value
            one[1] += 1
        return done

    def end(self) -> Optional[tiers.HistoryRow]:
        """Return the row that was being filled, and begin another."""
        if self.second is None or not self._sums:
            return None
        row = tiers.HistoryRow(BOX, self.second, {key: one[0] / one[1] for key, one in self._sums.items()})
        self.second, self._sums = None, {}
        return row


class HistoryOutlet(Outlet):
    """Stores frames from a thread of its own."""

    name = "history"

    def __init__(self, config: Row, spool: str) -> None:
        del config, spool
        self._frames: queue.Queue[Optional[Tuple[Row, float]]] = queue.Queue(WAITING)
        self._thread: Optional[threading.Thread] = None
        self._connection: Optional[sqlite3.Connection] = None
        self._means = Means()
        self._usage = usage.UsageSum()
        self._tiers = Tiers()
        self._rows: List[tiers.HistoryRow] = []
        self._last: Optional[Tuple[float, float]] = None
        """When the last frame came, by the clock and by the monotonic one."""
        self._trouble = ""

    def start(self) -> None:
        """Open the file; raises ValueError where that fails."""
        import sqlite3

        name = path()
        try:
            self._connection = self._open(name)
        except sqlite3.Error as error:
            raise ValueError("%s: %s" % (name, error)) from None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def _open(self, name: str) -> sqlite3.Connection:
        """Open the file for the thread, a new one in the place of a damaged one; raises sqlite3.Error."""
        import sqlite3

        try:
            return opened(name)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            for suffix in ("-wal", "-shm", ""):  # an old write-ahead log would damage the new file too
                with contextlib.suppress(OSError):
                    os.replace(name + suffix, name + ".damaged" + suffix)
            return opened(name)

    def offer(self, frame: Row) -> None:
        """Store a frame; never blocks, never raises."""
        with contextlib.suppress(queue.Full):
            self._frames.put_nowait((frame["sample"], time.monotonic()))

    def status(self) -> Row:
        """Return whether the last write worked, and the size of the file in bytes."""
        try:
            size = os.stat(path()).st_size
        except OSError:
            size = 0
        return {
            "ok": not self._trouble,
            "words": self._trouble or "%.1f MB on disk" % (size / 1e6),
            "size": size,
        }

    def close(self) -> None:
        """Write what is there, and end."""
        with contextlib.suppress(queue.Full):
            self._frames.put(None, timeout=0.2)
        if self._thread is not None:
            self._thread.join(0.8)

    def _run(self) -> None:
        due = time.monotonic() + FLUSH
        ended = False
        while not ended:
            try:
                taken = self._frames.get(timeout=max(0.0, due - time.monotonic()))
                ended = taken is None
            except queue.Empty:
                taken = None
            try:
                if taken is not None:
                    self._take(*taken)
                if ended or time.monotonic() >= due:
                    due = time.monotonic() + FLUSH
                    self._flush(last=ended)
            except Exception as error:  # the next frame is taken all the same
                self._trouble = "the history is not stored: %s" % error_line(error)

    def _take(self, sample: Row, clock: float) -> None:
        moment, interval = float(sample["time"]), float(sample["interval"])
        seconds = interval
        if self._last is not None:
            # The clock may be set, and a box may sleep: what passed by neither clock was not watched.
            passed = min(moment - self._last[0], clock - self._last[1])
            seconds = min(max(0.0, passed), GAP * interval)
        self._last = moment, clock
        row = self._means.add(moment, dict(readings(sample)))
        if row is not None:
            self._rows.append(row)
            del self._rows[:-WAITING]
        self._usage.add(moment, sample, seconds)

    def _flush(self, *, last: bool = False) -> None:
        """Write what was gathered, with `last` also the row that still fills; raises sqlite3.Error."""
        connection = self._connection
        assert connection is not None
        if last:
            row = self._means.end()
            self._rows += [] if row is None else [row]
        if self._rows:
            self._tiers.insert(connection, self._rows)
            self._rows = []
        self._usage.write(connection)
        now = int(time.time())
        for _ in range(20):
            if not self._tiers.tidy(connection, now, BOUNDS):
                break
        usage.delete(connection, now - USAGE_DAYS * DAY)
        self._trouble = ""
