"""Rules of nftables and iptables, as real tools printed them, are followed as the kernel followed them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpubox.remote.checks import commands, filters, iptables, nftables
from gpubox.remote.checks.packet_filter import Packet, verdict
from tests.components.firewall_box import packet
from tests.components.firewalls import CASES, PORTS, RECORDED

Row = dict[str, Any]


def recorded(name: str) -> Row:
    """What the tools printed, and what the kernel did with real packets."""
    return json.loads((RECORDED / f"{name}.json").read_text())


def box(monkeypatch: pytest.MonkeyPatch, outputs: dict[str, list[str]]) -> None:
    """Let the tools print what they printed then."""

    def run(*argv: str, seconds: float = 0) -> commands.Done | None:
        found = outputs.get(" ".join(argv))
        return commands.Done(0, *found) if found else None

    monkeypatch.setattr(commands, "run", run)


@pytest.mark.parametrize("name", CASES)
def test_a_port_is_let_in_exactly_where_the_kernel_let_it_in(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, row = CASES[name], recorded(name)
    box(monkeypatch, row["outputs"])
    for family in rules.families:
        found = filters.look(packet(family, known=True), list(PORTS))
        assert found["active"] is rules.on
        for one in found.get("ports", ()):
            really = row["real"][str(family)][str(one["port"])]
            assert one["lets_in"] is (None if one["port"] in rules.unsure else really)
            assert one["why"] or one["lets_in"]
        away = filters.look(packet(family, known=False), list(PORTS))
        said = {one["port"]: one["lets_in"] for one in away.get("ports", ())}
        assert all(said[port] in (row["real"][str(family)][str(port)], None) for port in said)


def test_who_decides_is_named_in_the_words_of_the_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    box(monkeypatch, recorded("two-tables")["outputs"])
    (found,) = filters.look(packet(4, known=True), [22])["ports"]
    assert (found["tool"], found["chain"], found["why"]) == ("nft", "ip more in", "tcp dport 22 drop")
    box(monkeypatch, recorded("iptables-no-ssh")["outputs"])
    answer = filters.look(packet(4, known=True), [22])
    (found,) = answer["ports"]
    assert (found["tool"], found["chain"], found["why"]) == ("iptables", "filter INPUT", "policy drop")
    assert answer["rules"][:2] == ["-P INPUT DROP", "-A INPUT -i lo -j ACCEPT"]
    box(monkeypatch, recorded("jump")["outputs"])
    shown = filters.look(packet(4, known=True), [22])["rules"]
    assert shown[:3] == [
        "chain inet filter input: policy drop",
        'iif "lo" accept',
        "ct state established,related accept",
    ]


def test_rules_of_an_iptables_that_could_not_be_read_leave_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = recorded("iptables-legacy")["outputs"]
    open_rules = recorded("ssh-accepted")["outputs"]
    del open_rules["iptables-legacy-save"]
    mixed = {**open_rules, "iptables-save": [open_rules["iptables-save"][0], outputs["iptables-save"][1]]}
    box(monkeypatch, mixed)
    (found,) = filters.look(packet(4, known=True), [22])["ports"]
    assert found["lets_in"] is None
    box(monkeypatch, {**mixed, "iptables-legacy-save": outputs["iptables-legacy-save"]})
    (found,) = filters.look(packet(4, known=True), [22])["ports"]
    assert found["lets_in"] is False


NFT = [name for name, rules in CASES.items() if rules.nft and not rules.restore]


@pytest.mark.parametrize("name", NFT)
def test_one_value_that_is_not_understood_never_makes_the_opposite_of_the_truth(name: str) -> None:
    row = recorded(name)
    shown = json.loads(row["outputs"]["nft -j list ruleset"][0])
    statements = [one for each in shown["nftables"] for one in each.get("rule", {}).get("expr", ())]
    sides = [
        (one["match"], side) for one in statements if "match" in one for side in ("left", "right", "mask")
    ]
    for match, side in sides:
        before = match["left"] if side == "mask" else match[side]
        if side == "mask":
            if "&" not in before:
                continue
            match["left"] = {"&": [before["&"][0], {"later": 1}]}
        else:
            match[side] = {"later": 1}
        ruleset = nftables.read(json.dumps(shown), row["outputs"]["nft -a list ruleset"][0])
        assert ruleset is not None
        for port in PORTS:
            one = packet(4, known=True)._replace(port=port)
            assert verdict([ruleset.packet_rules(one)]).lets_in in (row["real"]["4"][str(port)], None)
        match["left" if side == "mask" else side] = before


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NFT), data=st.data())
def test_what_is_not_understood_never_makes_the_opposite_of_the_truth(name: str, data: st.DataObject) -> None:
    row = recorded(name)
    shown = json.loads(row["outputs"]["nft -j list ruleset"][0])
    statements = [one for each in shown["nftables"] for one in each.get("rule", {}).get("expr", ())]
    for statement in statements:
        if "match" in statement and data.draw(st.booleans()):
            statement["match"][data.draw(st.sampled_from(["left", "right"]))] = {"later": 1}
        elif data.draw(st.integers(0, 4)) == 0:
            statement.clear()
            statement["later"] = data.draw(st.sampled_from([None, 1, {"a": "b"}]))
    with_handles = row["outputs"]["nft -a list ruleset"][0]
    ruleset = nftables.read(json.dumps(shown), with_handles)
    assert ruleset is not None
    for port in PORTS:
        one = packet(4, known=True)._replace(port=port)
        assert verdict([ruleset.packet_rules(one)]).lets_in in (row["real"]["4"][str(port)], None)


TABLES = [name for name, rules in CASES.items() if "iptables-restore" in rules.restore]


@settings(max_examples=200)
@given(name=st.sampled_from(TABLES), data=st.data())
def test_an_option_that_is_not_known_never_makes_the_opposite_of_the_truth(
    name: str, data: st.DataObject
) -> None:
    row = recorded(name)
    lines = row["outputs"]["iptables-save"][0].splitlines()
    for place, line in enumerate(lines):
        if line.startswith("-A") and data.draw(st.booleans()):
            words = line.split(" ")
            target = next(at for at, word in enumerate(words) if word in ("-j", "-g"))
            at = [at for at, word in enumerate(words[:target]) if at > 1 and word.startswith("-")]
            if not at:
                continue
            words[data.draw(st.sampled_from(at))] = data.draw(
                st.sampled_from(["--later", "! --later x --more"])
            )
            lines[place] = " ".join(words)
    found = iptables.tables("\n".join(lines))
    for port in PORTS:
        one = packet(4, known=True)._replace(port=port)
        came = verdict([iptables.rules("iptables", found, one)])
        assert came.lets_in in (row["real"]["4"][str(port)], None)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["input", "@x", "*", "inet"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                (
                    *("table", "chain", "rule", "set", "family", "name", "hook", "type", "expr", "match"),
                    *("left", "right", "op", "payload", "meta", "key", "vmap", "data", "jump", "target"),
                    *("elem", "val", "prefix", "range", "&"),
                )
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=40,
)


@given(rows=st.lists(JSON, max_size=6), rule=JSON)
def test_any_json_is_read(rows: list[object], rule: object) -> None:
    base = [
        {"table": {"family": "inet", "name": "t"}},
        {"chain": {"family": "inet", "table": "t", "name": "c", "hook": "input", "type": "filter"}},
        {
            "rule": {
                "family": "inet",
                "table": "t",
                "chain": "c",
                "expr": [rule, {"match": rule}, {"vmap": rule}],
            }
        },
        {"rule": {"family": "inet", "table": "t", "chain": "c", "expr": rule}},
    ]
    ruleset = nftables.read(json.dumps({"nftables": [*base, *rows]}), "table inet t {\n\t\tx # handle 1\n}\n")
    assert ruleset is not None
    assert verdict([ruleset.packet_rules(Packet(4, 22, "192.0.2.1", "192.0.2.2", "eth0"))]).lets_in in (
        True,
        False,
        None,
    )


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"nftables": 3}', '{"nftables": [1, null, {"rule": 3}]}', "[" * 9999]
)
def test_what_is_no_ruleset_is_none(text: str) -> None:
    ruleset = nftables.read(text, "")
    assert ruleset is None or not ruleset.entries(Packet(4, 22))


def test_chains_that_lead_in_circles_end() -> None:
    text = "*filter\n:INPUT DROP [0:0]\n:a - [0:0]\n-A INPUT -j a\n-A a -j a\nCOMMIT\n"
    came = verdict([iptables.rules("iptables", iptables.tables(text), Packet(4, 22))])
    assert came.lets_in is None


@pytest.mark.parametrize(
    ("rule", "lets_in"),
    [
        ("-p tcp -m tcp --dport 22 -j ACCEPT", True),
        ("-p 6 -m tcp --dport ssh -j ACCEPT", None),
        ("-p udp -m udp --dport 22 -j ACCEPT", False),
        ("! -p udp -j ACCEPT", True),
        ("-i lo -j ACCEPT", False),
        ("! -i lo -j ACCEPT", True),
        ("-i eth+ -j ACCEPT", True),
        ("-i wg0 -j ACCEPT", False),
        ("-s 192.0.2.0/24 -j ACCEPT", True),
        ("! -s 192.0.2.0/24 -j ACCEPT", False),
        ("-d 198.51.100.0/24 -j ACCEPT", False),
        ("-m state --state NEW -j ACCEPT", True),
        ("-m conntrack --ctstate DNAT -j ACCEPT", None),
        ("-p tcp -m multiport --ports 22 -j ACCEPT", True),
        ("-p tcp -m multiport --sports 22 -j ACCEPT", None),
        ("-m addrtype --dst-type LOCAL -j ACCEPT", True),
        ("-m addrtype --dst-type BROADCAST,MULTICAST -j ACCEPT", False),
        ("-m pkttype --pkt-type unicast -j ACCEPT", True),
        ("-p icmp -m icmp --icmp-type 8 -j ACCEPT", False),
        ("-m set --match-set allowed src -j ACCEPT", None),
        ("-m geoip --source-country DE -j ACCEPT", None),
        ("-p tcp --tcp-flags SYN SYN -j ACCEPT", True),
        ("-p tcp --tcp-flags ALL NONE -j ACCEPT", False),
        ("-p tcp --tcp-flags ACK ACK -j ACCEPT", False),
        ("-m connlimit --connlimit-above 3 -j ACCEPT", False),
        ('-m comment --comment "-j DROP" -j ACCEPT', True),
        ("-j NFQUEUE --queue-num 0", None),
        ('-j LOG --log-prefix "x -j ACCEPT"', False),
        ("-j no-such-chain", None),
        ('-j "', None),
    ],
)
def test_the_options_of_iptables_are_understood(rule: str, lets_in: bool | None) -> None:
    text = f"*filter\n:INPUT DROP [0:0]\n-A INPUT {rule}\nCOMMIT\n"
    one = Packet(4, 22, "192.0.2.1", "192.0.2.2", "eth0")
    assert verdict([iptables.rules("iptables", iptables.tables(text), one)]).lets_in is lets_in
