"""Follows the first packet of a new login through the kernel's filters, and says whether it gets in.

What is not understood of a rule makes the answer unknown: it is never taken for a refusal.
"""

from __future__ import annotations

import ipaddress
from typing import Dict, Iterable, List, NamedTuple, Optional

OTHER_PORT = 47
"""Stands for a port that no rule is about: a reserved one, at which nothing has ever listened."""
DEEPEST = 16
"""Most chains that lead into one another; the kernel's own limit."""
BANS = ("f2b", "fail2ban", "sshguard", "crowdsec")
"""How the names of chains and tables begin that shut out single addresses, and are no firewall."""


class Packet(NamedTuple):
    """The first packet of a connection over TCP, as it comes in."""

    family: int
    """4 or 6."""
    port: int
    source: str = ""
    """The address that it comes from; "" is unknown, as in the next two."""
    target: str = ""
    """The address of this machine that it goes to."""
    interface: str = ""
    """The interface through which it comes; never the loopback."""


class Step(NamedTuple):
    """What a rule does to one packet."""

    matches: Optional[bool]
    """Whether the rule is for the packet; None is unknown."""
    action: str
    """accept, drop, jump, goto, return, or `unknown`, which may be any of these; "" goes on."""
    target: str
    """The chain of a jump or goto."""
    text: str
    """The rule, as its tool prints it."""


class Chain(NamedTuple):
    """Rules in their order."""

    steps: List[Step]
    policy: str = "accept"
    """What becomes of a packet at the end of a chain where packets come in."""


class PacketRules(NamedTuple):
    """The chains of one tool, as they are for one packet."""

    tool: str
    """nft, iptables or ip6tables."""
    chains: Dict[str, Chain]
    entries: List[str]
    """The chains where packets for this machine come in: all of them have to accept one."""


class PacketVerdict(NamedTuple):
    """Whether a packet gets in."""

    lets_in: Optional[bool]
    """None is unknown."""
    why: str = ""
    """The rule or the policy that decides."""
    tool: str = ""
    chain: str = ""
    """The chain where the packet came in that was refused."""


class Course:
    """All that may become of a packet in the chains of one tool."""

    def __init__(self, rules: PacketRules, *, guess: Optional[bool] = None) -> None:
        """`guess` stands for what is unknown of a rule."""
        self._rules = rules
        self._guess = guess
        self._known: Dict[str, Dict[str, str]] = {}

    def of_entry(self, name: str) -> Dict[str, str]:
        """Return what may become of a packet that comes in here, each with what decides it.

        The keys are accept, drop, and `doubt`, the first rule that was not understood.
        """
        found = dict(self._of(name, 0))
        if "end" in found:
            del found["end"]
            policy = self._rules.chains[name].policy
            found.setdefault(policy, "policy %s" % policy)
        return found

    def _of(self, name: str, depth: int) -> Dict[str, str]:
        """Return what may become of a packet in a chain; `end` is to leave it without a verdict."""
        if name not in self._rules.chains or depth > DEEPEST:
            return {"accept": name, "drop": name, "end": name, "doubt": name}
        if name in self._known:
            return self._known[name]
        found: Dict[str, str] = {}
        for step in self._rules.chains[name].steps:
            matches = self._guess if step.matches is None else step.matches
            if matches is False or not step.action:
                continue
            if matches is None:
                found.setdefault("doubt", step.text)
            goes_on = self._take(step, found, depth)
            if matches and not goes_on:
                break
        else:
            found.setdefault("end", "")
        self._known[name] = found
        return found

    def _take(self, step: Step, found: Dict[str, str], depth: int) -> bool:
        """Add what a rule may do with a packet; return whether the next rule may get it, too."""
        if step.action in ("accept", "drop"):
            found.setdefault(step.action, step.text)
        elif step.action == "return":
            found.setdefault("end", step.text)
        elif step.action in ("jump", "goto"):
            below = self._of(step.target, depth + 1)
            for outcome, text in below.items():
                if outcome != "end":
                    found.setdefault(outcome, text)
            if "end" in below and step.action == "goto":
                found.setdefault("end", step.text)
            return "end" in below and step.action == "jump"
        else:
            for outcome in ("accept", "drop", "doubt"):
                found.setdefault(outcome, step.text)
            return True
        return False


def verdict(every: Iterable[PacketRules]) -> PacketVerdict:
    """Return whether a packet passes all chains where it comes in."""
    unsure: Optional[PacketVerdict] = None
    why = ""
    for rules in every:
        course = Course(rules)
        for name in rules.entries:
            found = course.of_entry(name)
            if "drop" not in found:
                why = why or ("" if found.get("accept") == "policy accept" else found.get("accept", ""))
            elif "accept" not in found:
                return PacketVerdict(False, found["drop"], rules.tool, name)
            elif unsure is None:
                unsure = PacketVerdict(None, found.get("doubt") or found["drop"], rules.tool, name)
    return unsure or PacketVerdict(True, why)


def refusing(every: Iterable[PacketRules]) -> str:
    """Return the tool whose chains refuse a packet for a port that no rule is about; "" for none.

    A rule in the first chain that may refuse it is enough; chains that only shut out addresses do not count.
    """
    for rules in every:
        course = Course(rules, guess=False)
        for name in rules.entries:
            if any(word.startswith(BANS) for word in name.split()):
                continue
            direct = (step for step in rules.chains[name].steps if step.action == "drop")
            if "drop" in course.of_entry(name) or any(step.matches is not False for step in direct):
                return rules.tool
    return ""


def inside(address: str, network: str) -> Optional[bool]:
    """Return whether an address is in a network or is the same address; None when either is unreadable."""
    try:
        if "/" not in network:
            return address == network or ipaddress.ip_address(address) == ipaddress.ip_address(network)
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return None


def between(address: str, first: str, last: str) -> Optional[bool]:
    """Return whether an address is in a range; None when one of the three is unreadable."""
    try:
        low, here, high = (ipaddress.ip_address(one) for one in (first, address, last))
    except ValueError:
        return None
    if not low.version == here.version == high.version:
        return False
    return int(low) <= int(here) <= int(high)


def through(packet: Packet, pattern: str, wildcard: str) -> Optional[bool]:
    """Return whether a packet comes through an interface; the pattern may end in a wildcard."""
    if pattern == "lo":
        return False
    if not packet.interface:
        return None
    if pattern.endswith(wildcard):
        return packet.interface.startswith(pattern[: -len(wildcard)])
    return packet.interface == pattern


def opposite(matches: Optional[bool]) -> Optional[bool]:
    """Return the negation; None stays unknown."""
    return None if matches is None else not matches


def any_of(found: Iterable[Optional[bool]]) -> Optional[bool]:
    """Return whether one of several conditions holds; None when that depends on what is unknown."""
    unknown = False
    for one in found:
        if one:
            return True
        unknown = unknown or one is None
    return None if unknown else False
