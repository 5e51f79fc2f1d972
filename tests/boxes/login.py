"""A login on this machine: a shell, a home and its pipes, as sshd would give them."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.agent import bootstrap
from gpubox.agent.inflate import Inflater
from gpubox.config.settings import ProbeSettings
from gpubox.core.decode import decode
from gpubox.core.sample import Sample
from gpubox.core.shell import CommandResult
from tests.hang import LIMIT

FAST = ProbeSettings(interval=0.5)


class Pipes:
    """A channel to a process of this machine."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.written = 0
        self._unpacker = Inflater()

    async def write(self, data: bytes) -> None:
        assert self.process.stdin
        self.written += len(data)
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    async def read_line(self, limit: int) -> bytes:
        assert self.process.stdout
        return await self.process.stdout.readline()

    async def read_stderr(self) -> bytes:
        assert self.process.stderr
        return await self.process.stderr.read(4096)

    async def wait(self) -> CommandResult:
        return CommandResult(await self.process.wait(), None, b"", b"")

    async def sample(self) -> Sample:
        """The next sample of the Python probe."""
        async with asyncio.timeout(LIMIT):
            return decode(self._unpacker.line(await self.read_line(1 << 22)))


@asynccontextmanager
async def login(home: Path, shell: str, line: str, environment: Mapping[str, str]) -> AsyncGenerator[Pipes]:
    """Run a command line by a login shell in a home, as sshd does."""
    process = await asyncio.create_subprocess_exec(
        shutil.which(shell) or shell,
        "-c",
        line,
        stdin=-1,
        stdout=-1,
        stderr=-1,
        limit=1 << 22,
        cwd=home,
        env={"HOME": str(home), "PATH": f"/usr/bin:/bin:{os.path.dirname(sys.executable)}", **environment},
    )
    pipes = Pipes(process)
    try:
        yield pipes
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), LIMIT)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@asynccontextmanager
async def shipped(
    home: Path, shell: str = "sh", python: str = sys.executable, **environment: str
) -> AsyncGenerator[tuple[Pipes, str]]:
    """Start the probe in a home; gives its channel and which probe it is."""
    mark = "gpubox-" + secrets.token_hex(6)
    line = bootstrap.command(mark, FAST, python)
    async with login(home, shell, line, environment) as pipes:
        yield pipes, await bootstrap.start(pipes, mark)


def cache(home: Path) -> Path:
    """Where the probe is kept."""
    return home / ".cache" / "gpubox"


def needs(shell: str) -> str:
    """A shell by name; the run says what is missing, and fails for it only where everything must be there."""
    if shutil.which(shell) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{shell} is missing: apt-get install {shell}")
        pytest.skip(f"{shell} is missing: apt-get install {shell}")
    return shell
