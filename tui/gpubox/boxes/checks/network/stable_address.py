"""Whether the address of the box stays the same."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.network.facts import NetworkFacts, reach
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(NetworkFacts)
    if facts.no_network:
        return not_here(facts.no_network)
    own = facts.own
    address = clean(own.address, 64)
    by_dhcp = own.dynamic or any(
        one.protocol == "dhcp" and one.interface == own.interface for one in facts.routes
    )
    if not by_dhcp:
        return ok(f"{address} is set on the box, as far as it shows", value="static")
    if facts.cloud:
        return ok(f"{address} is given by {facts.cloud}, which usually keeps it", value="dhcp")
    if facts.ways_in:
        return ok(f"{address} is given by DHCP; {clean(facts.ways_in[0], 20)} has its own", value="dhcp")
    if facts.namers:
        return ok(f"{address} may change; {clean(facts.namers[0], 20)} keeps a name at it", value="dhcp")
    if reach(own.address) == "public":
        text = f"{address} is given by DHCP, and may change"
        return hint(text, "Let a program such as ddclient keep a name of DNS at it", value="dhcp")
    text = f"{address} is given by DHCP, and may change"
    return hint(text, "In the router, reserve this address for the box", value="dhcp")


CHECK = Check(
    id="network.stable-address",
    title="The address of the box stays the same",
    why="A router gives addresses for a time. When the box gets another one, its name in ~/.ssh/config and "
    "the router's forwarding lead to nothing, or to another machine: then ssh warns of a changed host key. "
    "Reserve the address in the router rather than on the box, where a wrong value cuts it off.",
    command="ip addr; ip route",
    needs=(NetworkFacts,),
    judge=_judge,
)
