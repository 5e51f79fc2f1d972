"""Reads what iptables-save prints: the rules for packets that come in, as they are for one packet."""

from __future__ import annotations

import re
import shlex
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from gpubox.remote.checks.packet_filter import (
    Chain,
    Packet,
    PacketRules,
    Step,
    any_of,
    inside,
    opposite,
    through,
)
from gpubox.remote.checks.sshd_config import both

Condition = Callable[[List[str], Packet], Optional[bool]]
"""Says of the values of an option whether a packet is what it asks for."""

TABLES = ("filter", "mangle", "security")
"""Tables whose chain INPUT may refuse a packet."""
ENTRY = "INPUT"
ACTIONS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "TARPIT": "drop", "RETURN": "return"}
NO_VERDICT = (
    *("LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "SECMARK", "CONNSECMARK", "SET", "AUDIT", "TRACE", "CT"),
    *("NOTRACK", "TCPMSS", "CLASSIFY", "DSCP", "TOS", "TTL", "HL", "IDLETIMER", "LED", "RATEEST", "CHECKSUM"),
)
"""Targets after which the next rule gets the packet."""
MODULES = (
    *("tcp", "udp", "icmp", "icmp6", "comment", "state", "conntrack", "multiport", "limit", "hashlimit"),
    *("connlimit", "addrtype", "pkttype"),
)
"""Modules whose options are known; of any other it is unknown what it compares."""


class IptablesTable(NamedTuple):
    """A table."""

    policies: Dict[str, str]
    """Of each chain; `-` for one that people made."""
    rules: Dict[str, List[str]]
    """The lines of each chain, without `-A` and its name."""


def tables(text: str) -> Dict[str, IptablesTable]:
    """Return the tables that iptables-save printed, by name."""
    found: Dict[str, IptablesTable] = {}
    now = IptablesTable({}, {})
    for line in text.splitlines():
        if line.startswith("*"):
            now = found.setdefault(line[1:].strip(), IptablesTable({}, {}))
        elif line.startswith(":"):
            name, _, rest = line[1:].partition(" ")
            now.policies[name] = rest.split(" ")[0]
            now.rules.setdefault(name, [])
        else:
            rule = re.match(r"(?:\[\d+:\d+\] )?-A (\S+) (.*)", line)
            if rule:
                now.rules.setdefault(rule.group(1), []).append(rule.group(2))
    return found


def lines(found: Dict[str, IptablesTable]) -> List[str]:
    """Return the policies and the rules of the chains where packets come in, as one types them."""
    shown: List[str] = []
    for name in TABLES:
        table = found.get(name)
        if table is not None and (table.rules.get(ENTRY) or table.policies.get(ENTRY) == "DROP"):
            option = "" if name == "filter" else "-t %s " % name
            shown.append("%s-P %s %s" % (option, ENTRY, table.policies.get(ENTRY, "")))
            shown += ["%s-A %s %s" % (option, ENTRY, rule) for rule in table.rules.get(ENTRY, ())]
    return shown


def rules(tool: str, found: Dict[str, IptablesTable], packet: Packet) -> PacketRules:
    """Return the chains of all tables as they are for one packet."""
    chains: Dict[str, Chain] = {}
    entries = ["%s %s" % (name, ENTRY) for name in TABLES if name in found and ENTRY in found[name].rules]
    waiting = list(entries)
    while waiting:  # only what a packet may come to: some machines have thousands of other rules
        name, _, chain = waiting[0].partition(" ")
        table = found[name]
        steps = [step("-A %s %s" % (chain, rule), packet, name, table) for rule in table.rules.get(chain, ())]
        chains[waiting.pop(0)] = Chain(steps, "drop" if table.policies.get(chain) == "DROP" else "accept")
        waiting += {one.target for one in steps if one.target} - {*chains, *waiting}
    return PacketRules(tool, chains, entries)


def step(text: str, packet: Packet, name: str, table: IptablesTable) -> Step:
    """Return what a rule of a table does to a packet; it begins with -A and the name of its chain."""
    try:
        words = shlex.split(text)
    except ValueError:
        return Step(None, "unknown", "", text)
    matches: Optional[bool] = True
    negated = False
    place = 2
    while place < len(words):
        word = words[place]
        place += 1
        if word == "!":
            negated = True
            continue
        if word in ("-j", "-g") and place < len(words):
            return Step(matches, *verdict(word, words[place], name, table), text)
        begin = place
        if word == "--comment":
            place += 1
        while place < len(words) and not words[place].startswith("-") and words[place] != "!":
            place += 1
        condition = CONDITIONS.get(word)
        found = condition(words[begin:place], packet) if condition is not None and place > begin else None
        matches = both(matches, True if word in NO_CONDITION else opposite(found) if negated else found)
        negated = False
    return Step(matches, "", "", text)


def verdict(option: str, target: str, name: str, table: IptablesTable) -> Tuple[str, str]:
    """Return the action and the chain of a target."""
    if target in ACTIONS:
        return ACTIONS[target], ""
    if target in table.rules:
        return ("goto" if option == "-g" else "jump"), "%s %s" % (name, target)
    return ("" if target in NO_VERDICT else "unknown"), ""


def protocol(values: List[str], _: Packet) -> Optional[bool]:
    """Return whether a protocol is TCP."""
    return values[0].lower() in ("tcp", "6", "all", "0")


def ports(values: List[str], packet: Packet) -> Optional[bool]:
    """Return whether the port is in a list of ports and ranges."""
    return any_of(port_in(part, packet.port) for part in values[0].split(","))


def port_in(part: str, port: int) -> Optional[bool]:
    """Return whether a port is in a range such as `1024:`, or is that port; None for one by name."""
    first, colon, last = part.partition(":")
    if not re.fullmatch(r"\d{0,5}:?\d{0,5}", part) or part in ("", ":"):
        return None
    return int(first or 0) <= port <= int((last or 65535) if colon else first)


def either_port(values: List[str], packet: Packet) -> Optional[bool]:
    """Return whether the port is in a list that counts for the port of the client as well."""
    return True if ports(values, packet) else None


def source(values: List[str], packet: Packet) -> Optional[bool]:
    """Return whether a packet comes from a network."""
    return inside(packet.source, values[0]) if packet.source else None


def target(values: List[str], packet: Packet) -> Optional[bool]:
    """Return whether a packet goes to a network."""
    return inside(packet.target, values[0]) if packet.target else None


def state(values: List[str], _: Packet) -> Optional[bool]:
    """Return whether a connection that begins is in one of some states."""
    words = values[0].upper().split(",")
    return True if "NEW" in words else None if {"SNAT", "DNAT", "UNTRACKED"} & set(words) else False


def flags(values: List[str], _: Packet) -> Optional[bool]:
    """Return whether the first packet has such flags: it has SYN alone."""
    if len(values) != 2:
        return None
    mask, expected = (set(value.upper().split(",")) - {"NONE"} for value in values)
    return (expected == {"SYN"}) if {"SYN", "ALL"} & mask else not expected


def kind_of_target(values: List[str], _: Packet) -> Optional[bool]:
    """Return whether an address of this machine is of a kind."""
    return "LOCAL" in values[0].upper().split(",")


CONDITIONS: Dict[str, Condition] = {
    "-p": protocol,
    "-s": source,
    "-d": target,
    "-i": lambda values, packet: through(packet, values[0], "+"),
    "-m": lambda values, _: True if values[0] in MODULES else None,
    "--dport": ports,
    "--dports": ports,
    "--ports": either_port,
    "--state": state,
    "--ctstate": state,
    "--tcp-flags": flags,
    "--dst-type": kind_of_target,
    "--pkt-type": lambda values, _: values[0] == "unicast",
    "--icmp-type": lambda _, __: False,
    "--icmpv6-type": lambda _, __: False,
    # One login is below any limit.
    "--hashlimit-above": lambda _, __: False,
    "--connlimit-above": lambda _, __: False,
}
"""Whether a packet is what an option asks for."""
NO_CONDITION = (
    *("--comment", "--limit", "--limit-burst", "--hashlimit", "--hashlimit-upto", "--hashlimit-burst"),
    *("--hashlimit-mode", "--hashlimit-name", "--hashlimit-srcmask", "--hashlimit-dstmask"),
    *("--hashlimit-htable-size", "--hashlimit-htable-max", "--hashlimit-htable-expire"),
    *("--hashlimit-htable-gcinterval", "--connlimit-upto", "--connlimit-mask", "--connlimit-saddr"),
    "--connlimit-daddr",
)
"""Options that hold for the first packet of a login."""
