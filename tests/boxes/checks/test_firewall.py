"""A firewall of the kernel is judged by what it does to a new login."""

from __future__ import annotations

import msgspec
import pytest

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.network.facts import (
    FilteredPort,
    Firewall,
    NetworkFacts,
    SshConnection,
    SshListener,
)
from tests.boxes.checks.facts import judge
from tests.boxes.checks.test_network import SSH, box


def kernel(kind: str, *ports: FilteredPort, rules: tuple[str, ...] | None = ("x",)) -> NetworkFacts:
    return box("5.9.1.2", firewall=Firewall(kind, True, rules, ports))


SHUT = FilteredPort(22, False, "policy drop", "nft", "inet filter input")


@pytest.mark.parametrize(
    ("facts", "expected", "step"),
    [
        (kernel("nftables", FilteredPort(22, True, "tcp dport 22 accept")), Outcome.OK, ""),
        (kernel("nftables", SHUT), Outcome.WARNING, "nft insert rule inet filter input tcp dport 22 accept"),
        (kernel("nftables", SHUT, FilteredPort(2222, True)), Outcome.OK, ""),
        (
            kernel("nftables", SHUT, FilteredPort(2222, None, "meta mark 1 accept", "nft")),
            Outcome.UNKNOWN,
            "nft list",
        ),
        (
            kernel("iptables", FilteredPort(22, False, "policy drop", "ip6tables", "filter INPUT")),
            Outcome.WARNING,
            "sudo ip6tables -I INPUT -p tcp --dport 22 -j ACCEPT",
        ),
        (
            kernel("iptables", FilteredPort(22, False, "-A INPUT -j DROP", "iptables", "mangle INPUT")),
            Outcome.WARNING,
            "sudo iptables -t mangle -I INPUT -p tcp",
        ),
        (kernel("iptables", FilteredPort(22, None, "-m geoip", "iptables")), Outcome.UNKNOWN, "iptables -S"),
        (kernel("nftables", rules=None), Outcome.UNKNOWN, "nft list ruleset"),
        (kernel("nftables"), Outcome.OK, ""),
    ],
)
def test_the_rules_of_the_kernel_are_judged_by_what_they_do_to_a_login(
    facts: NetworkFacts, expected: Outcome, step: str
) -> None:
    result = judge("network.firewall", facts)
    assert result.outcome is expected
    assert step in result.step
    assert "firewall-cmd" not in result.step
    if expected is not Outcome.OK:
        assert facts.firewall.ports == () or facts.firewall.ports[-1].why in result.text


def test_whose_logins_are_refused_is_said() -> None:
    facts = kernel("nftables", SHUT)
    assert "refuses new logins at port 22" in judge("network.firewall", facts).text
    known = msgspec.structs.replace(facts, connection=SshConnection("203.0.113.9", "5.9.1.2", 22))
    assert "refuses new logins from 203.0.113.9 at port 22" in judge("network.firewall", known).text


def test_the_port_of_the_login_is_the_one_that_a_firewall_has_to_let_in() -> None:
    rules = Firewall("ufw", True, ("Status: active", "22/tcp ALLOW Anywhere"))
    login = SshConnection("203.0.113.9", "5.9.1.2", 2222)
    both = (*SSH, SshListener("0.0.0.0", 2222))
    facts = box("5.9.1.2", firewall=rules, connection=login, listening=both)
    result = judge("network.firewall", facts)
    assert result.outcome is Outcome.WARNING
    assert result.step == "sudo ufw allow 2222/tcp"
    near = msgspec.structs.replace(facts, connection=SshConnection("127.0.0.1", "127.0.0.1", 2222))
    assert judge("network.firewall", near).outcome is Outcome.OK
