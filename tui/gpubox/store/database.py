"""Opens the database file, works on it in one thread, and explains its faults."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Generic, TypeVar

import msgspec

from gpubox.core.errors import GpuBoxError, StoreError
from gpubox.core.feed import Feed
from gpubox.core.sanitize import clean
from gpubox.store.migrations import NewerVersion, migrate, version

FAULTS = (sqlite3.Error, OSError, struct.error, msgspec.MsgspecError)
"""Errors of a disk, of SQLite, or of a row in another format."""
_PATIENCE = 2.0
"""Seconds that a caller waits for an answer: a home on a network disk may hang."""
_BUSY = 1.0
"""Seconds that SQLite waits for another program's lock."""
_QUEUE = 200
"""Most calls that wait for a slow disk; more are refused."""
_RETRY = 60.0
"""Seconds after which a file that could not be opened is tried again."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

T = TypeVar("T")
Answer = tuple[T | None, GpuBoxError | None]

log = logging.getLogger(__name__)


class _Call(Generic[T]):
    """One piece of work for the thread, and the future of its result."""

    def __init__(self, work: Callable[[sqlite3.Connection], T]) -> None:
        self.future: Future[Answer[T]] = Future()
        self._work = work

    def run(self, attempt: Callable[[Callable[[sqlite3.Connection], T]], Answer[T]]) -> None:
        """Do the work, unless nobody waits for it any more."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(attempt(self._work))
        except BaseException as error:  # it belongs to who called
            self.future.set_exception(error)


class Database:
    """The file; several running programs may have it open at once.

    Nothing here raises for a bad disk: `trouble` has the error, and the program continues without. A
    damaged file is moved aside and replaced by a new one; a file of a newer version is left alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble: Feed[GpuBoxError | None] = Feed(None)
        """The error of the file, or None."""
        self._calls: SimpleQueue[_Call[object] | None] = SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._refusal: GpuBoxError | None = None
        """Why the file is not open."""
        self._retry_at = 0.0
        self._notice: GpuBoxError | None = None
        """What happened to the last file; stays until this program ends."""
        self._closed = False
        # A daemon: a thread that waits for a hanging disk must not keep the program from ending.
        self._thread = threading.Thread(target=self._work, name="gpubox-database", daemon=True)
        self._thread.start()
        self.run(lambda _: None)

    def close(self) -> None:
        """Close the file after the queued calls; later calls are ignored."""
        if not self._closed:
            self._closed = True
            self._calls.put(None)
            self._thread.join(_PATIENCE)

    @property
    def is_open(self) -> bool:
        """Whether calls are accepted; they may still fail."""
        return not self._closed

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run quick work on the file; None when it failed, with the error in `trouble`."""
        future = self._submit(work)
        try:
            return self._report(*future.result(_PATIENCE))
        except TimeoutError:
            future.cancel()
            return self._report(None, self._hangs())

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run work on the file in its thread; None when it failed, with the error in `trouble`."""
        future = self._submit(work)
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await asyncio.wrap_future(future)
        except TimeoutError:
            answer = None, self._hangs()
        return self._report(*answer)

    def _submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[Answer[T]]:
        call = _Call(work)
        if self._closed:
            call.future.set_result((None, self.trouble.value))
        elif self._calls.qsize() >= _QUEUE:
            call.future.set_result((None, self._hangs()))
        else:
            self._calls.put(call)  # pyright: ignore[reportArgumentType] the queue looks into none
        return call.future

    def _report(self, result: T | None, trouble: GpuBoxError | None) -> T | None:
        trouble = trouble or self._notice
        if trouble is not self.trouble.value:
            self.trouble.put(trouble)
        return result

    def _hangs(self) -> StoreError:
        return explain(TimeoutError("the disk does not answer"), self.path)

    # What follows runs in the thread.

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run(self._attempt)
        if self._connection is not None:
            self._connection.close()

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> Answer[T]:
        try:
            if self._connection is None:
                self._open()
            if self._connection is None:
                return None, self._refusal
            return work(self._connection), None
        except FAULTS as error:
            if is_damage(error):
                self._start_over(error)
                return None, self._refusal
            return None, explain(error, self.path)

    def _open(self) -> None:
        """Open the file, or set `_refusal`; a damaged one raises SQLite's error."""
        now = time.monotonic()
        if now < self._retry_at:
            return
        self._retry_at = now + _RETRY
        try:
            self._inode = 0
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)  # the activity of boxes is private
            self._inode = self.path.stat().st_ino
            self._connection, self._refusal = _connect(self.path), None
        except NewerVersion as error:
            self._retry_at, self._refusal = math.inf, error
        except FAULTS as error:
            if is_damage(error):
                raise
            self._refusal = explain(error, self.path)

    def _start_over(self, error: Exception) -> None:
        """Move a damaged file aside and begin a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        words = clean(str(error), 160)
        aside = self.path.with_name(f"{self.path.name}.damaged")
        try:
            # Another program may have done this already, and then the file of this name is good.
            if self.path.stat().st_ino == self._inode:
                for suffix in ("-wal", "-shm", ""):  # an old write-ahead log would damage the new file too
                    with suppress(FileNotFoundError):
                        os.replace(f"{self.path}{suffix}", f"{aside}{suffix}")
            self._retry_at = 0.0
            self._open()
        except FAULTS as other:
            self._refusal = explain(other if isinstance(other, OSError) else error, self.path)
            return
        log.warning("%s was damaged (%s); it is now %s", self.path, words, aside)
        self._notice = StoreError(
            "History starts over", f"{self.path} was damaged: {words}", f"The old file is now {aside}"
        )


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file and migrate it to this version; raises NewerVersion and sqlite3.Error."""
    connection = sqlite3.connect(path, timeout=_BUSY)
    try:
        version(connection, path)  # before anything is written: a newer file is left as it is
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def is_damage(error: Exception) -> bool:
    """Return whether an error means that the file is no database, or a damaged one."""
    code = getattr(error, "sqlite_errorcode", 0)  # an error that Python itself makes has none
    return isinstance(error, sqlite3.DatabaseError) and code & 0xFF in _DAMAGED


def explain(error: Exception, path: Path) -> StoreError:
    """Return the error of an unusable file, with what to do."""
    words = clean(str(error), 160)
    if "locked" in words:
        hint = "Another program holds it; until it lets go, history is in memory only"
    elif "readonly" in words or isinstance(error, PermissionError):
        hint = "Make the file and its folder writable for you; until then history is in memory only"
    elif is_damage(error):
        hint = "Delete the file to start over; until then history is in memory only"
    else:
        hint = (
            "Until that is mended, history is in memory only; history.keep = false in the settings is quiet"
        )
    return StoreError("History is not kept on disk", f"{path}: {words}", hint)
