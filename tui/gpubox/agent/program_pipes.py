"""A program of ours on the box with its three pipes open, even if the box cannot store it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gpubox.agent import bundle, program_cache
from gpubox.agent.bundle import Program
from gpubox.core.channels import Channels, Pipes
from gpubox.core.errors import RemoteError
from gpubox.core.sanitize import last_line

_PATIENCE = 30.0
"""Seconds for the login shell, its rc files and the search for a Python."""
_NOISE = 1 << 20
"""Most bytes that rc files may print before the program's output."""
_SAID = 4096
"""Bytes of stderr that are stored."""


class ProgramPipes:
    """The pipes of a running program; see core.channels.Pipes."""

    def __init__(self, pipes: Pipes, early: bytes) -> None:
        self.errors = b""
        """The end of what it wrote to stderr."""
        self._pipes = pipes
        self._early = early
        self.write = pipes.write
        self.end = pipes.end
        self.wait = pipes.wait

    async def read(self) -> bytes:
        """Return the next piece of stdout, or b"" at the end; raises Dropped when the link is gone."""
        piece, self._early = self._early, b""
        while not piece:
            error, piece = await self._pipes.read()
            if not error:
                break
            self.errors, piece = (self.errors + piece)[-_SAID:], b""
        return piece

    async def lines(self, limit: int) -> AsyncIterator[bytes]:
        """Yield the lines of stdout without their newlines; raises as `read`, and RemoteError above `limit`.

        `limit` is the most bytes of a line. A last line without a newline is yielded as well.
        """
        rest = b""
        while piece := await self.read():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line
            if len(rest) > limit:
                raise RemoteError("Garbled answer", f"The box sent a line of more than {limit} bytes")
        if rest:
            yield rest

    @property
    def last_words(self) -> str:
        """The last line that it wrote to stderr, safe to draw; empty without one."""
        return last_line(self.errors)

    async def begin(self, mark: bytes) -> bytes:
        """Skip the output of rc files, and return the word after the mark; raises RemoteError without one."""
        seen, head = b"", b"\n" + mark + b" "
        while True:
            _, found, rest = seen.partition(head)
            word, ended, self._early = rest.partition(b"\n")
            if found and ended:
                return word
            self._early = b""
            piece = await self.read()
            if not piece or len(seen) > _NOISE:
                said = self.last_words or "it said nothing"
                raise RemoteError("No answer from the box", f"It did not run a program of ours: {said}")
            seen += piece


@asynccontextmanager
async def piped(
    channels: Channels,
    program: Program,
    words: tuple[str, ...] = (),
    python: str = "",
    environment: Mapping[str, str] = {},
) -> AsyncGenerator[ProgramPipes]:
    """Start a program; leaving the block ends it. The first byte read is the program's own.

    A box that lacks it gets it, and runs it from memory if the home is full or read-only. Raises as
    program_cache.run.
    """
    mark = program_cache.fresh_mark()
    async with channels.pipes(program_cache.command(program, mark, words, python, environment)) as pipes:
        running = ProgramPipes(pipes, b"")
        if await _answer(running, mark):
            yield running
            return
    payload = await asyncio.to_thread(bundle.payload, program)
    async with channels.pipes(program_cache.sending(program, mark, words, python, environment)) as pipes:
        await pipes.write(payload)
        running = ProgramPipes(pipes, b"")
        if not await _answer(running, mark):
            raise RemoteError("No answer from the box", f"It does not take the program for {program.name}")
        yield running


async def _answer(running: ProgramPipes, mark: str) -> bool:
    """Return whether the program runs; False when it must be sent. Raises NoPython and RemoteError."""
    try:
        async with asyncio.timeout(_PATIENCE):
            word = await running.begin(mark.encode())
    except TimeoutError:
        text = f"It did not come to a program of ours in {_PATIENCE:.0f} seconds"
        raise RemoteError("No answer from the box", text, "Try `ssh BOX true`") from None
    if word == b"NONE":
        raise program_cache.no_python()
    return word == b"HAVE"
