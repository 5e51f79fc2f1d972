"""asyncssh's parser of ssh_config, for machines without ssh, extended by what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from asyncssh.config import SSHClientConfig


class ClientConfig(SSHClientConfig):
    """A parsed ssh_config; tests hold it against `ssh -G`.

    asyncssh passes over two keywords that decide about host keys, reads the backslash of a Windows domain as
    an escape (OpenSSH does not), and forgets that `IdentityAgent none` was written.
    """

    no_agent = False
    """Whether `IdentityAgent none` holds for this host."""

    def _set_user(self, option: str, args: list[str]) -> None:
        value = args.pop(0).lstrip("= \t").strip('"')
        self._options.setdefault(option, value)

    def _set_agent(self, option: str, args: list[str]) -> None:
        if option not in self._options:
            self.no_agent = args[0].lower() == "none"
        self._set_string(option, args)

    _handlers: ClassVar[dict[str, tuple[str, Callable[..., None]]]] = {
        **SSHClientConfig._handlers,  # pyright: ignore[reportUnknownMemberType]
        "stricthostkeychecking": ("StrictHostKeyChecking", SSHClientConfig._set_string),
        "hashknownhosts": ("HashKnownHosts", SSHClientConfig._set_string),
        "identityagent": ("IdentityAgent", _set_agent),
        "user": ("User", _set_user),
    }
    _no_split: ClassVar = {*SSHClientConfig._no_split, "user"}
