"""Listeners of a box, as remote/services.py reports them; may hold tokens."""

from __future__ import annotations

import msgspec

from gpubox.core.bounds import Port, Whole


class Hidden(msgspec.Struct, frozen=True):
    """Something that may hold a token: printed, it is only its name."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Listener(Hidden, frozen=True):
    """A TCP socket that listens."""

    host: str
    port: Port
    uid: Whole = -1
    user: str = ""
    pid: Whole | None = None
    """Who holds the socket, where that may be seen."""
    guess: Whole | None = None
    """A process of its user whose command line names the port."""


class Socket(Hidden, frozen=True):
    """A unix socket that listens and whose holder may be seen."""

    path: str
    pid: Whole


class RunningServices(Hidden, frozen=True):
    """A process that listens, or may."""

    name: str = ""
    words: tuple[str, ...] = ()
    uid: Whole = -1
    user: str = ""
    folder: str = ""
    """Where it was started; empty where that may not be seen."""
    token: str = ""
    """What its own file holds."""
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
    """Where the pages of Zabbix are, by what its packages installed."""

    nginx: Whole = 0
    apache: bool = False


class ServiceFacts(Hidden, frozen=True):
    """All that one look at a box gives."""

    v: Whole = 0
    uid: Whole = -1
    proc: bool = True
    """Whether the box has the tables that were looked into."""
    listeners: tuple[Listener, ...] = ()
    sockets: tuple[Socket, ...] = ()
    processes: dict[str, RunningServices] = msgspec.field(default_factory=dict[str, RunningServices])
    """By pid."""
    programs: dict[str, tuple[RunningServices, ...]] = msgspec.field(
        default_factory=dict[str, tuple[RunningServices, ...]]
    )
    """By uid: what the users run whose sockets may not be looked into."""
    jupyter: tuple[msgspec.Raw, ...] = ()
    """Files of Jupyter servers; they may be of any version, or not theirs at all."""
    tensorboard: tuple[msgspec.Raw, ...] = ()
    zabbix: Zabbix = Zabbix()
