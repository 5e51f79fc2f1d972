"""Facts of what watches the box, as remote/checks/monitoring.py gathers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from gpubox.boxes.checks.check import Facts
from gpubox.core.bounds import Whole


class AgentPort(msgspec.Struct, frozen=True):
    """An address at which an agent listens."""

    host: str
    port: Whole
    local: bool = True
    """Whether only the box itself reaches it."""


class MonitoringAgent(msgspec.Struct, frozen=True):
    """A program that reports on the box, and runs."""

    name: str
    process: str = ""
    user: str = ""
    ports: tuple[AgentPort, ...] = ()
    """Known only as far as this login may see them."""


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


class MonitoringFacts(Facts, frozen=True):
    """What watches the box."""

    SECTION: ClassVar[str] = "monitoring"

    agents: tuple[MonitoringAgent, ...] | None = None
    """None when the processes could not be read in time."""
    zabbix: tuple[ZabbixAgent, ...] | None = None
    server: bool = False
    """Whether a server or a proxy of Zabbix runs on the box itself."""
