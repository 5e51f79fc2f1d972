"""Listeners of a box, as remote/services.py reports them; may hold tokens."""

from __future__ import annotations

import msgspec

from gpubox.core.bounds import Port, Whole


class Hidden(msgspec.Struct, frozen=True):
    """A struct that may hold a token: its repr is only its name."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Listener(Hidden, frozen=True):
    """A listening TCP socket."""

    host: str
    port: Port
    uid: Whole = -1
    user: str = ""
    pid: Whole | None = None
    """The process that holds the socket, where visible."""
    guess: Whole | None = None
    """A process of the same user whose command line names the port."""


class Socket(Hidden, frozen=True):
    """A listening unix socket of a visible process."""

    path: str
    pid: Whole


class RunningServices(Hidden, frozen=True):
    """A process that listens, or may listen."""

    name: str = ""
    words: tuple[str, ...] = ()
    uid: Whole = -1
    user: str = ""
    folder: str = ""
    """Its working folder; empty where hidden."""
    token: str = ""
    """The facts that its own file holds."""
    pid: Whole | None = None


class Jupyter(Hidden, frozen=True):
    """What a Jupyter server wrote about itself."""

    pid: Whole
    owner: Whole
    port: Whole = 0
    sock: str = ""
    token: str = ""
    password: bool = False
    base_url: str = "/"
    secure: bool = False
    root_dir: str = ""
    notebook_dir: str = ""


class TensorBoard(Hidden, frozen=True):
    """What a TensorBoard wrote about itself."""

    pid: Whole
    owner: Whole
    port: Whole = 0
    logdir: str = ""
    path_prefix: str = ""


class Zabbix(Hidden, frozen=True):
    """Where Zabbix is served, by the configuration that its packages installed."""

    nginx: Whole = 0
    apache: bool = False


class ServiceFacts(Hidden, frozen=True):
    """The result of one scan of a box."""

    v: Whole = 0
    uid: Whole = -1
    proc: bool = True
    """Whether the box has /proc/net/tcp."""
    listeners: tuple[Listener, ...] = ()
    sockets: tuple[Socket, ...] = ()
    processes: dict[str, RunningServices] = msgspec.field(default_factory=dict[str, RunningServices])
    """By pid."""
    programs: dict[str, tuple[RunningServices, ...]] = msgspec.field(
        default_factory=dict[str, tuple[RunningServices, ...]]
    )
    """By uid: programs of users whose sockets are hidden."""
    jupyter: tuple[msgspec.Raw, ...] = ()
    """Runtime files of Jupyter servers, undecoded: of any version, and maybe not theirs at all."""
    tensorboard: tuple[msgspec.Raw, ...] = ()
    zabbix: Zabbix = Zabbix()
