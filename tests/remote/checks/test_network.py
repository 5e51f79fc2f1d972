"""Addresses, ports and firewalls are read from the box alone, with and without root."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from gpubox.boxes.checks.network.facts import NetworkFacts
from gpubox.remote.checks import commands, network
from gpubox.remote.json_io import encoded
from tests.remote.checks.web_tree import put, without_programs

ADDRESSES = [
    {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "scope": "host"}]},
    {
        "ifname": "enp5s0",
        "addr_info": [
            {
                "family": "inet",
                "local": "192.168.1.20",
                "scope": "global",
                "dynamic": True,
                "valid_life_time": 85000,
            },
            {
                "family": "inet6",
                "local": "2a01:4f8::77",
                "scope": "global",
                "temporary": True,
                "dynamic": True,
            },
            {"family": "inet6", "local": "2a01:4f8::20", "scope": "global", "valid_life_time": 4294967295},
            {"family": "inet6", "local": "fe80::1", "scope": "link"},
        ],
    },
    {
        "ifname": "tailscale0",
        "addr_info": [{"family": "inet", "local": "100.101.102.103", "scope": "global"}],
    },
    {"ifname": "docker0", "addr_info": [{"family": "inet", "local": "172.17.0.1", "scope": "global"}]},
]
ROUTES = {
    "-4": [
        {"dst": "default", "gateway": "192.168.1.1", "dev": "enp5s0", "protocol": "dhcp", "metric": 100},
        {"dst": "default", "gateway": "10.9.9.1", "dev": "wlan0", "protocol": "dhcp", "metric": 600},
    ],
    "-6": [{"dst": "default", "gateway": "fe80::1", "dev": "enp5s0", "protocol": "ra", "metric": 1024}],
}
LISTENS = "   0: {} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {:5}        0 {} 1\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    without_programs(monkeypatch, tmp_path)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    return tmp_path


def answers(monkeypatch: pytest.MonkeyPatch, replies: dict[str, str]) -> None:
    """Let commands answer as on a box; each is known by its first words."""

    def run(*argv: str, seconds: float = 0) -> commands.Done | None:
        line = " ".join(argv)
        return next(
            (commands.Done(0, text, "") for start, text in replies.items() if line.startswith(start)), None
        )

    monkeypatch.setattr(commands, "run", run)


def facts() -> NetworkFacts:
    return msgspec.json.decode(encoded(network.gather()), type=NetworkFacts)


def test_only_addresses_of_the_way_outside_count(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replies = {f"ip {family} -j route": json.dumps(rows) for family, rows in ROUTES.items()}
    answers(monkeypatch, {**replies, "ip -j addr": json.dumps(ADDRESSES)})
    found = facts()
    assert [(one.address, one.dynamic, one.temporary) for one in found.addresses] == [
        ("192.168.1.20", True, False),
        ("2a01:4f8::77", True, True),
        ("2a01:4f8::20", False, False),
    ]
    assert [(one.interface, one.gateway, one.protocol) for one in found.routes] == [
        ("enp5s0", "192.168.1.1", "dhcp"),
        ("enp5s0", "fe80::1", "ra"),
    ]
    assert [one.address for one in found.public] == ["2a01:4f8::20"]


def test_without_ip_the_kernel_names_the_route(tree: Path) -> None:
    put(
        tree,
        "/proc/net/route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\neth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\n",
    )
    found = facts()
    assert [(one.interface, one.gateway) for one in found.routes] == [("eth0", "192.168.1.1")]
    assert found.addresses == ()


@pytest.mark.parametrize(
    "text", ["", "no json", "{}", '[1, null, {"dev": 3}]', '[{"ifname": "a", "addr_info": [1]}]']
)
def test_any_answer_of_ip_is_read(tree: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    answers(monkeypatch, {"ip": text})
    assert facts().addresses == ()


def test_ufw_is_known_without_root(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tree, "/etc/ufw/ufw.conf", "# x\nENABLED=yes\n")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = facts().firewall
    assert (found.kind, found.active, found.rules) == ("ufw", True, None)


UFW = "Status: active\n\nTo             Action      From\n22/tcp         ALLOW       Anywhere\n"


def test_root_sees_the_rules_of_ufw(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tree, "/etc/ufw/ufw.conf", "ENABLED=yes\n")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    answers(monkeypatch, {"ufw status": UFW})
    found = facts().firewall
    assert found.rules == ("Status: active", "To Action From", "22/tcp ALLOW Anywhere")
    answers(monkeypatch, {"ufw status": "Status: inactive\n"})
    assert facts().firewall.active is False


DROPS = """table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		tcp dport { 22, 443 } accept
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
	}
}
"""


F2B = """table inet f2b-table {
	chain f2b-chain {
		type filter hook input priority filter - 1; policy accept;
		tcp dport 22 ip saddr @addr-set-sshd reject with icmp port-unreachable
	}
}
"""


SAVED = "*filter\n:INPUT {} [0:0]\n:FORWARD ACCEPT [0:0]\n{}COMMIT\n"


@pytest.mark.parametrize(
    ("replies", "kind", "active"),
    [
        ({"nft": DROPS}, "nftables", True),
        ({"nft": DROPS.replace("policy drop", "policy accept")}, "", False),
        ({"nft": ""}, "", False),
        ({"nft": F2B}, "", False),  # it shuts out single addresses
        ({"nft": "", "iptables-save": SAVED.format("DROP", "")}, "iptables", True),
        ({"iptables-save": SAVED.format("ACCEPT", "-A INPUT -p tcp -j DROP\n")}, "iptables", True),
        ({"iptables-save": SAVED.format("ACCEPT", "-A INPUT -p tcp --dport 23 -j DROP\n")}, "", False),
        ({"iptables-save": SAVED.format("ACCEPT", "")}, "", False),
        ({}, "", None),
    ],
)
def test_root_sees_what_the_kernel_refuses(
    tree: Path, monkeypatch: pytest.MonkeyPatch, replies: dict[str, str], kind: str, active: bool | None
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    answers(monkeypatch, replies)
    found = facts().firewall
    assert (found.kind, found.active) == (kind, active)


ROUTE_TO = [{"dst": "203.0.113.9", "gateway": "192.168.1.1", "dev": "enp5s0", "prefsrc": "192.168.1.20"}]


@pytest.mark.parametrize(
    ("login", "route", "lets_in"),
    [
        ("203.0.113.9 50000 192.168.1.20 22", ROUTE_TO, True),
        ("203.0.113.9 50000 192.168.1.20 2222", ROUTE_TO, False),
        ("203.0.113.9 50000 10.9.9.9 22", ROUTE_TO, None),  # it came by another interface
        ("203.0.113.8 50000 192.168.1.20 22", ROUTE_TO, False),
        ("::ffff:203.0.113.9 50000 ::ffff:192.168.1.20 22", ROUTE_TO, True),
        (
            "192.168.1.20 50000 192.168.1.20 22",
            ROUTE_TO,
            None,
        ),  # from the box itself: not the way from outside
    ],
)
def test_the_rules_are_followed_for_the_login_that_is_there(
    tree: Path, monkeypatch: pytest.MonkeyPatch, login: str, route: object, lets_in: bool | None
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SSH_CONNECTION", login)
    put(tree, "/proc/net/tcp", "head\n" + LISTENS.format("00000000:0016", 0, 11))
    rule = "-A INPUT -s 203.0.113.9/32 -i enp5s0 -p tcp --dport 22 -j ACCEPT\n"
    answers(
        monkeypatch,
        {
            **{f"ip {family} -j route": json.dumps(rows) for family, rows in ROUTES.items()},
            "ip -j route get": json.dumps(route),
            "ip -j addr show dev enp5s0": json.dumps(ADDRESSES[1:2]),
            "ip -j addr": json.dumps(ADDRESSES),
            "iptables-save": SAVED.format("DROP", rule),
        },
    )
    found = facts().firewall
    assert (found.kind, found.active) == ("iptables", True)
    assert [one.lets_in for one in found.ports] == [lets_in]
    assert found.rules == ("-P INPUT DROP", rule.strip())


def test_guards_and_ways_in_are_known_by_their_processes(tree: Path) -> None:
    lines = ("/usr/bin/python3\0/usr/bin/fail2ban-server\0", "/usr/sbin/tailscaled\0", "ddclient - sleeping")
    for pid, line in enumerate(lines, 50):
        put(tree, f"/proc/{pid}/cmdline", line)
        put(tree, f"/proc/{pid}/comm", line.split("\0")[0].rpartition("/")[2].split(" ")[0])
    put(tree, "/sys/class/net/wg0/uevent", "DEVTYPE=wireguard\nINTERFACE=wg0\n")
    found = facts()
    assert (found.guards, found.ways_in, found.namers) == (
        ("fail2ban-server",),
        ("Tailscale", "WireGuard"),
        ("ddclient",),
    )


def test_this_machine_is_read() -> None:
    assert facts().vendor is not None
