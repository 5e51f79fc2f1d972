"""The only table that turns exceptions of asyncssh and the system into errors for people."""

from __future__ import annotations

import errno
import re
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import asyncssh
from asyncssh.constants import OPEN_ADMINISTRATIVELY_PROHIBITED

from gpubox.core.errors import (
    AuthFailed,
    Dropped,
    GpuBoxError,
    HostKeyChanged,
    LinkError,
    Unreachable,
)
from gpubox.core.sanitize import clean


class Stage(Enum):
    """The stage that a connection had reached."""

    REACHING = "reaching"
    """Before a connection: name, network, port."""
    HANDSHAKE = "handshake"
    """Connected; versions, keys, the host key."""
    LOGIN = "login"
    """The host key is good; who are you?"""
    LIVE = "live"
    """Logged in."""


@dataclass(frozen=True, slots=True)
class ConnectFacts:
    """What is known when something fails, for the message."""

    box: str
    address: str
    host: str
    port: int
    stage: Stage
    tried: Sequence[str] = ()
    """What was offered to log in."""
    methods: Sequence[str] = ()
    """Methods that the box accepts, as far as it said."""
    trouble: str = ""
    """What failed on our side."""
    banner: str = ""
    """The banner of the box."""
    limit: float = 0.0
    """Seconds of the limit."""
    through: str = ""
    """The hop before this one."""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One row of the table: if all conditions that are set match, these are the words."""

    raised: type[BaseException] | tuple[type[BaseException], ...]
    becomes: type[GpuBoxError]
    title: str
    text: str
    hint: str
    said: str = ""
    """A regular expression that the error's own text must match."""
    stages: Sequence[Stage] = tuple(Stage)
    numbers: Sequence[int] = ()
    """errno values, or codes of the ssh protocol, that fit; empty fits all."""


_R, _H, _L, _LIVE = Stage.REACHING, Stage.HANDSHAKE, Stage.LOGIN, Stage.LIVE
_SHUT = (asyncssh.ConnectionLost, ConnectionError, asyncssh.DisconnectError, BrokenPipeError)
_NO_WAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)
_NET = "Check the network; it is tried again by itself"
_TRY = "Try `ssh -v {name}`"

TABLE: Sequence[ErrorRow] = (
    # Before a connection.
    ErrorRow(socket.gaierror, Unreachable, "Host not found",
        "{box}: cannot resolve host name {host} ({said})",
        "Check the spelling, HostName in ~/.ssh/config, and the network", stages=(_R,)),
    ErrorRow(OSError, Unreachable, "Connection refused",
        "{box}: {host} is there, but nothing listens on port {port}",
        "Check the port, and that sshd runs on the box: `sudo systemctl status ssh`",
        stages=(_R,), numbers=(errno.ECONNREFUSED,)),
    ErrorRow(OSError, Unreachable, "No route", "{box}: no way from here to {host} ({said})", _NET,
        stages=(_R,), numbers=_NO_WAY),
    ErrorRow(TimeoutError, Unreachable, "No answer", "{box}: {host}:{port} did not answer in {limit:.0f} s",
        "Check that the box is on, the address, the VPN and the firewall", stages=(_R,)),
    ErrorRow(FileNotFoundError, LinkError, "ProxyCommand not found", "{box}: {said}",
        "Correct ProxyCommand in ~/.ssh/config", stages=(_R,)),
    ErrorRow(OSError, Unreachable, "Cannot connect", "{box}: {host}:{port}: {said}", _NET, stages=(_R,)),
    ErrorRow(asyncssh.ChannelOpenError, Unreachable, "The jump host forbids it",
        "{box}: {through} does not pass connections on ({said})",
        "AllowTcpForwarding must be on there", numbers=(OPEN_ADMINISTRATIVELY_PROHIBITED,), stages=(_R, _H)),
    ErrorRow(asyncssh.ChannelOpenError, Unreachable, "Not reached through the jump host",
        "{box}: {through} gets no connection to {host}:{port} ({said})",
        "Check that the box is on, and its name as the jump host knows it", stages=(_R, _H)),
    # Connected, not logged in.
    ErrorRow(OSError, Unreachable, "The network went away", "{box}: the way to {host} broke off ({said})",
        _NET, stages=(_H, _L), numbers=_NO_WAY),
    ErrorRow(asyncssh.HostKeyNotVerifiable, HostKeyChanged, "Host key revoked",
        "{box}: the key of {host} is marked @revoked in known_hosts",
        "Do not log in; ask whoever runs the box", said="revoked"),
    ErrorRow(asyncssh.HostKeyNotVerifiable, HostKeyChanged, "Host certificate not valid",
        "{box}: {said}", "Ask whoever runs the box for a new host certificate"),
    ErrorRow(asyncssh.KeyExchangeFailed, LinkError, "No common algorithms",
        "{box}: {said}", "Look at KexAlgorithms, Ciphers, MACs and HostKeyAlgorithms on both sides; " + _TRY),
    ErrorRow(TimeoutError, Unreachable, "Silent peer",
        "{box}: {host}:{port} took the connection and then said nothing for {limit:.0f} s",
        "Check that this port is sshd's; the box may be overloaded or out of memory", stages=(_H,)),
    ErrorRow(TimeoutError, Unreachable, "Login hangs",
        "{box}: {address} did not finish the login in {limit:.0f} s",
        "The box may be overloaded, or its home folders or name service hang", stages=(_L,)),
    ErrorRow((asyncssh.ProtocolNotSupported, asyncssh.ProtocolError), LinkError, "Not an ssh server",
        "{box}: what answers on {host}:{port} does not speak ssh ({said})", "Check the port",
        said="(?i)version|banner|invalid|incorrect|packet", stages=(_H,)),
    # Who are you?
    ErrorRow(asyncssh.DisconnectError, AuthFailed, "Too many keys offered",
        "{box}: it ends the login after too many attempts (tried: {tried})",
        "Name the one right key: IdentityFile in ~/.ssh/config, or `identity` in [[box]]",
        said="[Tt]oo many auth", stages=(_L,)),
    ErrorRow(asyncssh.PermissionDenied, AuthFailed, "Login refused",
        "{address} rejected the login (tried: {tried}; the server accepts: {methods}){trouble}",
        "Check the user name; put your public key there with `ssh-copy-id {name}`", stages=(_L, _H)),
    ErrorRow(asyncssh.DisconnectError, AuthFailed, "Login refused", "{address}: {said}{trouble}",
        "Ask whoever runs the box whether the account is open", said="not allowed|locked|expired|denied",
        stages=(_L,)),
    ErrorRow(asyncssh.IllegalUserName, AuthFailed, "Not a user name", "{box}: {said}", "Check the user name"),
    ErrorRow(_SHUT, Unreachable, "The box hangs up",
        "{box}: {host}:{port} closed the connection at once{said_too}{trouble}",
        "Too many logins at a time (MaxStartups), or it blocks this address; it is tried again by itself",
        stages=(_R, _H)),
    ErrorRow(_SHUT, Unreachable, "The box hangs up",
        "{address} closed the connection during the login{said_too}{trouble}",
        "It may be restarting, or its login time ran out; it is tried again by itself", stages=(_L,)),
    # Live.
    ErrorRow(asyncssh.ConnectionLost, Dropped, "No answer any more",
        "{box}: the link fell silent", _NET, said="keepalive", stages=(_LIVE,)),
    ErrorRow((*_SHUT, OSError), Dropped, "Link lost",
        "{box}: the connection ended{said_too}", _NET, stages=(_LIVE,)),
    # Errors of our own.
    ErrorRow(asyncssh.Error, LinkError, "ssh failed", "{box}: {said}", _TRY),
    ErrorRow((ValueError, OSError), LinkError, "ssh cannot be used as configured", "{box}: {said}", _TRY),
)  # fmt: skip


def explain(error: BaseException, facts: ConnectFacts, name: str = "") -> GpuBoxError:
    """Return an error as a GpuBoxError; `name` is what the user would type after `ssh`.

    A GpuBoxError is returned unchanged.
    """
    if isinstance(error, GpuBoxError):
        return error
    said = clean(str(error).strip() or type(error).__name__, 200)
    if isinstance(error, OSError) and error.strerror:
        said = clean(error.strerror, 200)
    for row in TABLE:
        if _fits(row, error, facts.stage, said):
            return _words(row, facts, said, name)
    return LinkError("ssh failed", f"{facts.box}: {said}", f"Try `ssh -v {name}`")


def _fits(row: ErrorRow, error: BaseException, stage: Stage, said: str) -> bool:
    if not isinstance(error, row.raised) or stage not in row.stages:
        return False
    number = getattr(error, "errno", None) or getattr(error, "code", None)
    if row.numbers and number not in row.numbers:
        return False
    return not row.said or re.search(row.said, said) is not None


def _words(row: ErrorRow, facts: ConnectFacts, said: str, name: str) -> GpuBoxError:
    plain = said in ("", "Connection lost", "Connection closed") or said.startswith("Connection reset")
    values = {
        "box": facts.box,
        "address": facts.address,
        "host": facts.host,
        "port": facts.port,
        "limit": facts.limit,
        "through": facts.through or "the jump host",
        "said": said,
        "said_too": "" if plain else f" ({said})",
        "tried": _counted(facts.tried),
        "methods": ", ".join(facts.methods) or "it did not say",
        "trouble": f". {facts.trouble}" if facts.trouble else "",
        "name": name or facts.address,
    }
    text = row.text.format_map(values)
    if facts.banner and row.becomes is AuthFailed:
        text += f". It says: {facts.banner}"
    return row.becomes(row.title, text, row.hint.format_map(values))


def _counted(tried: Sequence[str]) -> str:
    """Return what was tried, with equal attempts counted: `key a, 3 passwords`."""
    times = Counter(tried)
    words = [f"{n} {what}s" if what == "password" and n > 1 else what for what, n in times.items()]
    return ", ".join(words) or "nothing"
