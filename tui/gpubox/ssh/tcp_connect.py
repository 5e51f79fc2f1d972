"""TCP connections to a box, tuned so that a network that comes back is noticed within a second."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NEXT_ADDRESS = 0.25
"""Seconds before the next address of a name is tried beside the first (RFC 8305)."""
_AGAIN = 1.0
"""Seconds before a silent address is tried afresh: the kernel's own retries come after 1, 3, 7 and 15 s."""

Place = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
Address = tuple[socket.AddressFamily, Place]
"""One result of getaddrinfo."""


@dataclass(frozen=True, slots=True)
class Source:
    """The local end of a connection, as ssh's configuration sets it."""

    family: str = "any"
    """AddressFamily: any, inet or inet6."""
    address: str = ""
    """BindAddress; empty leaves it to the system."""
    interface: str = ""
    """BindInterface; empty leaves it to the system."""

    def bind(self, made: socket.socket) -> None:
        """Bind a new socket; raises OSError for an address or an interface that this machine lacks."""
        if self.interface:
            if not hasattr(socket, "SO_BINDTODEVICE"):
                raise OSError(errno.ENOTSUP, "BindInterface is not supported on this system")
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode() + b"\0")
        if self.address:
            found = socket.getaddrinfo(self.address, 0, made.family, socket.SOCK_STREAM)
            made.bind(found[0][4])


_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


async def reach(host: str, port: int, limit: float, source: Source = Source()) -> socket.socket:
    """Return a connected socket.

    Raises OSError (socket.gaierror for an unknown name) when every address refuses, and TimeoutError
    when nobody answers within `limit` seconds.
    """
    async with asyncio.timeout(limit):
        found = await _addresses(host, port)
        family = _FAMILIES.get(source.family)
        usable = [one for one in found if family in (None, one[0])]
        if not usable:
            raise socket.gaierror(socket.EAI_FAMILY, f"no address of AddressFamily {source.family}")
        return await _first(usable, source)


async def _addresses(host: str, port: int) -> list[Address]:
    try:
        return _look_up(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    # A name service that hangs would fill asyncio's own threads, and the program could not end before it
    # answers: so each look-up has a daemon thread.
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Address]] = loop.create_future()

    def look_up() -> None:
        try:
            found, error = _look_up(host, port, 0), None
        except OSError as failed:
            found, error = [], failed
        with contextlib.suppress(RuntimeError):  # the loop is gone
            loop.call_soon_threadsafe(_settle, answer, found, error)

    threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
    return await answer


def _settle(answer: asyncio.Future[list[Address]], found: list[Address], error: OSError | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(found)


def _look_up(host: str, port: int, flags: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]


async def _first(addresses: Sequence[Address], source: Source) -> socket.socket:
    pending: dict[asyncio.Task[socket.socket], Address] = {}
    hopeful = list(addresses)
    refused: OSError | None = None
    started = 0
    try:
        while True:
            if hopeful:
                address = hopeful[started % len(hopeful)]
                pending[asyncio.create_task(_connect(source, *address))] = address
                started += 1
            pause = _NEXT_ADDRESS if started < len(hopeful) else _AGAIN
            done, _ = await asyncio.wait(pending, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None:
                    pending.pop(task)
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                refused = refused or error
                address = pending.pop(task)
                hopeful = [one for one in hopeful if one != address]
            if refused is not None and not pending and not hopeful:
                raise refused
    finally:
        await _drop(pending)


async def _drop(pending: Iterable[asyncio.Task[socket.socket]]) -> None:
    """Cancel the attempts that lost, also those that connected at the same moment as the winner."""
    late = list(pending)
    for task in late:
        task.cancel()
    for result in await asyncio.gather(*late, return_exceptions=True):
        if isinstance(result, socket.socket):
            result.close()


async def _connect(source: Source, family: socket.AddressFamily, address: Place) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        source.bind(made)
        await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made
