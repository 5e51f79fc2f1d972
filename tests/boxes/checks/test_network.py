"""Checks of how a box is reached, by the facts of machines as they are found."""

from __future__ import annotations

import msgspec
import pytest

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.network.facts import (
    DefaultRoute,
    FilteredPort,
    Firewall,
    NetworkFacts,
    OwnAddress,
    SshConnection,
    SshListener,
    reach,
)
from gpubox.boxes.checks.sshd.facts import SshdFacts, SshdSetting
from tests.boxes.checks.facts import judge
from tests.drawable import drawable

NAMES = ("address", "ssh-port", "firewall", "forwarding", "stable-address")
ROUTE = DefaultRoute(4, "eth0", "192.168.1.1", "dhcp")
SSH = (SshListener("0.0.0.0", 22), SshListener("::", 22))


def box(address: str = "192.168.1.20", *more: str, **changes: object) -> NetworkFacts:
    """A box with addresses."""
    facts = NetworkFacts(
        routes=(ROUTE,),
        addresses=tuple(OwnAddress(one, "eth0", dynamic=True) for one in (address, *more)),
        ports=(22,),
        listening=SSH,
    )
    return msgspec.structs.replace(facts, **changes)


HOME = box()
PUBLIC = box("5.9.1.2")
CARRIER = box("100.72.1.2")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.168.1.20", "private"),
        ("10.1.2.3", "private"),
        ("172.20.0.1", "private"),
        ("169.254.1.1", "private"),
        ("192.0.2.1", "private"),
        ("100.64.0.1", "carrier"),
        ("100.127.255.254", "carrier"),
        ("100.128.0.1", "public"),
        ("192.0.0.2", "carrier"),
        ("8.8.8.8", "public"),
        ("2a01:4f8::1", "public"),
        ("fd00::2", "private"),
        ("fe80::1", "private"),
        ("[/b]", "private"),
    ],
)
def test_who_reaches_an_address_is_known(address: str, expected: str) -> None:
    assert reach(address) == expected


@pytest.mark.parametrize("name", NAMES)
def test_empty_facts_are_no_alarm(name: str) -> None:
    assert judge(f"network.{name}", NetworkFacts()).outcome is Outcome.NOT_HERE


@pytest.mark.parametrize(
    ("facts", "value", "word"),
    [
        (HOME, "private", "beyond the router cannot be seen"),
        (PUBLIC, "public", "is public"),
        (CARRIER, "carrier", "NAT of a carrier"),
        (box("10.0.0.5", vendor="Amazon EC2"), "private", "Amazon EC2"),
        (box("192.168.1.20", "2a01:4f8::1"), "private", "2a01:4f8::1"),
        (box("2a01:4f8::1"), "public", "2a01:4f8::1 is public"),
    ],
)
def test_what_an_address_means_is_said(facts: NetworkFacts, value: str, word: str) -> None:
    result = judge("network.address", facts)
    assert (result.outcome, result.value) == (Outcome.OK, value)
    assert word in result.text


def test_without_addresses_nothing_is_claimed() -> None:
    assert judge("network.address", NetworkFacts(routes=(ROUTE,))).outcome is Outcome.UNKNOWN
    assert judge("network.address", box(container=True)).outcome is Outcome.NOT_HERE


CONNECTION = SshConnection("10.0.0.9", "10.0.0.5", 2222)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (HOME, Outcome.OK),
        (box(ports=None), Outcome.OK),
        (box(ports=(2222,)), Outcome.WARNING),  # ssh.socket was not restarted
        (box(ports=(22, 2222)), Outcome.WARNING),
        (box(listening=(*SSH, SshListener("::", 2200))), Outcome.HINT),
        (box(listening=(SshListener("127.0.0.1", 22),)), Outcome.OK),
        (box(listening=()), Outcome.NOT_HERE),
        (box(listening=(), connection=CONNECTION), Outcome.UNKNOWN),
    ],
)
def test_the_port_of_the_ssh_server_is_compared_with_its_configuration(
    facts: NetworkFacts, expected: Outcome
) -> None:
    assert judge("network.ssh-port", facts).outcome is expected


OFF = Firewall("", active=False)


@pytest.mark.parametrize(
    ("facts", "firewall", "expected"),
    [
        (PUBLIC, Firewall("ufw", active=True), Outcome.OK),
        (PUBLIC, Firewall("ufw", True, ("Status: active", "22/tcp ALLOW Anywhere")), Outcome.OK),
        (PUBLIC, Firewall("ufw", True, ("Status: active", "OpenSSH ALLOW Anywhere")), Outcome.OK),
        (PUBLIC, Firewall("ufw", True, ("Status: active", "20:30/tcp ALLOW Anywhere")), Outcome.OK),
        (PUBLIC, Firewall("ufw", True, ("Status: active", "443/tcp ALLOW Anywhere")), Outcome.WARNING),
        (PUBLIC, Firewall("ufw", True, ("Status: active", "22/tcp DENY Anywhere")), Outcome.WARNING),
        (PUBLIC, Firewall("firewalld", True, ("services: ssh dhcpv6-client",)), Outcome.OK),
        (PUBLIC, Firewall("firewalld", True, ("services: http", "ports: 443/tcp")), Outcome.WARNING),
        (PUBLIC, OFF, Outcome.WARNING),
        (PUBLIC, Firewall("ufw", active=False), Outcome.WARNING),
        (PUBLIC, Firewall(), Outcome.UNKNOWN),
        (HOME, OFF, Outcome.OK),
        (box("192.168.1.20", "2a01:4f8::1"), OFF, Outcome.HINT),
        (box(container=True), Firewall(), Outcome.NOT_HERE),
    ],
)
def test_a_missing_firewall_matters_where_the_address_is_public(
    facts: NetworkFacts, firewall: Firewall, expected: Outcome
) -> None:
    assert judge("network.firewall", msgspec.structs.replace(facts, firewall=firewall)).outcome is expected


def test_an_sshd_with_files_of_its_own_is_named_with_them() -> None:
    facts = box(config="/srv/x/config", ports=(2222,), listening=(SshListener("0.0.0.0", 2200), *OTHERS))
    result = judge("network.ssh-port", facts)
    assert result.outcome is Outcome.WARNING
    assert result.text == "It is configured for port 2222, and listens on 2200"
    assert "/srv/x/config" in result.step
    assert judge("network.ssh-port", box(listening=OTHERS)).outcome is Outcome.NOT_HERE
    assert judge("network.ssh-port", box(listening=(*SSH, *OTHERS))).outcome is Outcome.OK


OTHERS = (SshListener("0.0.0.0", 4022, other=True),)


def sshd(passwords: str) -> SshdFacts:
    settings = {
        "passwordauthentication": SshdSetting(passwords, "x", passwords, "x"),
        "kbdinteractiveauthentication": SshdSetting("no", "x", "no", "x"),
    }
    return SshdFacts(exact=True, readable=True, settings=settings)


@pytest.mark.parametrize(
    ("facts", "passwords", "expected"),
    [
        (PUBLIC, "yes", Outcome.HINT),
        (PUBLIC, "no", Outcome.OK),
        (HOME, "yes", Outcome.OK),
        (msgspec.structs.replace(PUBLIC, guards=("fail2ban-server",)), "yes", Outcome.OK),
        (box("5.9.1.2", listening=()), "yes", Outcome.NOT_HERE),
    ],
)
def test_guesses_matter_where_passwords_are_taken_from_everybody(
    facts: NetworkFacts, passwords: str, expected: Outcome
) -> None:
    assert judge("network.fail2ban", facts, sshd(passwords)).outcome is expected


@pytest.mark.parametrize(
    ("facts", "expected", "value"),
    [
        (PUBLIC, Outcome.OK, "public"),
        (HOME, Outcome.OK, "router"),
        (CARRIER, Outcome.HINT, "carrier"),
        (box("100.72.1.2", ways_in=("Tailscale",)), Outcome.OK, "Tailscale"),
        (box(connection=SshConnection("8.8.8.8", "192.168.1.20", 22)), Outcome.OK, "works"),
        (box(connection=SshConnection("192.168.1.9", "192.168.1.20", 22)), Outcome.OK, "router"),
        (box("10.0.0.5", vendor="Google"), Outcome.OK, "cloud"),
    ],
)
def test_the_way_from_outside_is_said(facts: NetworkFacts, expected: Outcome, value: str) -> None:
    result = judge("network.forwarding", facts)
    assert (result.outcome, result.value) == (expected, value)


def test_what_the_router_must_forward_is_named_in_full() -> None:
    result = judge("network.forwarding", box(listening=(SshListener("0.0.0.0", 2022),)))
    assert "192.168.1.20, port 2022" in result.details[0]
    assert "192.168.1.1" in result.details[0]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (HOME, Outcome.HINT),
        (PUBLIC, Outcome.HINT),
        (box("5.9.1.2", namers=("ddclient",)), Outcome.OK),
        (box("5.9.1.2", vendor="Hetzner"), Outcome.OK),
        (box(ways_in=("WireGuard",)), Outcome.OK),
        (
            box(
                addresses=(OwnAddress("192.168.1.20", "eth0"),),
                routes=(DefaultRoute(4, "eth0", "", "static"),),
            ),
            Outcome.OK,
        ),
        (box(container=True), Outcome.NOT_HERE),
    ],
)
def test_an_address_that_may_change_is_a_hint(facts: NetworkFacts, expected: Outcome) -> None:
    assert judge("network.stable-address", facts).outcome is expected


EVIL = "[/b][red]\x1b[2J\u202e" * 40


@pytest.mark.parametrize("name", NAMES)
def test_hostile_facts_are_harmless(name: str) -> None:
    facts = NetworkFacts(
        vendor=EVIL,
        routes=(DefaultRoute(4, EVIL, EVIL, EVIL),),
        addresses=(OwnAddress(EVIL, EVIL),),
        connection=SshConnection(EVIL, EVIL, 22),
        listening=(SshListener(EVIL, 22),),
        firewall=Firewall(EVIL, True, (EVIL,)),
        config=EVIL,
        ports=(99,),
    )
    shut = [FilteredPort(22, lets_in, EVIL, EVIL, EVIL) for lets_in in (False, None)]
    kernels = [Firewall("iptables", True, (EVIL,), (one,)) for one in shut]
    for firewall in (facts.firewall, *kernels):
        ways = (EVIL,) if firewall.kind == "iptables" else ()
        result = judge(f"network.{name}", msgspec.structs.replace(facts, ways_in=ways, firewall=firewall))
        assert all(drawable(line) for line in (result.text, result.step, result.value, *result.details))
