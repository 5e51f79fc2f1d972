"""A service of a box: something that listens there, with a stable name and how to get in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import quote

from gpubox.core.channels import Direction, Forward

_EVERYWHERE = ("0.0.0.0", "::")


class Access(Enum):
    """The credentials that a page needs."""

    OPEN = "open"
    """None: everybody who reaches the page is let in."""
    TOKEN = "token"
    """A token that is known here; `Service.url` holds it."""
    PASSWORD = "password"
    """A password that the user types."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Service:
    """A service as last seen."""

    key: str
    """Its unique name, by which it is opened and its local port remembered: `jupyter-cats`,
    `python3-8000`."""
    kind: str
    """Its kind, such as `jupyter`; empty for an unknown listener."""
    name: str
    """The kind in words, or the program's name."""
    bind: str = "127.0.0.1"
    """The address that it listens on, where it has one."""
    port: int = 0
    """The port that it listens on; 0 where it listens on a unix socket."""
    path: str = ""
    """The unix socket that it listens on."""
    pid: int | None = None
    """Its process, or None where hidden."""
    user: str = ""
    mine: bool = True
    """Whether it belongs to the user who logged in."""
    title: str = ""
    """Its subject: the last part of its project's folder, or a port of a container."""
    folder: str = ""
    """That folder in full, on the box."""
    access: Access = Access.UNKNOWN
    page: bool = False
    """Whether a browser can show it."""
    system: bool = False
    """Whether it is a system service, which few people look for."""
    secure: bool = False
    """Whether it speaks https."""
    base: str = "/"
    """Path of its page."""
    token: str = field(default="", repr=False)
    parameter: str = "token"
    """Name of the token in the query."""

    @property
    def host(self) -> str:
        """The address by which the box itself reaches it."""
        return "127.0.0.1" if self.bind in _EVERYWHERE else self.bind

    @property
    def exposed(self) -> bool:
        """Whether other machines may reach it, unless a firewall stops them."""
        return not self.path and not (self.bind.startswith("127.") or self.bind == "::1")

    @property
    def forward(self) -> Forward:
        """The spec of its forward."""
        if self.path:
            return Forward(Direction.LOCAL, path=self.path)
        return Forward(Direction.LOCAL, host=self.host, port=self.port)

    @property
    def place(self) -> str:
        """Where it listens, for display: `8888`, `10.0.0.7:8888`, a path."""
        if self.path:
            return self.path
        if self.host in ("127.0.0.1", "::1"):
            return str(self.port)
        return f"[{self.bind}]:{self.port}" if ":" in self.bind else f"{self.bind}:{self.port}"

    def shown_url(self, local_port: int) -> str:
        """Return the URL of its page at a local port, without the token."""
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{local_port}{self.base}"

    def url(self, local_port: int) -> str:
        """Return the same URL with the token: a secret, for the user's browser only."""
        address = self.shown_url(local_port)
        return f"{address}?{self.parameter}={quote(self.token, safe='')}" if self.token else address
