"""Whether a firewall guards the box, and lets the SSH server's port through."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.network.facts import NO_ROUTE, FilteredPort, NetworkFacts, SshConnection
from gpubox.core.sanitize import clean

_ON = "sudo ufw allow {port}/tcp && sudo ufw enable; allow the port first, or the next login fails"
_KERNEL = ("nftables", "iptables")
_LOOK = {"iptables": "sudo iptables -S", "ip6tables": "sudo ip6tables -S"}


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(NetworkFacts)
    if not facts.routes:
        return not_here(NO_ROUTE)
    firewall = facts.firewall
    kind = clean(firewall.kind, 20)
    if firewall.active:
        return _judge_rules(kind, firewall.rules, facts)
    if facts.container:
        return not_here("The firewall belongs to the host of the container")
    if firewall.active is None:
        return unknown("Only root sees the rules of the kernel", "sudo nft list ruleset; sudo iptables -S")
    port = (facts.ssh_ports or (22,))[0]
    if kind == "ufw":
        return warning("ufw is enabled in its file, and not active", "sudo ufw enable", value="off")
    if facts.public_four:
        text = "No firewall, and the address is public; one of the provider cannot be seen from here"
        return warning(text, _ON.format(port=port), value="none")
    if facts.public:
        text = "No firewall; the router stops what comes over IPv4, and may let IPv6 through"
        return hint(text, _ON.format(port=port), value="none")
    return ok("No firewall on the box; a router is between it and the internet", value="none")


def _judge_rules(kind: str, rules: Sequence[str] | None, facts: NetworkFacts) -> Result:
    """Judge a firewall that is on: the SSH server's port has to pass it."""
    if facts.firewall.kind in _KERNEL:
        return _judge_kernel(kind, facts)
    if rules is None:
        return ok(f"{kind} is on", value=kind)
    details = _details(rules)
    ports = _ports(facts)
    closed = [port for port in ports if not any(_names(line, port) for line in rules)]
    if closed and len(closed) == len(ports):
        text = f"No rule of {kind} seems to name port {closed[0]}: new logins may be refused"
        if kind == "ufw":
            return warning(text, f"sudo ufw allow {closed[0]}/tcp", value=kind, details=details)
        step = f"sudo firewall-cmd --permanent --add-port={closed[0]}/tcp && sudo firewall-cmd --reload"
        return warning(text, step, value=kind, details=details)
    return ok(f"{kind} is on", value=kind, details=details)


def _judge_kernel(kind: str, facts: NetworkFacts) -> Result:
    """Judge the rules of nftables or iptables by what they do to a new login."""
    firewall = facts.firewall
    if not firewall.ports:
        if firewall.rules is not None:
            return ok(f"{kind} is on", value=kind, details=_details(firewall.rules))
        return unknown(f"{kind} is on; its rules could not be read", "sudo nft list ruleset")
    details = _details(firewall.rules or ())
    open_one = next((one for one in firewall.ports if one.lets_in), None)
    if open_one is not None:
        text = f"{kind} is on, and lets new logins in at port {open_one.port}"
        return ok(text, value=kind, details=details)
    unsure = next((one for one in firewall.ports if one.lets_in is None), None)
    if unsure is not None:
        text = f"Whether {kind} lets new logins in at port {unsure.port} depends on: {clean(unsure.why, 120)}"
        return unknown(text, _LOOK.get(unsure.tool, "sudo nft list ruleset"))
    shut = firewall.ports[0]
    login = _login(facts)
    who = "new logins" if login is None else f"new logins from {clean(login.client, 64)}"
    text = f"{kind} refuses {who} at port {shut.port}: {clean(shut.why, 120)} in {clean(shut.chain, 60)}"
    return warning(text, _let_in(shut), value=kind, details=details)


def _let_in(shut: FilteredPort) -> str:
    """Return the command that lets a port through the chain that refuses it."""
    chain = clean(shut.chain, 100)
    if shut.tool == "nft":
        begin, file = f"sudo nft insert rule {chain} tcp dport {shut.port} accept", "in /etc/nftables.conf"
    else:
        table, _, name = chain.partition(" ")
        option = "" if table == "filter" else f"-t {table} "
        begin = f"sudo {clean(shut.tool, 20)} {option}-I {name} -p tcp --dport {shut.port} -j ACCEPT"
        file = "with netfilter-persistent save, or service iptables save"
    return f"{begin}; then keep it {file}, or it is gone after a reboot"


def _ports(facts: NetworkFacts) -> tuple[int, ...]:
    """Return the port through which this login came from outside, else those of the SSH server."""
    login = _login(facts)
    return facts.ssh_ports if login is None else (login.port,)


def _login(facts: NetworkFacts) -> SshConnection | None:
    """Return this login, where it came from outside."""
    login = facts.connection
    near = login is None or login.client in (login.server, "::1") or login.client.startswith("127.")
    return None if near else login


def _details(rules: Sequence[str]) -> tuple[str, ...]:
    return tuple(clean(line, 100) for line in rules[:20])


def _names(line: str, port: int) -> bool:
    """Return whether a rule seems to let a port through: by number, in a range, by service, or all ports."""
    low = line.lower()
    if "deny" in low or "reject" in low:
        return False
    if "openssh" in low or re.search(r"\bssh\b", low) or "anywhere allow" in low or "target: accept" in low:
        return True
    if re.search(rf"\b{port}\b", low):
        return True
    return any(
        int(first) <= port <= int(last) for first, last in re.findall(r"\b(\d{1,5})[-:](\d{1,5})\b", low)
    )


CHECK = Check(
    id="network.firewall",
    title="A firewall guards the box",
    why="A firewall lets in what is meant for others, the SSH server and perhaps a web server, and stops "
    "what was started with the wrong address. Allow the SSH server's port before it is switched on: an open "
    "login goes on, and the next one fails. This panel needs no other port. The rules of nftables and "
    "iptables are followed as the kernel does for a new login from your address; what a rule compares "
    "beyond that, such as a mark, makes the result unknown. Docker publishes its ports past ufw.",
    command="sudo ufw status verbose; sudo firewall-cmd --list-all; sudo nft list ruleset",
    needs=(NetworkFacts,),
    judge=_judge,
)
