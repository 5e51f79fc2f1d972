"""Tunnels as people write them: `8888`, `5433:db:5432`, `/run/app.sock`, `remote:9000:3000`, `socks:1080`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpubox.core.channels import Direction, Forward
from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean

_NAMED = re.compile(r"([A-Za-z][\w.-]*)=(.+)")
_SERVICE = re.compile(r"[A-Za-z][\w.-]*")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_HINT = (
    "Write PORT, LOCAL:PORT, LOCAL:HOST:PORT or /SOCKET of the box; remote:BOXPORT:PORT for one that the box "
    "listens on; socks:PORT; and NAME= before it to name it"
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class TunnelSpec:
    """The spec of a tunnel, parsed."""

    name: str
    """Its name; never empty."""
    spec: Forward | None
    """None for a service that is resolved by its name."""


def parse(text: str) -> TunnelSpec:
    """Parse a line; a single word is the name of a service. Raises ConfigError."""
    text = text.strip()
    if _SERVICE.fullmatch(text) and text != Direction.SOCKS.value:
        return TunnelSpec(text, None)
    named = _NAMED.fullmatch(text)
    name, rest = named.groups() if named else ("", text)
    spec = _spec(rest, text)
    return TunnelSpec(name or short(spec), spec)


def _spec(rest: str, text: str) -> Forward:
    way = Direction.LOCAL
    for one in Direction:
        if rest == one.value or rest.startswith(one.value + ":"):
            way, rest = one, rest[len(one.value) + 1 :]
            break
    if way is Direction.SOCKS:
        return Forward(way, listen_port=_port(rest, text) if rest else 0)
    listen, host, target = _parts(rest, text)
    listen_port = _port(listen, text) if listen else 0
    if target.startswith("/"):
        spec = Forward(way, listen_port, path=target)
    else:
        spec = Forward(way, listen_port, host.strip("[]") or "127.0.0.1", _port(target, text))
    if way is Direction.REMOTE and not spec.listen_port:
        if spec.path:
            raise _wrong(text, "which port shall the box listen on?")
        return Forward(way, spec.port, spec.host, spec.port)
    return spec


def _parts(rest: str, text: str) -> tuple[str, str, str]:
    """Return listening port, host and target; the first two may be empty."""
    listen, colon, path = rest.partition(":")
    if rest.startswith("/"):
        return "", "", rest
    if colon and path.startswith("/"):
        return listen, "", path
    pieces: list[str] = re.findall(r"\[[^\]]*\]|[^:]+", rest)
    if ":".join(pieces) != rest or not 1 <= len(pieces) <= 3:
        raise _wrong(text, "it has no form that is known")
    match pieces:
        case [target]:
            return "", "", target
        case [listen, target] if listen.isdecimal():
            return listen, "", target
        case [host, target]:
            listen = ""
        case _:
            listen, host, target = pieces
    if not _HOST.fullmatch(host):
        raise _wrong(text, f'"{clean(host, 40)}" is not a valid host')
    return listen, host, target


def _port(text: str, whole: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise _wrong(whole, f'"{clean(text, 40)}" is not a valid port')
    return int(text)


def _wrong(text: str, what: str) -> ConfigError:
    return ConfigError("Not a tunnel", f"`{clean(text, 60)}`: {what}", _HINT)


def target(spec: Forward) -> str:
    """Return where connections come out: `port 8888`, `db:5432`, a path, or `anywhere` for SOCKS."""
    if spec.way is Direction.SOCKS:
        return "anywhere"
    if spec.path:
        return clean(spec.path, 200)
    if spec.host in _LOOPBACK:
        return f"port {spec.port}"
    return f"[{spec.host}]:{spec.port}" if ":" in spec.host else f"{spec.host}:{spec.port}"


def short(spec: Forward) -> str:
    """Return a default name: `8888`, `db:5432`, `app.sock`, `socks`, `remote 9000`."""
    if spec.way is Direction.REMOTE:
        return f"remote {spec.listen_port}"
    if spec.way is Direction.SOCKS:
        return "socks"
    return clean(spec.path.rpartition("/")[2], 200) or target(spec).removeprefix("port ")


def at_home(spec: Forward) -> bool:
    """Return whether the destination is a port of the box itself, whose listener can be checked."""
    return spec.way is Direction.LOCAL and not spec.path and spec.host in _LOOPBACK
