"""Facts of the kernel's filters: whether they refuse what comes in, and let new logins through."""

from __future__ import annotations

import re

from gpubox.remote.checks import commands, iptables, nftables
from gpubox.remote.checks.packet_filter import OTHER_PORT, Packet, PacketRules, refusing, verdict

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional

    Row = Dict[str, Any]

LINES = 40
"""Most rules that are sent."""
KINDS = {"nft": "nftables", "iptables": "iptables", "ip6tables": "iptables"}
"""The firewalls by their tools."""
LEGACY = "iptables-legacy tables present"
"""What iptables-save says when another one has rules, too."""


class KernelFilters:
    """The rules of all tools on this machine, for one family of addresses."""

    def __init__(self, family: int) -> None:
        self.tool = "iptables" if family == 4 else "ip6tables"
        self.nft = nft_ruleset()
        self.tables: List[Dict[str, iptables.IptablesTable]] = []
        """What each iptables has; two of them may have rules at the same time."""
        self.complete = True
        """Whether everything that is there could be read."""
        saved = commands.run("%s-save" % self.tool, seconds=commands.QUICK)
        if saved is not None and self._take(saved):
            if self.nft is not None and "(nf_tables)" in saved.out:  # nft prints them less exactly
                self.nft.without("ip" if family == 4 else "ip6", self.tables[0])
            if LEGACY in saved.out + saved.err:
                legacy = commands.run("%s-legacy-save" % self.tool, seconds=commands.QUICK)
                self.complete = legacy is not None and self._take(legacy)

    def _take(self, saved: commands.Done) -> bool:
        """Take the tables that an iptables-save printed; return whether they are all there."""
        whole = saved.status == 0 and len(saved.out) < commands.OUTPUT
        if whole:
            self.tables.append(iptables.tables(saved.out))
        return whole

    def rules(self, packet: Packet) -> List[PacketRules]:
        """Return all chains as they are for one packet."""
        found = [iptables.rules(self.tool, tables, packet) for tables in self.tables]
        return [*([self.nft.packet_rules(packet)] if self.nft is not None else []), *found]

    def lines(self, packet: Packet) -> List[str]:
        """Return the rules of the chains where packets come in."""
        shown = self.nft.lines(packet) if self.nft is not None else []
        return [*shown, *(line for tables in self.tables for line in iptables.lines(tables))]


def look(packet: Packet, ports: List[int]) -> Row:
    """Return whether the kernel filters what comes in, and whether it lets a packet in at each port.

    Only root sees the rules.
    """
    found = KernelFilters(packet.family)
    if found.nft is None:
        row = without_json()
        if row["active"] or not found.tables:
            return row
    tool = refusing(found.rules(packet._replace(port=OTHER_PORT)))
    if not tool:
        return {"kind": "", "active": False if found.complete else None, "rules": None}
    return {
        "kind": KINDS[tool],
        "active": True,
        "rules": [line[:100] for line in found.lines(packet)][:LINES],
        "ports": [of_port(found, packet._replace(port=port)) for port in ports],
    }


def of_port(found: KernelFilters, packet: Packet) -> Row:
    """Return whether a packet gets in, and what decides that."""
    came = verdict(found.rules(packet))
    lets_in = came.lets_in if found.complete or came.lets_in is False else None
    return {
        "port": packet.port,
        "lets_in": lets_in,
        "why": came.why[:200],
        "tool": came.tool,
        "chain": came.chain[:100],
    }


def nft_ruleset() -> Optional[nftables.NftRuleset]:
    """Return the ruleset of nftables; None where it cannot be read."""
    shown = commands.output("nft", "-j", "list", "ruleset", seconds=commands.QUICK)
    if not shown:
        return None
    return nftables.read(shown, commands.output("nft", "-a", "list", "ruleset", seconds=commands.QUICK))


def without_json() -> Row:
    """Return whether an nft that prints no JSON has rules that refuse anything."""
    ruleset = commands.run("nft", "list", "ruleset", seconds=commands.QUICK)
    if ruleset is None or ruleset.status != 0:
        return {"kind": "", "active": None, "rules": None}
    shut = closed(ruleset.out)
    return {"kind": "nftables" if shut else "", "active": shut, "rules": None}


def closed(ruleset: str) -> bool:
    """Return whether a chain for incoming packets of nftables refuses any; fail2ban's are no firewall."""
    for chain in re.findall(r"\bchain (?!f2b)[^\s{]+ \{([^}]*)\}", re.sub(r"\{[^{}\n]*\}", "", ruleset)):
        if "hook input" in chain and re.search(r"policy drop|\b(drop|reject)\b", chain):
            return True
    return False
