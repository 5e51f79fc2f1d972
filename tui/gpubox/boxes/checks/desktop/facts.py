"""Facts of remote desktops, as remote/checks/desktop.py gathers them."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gpubox.boxes.checks.check import Facts
from gpubox.core.bounds import Whole


class InstalledServer(msgspec.Struct, frozen=True):
    """A program of a VNC server that the box has."""

    program: str
    path: str = ""
    version: str = ""
    """The first words that it says when asked for its version."""


class VncPort(msgspec.Struct, frozen=True):
    """An address at which a VNC server listens."""

    program: str
    user: str = ""
    mine: bool = False
    """Whether the user of the login runs it."""
    host: str = ""
    port: Whole = 0
    local: bool = True
    """Whether only the box itself reaches it."""
    password: bool | None = None
    """Whether it asks for a password; None when that is not known."""


class PasswordFile(msgspec.Struct, frozen=True):
    """A file with a VNC password."""

    path: str
    mode: str = ""
    """Octal, such as `600`."""
    open: bool = False
    """Whether other users may read it."""
    place: str = ""
    """Its absolute path."""
    mine: bool = False
    """Whether it is a plain file that belongs to the user."""


class DesktopFacts(Facts, frozen=True):
    """Remote desktops."""

    SECTION: ClassVar[str] = "desktop"

    servers: tuple[InstalledServer, ...] | None = None
    """None when they did not say their versions in time."""
    sessions: tuple[str, ...] = ()
    """Programs of the sessions that are installed."""
    tools: tuple[str, ...] = ()
    """Programs that start a message bus."""
    running: Whole = 0
    """How many VNC servers run."""
    listening: tuple[VncPort, ...] | None = None
    """None when the open ports could not be read in time."""
    passwords: tuple[PasswordFile, ...] = ()
    system: str = ""
    """ID and ID_LIKE of the distribution."""
