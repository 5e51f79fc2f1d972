"""Facts of what watches the box, as remote/checks/monitoring.py gathers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from gpubox.boxes.checks.check import Facts
from gpubox.core.bounds import Number, Whole


class AgentPort(msgspec.Struct, frozen=True):
    """An address at which an agent listens."""

    host: str
    port: Whole
    local: bool = True
    """Whether only the box itself reaches it."""
    asked: Number | None = None
    """Seconds since the newest connection to it that is known was closed, 0 while one is open. Linux forgets
    after a minute."""


class MonitoringAgent(msgspec.Struct, frozen=True):
    """A program that reports on the box, and runs."""

    name: str
    process: str = ""
    user: str = ""
    ports: tuple[AgentPort, ...] = ()
    """Known only as far as this login may see them."""


class ZabbixTalk(msgspec.Struct, frozen=True):
    """A connection of the last minute between an agent of Zabbix and a server."""

    peer: str
    """An entry of ServerActive, or the address that asked."""
    port: Whole
    """The port of the server, or of the agent where the server asked."""
    seconds: Number
    """Since it was closed, 0 while it is open."""
    asked: bool = False
    """Whether the server opened it to ask the agent."""
    certain: bool = True
    """Whether the address fits the configuration; false where that has a name, which is not looked up."""


class ZabbixTrouble(msgspec.Struct, frozen=True):
    """What is wrong between an agent of Zabbix and one of its servers, by the agent's log."""

    server: str = ""
    """Address and port; empty when the log does not name them."""
    seconds: Number | None = None
    """How long it has lasted, or since the server last said so; None when the time is unknown."""
    text: str = ""
    """The error, or the words of the server."""
    answers: bool = False
    """Whether the server answers, and has nothing for this agent: most often it does not know the host."""


class RejectedAddress(msgspec.Struct, frozen=True):
    """An address that asked an agent of Zabbix and was turned away."""

    address: str
    seconds: Number
    """Since it last asked."""


class ZabbixAgent(msgspec.Struct, frozen=True):
    """An agent of Zabbix that is installed or runs."""

    program: str
    """`zabbix_agentd` or `zabbix_agent2`."""
    path: str = ""
    """Its configuration; empty when none was found."""
    runs: bool = False
    installed: bool = False
    readable: bool = False
    settings: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """Server, ServerActive, Hostname, ListenIP, ListenPort, TLSAccept, TLSConnect."""
    psk: bool = False
    """Whether it names a file with a pre-shared key."""
    parameters: Whole = 0
    """How many UserParameter lines it has."""
    gpu: bool = False
    """Whether a parameter or a plugin of it is about GPUs."""
    commands: bool = False
    """Whether the server may run any command on the box."""
    log: str = ""
    """The file to which it logs."""
    log_state: str = ""
    """`read`, `denied`, `missing`, `unreadable`, `none` where it logs to no file, or `quiet` where it logs
    no failures."""
    troubles: tuple[ZabbixTrouble, ...] = ()
    """What the log says of its reports, and nothing after it takes back."""
    rejected: tuple[RejectedAddress, ...] = ()
    """Those of the last day, the newest first."""
    talks: tuple[ZabbixTalk, ...] = ()


class MonitoringFacts(Facts, frozen=True):
    """What watches the box."""

    SECTION: ClassVar[str] = "monitoring"

    agents: tuple[MonitoringAgent, ...] | None = None
    """None when the processes could not be read in time."""
    zabbix: tuple[ZabbixAgent, ...] | None = None
    server: bool = False
    """Whether a server or a proxy of Zabbix runs on the box itself."""
