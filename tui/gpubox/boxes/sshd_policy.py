"""What the sshd of a box allows: read from its configuration, and tried where that is harmless."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace

from gpubox.boxes.context import BoxContext, Feature, Purpose
from gpubox.boxes.sshd_config import Config, parse
from gpubox.core.channels import Channels, Direction, Forward
from gpubox.core.errors import GpuBoxError, PortTaken, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.loopback import LOOPBACK
from gpubox.core.shell import Shell

_NOBODY = 1
"""A port without a listener: a connection to it distinguishes a refusal by sshd from one by the box."""
_PATIENCE = 3.0
"""Seconds for one attempt."""
_HERE = ("localhost", "127.0.0.1")
_MARK = b"gpubox-socket:"

# Follows the processes up to the sshd that let us in, and reads its configuration with what it includes;
# one line without single quotes, for any login shell.
_READ = (
    "c=/etc/ssh/sshd_config; p=$PPID; "
    'while [ "${p:-0}" -gt 1 ]; do '
    'l=$(tr "\\0" " " 2>/dev/null </proc/$p/cmdline); '
    'case $l in *sshd*" -f "*) c=${l#* -f }; c=${c%% *};; esac; '
    'p=$(sed -n "s/^PPid:[[:space:]]*//p" /proc/$p/status 2>/dev/null); done; '
    '[ -r "$c" ] || exit 3; cd "${c%/*}"; '
    'while read -r l || [ -n "$l" ]; do case $l in '
    "[Ii][Nn][Cc][Ll][Uu][Dd][Ee][[:space:]]*) set -- ${l#???????}; "
    'for f; do [ -r "$f" ] && cat "$f"; echo; echo "#gpubox end"; done;; '
    '*) printf "%s\\n" "$l";; esac; done <"$c" | head -c 262144'
)
_PYTHON = "exec python3 -c 'import sys; exec(sys.stdin.read(int(sys.stdin.readline())))'"
# Listens on a socket that only this user can reach, and greets each connection.
_LISTEN = (
    "import os,select,socket,sys,tempfile\n"
    "d=tempfile.mkdtemp();p=d+'/s';s=socket.socket(socket.AF_UNIX);s.bind(p);s.listen(1)\n"
    "print('gpubox-socket:'+p,flush=True)\n"
    "r=select.select([s,sys.stdin],[],[],9)[0]\n"
    "if s in r:s.accept()[0].sendall(b'hello')\n"
    "s.close();os.unlink(p);os.rmdir(d)\n"
)


@dataclass(frozen=True, slots=True)
class SshdPolicy:
    """What a box allows over ssh; None where unknown, and then it is worth an attempt."""

    forward: bool | None = None
    """Whether local forwards are allowed."""
    listen: bool | None = None
    """Whether remote forwards are allowed."""
    sockets: bool | None = None
    """Whether forwards to unix sockets are allowed."""
    places: tuple[str, ...] = ()
    """The only destinations `host:port` of forwards; empty when unlimited or unknown."""
    sessions: int | None = None
    """Commands and shells that one link may have at a time."""

    def against(self, spec: Forward) -> GpuBoxError | None:
        """Return why sshd refuses a request; None when it allows it, or when unknown."""
        if spec.way is Direction.REMOTE:
            return (
                None if self.listen is not False else _no("It may not listen for you", "AllowTcpForwarding")
            )
        if spec.path:
            why = "AllowStreamLocalForwarding and AllowTcpForwarding must be yes, PermitOpen any"
            return _no("It passes nothing on to unix sockets", why) if self.sockets is False else None
        if self.forward is False:
            return _no("It passes nothing on", "AllowTcpForwarding")
        if spec.way is Direction.LOCAL and self.places and not self._named(spec):
            return _no(f"It passes on to {', '.join(self.places[:4])} only", "PermitOpen")
        return None

    def _named(self, spec: Forward) -> bool:
        here = _HERE if spec.host in _HERE else ()
        hosts = {spec.host, "*", *here}
        return any(f"{host}:{port}" in self.places for host in hosts for port in (spec.port, "*"))


def _no(what: str, setting: str) -> RemoteError:
    return RemoteError("sshd forbids it", what, f"{setting} in its sshd_config; ask whoever runs the box")


class SshdLimits(Feature):
    """What the sshd of a box allows, read once per link."""

    def __init__(self, context: BoxContext) -> None:
        super().__init__(context)
        self.feed: Feed[SshdPolicy] = Feed(SshdPolicy())

    async def background(self, purpose: Purpose) -> None:
        """Read what each new link allows; see Feature."""
        if purpose is Purpose.WORK:
            await self._context.after_each_link(self._learn)

    async def _learn(self, shell: Shell, channels: Channels) -> None:
        self.feed.put(await learn(shell, channels))


async def learn(shell: Shell, channels: Channels) -> SshdPolicy:
    """Read what a box allows, by two commands and two short connections there.

    Raises Dropped when the link ends meanwhile.
    """
    config = await _config(shell)
    found = SshdPolicy() if config is None else _of(config)
    forward = await _tried(channels, Forward(Direction.LOCAL, port=_NOBODY))
    if forward is not None and not (found.places and not forward):
        found = replace(found, forward=forward)
    sockets = await _tried_socket(shell, channels)
    return found if sockets is None else replace(found, sockets=sockets)


async def _config(shell: Shell) -> Config | None:
    with contextlib.suppress(RemoteError):
        result = await shell.run(f"exec sh -c '{_READ}'")
        if result.ok and result.stdout.strip():
            return parse(result.stdout.decode("utf-8", "replace"))
    return None


def _of(config: Config) -> SshdPolicy:
    none = config.flag("disableforwarding", default=False)
    places = config.words("permitopen")
    limited = bool(places) and places != ("any",)
    forward, listen = (
        _and(config.side("allowtcpforwarding", side), None if none is None else not none)
        for side in ("local", "remote")
    )
    sockets = _and(config.side("allowstreamlocalforwarding", "local"), forward)
    if places == ("none",):
        forward = False
    return SshdPolicy(
        forward=forward,
        listen=listen,
        # sshd applies PermitOpen to paths too, although it cannot name one.
        sockets=False if limited else sockets,
        places=places if limited and places != ("none",) else (),
        sessions=config.number("maxsessions", default=10),
    )


def _and(first: bool | None, second: bool | None) -> bool | None:
    if first is False or second is False:
        return False
    return None if first is None or second is None else True


async def _tried(channels: Channels, spec: Forward) -> bool | None:
    """Return whether sshd attempts a connection to a port without a listener; None when undecided."""
    with contextlib.suppress(PortTaken, RemoteError):
        async with channels.forward(spec) as listening:
            await _hello(listening.port)
            if listening.traffic.refused:
                return not listening.traffic.forbidden
    return None


async def _tried_socket(shell: Shell, channels: Channels) -> bool | None:
    """Return whether a listening socket of the box can be reached; None where none could be made."""
    with contextlib.suppress(PortTaken, RemoteError, TimeoutError):
        async with asyncio.timeout(_PATIENCE), shell.stream(_PYTHON) as channel:
            await channel.write(b"%d\n%s" % (len(_LISTEN), _LISTEN.encode()))
            while line := await channel.read_line(4096):
                if line.startswith(_MARK):
                    path = line[len(_MARK) :].decode("utf-8", "surrogateescape").strip()
                    async with channels.forward(Forward(Direction.LOCAL, path=path)) as listening:
                        return await _hello(listening.port) == b"hello"
    return None


async def _hello(port: int) -> bytes:
    """Connect to a local port and return its first bytes; b"" when it sends none."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                return await reader.read(5)
            finally:
                writer.transport.abort()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    return b""
