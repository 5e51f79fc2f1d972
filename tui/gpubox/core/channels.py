"""Channels of an open link besides commands: forwarded ports, terminals, raw pipes, X11 programs."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from signal import Signals
from typing import Protocol, runtime_checkable

from gpubox.core.shell import Channel, CommandResult


class Direction(Enum):
    """Which side listens, and for what."""

    LOCAL = "local"
    """This machine listens; connections come out on the box."""
    REMOTE = "remote"
    """The box listens on its loopback; connections come out on this machine."""
    SOCKS = "socks"
    """This machine listens for SOCKS; the box connects to wherever the program asks."""


@dataclass(frozen=True, slots=True)
class Forward:
    """The spec of a forward."""

    way: Direction
    listen_port: int = 0
    """Port on the loopback of the listening side; 0 takes a free one."""
    host: str = "127.0.0.1"
    """Destination host, as the far side names it."""
    port: int = 0
    path: str = ""
    """Destination unix socket; if set, `host` and `port` are ignored."""


@dataclass(slots=True)
class Traffic:
    """Traffic of a forward so far; updated while it runs."""

    sent: int = 0
    """Bytes from this machine to the box."""
    received: int = 0
    """Bytes from the box to this machine."""
    open: int = 0
    """Connections now."""
    total: int = 0
    """Connections so far."""
    refused: int = 0
    """Connections that the far side refused: nothing listens there, or sshd forbids it."""
    refusal: str = ""
    """The reason that the far side gave for the last of those."""
    forbidden: bool = False
    """Whether sshd itself refused the last of those: it forbids the forward, whatever listens there."""


class Listening(Protocol):
    """A forward that is open."""

    @property
    def port(self) -> int:
        """The port that listens, on the loopback of the listening side."""
        ...

    @property
    def traffic(self) -> Traffic:
        """Live counts."""
        ...


class Terminal(Protocol):
    """An interactive program on the box, with a terminal of its own."""

    async def write(self, data: bytes) -> None:
        """Send keys; raises Dropped when the link is gone."""
        ...

    async def read(self) -> bytes:
        """Return what the program wrote, or b"" at its end; raises Dropped when the link is gone."""
        ...

    def resize(self, columns: int, rows: int) -> None:
        """Resize the program's terminal."""
        ...

    async def wait(self) -> int:
        """Return the exit status when the program has ended; 128 + n when signal n ended it."""
        ...


class Pipes(Protocol):
    """A command on the box with its three pipes open, binary-safe."""

    async def write(self, data: bytes) -> None:
        """Send to stdin; raises Dropped when the link is gone, CommandEnded when the command has ended."""
        ...

    def end(self) -> None:
        """Close stdin."""
        ...

    async def read(self) -> tuple[bool, bytes]:
        """Return whether the next piece is of stderr, and the piece; b"" at the end of both.

        Raises Dropped when the link is gone.
        """
        ...

    async def wait(self) -> int:
        """Return the exit status when the command has ended; 128 + n when signal n ended it."""
        ...


@dataclass(frozen=True, slots=True)
class Display:
    """An X server of this machine."""

    name: str
    """As in DISPLAY: `:0`."""
    authority: str = ""
    """Path of the file with its cookie; empty for the usual one."""


@dataclass(frozen=True, slots=True)
class TerminalSpec:
    """What an interactive program learns about this terminal."""

    columns: int
    rows: int
    term: str = "xterm-256color"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """LANG, LC_*, COLORTERM; sshd passes on what its AcceptEnv allows."""


class Channels(Protocol):
    """The channels of one open link; they end with it."""

    def forward(self, spec: Forward) -> AbstractAsyncContextManager[Listening]:
        """Open a forward on loopback; leaving the block closes it and its connections.

        Raises PortTaken when the listening port is in use, RemoteError when sshd refuses, Dropped when
        the link is gone.
        """
        ...

    def terminal(self, command: str | None, spec: TerminalSpec) -> AbstractAsyncContextManager[Terminal]:
        """Start the login shell (None) or a command behind a terminal; leaving the block ends it.

        Raises RemoteError when the box opens no further channel, Dropped when the link is gone.
        """
        ...

    def pipes(self, command: str | None) -> AbstractAsyncContextManager[Pipes]:
        """Start a command, or the login shell (None) to read commands from stdin; leaving the block ends it.

        Raises RemoteError when the box opens no further channel, Dropped when the link is gone.
        """
        ...

    def graphical(self, command: str, display: Display) -> AbstractAsyncContextManager[Channel]:
        """Start a program whose windows open on `display`; leaving the block ends it.

        Raises RemoteError when sshd does not forward X11, has no xauth, or the display refuses.
        """
        ...


@dataclass(frozen=True, slots=True)
class LoginMethod:
    """How a link was logged in."""

    offered: tuple[str, ...] = ()
    """Methods that the box offers before anybody has proved anything, such as `publickey` and `password`."""
    key_type: str = ""
    """The type of the key that logged in, such as `ssh-ed25519`; empty for a login by other means."""
    fingerprint: str = ""
    """SHA256 of that key, as ssh-keygen prints it."""
    bits: int | None = None
    """Its size; None for a type without one."""
    proved: str = ""
    """The type of a key that logged in by `log_in_by` since; empty when there was none."""


@dataclass(frozen=True, slots=True)
class LoginAddress:
    """Where a link was logged in, as an entry of an ssh configuration would say it."""

    host: str
    port: int
    user: str
    jump: str = ""
    """Jump hosts, as for ProxyJump."""
    command: bool = False
    """Whether a ProxyCommand of the configuration is the way there."""
    config_file: Path | None = None
    """The configuration that was read in place of the user's own."""


@runtime_checkable
class LoginChannels(Protocol):
    """Channels of a link that needed a login; those of this machine are none."""

    @property
    def login(self) -> LoginMethod:
        """How this link was logged in."""
        ...

    @property
    def address(self) -> LoginAddress:
        """Where this link was logged in."""
        ...

    async def log_in_by(self, file: Path, passphrase: str) -> None:
        """Prove that a key file of this machine logs in now, without anything else, and end that login.

        It takes the way that the link takes, through the jump hosts that are open. Nobody is asked for
        anything. Raises GpuBoxError when the key cannot be read, or does not log in.
        """
        ...

    async def log_in_again(self, way: socket.socket | None = None) -> None:
        """Prove that a login works now, and end that login at once; raises GpuBoxError when it does not.

        It takes the way that the link takes, or goes over `way`, a connected socket to an ssh server of the
        box, which is closed.
        """
        ...


def exit_status(result: CommandResult) -> int:
    """Return an exit status as shells report it: the status, or 128 + n for signal n."""
    if result.status is not None:
        return result.status
    number = Signals.__members__.get(f"SIG{result.signal}")
    return 128 + number if number is not None else 255
