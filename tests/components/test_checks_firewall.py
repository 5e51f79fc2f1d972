"""What the checks say of a firewall is what the kernel does with a real packet."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.components.firewalls import CASES, PORTS, Rules, tried
from tests.components.parts import program


@pytest.fixture(scope="module", autouse=True)
def network() -> None:
    """Skip where the tools are not, or where no network may be made."""
    for name in ("ip", "nft", "iptables-save"):
        program(name)
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a network of its own")


@pytest.mark.parametrize("rules", CASES.values(), ids=CASES)
def test_a_new_login_gets_in_where_the_checks_say_so(rules: Rules) -> None:
    if os.geteuid() and "iptables-legacy-restore" in rules.restore:
        pytest.skip("root alone may write and read the tables of iptables-legacy")
    answer = tried(rules)
    for family, real in answer["real"].items():
        for who, look in answer["looks"][family].items():
            assert look["active"] is rules.on
            said = {one["port"]: one["lets_in"] for one in look.get("ports", ())}
            for port in PORTS if rules.on else ():
                unsure = {None} if who == "unknown" or port in rules.unsure else set()
                assert said[port] in {real[str(port)], *unsure}, (family, who, port, look)
            if not rules.on:
                assert all(real.values())
