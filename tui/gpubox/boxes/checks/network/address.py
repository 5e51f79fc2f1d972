"""What the address of the box says about who reaches it."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, not_here, ok
from gpubox.boxes.checks.network.facts import NetworkFacts, reach
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(NetworkFacts)
    if facts.no_network:
        return not_here(facts.no_network)
    own = facts.own
    address = clean(own.address, 64)
    six = next((clean(one.address, 64) for one in facts.public if ":" in one.address), "")
    details = [f"{clean(one.address, 64)} on {clean(one.interface, 32)}" for one in facts.addresses[:8]]
    if six and "." in address:
        details.append("Most routers at home let nothing in over IPv6 either, unless they are told to")
    kind = reach(own.address)
    if kind == "public":
        text = f"{address} is public: the internet reaches the box, unless a firewall stops it"
    elif kind == "carrier":
        text = f"{address} is behind the NAT of a carrier: nobody outside reaches it over IPv4"
    elif facts.cloud:
        text = (
            f"{address} is private, as is usual at {facts.cloud}; its public address is known to the provider"
        )
    else:
        text = f"{address} is private; what is beyond the router cannot be seen from inside"
    if six and six != address:
        text += f"; over IPv6 it is {six}"
    return ok(text, value=kind, details=tuple(details))


CHECK = Check(
    id="network.address",
    title="The box has an address",
    why="A public address is reached by everybody, so the firewall and the SSH server stand alone. A "
    "private one is behind a router, which has to forward a port. From inside nobody can tell whether the "
    "router itself has a public address, and this check asks no one outside. VPNs and bridges of containers "
    "are left out.",
    command="ip addr; ip route",
    needs=(NetworkFacts,),
    judge=_judge,
)
