"""Parses command lines of X and VNC servers: `-name value`, `-name=value`, `name=value`, in any case."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

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
