"""Services and tunnels as rows: the address on the box and here, state, and traffic."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gpubox.boxes.services import Service
from gpubox.boxes.sshd_policy import SshdPolicy
from gpubox.boxes.tunnels.tunnel import Tunnel, TunnelPhase
from gpubox.common import units
from gpubox.core.channels import Direction
from gpubox.core.errors import GpuBoxError
from gpubox.core.sanitize import clean
from gpubox.core.tunnel_spec import target
from gpubox.ui.draw.spans import Line, Span, Tone
from gpubox.ui.draw.table import Column

_WINDOW = 4.0
"""Seconds over which rates are averaged: counts come about once a second."""


@dataclass(frozen=True, slots=True)
class TunnelRow:
    """A service of the box, a tunnel, or a service with its tunnel."""

    service: Service | None
    tunnel: Tunnel | None
    up: float = 0.0
    """Bytes per second to the box."""
    down: float = 0.0
    forbidden: GpuBoxError | None = None
    """Why sshd forbids it, if known."""

    @property
    def key(self) -> tuple[str, str | int]:
        """Its unique key, which stays when a service gets a tunnel."""
        if self.service is not None:
            return "service", self.service.key
        return "tunnel", self.tunnel.id if self.tunnel is not None else 0

    @property
    def name(self) -> str:
        """Its name, safe to draw."""
        if self.service is not None:
            return clean(self.service.key, 40)
        return clean(self.tunnel.name, 40) if self.tunnel is not None else ""

    @property
    def kind(self) -> str:
        """The kind of service, such as `Jupyter`; `local`, `remote`, `socks` or `socket` for a tunnel."""
        if self.service is not None:
            return clean(self.service.name, 20)
        spec = self.tunnel.spec if self.tunnel is not None else None
        if spec is None:
            return "service"
        return "socket" if spec.path else spec.way.value

    @property
    def open(self) -> bool:
        """Whether its tunnel listens."""
        return self.tunnel is not None and self.tunnel.phase is TunnelPhase.OPEN


def rows(
    services: Iterable[Service],
    tunnels: Iterable[Tunnel],
    behind: Callable[[Tunnel], Service | None],
    rates: Rates,
    limits: SshdPolicy,
) -> list[TunnelRow]:
    """Return one row for each service, with the tunnel to it, and one for each other tunnel.

    `behind` returns the service that a tunnel leads to.
    """
    others: list[Tunnel] = []
    found: dict[str, Tunnel] = {}
    for tunnel in tunnels:
        service = behind(tunnel)
        if service is None or service.key in found:
            others.append(tunnel)
        else:
            found[service.key] = tunnel
    out = [
        replace(_row(service, found.get(service.key), rates), forbidden=limits.against(service.forward))
        for service in services
    ]
    return [*out, *(_row(None, tunnel, rates) for tunnel in others)]


def _row(service: Service | None, tunnel: Tunnel | None, rates: Rates) -> TunnelRow:
    up, down = rates.of(tunnel.id) if tunnel is not None else (0.0, 0.0)
    return TunnelRow(service, tunnel, up, down)


class Rates:
    """Rates of each tunnel, from its counters at several times."""

    def __init__(self) -> None:
        self._seen: Mapping[int, deque[tuple[float, int, int]]] = {}

    def note(self, tunnels: Iterable[Tunnel]) -> None:
        """Add the present counters."""
        now = time.monotonic()
        seen: dict[int, deque[tuple[float, int, int]]] = {}
        for one in tunnels:
            counts = seen[one.id] = self._seen.get(one.id, deque())
            counts.append((now, one.traffic.sent, one.traffic.received))
            while len(counts) > 2 and now - counts[0][0] > _WINDOW:
                counts.popleft()
        self._seen = seen

    def of(self, tunnel: int) -> tuple[float, float]:
        """Return the bytes per second to the box and from it."""
        counts = self._seen.get(tunnel)
        if not counts or (seconds := counts[-1][0] - counts[0][0]) < 0.2:
            return 0.0, 0.0
        (_, sent, received), (_, sent_now, received_now) = counts[0], counts[-1]
        return max(0, sent_now - sent) / seconds, max(0, received_now - received) / seconds


def state(row: TunnelRow) -> tuple[str, Tone]:
    """Return the state of a tunnel in words."""
    tunnel = row.tunnel
    if tunnel is None:
        return ("not allowed", "muted") if row.forbidden is not None else ("", "muted")
    reason = clean(tunnel.reason.title, 60).lower() if tunnel.reason else ""
    match tunnel.phase:
        case TunnelPhase.OPEN if reason:
            return reason, "warn"
        case TunnelPhase.OPEN:
            busy = tunnel.traffic.open
            return ("open" if not busy else f"open · {busy} in use"), "util"
        case TunnelPhase.OPENING:
            return reason or "opening", "warn" if reason else "muted"
        case TunnelPhase.WAITING:
            return "waits for the link", "warn"
        case TunnelPhase.FAILED:
            return reason or "failed", "alarm"
        case TunnelPhase.STOPPED:
            return "stopped", "muted"


def why(row: TunnelRow) -> list[str]:
    """Return notes on a row: who else can reach it, what is wrong, and what to do about it."""
    tunnel, service = row.tunnel, row.service
    out: list[str] = []
    if service is not None and service.exposed:
        out.append(f"It listens on {clean(service.bind, 40)}: other machines may reach it too")
    out += [clean(tunnel.note)] if tunnel is not None and tunnel.note and row.open else []
    reason = tunnel.reason if tunnel is not None else row.forbidden
    if reason is not None:
        out += [clean(reason.text)] if reason.text else []
        out += [f"→ {clean(reason.hint)}"] if reason.hint else []
    return out


def _there(row: TunnelRow) -> str:
    if row.service is not None:
        return clean(row.service.place, 60)
    spec = row.tunnel.spec if row.tunnel is not None else None
    if spec is None:
        return ""
    if spec.way is Direction.REMOTE:
        return str(row.tunnel.port or spec.listen_port) if row.tunnel is not None else ""
    return clean(target(spec), 60).removeprefix("port ")


def _here(row: TunnelRow) -> str:
    tunnel = row.tunnel
    if tunnel is None:
        return ""
    if tunnel.spec is not None and tunnel.spec.way is Direction.REMOTE:
        return clean(target(tunnel.spec), 60).removeprefix("port ")
    return str(tunnel.port) if tunnel.port else ""


def _numbers(text: Callable[[TunnelRow], str]) -> Callable[[TunnelRow], str | None]:
    """Sort ports by number, and anything else after them."""
    return lambda row: f"{text(row):>5}" if text(row) else None


def _state_cell(row: TunnelRow) -> Line:
    words, tone = state(row)
    return (Span(words or "not open", tone if words else "muted"),)


def _who(row: TunnelRow) -> str:
    return clean(row.service.user, 32) if row.service is not None else ""


def _who_cell(row: TunnelRow) -> str | Line:
    return _who(row) if row.service is not None else (Span(""),)


def _bytes(count: Callable[[Tunnel], int]) -> Callable[[TunnelRow], Line]:
    def cell(row: TunnelRow) -> Line:
        if row.tunnel is None:
            return (Span(""),)
        return (Span(units.size(count(row.tunnel)), "text" if count(row.tunnel) else "faint"),)

    return cell


def _rate(rate: Callable[[TunnelRow], float]) -> Callable[[TunnelRow], Line]:
    def cell(row: TunnelRow) -> Line:
        return (Span(units.rate(rate(row)) if row.open and rate(row) >= 1 else "", "util"),)

    return cell


def _sent(row: TunnelRow) -> float | None:
    return row.tunnel.traffic.sent if row.tunnel is not None else None


def _received(row: TunnelRow) -> float | None:
    return row.tunnel.traffic.received if row.tunnel is not None else None


def _name_cell(row: TunnelRow) -> Line:
    tone: Tone = "title" if row.open else "muted" if row.forbidden else "text"
    return (Span(row.name or units.DASH, tone),)


def _title(row: TunnelRow) -> str:
    return clean(row.service.title, 40) if row.service is not None else ""


def _about(row: TunnelRow) -> Line:
    return (Span(_title(row), "muted"),)


COLUMNS: Sequence[Column[TunnelRow]] = (
    Column("name", 16, _name_cell, lambda row: row.name, left=True),
    Column("kind", 11, lambda row: row.kind, lambda row: row.kind, left=True, tone="muted", need=3),
    Column("box", 10, _there, _numbers(_there), "ON THE BOX"),
    Column("here", 6, _here, _numbers(_here), tone="accent"),
    Column("state", 18, _state_cell, lambda row: state(row)[0] or "~", left=True, grows=True),
    Column("up", 6, _bytes(lambda one: one.traffic.sent), _sent, falling=True, need=4),
    Column("up-rate", 7, _rate(lambda row: row.up), lambda row: row.up, "UP/S", falling=True, need=7),
    Column("down", 6, _bytes(lambda one: one.traffic.received), _received, falling=True, need=2),
    Column("down-rate", 7, _rate(lambda row: row.down), lambda row: row.down, "DOWN/S", falling=True, need=6),
    Column("who", 8, _who_cell, _who, "RUN BY", left=True, tone="muted", need=5),
    Column("about", 14, _about, _title, left=True, tone="muted", need=8),
)
"""The columns of the list."""
