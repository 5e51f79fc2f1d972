"""A link to this machine that a test cuts, and folders to copy over it."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from gpubox.core.channels import Channels, Pipes
from gpubox.core.errors import Dropped
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from gpubox.local.channels import LocalChannels
from gpubox.local.shell import LocalShell

NAMES = (
    "plain.txt", "two words", " ", "a'quote", 'a"quote', "new\nline", "$(touch hit)", "`touch hit`", "-rf",
    "--", "*", "[a]", "~", "back\\slash", "emoji 🧪", "äöü", "tab\there", "\x01\x7f", ";", "%s", "a" * 250,
)  # fmt: skip
BIG = random.Random(7).randbytes(5_000_000)


class Line:
    """A link to this machine that a test cuts."""

    def __init__(self) -> None:
        self.shell: Feed[Shell | None] = Feed(None)
        self.channels: Feed[Channels | None] = Feed(None)
        self.left: int | None = None
        """Bytes, both ways, after which the pipes are cut; None is never."""
        self.cuts = 0
        self.passed = 0
        self.up()

    def up(self) -> None:
        shell = LocalShell()
        self.shell.put(shell)
        self.channels.put(_FakeChannels(self, LocalChannels(shell)))

    def spend(self, size: int) -> None:
        self.passed += size
        if self.left is not None:
            self.left -= size
            if self.left < 0:
                self.left = None
                self.cuts += 1
                self.channels.put(None)
                self.shell.put(None)
                raise Dropped("Link lost", "a test cut it")


class _FakeChannels(LocalChannels):
    def __init__(self, line: Line, inner: LocalChannels) -> None:
        self._line = line
        self._inner = inner

    @asynccontextmanager
    async def pipes(self, command: str | None) -> AsyncGenerator[Pipes]:
        async with self._inner.pipes(command) as pipes:
            yield _Pipes(self._line, pipes)


class _Pipes:
    def __init__(self, line: Line, inner: Pipes) -> None:
        self._line = line
        self._inner = inner
        self.end = inner.end
        self.wait = inner.wait

    async def write(self, data: bytes) -> None:
        self._line.spend(len(data))
        await self._inner.write(data)

    async def read(self) -> tuple[bool, bytes]:
        piece = await self._inner.read()
        self._line.spend(len(piece[1]))
        return piece


def tree(folder: Path) -> dict[str, bytes | None]:
    """All that is in a folder, by path: the bytes of files, None for folders."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
        if ".cache" not in path.parts
    }


def furnish(folder: Path) -> None:
    """Make a folder with all kinds of files in it."""
    (folder / "sub" / "empty").mkdir(parents=True)
    for name in NAMES:
        (folder / "sub" / name).write_bytes(name.encode())
    (folder / "big").write_bytes(BIG)
    (folder / "nothing").touch()
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / os.fsdecode(b"no utf-8 \xff")).write_bytes(b"odd")
