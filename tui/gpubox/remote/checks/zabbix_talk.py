"""Finds connections between an agent of Zabbix and its servers in the kernel's table."""

from __future__ import annotations

from gpubox.common.zabbix import divided, entries
from gpubox.remote.checks import running
from gpubox.remote.checks.zabbix_log import whole

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from ipaddress import IPv4Network, IPv6Network
    from typing import Any, Collection, Dict, List, Mapping, Optional, Union

    Row = Dict[str, Any]
    Networks = List[Union[IPv4Network, IPv6Network]]

SERVER_PORT = 10051
AGENT_PORT = 10050
SERVERS = 10
"""Most servers that are looked for."""


def talks(settings: Mapping[str, str], rejected: Collection[str] = ()) -> List[Row]:
    """Return the newest connection with each server that the agent reports to, and of one that asked it.

    `rejected` are addresses that the agent turned away: their connections say nothing. Names are not looked
    up, so where a setting is a name the port alone has to fit, and `certain` is false.
    """
    found = [reported(entry) for entry in entries(settings.get("ServerActive", ""))[:SERVERS]]
    found.append(asked(settings, rejected))
    return [row for row in found if row]


def reported(entry: str) -> Optional[Row]:
    """Return the newest connection to a server."""
    host, number = divided(entry)
    port, networks = whole(number, SERVER_PORT), addresses(host)
    ages = [
        one.age
        for one in running.connected()
        if (one.peer_port == port and (networks is None or within(one.peer, networks)))
        or (one.port == port and networks is not None and within(one.host, networks))  # a server on this box
    ]
    if not ages:
        return None
    certain = networks is not None
    return {"peer": entry[:200], "port": port, "seconds": min(ages), "asked": False, "certain": certain}


def asked(settings: Mapping[str, str], rejected: Collection[str]) -> Optional[Row]:
    """Return the newest connection of one that may ask the agent."""
    port = whole(settings.get("ListenPort", ""), AGENT_PORT)
    known: Networks = []
    names = False
    for entry in entries(settings.get("Server", "")):
        networks = addresses(entry)
        names = names or networks is None
        known += networks or []
    best: Optional[Row] = None
    for one in running.connected():
        if one.port != port or one.peer in rejected:
            continue
        certain = within(one.peer, known)
        if not (certain or names) or (best and (best["certain"], -best["seconds"]) >= (certain, -one.age)):
            continue
        best = {"peer": one.peer, "port": port, "seconds": one.age, "asked": True, "certain": certain}
    return best


def addresses(entry: str) -> Optional[Networks]:
    """Return the networks that an entry stands for, or None for a name."""
    import ipaddress  # 5 ms, only with an agent

    words = ("127.0.0.0/8", "::1") if entry == "localhost" else (entry.strip("[]"),)
    try:
        return [ipaddress.ip_network(word, strict=False) for word in words]
    except ValueError:
        return None


def within(host: str, networks: Networks) -> bool:
    """Return whether an address belongs to one of the networks."""
    import ipaddress

    try:
        place = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(place in network for network in networks)
