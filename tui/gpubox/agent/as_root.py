"""Programs of ours that run as root, by sudo: from memory, because the owner of a file can change it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gpubox.agent import bundle, find_python, program_cache
from gpubox.agent.bundle import Program
from gpubox.agent.program_pipes import ProgramPipes
from gpubox.core.channels import Channels
from gpubox.core.errors import RemoteError, ToolMissing
from gpubox.core.sanitize import last_line
from gpubox.core.shell import Shell

_PATIENCE = 20.0
"""Seconds for sudo: a wrong password takes 2 of them, a network's accounts more."""
# `-k` ignores what sudo remembers, so that it is known whether it reads a password from stdin.
_FREE = (
    """exec sh -c '[ "$(id -u)" != 0 ] || exit 0; command -v sudo >/dev/null 2>&1 || exit 127; """
    """exec sudo -n -k true'"""
)
_VERIFY = """exec sh -c 'LC_ALL=C; export LC_ALL; exec sudo -k -S -p "" true'"""
_MISSING = 127
_NO_FOLDER = "/dev/null/gpubox"
"""A folder that nobody can make: boot.py stores nothing there."""


@dataclass(frozen=True, slots=True)
class SudoAccess:
    """How to become root on a box."""

    password: bytes | None = field(default=None, repr=False)
    """What sudo asks for; None where it asks for nothing."""


async def without_password(shell: Shell) -> bool:
    """Return whether the user is root, or becomes it without a password; raises ToolMissing without sudo."""
    result = await shell.run(_FREE, timeout=_PATIENCE)
    if result.status == _MISSING:
        raise ToolMissing(
            "No sudo on the box",
            "What only root may see is left out",
            "Log in as root, or have sudo installed: `apt-get install sudo`",
        )
    return result.ok


async def verify(shell: Shell, password: str) -> SudoAccess:
    """Return the access that a password gives; raises RemoteError when sudo refuses it, and as Shell.run."""
    data = password.encode()
    result = await shell.run(_VERIFY, stdin=data + b"\n", timeout=_PATIENCE)
    if not result.ok:
        said = last_line(result.stderr) or "it said nothing"
        raise RemoteError("sudo refused", f"Either the password is wrong, or you may not: {said}")
    return SudoAccess(data)


@asynccontextmanager
async def piped(
    channels: Channels,
    program: Program,
    words: tuple[str, ...],
    access: SudoAccess,
    python: str = "",
) -> AsyncGenerator[ProgramPipes]:
    """Start a program as root; leaving the block ends it. The first byte read is the program's own.

    Raises NoPython, RemoteError when sudo refuses, and Dropped.
    """
    mark = program_cache.fresh_mark()
    payload = await asyncio.to_thread(bundle.payload, program)
    async with channels.pipes(_command(program, mark, words, access, python)) as pipes:
        running = ProgramPipes(pipes, b"")
        if access.password is not None:
            await pipes.write(access.password + b"\n")
        try:
            async with asyncio.timeout(_PATIENCE):
                word = await running.begin(mark.encode())
        except TimeoutError:
            raise RemoteError("sudo refused", "It did not start a program of ours in time") from None
        if word == b"NONE":
            raise program_cache.no_python()
        await pipes.write(payload)
        yield running


def _command(program: Program, mark: str, words: tuple[str, ...], access: SudoAccess, python: str) -> str:
    """Return the line that starts Python as root, which prints the mark and then reads the program."""
    sudo = "sudo -n --" if access.password is None else 'sudo -k -S -p "" --'
    none = f'if [ -z "$p" ]; then echo; echo {mark} NONE; exit; fi; '
    arguments = program_cache.plain_words((program.main, *words))
    start = f'"$p" {bundle.PYTHON} -c "$0" {_NO_FOLDER} "" {arguments}'
    script = (
        f"LC_ALL=C; export LC_ALL; {find_python.choose_python(python, for_root=True)}{none}"
        f'[ "$(id -u)" != 0 ] || exec {start}; exec {sudo} {start}'
    )
    return f"""exec sh -c '{script}' 'print();print("{mark} HAVE",flush=True);{bundle.stub()}'"""
