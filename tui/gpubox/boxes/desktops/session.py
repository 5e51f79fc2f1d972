"""A desktop: one VNC server's session on a box, and the spec of a new one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Transport = Literal["socket", "port"]
"""How a desktop is accessed: a socket that only its owner can open, or a loopback port with a password."""


@dataclass(frozen=True, slots=True)
class DesktopSession:
    """One VNC server that runs on a box."""

    server: str
    """The server: `TigerVNC`, `TurboVNC`, `x11vnc`, `x0vncserver`."""
    pid: int
    ticks: int
    """When it started, in kernel ticks after boot; identifies the process together with the pid."""
    user: str
    """Its owner."""
    mine: bool
    """Whether it belongs to the user of the link; others' desktops can neither be opened nor stopped."""
    display: str = ""
    """X display: `:1`; empty when it is not known."""
    started: float | None = None
    """Seconds since the epoch."""
    geometry: str = ""
    """Width and height as requested: `1600x900`; viewers may have changed them since."""
    depth: int | None = None
    title: str = ""
    """What the server calls it."""
    session: str = ""
    """What runs in it, such as `xfce4`; known only when it was started here."""
    path: str = ""
    """Unix socket that it listens on; empty when it uses a port."""
    port: int = 0
    """Loopback port that it listens on; 0 when it uses a socket."""
    security: Literal["none", "password", "other"] = "none"
    """The security type; `other` needs a viewer that supports more than VNC passwords."""
    secret: str = ""
    """File on the box that it reads its password from; empty for the usual one."""
    folder: str = ""
    """Folder of a desktop that this program started; empty for the others."""
    physical: bool = False
    """Whether it shares the physical screen: stopping it ends the sharing, not the desktop."""

    @property
    def ours(self) -> bool:
        """Whether this program started it."""
        return bool(self.folder)

    @property
    def name(self) -> str:
        """Its name in a sentence: `desktop :1`."""
        return f"desktop {self.display}" if self.display else f"{self.server} ({self.pid})"


def own_sessions(found: Iterable[DesktopSession]) -> list[DesktopSession]:
    """Return the desktops of the user, without a physical screen that is shared."""
    return [one for one in found if one.mine and not one.physical]


@dataclass(frozen=True, slots=True)
class DesktopSpec:
    """The spec of a desktop to start; empty fields are taken from the settings."""

    geometry: str = ""
    """Width and height in pixels: `1600x900`."""
    depth: int = 0
    """Bits of a pixel: 16 or 24."""
    session: str = ""
    """A name such as `xfce4`, a command, or `auto`."""
    server: str = ""
    """Key or name of a server, such as `tigervnc`, or `auto`."""
    display: str = ""
    """X display: `:3`; empty takes the first free one."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process of the box that may be a VNC server."""

    program: str
    """Name of its executable, cut to 15 characters by the kernel."""
    path: str
    """Its argv[0]: `/opt/TurboVNC/bin/Xvnc`."""
    arguments: tuple[str, ...]
    """The rest of its command line."""
    ports: tuple[int, ...] = ()
    """TCP ports that it listens on; known only for the user's own processes."""


@dataclass(frozen=True, slots=True)
class VncAddress:
    """Facts of a server from its command line."""

    display: str = ""
    path: str = ""
    port: int = 0
    geometry: str = ""
    depth: int | None = None
    title: str = ""
    security: Literal["none", "password", "other"] = "none"
    secret: str = ""


class Server(Protocol):
    """A kind of VNC server: how to recognize it, and how to start it where possible."""

    @property
    def key(self) -> str:
        """Its name in settings: one lowercase word."""
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
        """A word of its `-version` that others of the same name lack; empty when it is never started."""
        ...

    @property
    def physical(self) -> bool:
        """Whether it shares the physical screen."""
        ...

    def options(self, way: Transport) -> str:
        """Return its options for a new session, in sh syntax; `$socket`, `$port` and `$dir` are set."""
        ...

    def read(self, running: Running) -> VncAddress | None:
        """Return the facts of a process of this name, or None when it is another kind of server."""
        ...
