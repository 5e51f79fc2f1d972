"""Services of a box as lines for people or as JSON, neither with a token; pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.boxes.services import Access, Service
from gpubox.common.units import DASH
from gpubox.core.sanitize import aligned, clean

_HEAD = ("NAME", "WHAT", "ABOUT", "USER", "LISTENS ON", "NEEDS")
_NEEDS = {
    Access.OPEN: "nothing",
    Access.TOKEN: "token (known)",
    Access.PASSWORD: "password",
    Access.UNKNOWN: DASH,
}
_LONGEST = 40


def rows(services: Sequence[Service], *, everything: bool = False) -> list[str]:
    """Return services as aligned lines below a head; system services only with `everything`.

    A last line counts what is left out.
    """
    shown = [one for one in services if everything or not one.system]
    hidden = len(services) - len(shown)
    lines = aligned([_HEAD, *map(_row, shown)]) if shown else ["Nothing listens there that is known."]
    if hidden:
        lines.append(f"{hidden} more: sshd, desktops and other works of the box; --all shows them")
    return lines


def _row(service: Service) -> tuple[str, ...]:
    where = clean(service.place, _LONGEST) + (", all addresses" if service.exposed else "")
    return (
        service.key,
        service.name,
        clean(service.title, _LONGEST) or DASH,
        service.user or DASH,
        where,
        _NEEDS[service.access],
    )


def to_json(service: Service) -> dict[str, object]:
    """Return a service as JSON has it; the token is left out."""
    return {
        "service": service.key,
        "kind": service.kind or None,
        "name": service.name,
        "title": service.title or None,
        "folder": service.folder or None,
        "user": service.user or None,
        "mine": service.mine,
        "pid": service.pid,
        "address": service.bind or None,
        "port": service.port or None,
        "path": service.path or None,
        "exposed": service.exposed,
        "access": service.access.value,
        "page": service.page,
        "base": service.base if service.page else None,
        "system": service.system,
    }
