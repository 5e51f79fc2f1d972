"""Root on a box by sudo: asked for once per link, and forgotten with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from gpubox.agent import as_root
from gpubox.agent.as_root import SudoAccess
from gpubox.agent.bundle import Program
from gpubox.agent.program_pipes import ProgramPipes
from gpubox.boxes.context import BoxContext, Feature, Purpose
from gpubox.core.errors import Cancelled
from gpubox.core.prompts import Asker, Question, QuestionKind
from gpubox.core.retry import connected
from gpubox.core.shell import Shell


class Sudo(Feature):
    """Runs programs of ours as root. The password is in memory only, and no longer than the link lives."""

    def __init__(self, context: BoxContext) -> None:
        super().__init__(context)
        self._access: SudoAccess | None = None
        self._shell: Shell | None = None
        """The shell of the link for which access was given."""

    async def background(self, purpose: Purpose) -> None:
        """Forget the password when the link drops; see Feature."""
        async for shell in self._context.shell.follow():
            if shell is not self._shell:
                self.forget()

    @property
    def allowed(self) -> bool:
        """Whether access was given over the present link."""
        return self._access is not None and self._shell is self._context.shell.value

    def forget(self) -> None:
        """Forget the password."""
        self._access = self._shell = None

    async def unlock(self, asker: Asker, why: str) -> None:
        """Get access, by a password of the user where sudo asks for one; `why` is a sentence about its use.

        Raises Cancelled when the user declines, RemoteError when sudo refuses, ToolMissing, and Dropped.
        """
        if self.allowed:
            return
        shell = connected(self._context.shell, self._context.name)
        if await as_root.without_password(shell):
            self._access = SudoAccess()
        else:
            text = f"{why} It goes to sudo over the link, is written nowhere, and is forgotten with the link."
            question = Question(
                self._context.name, "Password for sudo", text, QuestionKind.SECRET, "Password:"
            )
            answer = await asker.ask(question)
            if not answer:
                raise Cancelled("sudo was not used")
            self._access = await as_root.verify(shell, answer)
        self._shell = shell

    @asynccontextmanager
    async def piped(self, program: Program, words: tuple[str, ...]) -> AsyncGenerator[ProgramPipes]:
        """Start a program as root, after `unlock`; leaving the block ends it. Raises as as_root.piped."""
        access = self._access
        if access is None or not self.allowed:
            raise Cancelled("sudo was not unlocked")
        channels = connected(self._context.channels, self._context.name)
        async with as_root.piped(channels, program, words, access, self._context.python) as running:
            yield running
