"""VNC servers: one file each; no list names them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from gpubox.boxes.desktops.session import Server


@cache
def servers() -> Sequence[Server]:
    """Return every kind of server; those that can be started come first, the preferred one before others."""
    names = sorted(found.name for found in iter_modules(__path__))
    found = [cast("Server", import_module(f"{__name__}.{name}").SERVER) for name in names]
    return sorted(found, key=lambda server: (not server.brand, server.key))
