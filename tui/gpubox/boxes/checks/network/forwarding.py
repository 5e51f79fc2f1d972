"""What a router has to forward so that the box is reached from outside."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.network.facts import NetworkFacts, reach
from gpubox.core.sanitize import clean

_OTHER_WAYS = (
    "Without the router: Tailscale or WireGuard on both machines",
    "or a tunnel from the box to a host that you reach: ssh -N -R 2222:localhost:22 HOST",
    "or ProxyJump through a machine of the same network",
)


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(NetworkFacts)
    if facts.no_network:
        return not_here(facts.no_network)
    if not facts.listening:
        return not_here("No SSH server listens here")
    own = facts.own
    if facts.public_four:
        return ok("Its address is public: no router has to forward anything", value="public")
    if facts.ways_in:
        return ok(
            f"{', '.join(clean(name, 20) for name in facts.ways_in[:3])} runs",
            value=clean(facts.ways_in[0], 20),
        )
    if facts.connection is not None and reach(facts.connection.client) == "public":
        text = f"A login from {clean(facts.connection.client, 64)} came in: the way from outside works"
        return ok(text, value="works")
    if reach(own.address) == "carrier":
        text = "Behind the NAT of a carrier no port can be forwarded to the box"
        return hint(
            text, "Use Tailscale, WireGuard or a tunnel from the box", value="carrier", details=_OTHER_WAYS
        )
    if facts.cloud:
        return ok("Its provider forwards; the rules are in the provider's console", value="cloud")
    port = (facts.ssh_ports or (22,))[0]
    target = f"{clean(own.address, 64)}, port {port}"
    router = next((clean(one.gateway, 64) for one in facts.routes if one.gateway), "")
    details = (
        f"In the router{f' ({router})' if router else ''}: forward a TCP port, for example 2222, to {target}",
        "Forward no other port: this panel reaches all the rest through its tunnels",
        "Refuse passwords first; in the router, keep the address of the box",
        *_OTHER_WAYS,
    )
    return ok(
        f"To reach it from outside, let the router forward to {target}", value="router", details=details
    )


CHECK = Check(
    id="network.forwarding",
    title="It is known how the box is reached from outside",
    why="A box at home or in a laboratory is reached from outside when its router forwards one TCP port to "
    "the SSH server, or through a VPN. One port is enough: pages, desktops and files go through the tunnels "
    "of this panel. UPnP would open ports for any program that asks, and is better left off.",
    command="ip route; ip addr; echo $SSH_CONNECTION",
    needs=(NetworkFacts,),
    judge=_judge,
)
