"""Tunnels as people write them: `8888`, `5433:db:5432`, `/run/app.sock`, `remote:9000:3000`, `socks:1080`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpubox.core.doors import Forward, Way
from gpubox.core.errors import ConfigError
from gpubox.core.text import clean

_NAMED = re.compile(r"([A-Za-z][\w.-]*)=(.+)")
_SERVICE = re.compile(r"[A-Za-z][\w.-]*")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_HINT = (
    "Write PORT, LOCAL:PORT, LOCAL:HOST:PORT or /SOCKET of the box; remote:BOXPORT:PORT for one that the box "
    "listens on; socks:PORT; and NAME= before it to name it"
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Wished:
    """A tunnel that somebody wrote down."""

    name: str
    """What it is called; never empty."""
    wish: Forward | None
    """None for a service that is to be found by its name."""


def parse(text: str) -> Wished:
    """Return what a line means; a single word is the name of a service. Raises ConfigError."""
    text = text.strip()
    if _SERVICE.fullmatch(text) and text != Way.SOCKS.value:
        return Wished(text, None)
    named = _NAMED.fullmatch(text)
    name, rest = named.groups() if named else ("", text)
    wish = _wish(rest, text)
    return Wished(name or short(wish), wish)


def _wish(rest: str, text: str) -> Forward:
    way = Way.LOCAL
    for one in Way:
        if rest == one.value or rest.startswith(one.value + ":"):
            way, rest = one, rest[len(one.value) + 1 :]
            break
    if way is Way.SOCKS:
        return Forward(way, listen_port=_port(rest, text) if rest else 0)
    listen, host, target = _parts(rest, text)
    listen_port = _port(listen, text) if listen else 0
    if target.startswith("/"):
        wish = Forward(way, listen_port, path=target)
    else:
        wish = Forward(way, listen_port, host.strip("[]") or "127.0.0.1", _port(target, text))
    if way is Way.REMOTE and not wish.listen_port:
        if wish.path:
            raise _wrong(text, "which port shall the box listen on?")
        return Forward(way, wish.port, wish.host, wish.port)
    return wish


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
        raise _wrong(text, f"`{clean(host, 40)}` is no host")
    return listen, host, target


def _port(text: str, whole: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise _wrong(whole, f"`{clean(text, 40)}` is no port")
    return int(text)


def _wrong(text: str, what: str) -> ConfigError:
    return ConfigError("Not a tunnel", f"`{clean(text, 60)}`: {what}", _HINT)


def target(wish: Forward) -> str:
    """Return where connections come out: `port 8888`, `db:5432`, a path, or `anywhere` for SOCKS."""
    if wish.way is Way.SOCKS:
        return "anywhere"
    if wish.path:
        return clean(wish.path, 200)
    if wish.host in _LOOPBACK:
        return f"port {wish.port}"
    return f"[{wish.host}]:{wish.port}" if ":" in wish.host else f"{wish.host}:{wish.port}"


def short(wish: Forward) -> str:
    """Return a name for a tunnel that has none: `8888`, `db:5432`, `app.sock`, `socks`, `remote 9000`."""
    if wish.way is Way.REMOTE:
        return f"remote {wish.listen_port}"
    if wish.way is Way.SOCKS:
        return "socks"
    return clean(wish.path.rpartition("/")[2], 200) or target(wish).removeprefix("port ")


def at_home(wish: Forward) -> bool:
    """Whether connections come out on a port of the box itself, where a listener can be looked for."""
    return wish.way is Way.LOCAL and not wish.path and wish.host in _LOOPBACK
