"""The services of one box: discovered over the open link, looked up by name, opened through tunnels."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Sequence

from gpubox.boxes.context import BoxContext, Feature
from gpubox.boxes.services.classify import read
from gpubox.boxes.services.collect import ask
from gpubox.boxes.services.service import Service
from gpubox.boxes.tunnels.tunnel import Tunnel
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.core.channels import Direction, Forward
from gpubox.core.errors import RemoteError
from gpubox.core.feed import Feed
from gpubox.core.retry import connected
from gpubox.core.sanitize import clean

_NAMED = 8
"""Services that an error names."""


class Services(Feature):
    """The services of one box."""

    def __init__(self, context: BoxContext) -> None:
        super().__init__(context)
        self.feed: Feed[tuple[Service, ...]] = Feed(())
        """The services of the last scan; kept when the link drops."""
        self._box = context.name
        self._tunnels = context.use(Tunnels)
        self._tunnels.find_by(self.place)
        self._looking = asyncio.Lock()

    async def find(self) -> tuple[Service, ...]:
        """Scan the box for services and return them: one's own pages first, system services last.

        Raises RemoteError when the box gives no answer, Dropped while it is not connected and when the link
        ends meanwhile.
        """
        async with self._looking:
            facts = await ask(connected(self._context.shell, self._box), self._context.python)
            # Hundreds of listeners against fifty expressions take 10 ms: keys must not wait for them.
            found = await asyncio.to_thread(read, facts)
            if found != self.feed.value:
                self.feed.put(found)
            return found

    def named(self, name: str) -> Service:
        """Return the service that a name selects, among those of the last scan.

        A name is a key, a kind, a port, or part of a title. Raises RemoteError with the existing services
        when the name matches none of them, or several.
        """
        return choose(self.feed.value, name, self._box)

    async def place(self, name: str) -> Forward:
        """Scan for a service and return its forward spec; raises as `find` and `named`."""
        await self.find()
        return self.named(name).forward

    async def open(self, service: Service) -> Tunnel:
        """Open a tunnel to a service, on the same local port as before, and return it.

        One that is open is returned as it is. Raises the reason when it cannot be opened, and Dropped while
        the box is not connected.
        """
        spec = service.forward
        for tunnel in self._tunnels.feed.value:
            if self._leads(tunnel, service) and tunnel.address:
                return tunnel
            if tunnel.name == service.key and tunnel.spec != spec:
                await self._tunnels.forget(tunnel.id)  # it listened elsewhere before it was restarted
        return await self._tunnels.open(spec, service.key)

    def behind(self, tunnel: Tunnel) -> Service | None:
        """Return the service that a tunnel leads to, among those of the last scan."""
        return next((one for one in self.feed.value if self._leads(tunnel, one)), None)

    def _leads(self, tunnel: Tunnel, service: Service) -> bool:
        spec = tunnel.spec
        if spec is None or spec.way is not Direction.LOCAL:
            return False
        if spec.path or service.path:
            return spec.path == service.path
        here = {service.host, service.bind, "localhost"} if service.host == "127.0.0.1" else {service.host}
        return spec.port == service.port and spec.host in here


def choose(services: Sequence[Service], name: str, box: str) -> Service:
    """Return the service that a name selects; see Services.named."""
    word = name.strip().lower()
    tests: tuple[Callable[[Service], bool], ...] = (
        lambda one: one.key == word,
        lambda one: one.kind == word or (word.isdecimal() and one.port == int(word)),
        lambda one: one.key.startswith(word) or one.name.lower() == word,
        lambda one: bool(word) and (word in one.key or word in one.title.lower()),
    )
    for test in tests:
        fitting = [one for one in services if test(one)]
        own = [one for one in fitting if one.mine and not one.system] or fitting
        if len(own) == 1:
            return own[0]
        if own:
            raise RemoteError(
                "Several services", f"{clean(name, 40)} may be {_list(own)} on {box}", "Name one of them"
            )
    close = difflib.get_close_matches(word, [one.key for one in services], 3)
    plain = [one for one in services if not one.system]
    hint = f"Did you mean {' or '.join(close)}?" if close else f"There is {_list(plain)}" if plain else ""
    raise RemoteError("No such service", f"Nothing called {clean(name, 40)} listens on {box}", hint)


def _list(services: Sequence[Service]) -> str:
    keys = [one.key for one in services[:_NAMED]]
    more = len(services) - len(keys)
    return ", ".join(keys) + (f" and {more} more" if more else "")
