"""Screens of a machine itself, without a monitor: what x11vnc shows, and where viewers open their windows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.components.parts import program
from tests.hang import LIMIT


@asynccontextmanager
async def screen(home: Path, *, size: str = "640x480") -> AsyncGenerator[str]:
    """Run a screen in a home; yields its display, such as `:3`."""
    ready, reported = os.pipe()
    words = (
        program("Xvfb"),
        "-displayfd",
        str(reported),
        "-screen",
        "0",
        f"{size}x24",
        "-nolisten",
        "tcp",
        "-noreset",
    )
    async with running(words, home, pass_fds=(reported,)):
        os.close(reported)
        try:
            async with asyncio.timeout(LIMIT):
                number = await asyncio.to_thread(os.read, ready, 16)
            yield f":{number.decode().strip()}"
        finally:
            os.close(ready)


@asynccontextmanager
async def running(
    words: Sequence[str],
    home: Path,
    environment: Mapping[str, str] | None = None,
    *,
    pass_fds: Sequence[int] = (),
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a program in a home until the block is left."""
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=quiet,
        stdout=quiet,
        stderr=quiet,
        env={**os.environ, "HOME": str(home), **(environment or {})},
        pass_fds=pass_fds,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
