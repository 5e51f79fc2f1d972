"""Authentication: which key, passphrase, password or code to offer, and what is cached for a reconnect."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.sanitize import clean
from gpubox.ssh.keys import LOCKED, FileKey, Offer, offers
from gpubox.ssh.resolve import Resolved

TRIES = 3
"""Attempts at a passphrase, password or code in one login, as NumberOfPasswordPrompts."""

Ask = Callable[[Question], Awaitable[str | None]]

_CODE = re.compile(r"one[- ]?time|\botp\b|code|token|verification|passcode|duo|challenge", re.IGNORECASE)


@dataclass(slots=True)
class LoginCache:
    """Credentials that the user entered for one box; held in memory only, as long as the link."""

    keys: dict[Path, asyncssh.SSHKey] = field(default_factory=dict[Path, asyncssh.SSHKey], repr=False)
    """Private keys that were unlocked by a passphrase."""
    passwords: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    """Passwords that worked, by `user@host:port`; one-time codes are never cached."""
    good: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """The public key that worked last, by `user@host:port`."""
    pins: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Host keys that the user accepted, by known_hosts name, in case the file is not writable."""
    alone: asyncssh.SSHKeyPair | None = field(default=None, repr=False)
    """The one key to offer, in place of all others: a login that proves it."""
    second_factor: bool = False
    """Whether a login ever needed something that only the user has."""


class LoginAttempt:
    """The user's side of one login to one host."""

    def __init__(self, where: Resolved, about: str, cache: LoginCache, ask: Ask) -> None:
        self.where = where
        self.tried: list[str] = []
        """What was offered, in words, for the error when all was rejected."""
        self.declined = False
        """Whether the user declined the last question."""
        self.trouble = ""
        """A failure on our side, such as a passphrase that stayed wrong."""
        self._about = about
        self._cache = cache
        self._ask = ask
        self._queue: list[Offer] | None = None
        self._agent: asyncssh.SSHAgentClient | None = None
        self._offered: asyncssh.SSHKeyPair | None = None
        self._password: str | None = None
        self._password_tries = 0
        self._challenges = 0

    @property
    def missing(self) -> str:
        """Named key files that do not exist, in words; empty when all exist."""
        names = ", ".join(clean(str(file), 120) for file in self.where.missing[:3])
        return f"There is no key file {names}" if names else ""

    @property
    def key(self) -> bytes:
        """The public key that was offered last, b"" when the login went on to something else."""
        return self._offered.public_data if self._offered is not None else b""

    @property
    def ready_key(self) -> FileKey | None:
        """The key that is offered, if it signs without asking anybody."""
        return self._offered if isinstance(self._offered, FileKey) and self._offered.ready else None

    async def next_key(self) -> asyncssh.SSHKeyPair | None:
        """Return the next key to offer, or None when there is no further one."""
        if self._queue is None and self._cache.alone is not None:
            self._queue = [self._cache.alone]
        if self._queue is None:
            self._agent = await _open_agent(self.where.agent)
            good = self._cache.good.get(self.where.address)
            self._queue = await offers(self.where, self._agent, self._unlock, good)
        while self._queue:
            offer = self._queue.pop(0)
            try:
                pair = await self._opened(offer) if isinstance(offer, Path) else offer
            except ValueError:
                continue
            self._offered = pair
            self.tried.append(f"key {clean(pair.get_comment(errors='replace') or 'without a name', 80)}")
            return pair
        self._offered = None
        return None

    async def _opened(self, file: Path) -> asyncssh.SSHKeyPair:
        key = await self._unlock(file)
        return asyncssh.load_keypairs([key])[0]

    async def _unlock(self, file: Path) -> asyncssh.SSHKey:
        if file in self._cache.keys:
            return self._cache.keys[file]
        try:
            data = await asyncio.to_thread(file.read_bytes)
        except OSError as error:
            self.trouble = f"{file} cannot be read ({error.strerror})"
            raise ValueError(self.trouble) from None
        passphrase: str | None = None
        for attempt in range(TRIES + 1):
            try:
                # An empty passphrase is an error of its own to bcrypt, and no key has one.
                key = await asyncio.to_thread(asyncssh.import_private_key, data, passphrase or None)
            except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
                if not LOCKED.search(str(error)):
                    self.trouble = f"{file} cannot be read as a key ({clean(str(error), 120)})"
                    raise ValueError(self.trouble) from None
            else:
                if passphrase:
                    self._cache.keys[file] = key
                return key
            if attempt == TRIES:
                break
            passphrase = await self._passphrase(file, wrong=attempt > 0)
        self.trouble = f"The passphrase of {file} was wrong {TRIES} times"
        raise ValueError(self.trouble)

    async def _passphrase(self, file: Path, *, wrong: bool) -> str:
        text = f"The key {clean(str(file))} is locked by a passphrase."
        answer = await self._put(
            "Wrong passphrase, try again" if wrong else "Passphrase", text, QuestionKind.SECRET, "Passphrase:"
        )
        if answer is None:
            raise ValueError("nobody gave the passphrase")
        return answer

    async def password(self) -> str | None:
        """Return the next password to try, or None when there is none."""
        password = self._cache.passwords.pop(self.where.address, None)
        if password is None:
            if self._password_tries == TRIES:
                return None
            self._password_tries += 1
            again = self._password_tries > 1
            text = f"{self.where.address} asks for your password."
            text += f"\n{self.missing}." if self.missing else ""
            password = await self._put(
                "Wrong password, try again" if again else "Password", text, QuestionKind.SECRET, "Password:"
            )
        self._password = password
        if password is not None:
            self.tried.append("password")
        return password

    def accepts_challenge(self) -> bool:
        """Return whether to answer another round of keyboard-interactive questions."""
        self._challenges += 1
        return self._challenges <= TRIES and not self.declined

    async def challenge(
        self, name: str, instructions: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Return an answer to each of the box's questions, or None when the user declined."""
        answers: list[str] = []
        for prompt, echo in prompts:
            if not echo and "assword" in prompt and not _CODE.search(prompt):
                answer = await self.password()
            else:
                self._cache.second_factor = True
                self.tried.append("answers to the box's questions")
                lines = [clean(line) for line in instructions.splitlines()]
                answer = await self._put(
                    clean(name, 80) or "The box asks",
                    "\n".join(line for line in lines if line.strip()) or f"{self.where.address} asks you.",
                    QuestionKind.TEXT if echo else QuestionKind.SECRET,
                    clean(prompt.strip(), 120),
                )
            if answer is None:
                return None
            answers.append(answer)
        return answers

    async def _put(self, title: str, text: str, kind: QuestionKind, prompt: str) -> str | None:
        answer = await self._ask(Question(self._about, title, text, kind, prompt))
        self.declined = answer is None
        return answer

    def succeeded(self) -> None:
        """Cache what may be cached."""
        if self._password is not None:
            self._cache.passwords[self.where.address] = self._password
        if self._offered is not None:
            self._cache.good[self.where.address] = self._offered.public_data

    async def close(self) -> None:
        """Close the connection to the agent."""
        if self._agent is not None:
            self._agent.close()
            await self._agent.wait_closed()
            self._agent = None


async def _open_agent(socket_path: str) -> asyncssh.SSHAgentClient | None:
    if not socket_path:
        return None
    try:
        return await asyncssh.connect_agent(socket_path)
    except OSError:
        return None
