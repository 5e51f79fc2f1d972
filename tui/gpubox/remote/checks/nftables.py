"""Reads what `nft -j list ruleset` prints: the rules for packets that come in, as they are for one packet."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Set, Tuple

from gpubox.remote.checks.packet_filter import (
    Chain,
    Packet,
    PacketRules,
    Step,
    any_of,
    between,
    inside,
    opposite,
    through,
)
from gpubox.remote.checks.sshd_config import both

Row = Dict[str, Any]

RULES = 20000
"""Most objects of a ruleset, and elements of a set, that are read."""
VERDICTS = {"accept": "accept", "drop": "drop", "reject": "drop", "return": "return", "continue": ""}
HARMLESS = (
    "counter",
    "log",
    "mangle",
    "ct helper",
    "ct timeout",
    "ct expectation",
    "secmark",
    "notrack",
    "last",
)
"""Statements after which a rule goes on as if they were not there."""
OTHER_PROTOCOLS = (
    "udp",
    "udplite",
    "icmp",
    "icmpv6",
    "igmp",
    "sctp",
    "dccp",
    "ah",
    "esp",
    "comp",
    "arp",
    "gre",
)
"""Protocols of which a packet of TCP has no field."""
NEVER = "never"
"""Stands for a field that the packet does not have: whatever the rule compares, it is not for the packet."""
DORMANT = re.compile(r"^table (\S+) (\S+) \{[^\n]*\n\s+flags [^\n]*\bdormant\b", re.M)
"""A table that is switched off."""
TCP = ("tcp", 6)
FLAG_NAMES = ("fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr")
FLAGS = frozenset({"syn"})
"""The flags of TCP in the first packet of a connection."""


class PacketField(NamedTuple):
    """What a packet has where a rule looks."""

    kind: str
    """port, address, interface, word, flags, or NEVER."""
    values: Tuple[object, ...] = ()
    """The names and numbers of what it has; none where that is unknown."""


UNKNOWN = PacketField("word")


class NftRuleset:
    """A ruleset."""

    def __init__(self, rows: Iterable[Row], texts: Dict[Tuple[str, str, int], str]) -> None:
        self.tables: Set[Tuple[str, str]] = set()
        self.chains: Dict[Tuple[str, str, str], Row] = {}
        self.rules: Dict[Tuple[str, str, str], List[Row]] = {}
        self.sets: Dict[Tuple[str, str, str], Row] = {}
        """Named sets and maps."""
        self._texts = texts
        for row in rows:
            for kind, given in row.items():
                if isinstance(given, dict):
                    self._take(kind, given)

    def _take(self, kind: str, row: Row) -> None:
        family, name = str(row.get("family")), str(row.get("name"))
        table = str(row.get("table"))
        if kind == "table" and "dormant" not in listed(row.get("flags")):
            self.tables.add((family, name))
        elif kind == "chain":
            self.chains[family, table, name] = row
        elif kind == "rule":
            self.rules.setdefault((family, table, str(row.get("chain"))), []).append(row)
        elif kind in ("set", "map"):
            self.sets[family, table, name] = row

    def text(self, rule: Row) -> str:
        """Return a rule as nft prints it."""
        handle = rule.get("handle")
        number = handle if isinstance(handle, int) else -1
        other = "a rule of the chain %s" % rule.get("chain")
        return self._texts.get((str(rule.get("family")), str(rule.get("table")), number), other)

    def without(self, family: str, names: Iterable[str]) -> None:
        """Leave out tables that another tool reads."""
        for name in names:
            self.tables.discard((family, name))

    def entries(self, packet: Packet) -> List[Tuple[str, str, str]]:
        """Return the chains in which a packet for this machine comes in."""
        families = ("inet", "ip" if packet.family == 4 else "ip6")
        return [
            key
            for key, row in self.chains.items()
            if key[0] in families
            and row.get("hook") == "input"
            and row.get("type") == "filter"
            and key[:2] in self.tables
        ]

    def lines(self, packet: Packet) -> List[str]:
        """Return the policies and the rules of the chains where packets come in."""
        shown: List[str] = []
        for key in self.entries(packet):
            shown.append("chain %s: policy %s" % (" ".join(key), self.chains[key].get("policy", "accept")))
            shown += [self.text(rule) for rule in self.rules.get(key, ())]
        return shown

    def packet_rules(self, packet: Packet) -> PacketRules:
        """Return all chains as they are for one packet."""
        chains: Dict[str, Chain] = {}
        entries = self.entries(packet)
        tables = {key[:2] for key in entries}
        for key, row in self.chains.items():
            if key[:2] in tables:
                reader = RuleReader(self, key[0], key[1], packet)
                steps = [step for rule in self.rules.get(key, ()) for step in reader.steps(rule)]
                chains[" ".join(key)] = Chain(steps, str(row.get("policy", "accept")))
        return PacketRules("nft", chains, [" ".join(key) for key in entries])


class RuleReader:
    """Says what the rules of one table do to one packet."""

    def __init__(self, ruleset: NftRuleset, family: str, table: str, packet: Packet) -> None:
        self._ruleset = ruleset
        self._place = family, table
        self._packet = packet

    def steps(self, rule: Row) -> List[Step]:
        """Return what a rule does: more than one step where a map holds its verdicts."""
        text = self._ruleset.text(rule)
        matches: Optional[bool] = True
        for statement in listed(rule.get("expr")):
            if not isinstance(statement, dict) or len(statement) != 1:
                return [Step(both(matches, None), "unknown", "", text)]
            ((kind, given),) = statement.items()
            if kind in VERDICTS:
                return [Step(matches, VERDICTS[kind], "", text)]
            if kind in ("jump", "goto"):
                return [Step(matches, kind, self._chain(given), text)]
            if kind == "vmap":
                return self._by_map(given, matches, text)
            if kind == "xt" and isinstance(given, dict) and given.get("type") == "match":
                matches = both(matches, None)
            elif kind in ("limit", "ct count", "quota", "match", "set", "meter"):
                matches = both(matches, self._condition(kind, given))
            elif kind not in HARMLESS:
                return [Step(both(matches, None), "unknown", "", text)]
        return [Step(matches, "", "", text)]

    def _chain(self, given: object) -> str:
        name = given.get("target") if isinstance(given, dict) else ""
        return " ".join((*self._place, str(name)))

    def _by_map(self, given: object, matches: Optional[bool], text: str) -> List[Step]:
        """Return the steps of a map from values to verdicts."""
        if not isinstance(given, dict):
            return [Step(both(matches, None), "unknown", "", text)]
        found: List[Step] = []
        rest = matches
        for element in self._elements(given.get("data")):
            pair = element if isinstance(element, list) and len(element) == 2 else [None, None]
            same = self._same(given.get("key"), pair[0])
            mine = both(rest, same)
            action, target = self._verdict(pair[1])
            found.append(Step(mine, action, target, text))
            rest = both(rest, opposite(same))
        return found

    def _verdict(self, given: object) -> Tuple[str, str]:
        if not isinstance(given, dict) or len(given) != 1:
            return "unknown", ""
        ((kind, more),) = given.items()
        if kind in VERDICTS:
            return VERDICTS[kind], ""
        return (kind, self._chain(more)) if kind in ("jump", "goto") else ("unknown", "")

    def _condition(self, kind: str, given: object) -> Optional[bool]:
        """Return whether a packet passes a statement that may end its rule. One login is below any limit."""
        if not isinstance(given, dict):
            return None
        if kind in ("limit", "ct count"):
            return not given.get("inv")
        if kind == "quota":
            return None
        if kind in ("set", "meter"):
            result: Optional[bool] = True
            for statement in listed(given.get("stmt")):
                for inner, more in statement.items() if isinstance(statement, dict) else ():
                    result = both(result, True if inner in HARMLESS else self._condition(inner, more))
            return result
        if kind != "match":
            return None
        return self._match(given.get("left"), str(given.get("op")), given.get("right"))

    def _match(self, left: object, operator: str, right: object) -> Optional[bool]:
        if looks_at_flags(left):
            return compared_flags(left, operator, right)
        field = self._field(left)
        parts = listed(left.get("concat")) if isinstance(left, dict) else []
        if field.kind == NEVER or any(self._field(part).kind == NEVER for part in parts):
            return False
        if operator in ("==", "in"):
            return self._same(left, right)
        if operator == "!=":
            return opposite(self._same(left, right))
        value = field.values[0] if field.kind == "port" else None
        if not isinstance(value, int) or not isinstance(right, int):
            return None
        orders = {"<": value < right, "<=": value <= right, ">": value > right, ">=": value >= right}
        return orders.get(operator)

    def _same(self, left: object, right: object) -> Optional[bool]:
        """Return whether what a packet has is a value, or is in a set, list, range or network."""
        if isinstance(right, list):
            return any_of(self._same(left, one) for one in right)
        if isinstance(right, dict):
            if "elem" in right and isinstance(right["elem"], dict):
                return self._same(left, right["elem"].get("val"))
            if "set" in right or "|" in right:
                return any_of(self._same(left, one) for one in listed(right.get("set", right.get("|"))))
        elif isinstance(right, str) and right.startswith("@"):
            elements = self._elements(right)
            if (*self._place, right[1:]) not in self._ruleset.sets or len(elements) > RULES:
                return None
            return any_of(self._same(left, one) for one in elements)
        if right == "*":
            return True
        if isinstance(left, dict) and "concat" in left:
            return self._all(listed(left["concat"]), right)
        return same(self._field(left), right, self._packet)

    def _all(self, left: List[object], right: object) -> Optional[bool]:
        """Return whether several values are those of a set of several values each."""
        parts = listed(right.get("concat")) if isinstance(right, dict) else []
        if len(parts) != len(left):
            return None
        result: Optional[bool] = True
        for mine, theirs in zip(left, parts):
            result = both(result, self._same(mine, theirs))
        return result

    def _elements(self, given: object) -> List[object]:
        """Return the elements of a set or map, which may be named."""
        if isinstance(given, str) and given.startswith("@"):
            return listed(self._ruleset.sets.get((*self._place, given[1:]), {}).get("elem"))
        return listed(given.get("set")) if isinstance(given, dict) else []

    def _field(self, left: object) -> PacketField:
        """Return what the packet has where a rule looks."""
        if not isinstance(left, dict) or len(left) != 1:
            return UNKNOWN
        ((kind, given),) = left.items()
        if not isinstance(given, dict):
            return UNKNOWN
        if kind == "payload":
            return self._payload(str(given.get("protocol")), str(given.get("field")))
        key = str(given.get("key"))
        if kind == "meta":
            four = self._packet.family == 4
            return {
                "l4proto": PacketField("word", TCP),
                "nfproto": PacketField("word", ("ipv4", 2) if four else ("ipv6", 10)),
                "protocol": PacketField("word", ("ip",) if four else ("ip6",)),
                "pkttype": PacketField("word", ("host", "unicast")),
                "iif": PacketField("interface"),
                "iifname": PacketField("interface"),
            }.get(key, UNKNOWN)
        if kind == "ct":
            known = {"state": PacketField("word", ("new",)), "direction": PacketField("word", ("original",))}
            return known.get(key, UNKNOWN)
        if kind == "fib" and given.get("result") == "type" and listed(given.get("flags")) == ["daddr"]:
            return PacketField("word", ("local",))
        return UNKNOWN

    def _payload(self, protocol: str, name: str) -> PacketField:
        packet = self._packet
        if protocol in OTHER_PROTOCOLS or protocol == ("ip6" if packet.family == 4 else "ip"):
            return PacketField(NEVER)
        if protocol in ("tcp", "th") and name == "dport":
            return PacketField("port", (packet.port,))
        if protocol in ("ip", "ip6"):
            if name in ("saddr", "daddr"):
                address = packet.source if name == "saddr" else packet.target
                return PacketField("address", (address,) if address else ())
            if name in ("protocol", "nexthdr"):
                return PacketField("word", TCP)
        return UNKNOWN


def same(field: PacketField, right: object, packet: Packet) -> Optional[bool]:
    """Return whether what a packet has is a single value, a range or a network."""
    if field.kind == NEVER:
        return False
    if field.kind == "interface":
        return through(packet, right, "*") if isinstance(right, str) else None
    if not field.values:
        return None
    if isinstance(right, dict):
        ends = listed(right.get("range"))
        prefix = right.get("prefix")
        if field.kind == "address" and isinstance(prefix, dict):
            return inside(str(field.values[0]), "%s/%s" % (prefix.get("addr"), prefix.get("len")))
        if len(ends) != 2:
            return None
        if field.kind == "address":
            return between(str(field.values[0]), str(ends[0]), str(ends[1]))
        value = field.values[0]
        if not all(isinstance(one, int) for one in (value, *ends)):
            return None
        return ends[0] <= value <= ends[1]  # type: ignore[operator]
    if field.kind == "address":
        return inside(str(field.values[0]), str(right))
    if field.kind == "port":
        return right in field.values if isinstance(right, int) else None
    return right in field.values


def looks_at_flags(left: object) -> bool:
    """Return whether a rule looks at the flags of TCP, or at some of them."""
    return (masked(left) or [left])[0] == {"payload": {"protocol": "tcp", "field": "flags"}}


def masked(left: object) -> List[object]:
    """Return a value and its mask, or nothing where there is no mask."""
    parts = left.get("&") if isinstance(left, dict) else None
    return parts if isinstance(parts, list) and len(parts) == 2 else []


def compared_flags(left: object, operator: str, right: object) -> Optional[bool]:
    """Return whether the flags of the packet are those of a rule."""
    seen, expected = FLAGS, flags_of(right)
    if masked(left):
        mask = flags_of(masked(left)[1])
        if mask is None:
            return None
        seen = FLAGS & mask
    if expected is None:
        return None
    if operator == "in":
        return bool(seen & expected)
    return {"==": seen == expected, "!=": seen != expected}.get(operator)


def flags_of(value: object) -> Optional[FrozenSet[str]]:
    """Return the names of flags in a value: a name, a list, or names with | between them; else None."""
    if isinstance(value, str):
        return frozenset({value}) if value in FLAG_NAMES else None
    parts = value.get("|") if isinstance(value, dict) else value
    if not isinstance(parts, list) or not parts:
        return frozenset() if value == 0 and isinstance(value, int) else None
    found: Set[str] = set()
    for part in parts:
        names = flags_of(part)
        if names is None:
            return None
        found |= names
    return frozenset(found)


def listed(value: object) -> List[Any]:
    """Return a list as such, one word as a list of it, and none for anything else."""
    return value if isinstance(value, list) else [value] if isinstance(value, (str, dict)) else []


def read(shown: str, with_handles: str) -> Optional[NftRuleset]:
    """Return the ruleset that `nft -j list ruleset` prints; None when it is none, or too large.

    `with_handles` is what `nft -a list ruleset` prints: the words of the rules.
    """
    try:
        given = json.loads(shown)
    except (ValueError, RecursionError):
        return None
    rows = given.get("nftables") if isinstance(given, dict) else None
    if not isinstance(rows, list) or len(rows) > RULES:
        return None
    ruleset = NftRuleset([row for row in rows if isinstance(row, dict)], texts(with_handles))
    for family, name in DORMANT.findall(with_handles):  # the JSON of nft 1.0.6 does not say it
        ruleset.without(family, [name])
    return ruleset


def texts(with_handles: str) -> Dict[Tuple[str, str, int], str]:
    """Return the words of each rule by family, table and handle."""
    found: Dict[Tuple[str, str, int], str] = {}
    place = "", ""
    words: List[str] = []
    for line in with_handles.splitlines():
        table = re.match(r"table (\S+) (\S+) \{", line)
        if table:
            place, words = (table.group(1), table.group(2)), []
            continue
        words.append(line.strip())
        end = re.search(r" # handle (\d+)$", line)
        if end:
            rule = re.sub(r" # handle \d+$| counter packets \d+ bytes \d+", "", " ".join(words))
            found[place[0], place[1], int(end.group(1))] = " ".join(rule.split())[:200]
        if end or line.strip() in ("}", "") or line.rstrip().endswith((";", "{")):
            words = []
    return found
