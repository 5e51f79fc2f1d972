"""Parses command lines of X and VNC servers: `-name value`, `-name=value`, `name=value`, in any case."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from gpubox.boxes.desktops.session import Running, VncAddress
from gpubox.core.bounds import whole

_DISPLAY = re.compile(r"^:[0-9]{1,5}$")


def display_of(arguments: Sequence[str]) -> str:
    """Return the first word that is an X display, or an empty string."""
    return next((word for word in arguments if _DISPLAY.match(word)), "")


def options_of(arguments: Sequence[str]) -> Mapping[str, str]:
    """Return options by name, in lower case and without dashes; one without a value has ''.

    The last of repeated options wins, as in the servers.
    """
    found: dict[str, str] = {}
    for word, after in zip(arguments, (*arguments[1:], "-"), strict=False):
        name, equals, value = word.partition("=")
        if word.startswith("-"):
            alone = equals or (after.startswith("-") and whole(after) is None)
            found[name.lstrip("-").lower()] = value if alone else after
        elif equals:
            found.setdefault(name.lower(), value)
    return found


def address_of(
    running: Running,
    *,
    display: str,
    port: int,
    security: Literal["none", "password", "other"],
    secrets: Sequence[str],
    path: str | None = None,
) -> VncAddress:
    """Return the facts that all servers give by the same options.

    `secrets` names the options with the file of its password, the preferred one first; without `path` that of
    the socket is an option, too. A negative port is none.
    """
    options = options_of(running.arguments)
    path = options.get("rfbunixpath", "") if path is None else path
    return VncAddress(
        display=display,
        path=path,
        port=0 if path or port < 0 else port,
        geometry=options.get("geometry", ""),
        depth=whole(options.get("depth", "")),
        title=options.get("desktop", ""),
        security=security,
        secret=next((options[name] for name in secrets if options.get(name)), ""),
    )


def port_of(display: str, port: str) -> int:
    """Return the port of a server with this display and this port option; negative when it has none."""
    number = whole(port)
    return number if number else 5900 + (whole(display[1:]) or 0)


def security_of(types: str) -> Literal["none", "password", "other"]:
    """Return what a server with these security types requires of a simple viewer."""
    asked = {one.strip().lower() for one in types.split(",")}
    if "none" in asked:
        return "none"
    return "password" if asked & {"vncauth", "vnc"} else "other"
