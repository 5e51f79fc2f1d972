"""A desktop: one VNC server's session on a box, and the spec of a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Transport = Literal["socket", "port"]
"""How a desktop is reached: a socket that only its owner can open, or a loopback port with a password."""


@dataclass(frozen=True, slots=True)
class DesktopSession:
    """One VNC server that runs on a box."""

    server: str
    """Which one: `TigerVNC`, `TurboVNC`, `x11vnc`, `x0vncserver`."""
    pid: int
    ticks: int
    """When it started, in the kernel's ticks after boot: with the pid it names this process and no other."""
    user: str
    """Whose it is."""
    mine: bool
    """Whether it belongs to the user of the link; one of another can neither be opened nor stopped."""
    display: str = ""
    """X display: `:1`; empty when it is not known."""
    started: float | None = None
    """Seconds since the epoch."""
    geometry: str = ""
    """Width and height as they were asked for: `1600x900`; viewers may have changed them since."""
    depth: int | None = None
    title: str = ""
    """What the server calls it."""
    session: str = ""
    """What runs in it, such as `xfce4`; known only when it was started here."""
    path: str = ""
    """Unix socket where it answers; empty when it is reached by a port."""
    port: int = 0
    """Loopback port where it answers; 0 when it is reached by a socket."""
    security: Literal["none", "password", "other"] = "none"
    """What it asks of a viewer; `other` needs a viewer that knows more than VNC passwords."""
    secret: str = ""
    """File on the box that it reads its password from; empty for the usual one."""
    folder: str = ""
    """Folder of a desktop that this program started; empty for the others."""
    physical: bool = False
    """Whether it shows the screen of the machine itself: stopping it ends the showing, not the desktop."""

    @property
    def ours(self) -> bool:
        """Whether this program started it."""
        return bool(self.folder)

    @property
    def name(self) -> str:
        """What it is called in a sentence: `desktop :1`."""
        return f"desktop {self.display}" if self.display else f"{self.server} ({self.pid})"


@dataclass(frozen=True, slots=True)
class DesktopSpec:
    """A desktop that is to be started; what is empty is taken from the settings."""

    geometry: str = ""
    """Width and height in pixels: `1600x900`."""
    depth: int = 0
    """Bits of a pixel: 16 or 24."""
    session: str = ""
    """A name such as `xfce4`, a command, or `auto`."""
    server: str = ""
    """`tigervnc`, `turbovnc` or `auto`."""
    display: str = ""
    """X display: `:3`; empty takes the first that is free."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that may be a VNC server, as the box shows it."""

    program: str
    """Name of its executable, cut to 15 characters by the kernel."""
    path: str
    """What it was started as: `/opt/TurboVNC/bin/Xvnc`."""
    arguments: tuple[str, ...]
    """The rest of its command line."""
    ports: tuple[int, ...] = ()
    """TCP ports on which it listens, as far as they are known: only for processes of one's own."""


@dataclass(frozen=True, slots=True)
class VncAddress:
    """What a command line says of a server."""

    display: str = ""
    path: str = ""
    port: int = 0
    geometry: str = ""
    depth: int | None = None
    title: str = ""
    security: Literal["none", "password", "other"] = "none"
    secret: str = ""


class Server(Protocol):
    """A kind of VNC server: how to know it, and how to start it where that is possible."""

    @property
    def key(self) -> str:
        """Its name in settings: one small word."""
        ...

    @property
    def name(self) -> str:
        """Its name as people write it."""
        ...

    @property
    def programs(self) -> Sequence[str]:
        """Names of its executables, as /proc shows them."""
        ...

    @property
    def brand(self) -> str:
        """A word of its `-version` that tells it from others of its name; empty when it is never started."""
        ...

    @property
    def physical(self) -> bool:
        """Whether it shows the screen of the machine itself."""
        ...

    def options(self, way: Transport) -> str:
        """Return its options for a new session, in the words of sh; `$socket`, `$port` and `$dir` are set."""
        ...

    def read(self, running: Running) -> VncAddress | None:
        """Return what a process of this name says of itself, or None when it is another kind of server."""
        ...
