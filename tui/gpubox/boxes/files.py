"""Files and folders between this machine and a box, over the link that is open; they survive its losses."""

from __future__ import annotations

import asyncio
import fnmatch
import glob
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

from gpubox.boxes import kept
from gpubox.core.doors import Doors, Pipes
from gpubox.core.errors import ConfigError, Dropped, GpuBoxError, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from gpubox.core.text import clean, clean_bytes
from gpubox.remote import files as remote

_FULL = 4 << 20
"""Bytes from the box that wait to be written here."""
_SHOWN = 0.1
"""Seconds between two looks at the progress."""
_WORDS = 300


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is."""

    name: str = ""
    """The file that is on its way."""
    files: int = 0
    all_files: int = 0
    bytes: int = 0
    """Bytes of all files that are where they belong."""
    all_bytes: int = 0
    kept: int = 0
    """Bytes of those that were there already, and were not sent again."""
    skipped: tuple[str, ...] = ()
    """What could not be sent or is neither a file nor a folder, in words."""


Told = Callable[[Progress], None]


class Files:
    """Copies files to and from one box."""

    def __init__(
        self, box: str, shell: Feed[Shell | None], doors: Feed[Doors | None], *, python: str = ""
    ) -> None:
        self._box = box
        self._shell = shell
        self._doors = doors
        self._python = python
        self._program = kept.program("files", "files.py")

    async def put(self, paths: Sequence[str], to: str, told: Told | None = None) -> Progress:
        """Copy files and folders of this machine to the box, over what is there.

        `to` is a folder, or a new name for the one thing; `~` and relative ones start at the home folder,
        and one that ends with a slash is made. Waits for the link when it is lost, and goes on. Raises
        RemoteError in words when something cannot be read or written, at either end; what came over of a
        large file stays there for the next try.
        """
        tops = [_top(path) for path in paths]
        tally, transfer = remote.Tally(), _word()

        def work(wire: _Wire) -> None:
            wire.say(verb="put", to=to)
            remote.send(wire, tops, tally, transfer)

        return await self._whole(work, tally, told)

    async def get(
        self, paths: Sequence[str], to: str, told: Told | None = None, *, replace: bool = False
    ) -> Progress:
        """Copy files and folders of the box to this machine; `paths` may be patterns. Otherwise as `put`.

        What only a pattern fits does not replace files that are here, unless with `replace`: they are among
        the skipped where they differ.
        """
        for path in paths:
            if os.path.basename(path.rstrip("/")) in ("", ".", "..", "~"):
                raise ConfigError("Not a file", f"{path}: name a file, or a folder in it")
        tally, transfer = remote.Tally(), _word()
        wanted = [os.path.basename(path.rstrip("/")) for path in paths]

        def allowed(name: str) -> bool:
            return any(_fits(name, one) for one in wanted)

        def replaces(name: str) -> bool:
            return replace or name in wanted

        def work(wire: _Wire) -> None:
            done = [list(parts) for parts in tally.done]
            wire.say(verb="get", paths=list(paths), done=done, transfer=transfer)
            remote.Taker(wire, tally, allowed, replaces).take(to)

        return await self._whole(work, tally, told)

    async def _whole(self, work: Callable[[_Wire], None], tally: remote.Tally, told: Told | None) -> Progress:
        """Do the work over as many links as it takes."""
        showing = asyncio.ensure_future(_show(tally, told)) if told else None
        try:
            while True:
                shell, doors = await self._ways()
                try:
                    await self._once(shell, doors, work)
                    return progress(tally)
                except Dropped:
                    if self._shell.value is shell:
                        # The command ended without a word, and the link is there: again would be no better.
                        await asyncio.sleep(_SHOWN)
                    if self._shell.value is shell:
                        raise
        finally:
            if showing is not None:
                showing.cancel()
                await asyncio.gather(showing, return_exceptions=True)

    async def _ways(self) -> tuple[Shell, Doors]:
        async for doors in self._doors.follow():
            shell = self._shell.value
            if doors is not None and shell is not None:
                return shell, doors
        raise AssertionError("a feed never ends")

    async def _once(self, shell: Shell, doors: Doors, work: Callable[[_Wire], None]) -> None:
        await kept.ensure(shell, self._program, self._python)
        mark = f"gpubox-{secrets.token_hex(6)}"
        async with doors.pipes(kept.command(self._program, mark, (), self._python)) as pipes:
            wire = _Wire(pipes, asyncio.get_running_loop())
            await _marked(wire, mark)
            await _in_thread(wire, work, self._box)


class _Wire(remote.Wire):
    """The pipes of the program on the box, for a thread that reads and writes as if they were files."""

    def __init__(self, pipes: Pipes, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.errors = b""
        """The end of what it wrote to stderr."""
        self._pipes = pipes
        self._loop = loop
        self._pieces: list[bytes] = []
        self._full = 0
        self._ended = False
        self._why: BaseException | None = None
        self._shut = False
        self._news = threading.Condition()
        self._room = asyncio.Event()
        self._writing: Future[None] | None = None
        self._pumping = asyncio.ensure_future(self._pump())

    async def _pump(self) -> None:
        """Take what comes, in the loop's own thread: the other one gets many packets at once."""
        try:
            while True:
                is_error, piece = await self._pipes.read()
                if is_error:
                    self.errors = (self.errors + piece)[-4096:]
                    continue
                if not piece:
                    break
                with self._news:
                    self._pieces.append(piece)
                    self._full += len(piece)
                    self._news.notify()
                    full = self._full > _FULL
                    if full:
                        self._room.clear()
                if full:
                    await self._room.wait()
        except GpuBoxError as error:
            self._why = error
        finally:
            with self._news:
                self._ended = True
                self._news.notify()

    def pull(self) -> bytes:
        """Return all that came; raises Dropped when the link went."""
        with self._news:
            while not self._pieces and not self._ended and not self._shut:
                self._news.wait()
            self.check()
            data, self._pieces, self._full = b"".join(self._pieces), [], 0
        if data:
            self._loop.call_soon_threadsafe(self._room.set)
        elif self._why is not None:
            raise self._why
        return data

    def transmit(self, data: bytes) -> None:
        """Send bytes now; raises Dropped when the link went."""
        self.check()
        self._writing = asyncio.run_coroutine_threadsafe(self._pipes.write(data), self._loop)
        if self._shut:
            self._writing.cancel()
        self._writing.result()

    def waiting(self) -> bool:
        """Say whether something can be read at once."""
        return bool(self._held) or bool(self._pieces) or self._ended

    def check(self) -> None:
        """Raise Closed when this is given up."""
        if self._shut:
            raise remote.Closed

    def last_words(self) -> None:
        """Raise what the program on the box said before it ended."""
        with suppress(remote.Closed):
            while True:
                self.line()

    async def close(self) -> None:
        """Have the thread end."""
        with self._news:
            self._shut = True
            self._news.notify()
        if self._writing is not None:
            self._writing.cancel()
        self._pumping.cancel()
        await asyncio.gather(self._pumping, return_exceptions=True)


async def _marked(wire: _Wire, mark: str) -> None:
    """Skip what rc files print; raises RemoteError when the program does not begin."""
    try:
        await asyncio.wait_for(asyncio.to_thread(wire.skip, mark.encode()), 30.0)
    except BaseException as error:
        await wire.close()  # nobody else ends its thread
        if not isinstance(error, (TimeoutError, remote.Closed)):
            raise
        said = clean_bytes(wire.errors.strip().rpartition(b"\n")[2], _WORDS) or "it said nothing"
        raise RemoteError("No answer from the box", f"It did not run the program for files: {said}") from None


async def _in_thread(wire: _Wire, work: Callable[[_Wire], None], box: str) -> None:
    """Do the work in a thread; raises GpuBoxError, with all words made safe."""

    def doing() -> None:
        try:
            work(wire)
            wire.flush()
        except RemoteError:
            wire.last_words()  # it takes no more input, and said why
            raise

    thread = asyncio.ensure_future(asyncio.to_thread(doing))
    try:
        await asyncio.shield(thread)
    except remote.Refused as refused:
        parts = (clean(part, _WORDS) for part in (refused.title, refused.text, refused.hint))
        raise RemoteError(*parts) from None
    except remote.Closed:
        said = clean_bytes(wire.errors.strip().rpartition(b"\n")[2], _WORDS) or "the program there ended"
        hint = "Try again: it goes on where it was"
        raise Dropped("The transfer was cut", f"{box}: {said}", hint) from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RemoteError("Not understood", f"{box} sends something else than files") from error
    finally:
        await wire.close()
        await asyncio.wait([thread])
        if not thread.cancelled():
            thread.exception()  # seen


async def _show(tally: remote.Tally, told: Told) -> None:
    last: Progress | None = None
    while True:
        now = progress(tally)
        if now != last:
            told(now)
            last = now
        await asyncio.sleep(_SHOWN)


def progress(tally: remote.Tally) -> Progress:
    """Return how far a transfer is, in words that can be drawn."""
    return Progress(
        clean(tally.name, 80),
        tally.files,
        tally.all_files,
        tally.bytes,
        tally.all_bytes,
        tally.kept,
        tuple(clean(text, _WORDS) for text in tally.skipped),
    )


def _top(path: str) -> tuple[str, str]:
    """Return what a file or folder of this machine is called, and where it is."""
    whole = os.path.abspath(path)
    return os.path.basename(whole) or "root", whole


def _word() -> str:
    return secrets.token_hex(8)


def _fits(name: str, wanted: str) -> bool:
    """Say whether a box may send a thing of this name: a box that is not to be trusted sends others.

    As in a shell and in glob, a leading dot fits none but a dot.
    """
    if name == wanted:
        return True
    hidden = name.startswith(".") and not wanted.startswith(".")
    return glob.has_magic(wanted) and not hidden and fnmatch.fnmatchcase(name, wanted)
