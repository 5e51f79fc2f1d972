"""The environment of a login shell of the box: read once per link, held in memory only."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import msgspec

from gpubox.agent import bundle, program_cache
from gpubox.agent.call import Wording, call
from gpubox.boxes.context import BoxContext, Feature, Purpose
from gpubox.boxes.envs.validation import harmless
from gpubox.core.channels import Channels
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.retry import connected
from gpubox.core.sanitize import clean
from gpubox.core.shell import Shell

_WORDING = Wording("No environment", "the environment of a login", secret=True)


@dataclass(frozen=True, slots=True)
class LoginEnvironment:
    """The environment of a login shell."""

    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Variables by name, without those of a single login; may hold secrets, and stays out of files and
    logs."""
    trouble: str = ""
    """Why it could not be read, in words; then there are no variables."""


class _Answer(msgspec.Struct, frozen=True):
    environment: str = ""
    words: str = ""


class Login(Feature):
    """Reads the login environment of one box."""

    def __init__(
        self,
        box: str,
        shell: Feed[Shell | None],
        python: str = "",
        environment: Mapping[str, str] | None = None,
        context: BoxContext | None = None,
    ) -> None:
        self._box = box
        self._shell = shell
        self._python = python
        self._environment = dict(environment or {})
        self._asking = asyncio.Lock()
        self._context = context
        self._of: Shell | None = None
        self._found = LoginEnvironment()

    @classmethod
    def of(cls, context: BoxContext) -> Self:
        """Make it for a box."""
        return cls(context.name, context.shell, context.python, context.environment, context)

    async def background(self, purpose: Purpose) -> None:
        """Read the environment of each new link ahead of the first job; see Feature."""
        if purpose is Purpose.WORK and self._context is not None:
            await self._context.after_each_link(self._read_ahead)

    async def _read_ahead(self, shell: Shell, channels: Channels) -> None:
        await self.read()

    async def read(self) -> LoginEnvironment:
        """Return the environment; the first call on each link takes as long as its start files, at most 8 s.

        A failure is in `trouble`, and not retried on this link. Raises Dropped.
        """
        async with self._asking:
            shell = self._there()
            if shell is not self._of:
                self._of, self._found = None, LoginEnvironment()
                self._found = await self._ask(shell)
                self._of = shell
            return self._found

    async def command(self, command: str) -> str:
        """Return the line with which the login shell runs a command in this environment, read on the box.

        It holds nothing that a login shell could act on. Raises NoPython, RemoteError when the home of the
        box takes no files, and Dropped.
        """
        program = _program()
        await program_cache.ensure(self._there(), program, self._python)
        return program_cache.quiet(program, ["run", harmless(command)], self._python)

    async def hint(self, program: str) -> str:
        """Return in words where a login shell finds a program; empty when it does not, or when unknown."""
        try:
            return clean((await self._call("find", harmless(program))).words, 300)
        except (RemoteError, Dropped):
            return ""

    def _there(self) -> Shell:
        return connected(self._shell, self._box)

    async def _ask(self, shell: Shell) -> LoginEnvironment:
        try:
            answer = await self._call("read", shell=shell)
            data = base64.b64decode(answer.environment, validate=True)
        except RemoteError as error:
            return LoginEnvironment(trouble=error.text or error.title)
        except binascii.Error:
            return LoginEnvironment(trouble=_WORDING.garbled().text)
        if not data:
            return LoginEnvironment(trouble=clean(answer.words, 200) or "It is empty")
        pairs = (entry.partition("=") for entry in data.decode("utf-8", "surrogateescape").split("\0"))
        return LoginEnvironment({name: value for name, equals, value in pairs if name and equals})

    async def _call(self, *words: str, shell: Shell | None = None) -> _Answer:
        return await call(
            shell or self._there(), _program(), None, _Answer, _WORDING, words=words,
            python=self._python, environment=self._environment,
        )  # fmt: skip


def _program() -> bundle.Program:
    return bundle.program("login", "gpubox.remote.login")
