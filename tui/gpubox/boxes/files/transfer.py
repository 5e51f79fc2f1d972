"""Copies files and folders between this machine and a box over the open link, and survives its drops."""

from __future__ import annotations

import asyncio
import fnmatch
import glob
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from gpubox.agent import bundle, call
from gpubox.agent.program_pipes import ProgramPipes, piped
from gpubox.boxes.context import BoxContext, Feature
from gpubox.boxes.files.pipes import ThreadPipes
from gpubox.common.refusal import Refused
from gpubox.common.transfer.receiving import Taker
from gpubox.common.transfer.sending import send
from gpubox.common.transfer.wire import Closed, Tally, TransferWire
from gpubox.core.channels import Channels
from gpubox.core.errors import ConfigError, Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.sanitize import clean
from gpubox.core.shell import Shell

_SHOWN = 0.1
"""Seconds between two progress reports."""
_WORDS = 300
"""Longest text of the box, in characters."""


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """The progress of a transfer."""

    name: str = ""
    """The file in transfer."""
    files: int = 0
    all_files: int = 0
    bytes: int = 0
    """Bytes of completed files."""
    all_bytes: int = 0
    reused: int = 0
    """Bytes of those that were there already and were not sent."""
    skipped: tuple[str, ...] = ()
    """What was not sent, with the reason, in words."""


OnProgress = Callable[[TransferProgress], None]


class Files(Feature):
    """Copies files to and from one box."""

    def __init__(
        self, box: str, shell: Feed[Shell | None], channels: Feed[Channels | None], *, python: str = ""
    ) -> None:
        self._box = box
        self._shell = shell
        self._channels = channels
        self._python = python
        self._program = bundle.program("files", "gpubox.remote.files")

    @classmethod
    def of(cls, context: BoxContext) -> Self:
        """Make it for a box."""
        return cls(context.name, context.shell, context.channels, python=context.python)

    async def put(
        self, paths: Sequence[str], to: str, on_progress: OnProgress | None = None
    ) -> TransferProgress:
        """Copy files and folders of this machine to the box, over what is there.

        `to` is a folder, or a new name for a single path; `~` and relative paths start at the home folder,
        and a folder that ends with a slash is created. After a drop of the link it waits and resumes. Raises
        RemoteError when something cannot be read or written at either end; the received part of a large
        file stays for the next attempt.
        """
        tops = [_top(path) for path in paths]
        tally, transfer = Tally(), _word()

        def work(wire: TransferWire) -> None:
            wire.say(verb="put", to=to)
            send(wire, tops, tally, transfer)

        return await self._whole(work, tally, on_progress)

    async def get(
        self, paths: Sequence[str], to: str, on_progress: OnProgress | None = None, *, replace: bool = False
    ) -> TransferProgress:
        """Copy files and folders of the box to this machine; `paths` may be patterns. Otherwise as `put`.

        Without `replace`, files that only a pattern matched do not replace different local files, and are
        among the skipped.
        """
        for path in paths:
            if os.path.basename(path.rstrip("/")) in ("", ".", "..", "~"):
                raise ConfigError("Not a file", f"{path}: name a file, or a folder in it")
        tally, transfer = Tally(), _word()
        requested = [os.path.basename(path.rstrip("/")) for path in paths]

        def allowed(name: str) -> bool:
            return any(_fits(name, one) for one in requested)

        def replaces(name: str) -> bool:
            return replace or name in requested

        def work(wire: TransferWire) -> None:
            done = [list(parts) for parts in tally.done]
            wire.say(verb="get", paths=list(paths), done=done, transfer=transfer)
            Taker(wire, tally, allowed, replaces).take(to)

        return await self._whole(work, tally, on_progress)

    async def _whole(
        self, work: Callable[[TransferWire], None], tally: Tally, on_progress: OnProgress | None
    ) -> TransferProgress:
        """Transfer over as many links as it takes."""
        showing = asyncio.ensure_future(_show(tally, on_progress)) if on_progress else None
        try:
            while True:
                shell, channels = await self._ways()
                try:
                    await self._once(channels, work)
                    return progress(tally)
                except Dropped:
                    if self._shell.value is shell:
                        # The command ended silently while the link is up: a retry would be no better.
                        await asyncio.sleep(_SHOWN)
                    if self._shell.value is shell:
                        raise
        finally:
            if showing is not None:
                showing.cancel()
                await asyncio.gather(showing, return_exceptions=True)

    async def _ways(self) -> tuple[Shell, Channels]:
        async for channels in self._channels.follow():
            shell = self._shell.value
            if channels is not None and shell is not None:
                return shell, channels
        raise AssertionError("a feed never ends")

    async def _once(self, channels: Channels, work: Callable[[TransferWire], None]) -> None:
        async with piped(channels, self._program, python=self._python) as pipes:
            await _in_thread(pipes, work, self._box)


async def _in_thread(pipes: ProgramPipes, work: Callable[[TransferWire], None], box: str) -> None:
    """Transfer over pipes in a thread; raises GpuBoxError, with cleaned text."""
    ends = ThreadPipes(pipes, asyncio.get_running_loop())
    thread = asyncio.ensure_future(asyncio.to_thread(_work, TransferWire(ends), work))
    try:
        await asyncio.shield(thread)
    except Refused as refused:
        raise call.refused(refused.title, refused.text, refused.hint) from None
    except Closed:
        said = pipes.last_words or "the program there ended"
        hint = "Try again: it goes on where it was"
        raise Dropped("The transfer was cut", f"{box}: {said}", hint) from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RemoteError("Not understood", f"{box} sends something else than files") from error
    finally:
        await ends.close()
        await asyncio.wait([thread])
        if not thread.cancelled():
            thread.exception()  # seen


def _work(wire: TransferWire, work: Callable[[TransferWire], None]) -> None:
    """Transfer; a refusal by the program on the box takes precedence over a local RemoteError."""
    try:
        work(wire)
        wire.flush()
    except RemoteError:
        with suppress(Closed):
            while True:
                wire.line()
        raise


async def _show(tally: Tally, on_progress: OnProgress) -> None:
    last: TransferProgress | None = None
    while True:
        now = progress(tally)
        if now != last:
            on_progress(now)
            last = now
        await asyncio.sleep(_SHOWN)


def progress(tally: Tally) -> TransferProgress:
    """Return the progress of a transfer, with text that is safe to draw."""
    return TransferProgress(
        clean(tally.name, 80),
        tally.files,
        tally.all_files,
        tally.bytes,
        tally.all_bytes,
        tally.reused,
        tuple(clean(text, _WORDS) for text in tally.skipped),
    )


def _top(path: str) -> tuple[str, str]:
    """Return the name and the absolute path of a local file or folder."""
    whole = os.path.abspath(path)
    return os.path.basename(whole) or "root", whole


def _word() -> str:
    return secrets.token_hex(8)


def _fits(name: str, requested: str) -> bool:
    """Return whether the box may send this name: a hostile box sends names that were not requested.

    As in a shell and in glob, a leading dot matches only a dot.
    """
    if name == requested:
        return True
    hidden = name.startswith(".") and not requested.startswith(".")
    return glob.has_magic(requested) and not hidden and fnmatch.fnmatchcase(name, requested)
