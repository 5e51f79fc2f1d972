"""One tunnel: its state, and its work over a link."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NoReturn

from gpubox.boxes.tunnels import local_ports as ports
from gpubox.boxes.tunnels.local_ports import Ports
from gpubox.core.channels import Channels, Direction, Forward, Listening, Traffic
from gpubox.core.errors import Dropped, GpuBoxError, PortTaken, RemoteError
from gpubox.core.tunnel_spec import at_home, target

_AGAIN = 3.0
"""Seconds between two attempts to make the box listen on its earlier port."""


class TunnelPhase(Enum):
    """The phase of a tunnel."""

    OPENING = "opening"
    OPEN = "open"
    """It listens; `reason` is set when the far end does not answer."""
    WAITING = "waiting"
    """The link is down; it comes back with it, on the same port."""
    FAILED = "failed"
    """It could not be opened; retried on request, and with the next link."""
    STOPPED = "stopped"
    """The user stopped it."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The state of a tunnel at one moment."""

    id: int
    name: str
    spec: Forward | None
    """None while a service of that name is still to be found."""
    phase: TunnelPhase = TunnelPhase.WAITING
    port: int = 0
    """The port that listens, or that listened last; 0 before the first time."""
    traffic: Traffic = field(default_factory=Traffic)
    """Traffic since the tunnel was first opened; a copy."""
    note: str = ""
    """A remark, such as who holds the preferred port."""
    reason: GpuBoxError | None = None
    """Why it failed, or why nothing answers although it is open."""

    @property
    def address(self) -> str:
        """Where to connect to, `127.0.0.1:8888`; empty while it does not listen on this machine."""
        here = self.spec is not None and self.spec.way is not Direction.REMOTE
        return f"127.0.0.1:{self.port}" if here and self.phase is TunnelPhase.OPEN else ""


Find = Callable[[str], Awaitable[Forward]]
"""Resolves a service of the box by its name; raises GpuBoxError when there is none."""


@dataclass(slots=True)
class TunnelContext:
    """What the tunnels of a box share."""

    box: str
    ports: Ports
    find: Find | None
    changed: Callable[[], None]


class TunnelWorker:
    """A tunnel and its worker."""

    def __init__(self, around: TunnelContext, now: Tunnel) -> None:
        self.now = now
        self._around = around
        self._to_find = now.spec is None
        self._task: asyncio.Task[None] | None = None
        self._listening: Listening | None = None
        self._before = Traffic()
        """Traffic over earlier links."""
        self._refused = 0
        self._received = 0

    def put(
        self, phase: TunnelPhase, *, spec: Forward | None = None, reason: GpuBoxError | None = None
    ) -> None:
        """Update the state, and notify followers."""
        self.now = replace(self.now, phase=phase, spec=spec or self.now.spec, reason=reason)
        self._around.changed()

    def begin(self, channels: Channels | None, group: asyncio.TaskGroup | None) -> None:
        """Open it over a link, or record that there is none."""
        if channels is None or group is None:
            self.rest()
            return
        self.put(TunnelPhase.OPENING)
        self._task = group.create_task(self._hold(channels))

    def forget_port(self) -> None:
        """Forget its port: the preferred one may be free by now."""
        self.now = replace(self.now, port=0, note="")

    def rest(self) -> None:
        """Record that there is no link."""
        self._task = None
        if self.now.phase is not TunnelPhase.STOPPED:
            self.put(TunnelPhase.WAITING)

    async def end(self) -> None:
        """Close it and its connections."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _hold(self, channels: Channels) -> None:
        """Hold it until cancelled; an error is recorded in the tunnel and ends no other."""
        try:
            await self._open(channels)
        except Dropped:
            self.put(TunnelPhase.WAITING)
        except GpuBoxError as error:
            self.put(TunnelPhase.FAILED, reason=error)

    async def _open(self, channels: Channels) -> None:
        spec = await self._found() if self._to_find else self.now.spec or Forward(Direction.LOCAL)
        if spec.way is Direction.REMOTE:
            await self._over_there(channels, spec)
        taken = ""
        for port in self._around.ports.candidates(spec, self.now.name, self.now.port):
            try:
                await self._listen(channels, replace(spec, listen_port=port), spec, taken)
            except PortTaken as error:
                taken = taken or await _why_taken(port, error.text)
        raise PortTaken(
            "No free port",
            f"{taken[:1].upper()}{taken[1:]}, and no other port of this machine could be opened",
            "End a program that listens on one, or choose a port",
        )

    async def _over_there(self, channels: Channels, spec: Forward) -> NoReturn:
        """Make the box listen; programs there know the port, so there is no fallback to another one."""
        while True:
            before = self.now.port
            try:
                await self._listen(channels, replace(spec, listen_port=spec.listen_port or before), spec)
            except PortTaken as error:
                if not before:
                    raise
                # The box may not have noticed yet that the earlier link dropped, and still hold the port.
                self.put(TunnelPhase.OPENING, reason=error)
                await asyncio.sleep(_AGAIN)

    async def _found(self) -> Forward:
        name = self.now.name
        if self._around.find is None:
            raise RemoteError("No such service", f"{name} on {self._around.box}", "Name its port instead")
        spec = await self._around.find(name)
        self.put(TunnelPhase.OPENING, spec=spec)
        return spec

    async def _listen(self, channels: Channels, ready: Forward, spec: Forward, taken: str = "") -> NoReturn:
        """Listen until cancelled; raises GpuBoxError on failure.

        `taken` says why a preferred port could not be used, if one was tried.
        """
        async with channels.forward(ready) as listening:
            self._listening = listening
            self._refused = self._received = 0
            note = f"{taken}; {listening.port} is used instead" if taken else self.now.note
            self.now = replace(self.now, port=listening.port, note=note)
            self.put(TunnelPhase.OPEN)
            try:
                if spec.way is not Direction.REMOTE:
                    await self._around.ports.keep(spec, self.now.name, listening.port)
                await _forever()
            finally:
                self._before = _sum(self._before, listening.traffic)
                self._listening = None

    def look(self) -> bool:
        """Update the counters, and explain refusals; return whether anything changed."""
        if self._listening is None or self.now.phase is not TunnelPhase.OPEN:
            return False
        live = self._listening.traffic
        before = self.now
        reason = before.reason
        if live.refused > self._refused:
            reason = self._refusal(live)
        elif live.received > self._received:
            reason = None
        self._refused, self._received = live.refused, live.received
        traffic = replace(_sum(self._before, live), open=live.open)
        self.now = replace(before, traffic=traffic, reason=reason)
        return self.now != before

    def update_listening(self, listening: frozenset[int]) -> None:
        """Compare with the listening ports of the box; a tunnel to another port gets a `reason`."""
        spec = self.now.spec
        if self.now.phase is not TunnelPhase.OPEN or spec is None or not at_home(spec):
            return
        silent = isinstance(self.now.reason, NothingListens)
        if spec.port not in listening and self.now.reason is None:
            self.put(TunnelPhase.OPEN, reason=self._nothing())
        elif spec.port in listening and silent:
            self.put(TunnelPhase.OPEN)

    def _refusal(self, traffic: Traffic) -> GpuBoxError | None:
        spec = self.now.spec or Forward(Direction.LOCAL)
        where = target(spec)
        if traffic.forbidden:
            return RemoteError(
                "The box forbids it",
                f"sshd of {self._around.box} passes nothing on to {where} ({traffic.refusal})",
                "AllowTcpForwarding or PermitOpen in its sshd_config, or restrict in authorized_keys",
            )
        if spec.way is Direction.SOCKS:
            return None  # one of many destinations of SOCKS programs
        if spec.way is Direction.REMOTE:
            return NothingListens(
                "Nothing listens here", f"{where} of this machine: {traffic.refusal}", "Start the program"
            )
        if spec.path:
            return NothingListens(
                "Nothing listens on the box",
                f"{where} on {self._around.box}: {traffic.refusal}",
                "Check the path; sshd may also forbid it: AllowStreamLocalForwarding",
            )
        return self._nothing(traffic.refusal)

    def _nothing(self, said: str = "") -> GpuBoxError:
        where = target(self.now.spec or Forward(Direction.LOCAL))
        detail = f": {said}" if said else ""
        return NothingListens(
            "Nothing listens on the box",
            f"{where} on {self._around.box}{detail}",
            "Start the service there; the tunnel is ready",
        )


class NothingListens(RemoteError):
    """A tunnel is open, but nothing accepts connections at its far end."""


async def _why_taken(port: int, why: str) -> str:
    """Return in words why a local port cannot be used: who holds it, or the error."""
    if by := await asyncio.to_thread(ports.holder, port):
        return f"port {port} of this machine is taken by {by}"
    return f"port {port} cannot be used here" + (f": {why}" if why else "")


async def _forever() -> NoReturn:
    while True:
        await asyncio.Event().wait()


def _sum(before: Traffic, live: Traffic) -> Traffic:
    return Traffic(
        sent=before.sent + live.sent,
        received=before.received + live.received,
        total=before.total + live.total,
        refused=before.refused + live.refused,
        refusal=live.refusal or before.refusal,
        forbidden=live.forbidden if live.refused else before.forbidden,
    )
