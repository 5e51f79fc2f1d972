"""Facts of this link's own login: by which proof it came in, and what the box offers to strangers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Self

from gpubox.boxes.checks.check import CannotLook, LocalFacts
from gpubox.boxes.context import BoxContext
from gpubox.common import public_keys
from gpubox.core.bounds import Moment, Whole
from gpubox.core.channels import LoginChannels

_BY_PASSWORD = ("password", "keyboard-interactive")


class LinkLogin(LocalFacts, frozen=True):
    """How this link was logged in."""

    needed: bool = False
    """Whether it needed a login at all; this machine and the demo box do not."""
    offered: tuple[str, ...] = ()
    """What sshd offered to the last login from here before any proof, such as `publickey` and `password`."""
    key_type: str = ""
    """The type of the key that logged in; empty for a login by other means."""
    fingerprint: str = ""
    bits: Whole | None = None
    """The size of that key; None for a type without one."""
    file: str = ""
    """The file below ~/.ssh that holds its public half; empty for a key of an agent or of another place."""
    modified: Moment = 0
    """When that file was written, in seconds since 1970."""
    proved: str = ""
    """The type of a key that was proved to log in since, over this link."""

    @property
    def guessable(self) -> list[str]:
        """The offered methods by which a password logs in."""
        return [name for name in self.offered if name in _BY_PASSWORD]

    @classmethod
    async def gather(cls, context: BoxContext) -> Self:
        """Return what the open link knows; it costs the box nothing."""
        channels = context.channels.value
        if channels is None:
            raise CannotLook("The link is down")
        if context.target.kind != "ssh" or not isinstance(channels, LoginChannels):
            return cls()
        login = channels.login
        file, modified = await asyncio.to_thread(_public_file, login.fingerprint)
        return cls(
            True,
            login.offered,
            login.key_type,
            login.fingerprint,
            login.bits,
            file,
            modified,
            login.proved,
        )


def _public_file(fingerprint: str) -> tuple[str, float]:
    """Return the name of the file that holds a public key, and when it was written; none is `"", 0`."""
    for path in sorted((Path.home() / ".ssh").glob("*.pub")):
        with suppress(OSError, ValueError):  # a file of another program
            key = public_keys.parsed(path.read_text().partition("\n")[0])
            if key is not None and key.fingerprint == fingerprint:
                return f"~/.ssh/{path.name}", path.stat().st_mtime
    return "", 0
