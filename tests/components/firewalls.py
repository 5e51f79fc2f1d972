"""Rules of firewalls as they are found on boxes, in the words of their tools; and what came of them.

`python -m tests.components.firewalls` records the outputs of the tools that are here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.hang import LIMIT
from tests.house.tree import ROOT

RECORDED = ROOT / "tests" / "recorded" / "firewalls"
PORTS = (22, 23)

DEBIAN = """flush ruleset

table inet filter {
	chain input {
		type filter hook input priority filter;
	}
	chain forward {
		type filter hook forward priority filter;
	}
	chain output {
		type filter hook output priority filter;
	}
}
"""
"""/etc/nftables.conf as Debian ships it."""


def ruleset(*rules: str, policy: str = "drop", more: str = "") -> str:
    """Return a table whose chain for incoming packets has these rules; `more` are its sets and chains."""
    lines = "\n".join(f"\t\t{rule}" for rule in rules)
    head = f"\t\ttype filter hook input priority filter; policy {policy};"
    return f"table inet filter {{\n{more}\n\tchain input {{\n{head}\n{lines}\n\t}}\n}}\n"


BASE = ('iif "lo" accept', "ct state established,related accept", "ct state invalid drop")
PING = ("meta l4proto { icmp, ipv6-icmp } accept",)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is set on a box."""

    nft: str = ""
    restore: dict[str, str] = field(default_factory=dict[str, str])
    """What goes to iptables-restore and the like, by their names."""
    on: bool = True
    """Whether that is a firewall."""
    unsure: tuple[int, ...] = ()
    """Ports of which the rules do not say enough."""
    families: tuple[int, ...] = (4, 6)


def iptables(*rules: str, policy: str = "DROP", chains: tuple[str, ...] = (), nat: str = "") -> str:
    """Return what iptables-restore takes."""
    lines = ["*filter", f":INPUT {policy} [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"]
    lines += [f":{name} - [0:0]" for name in chains]
    return "\n".join([*lines, *rules, "COMMIT", nat, ""])


TABLES_BASE = ("-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
DOCKER = iptables(
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -j DOCKER-ISOLATION-STAGE-1",
    "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A FORWARD -o docker0 -j DOCKER",
    "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
    "-A DOCKER-ISOLATION-STAGE-1 -j RETURN",
    "-A DOCKER-USER -j RETURN",
    policy="ACCEPT",
    chains=("DOCKER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-USER"),
    nat="*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n"
    "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-A DOCKER -i docker0 -j RETURN\n"
    "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\nCOMMIT",
)

FAIL2BAN = """table inet f2b-table {
	set addr-set-sshd {
		type ipv4_addr
		elements = { 192.0.2.9 }
	}
	chain f2b-chain {
		type filter hook input priority filter - 1; policy accept;
		tcp dport 22 ip saddr @addr-set-sshd reject with icmp port-unreachable
	}
}
"""
"""The table of fail2ban's action nftables-multiport."""


def named(name: str, kind: str, *elements: str) -> str:
    """Return a named set, whose elements may be ranges."""
    flags = "" if " . " in kind else " flags interval;"
    return f"\tset {name} {{\n\t\ttype {kind};{flags}\n\t\telements = {{ {', '.join(elements)} }}\n\t}}\n"


CASES = {
    "empty": Rules(on=False),
    "debian-default": Rules(DEBIAN, on=False),
    "ssh-accepted": Rules(ruleset(*BASE, *PING, "tcp dport { 22, 443 } accept", "counter")),
    "no-ssh": Rules(ruleset(*BASE, *PING, "tcp dport { 80, 443 } accept", "udp dport 22 accept")),
    "reject-at-the-end": Rules(ruleset(*BASE, "tcp dport 443 accept", "reject", policy="accept")),
    "range": Rules(ruleset(*BASE, "tcp dport 20-30 accept")),
    "not-those": Rules(ruleset(*BASE, "tcp dport != { 22, 443 } drop", policy="accept")),
    "above": Rules(ruleset(*BASE, "tcp dport < 1024 drop", policy="accept")),
    "state-map": Rules(
        ruleset(
            "ct state vmap { established : accept, related : accept, invalid : drop }",
            'iifname vmap { "lo" : accept, "eth0" : jump outside }',
            more="\tchain outside {\n\t\ttcp dport vmap { 22 : accept, 23 : drop, 80 : jump web }\n\t}\n"
            "\tchain web {\n\t\tip saddr 203.0.113.0/24 accept\n\t}",
        )
    ),
    "jump": Rules(
        ruleset(
            *BASE,
            "tcp dport 22 jump ssh",
            "goto rest",
            "accept",
            more="\tchain ssh {\n\t\tct state new limit rate 10/minute accept\n\t}\n"
            "\tchain rest {\n\t\ttcp dport 443 return\n\t\tdrop\n\t}",
        )
    ),
    "limit-over": Rules(
        ruleset("tcp dport 22 ct state new limit rate over 10/minute burst 5 packets drop", policy="accept"),
        on=False,
    ),
    "named-sets": Rules(
        ruleset(
            *BASE,
            "ip saddr @banned drop",
            "tcp dport @open accept",
            "ip saddr . tcp dport @pairs accept",
            more=named("open", "inet_service", "22", "8000-8100")
            + named("banned", "ipv4_addr", "192.0.2.7", "203.0.113.0/24", "198.51.100.10-198.51.100.20")
            + named("pairs", "ipv4_addr . inet_service", "198.51.100.77 . 23", "203.0.113.1 . 443"),
        )
    ),
    "banned": Rules(
        ruleset(
            *BASE,
            "ip saddr @banned drop",
            "tcp dport 22 accept",
            more=named("banned", "ipv4_addr", "198.51.100.64/26"),
        )
    ),
    "from-a-network": Rules(
        ruleset(
            *BASE,
            "ip saddr 198.51.100.0/24 tcp dport 22 accept",
            "ip6 saddr 2001:db8::/64 tcp dport 22 accept",
        )
    ),
    "from-another-network": Rules(
        ruleset(*BASE, "ip saddr { 10.0.0.0/8, 192.168.0.0/16 } tcp dport 22 accept")
    ),
    "to-an-address": Rules(ruleset(*BASE, "ip daddr 198.51.100.1 tcp dport 22 accept")),
    "interface": Rules(ruleset(*BASE, 'iifname "eth*" tcp dport 22 accept', 'iifname "docker0" accept')),
    "other-interface": Rules(ruleset(*BASE, 'iifname { "wg0", "tailscale0" } accept')),
    "one-family": Rules(ruleset(*BASE, "meta nfproto ipv4 tcp dport 22 accept")),
    "syn": Rules(
        ruleset(
            *BASE,
            "tcp flags & (fin | syn | rst | ack) != syn ct state new drop",
            "tcp flags & (fin | syn | rst | ack) == syn tcp dport 22 accept",
        )
    ),
    "mark": Rules(ruleset(*BASE, "tcp dport 22 meta mark 0x2a accept"), unsure=(22,)),
    "mark-drop": Rules(ruleset(*BASE, "meta mark 0x2a drop", "tcp dport 22 accept"), unsure=(22,)),
    "two-tables": Rules(
        ruleset(*BASE, "tcp dport { 22, 23 } accept")
        + "table ip more {\n\tchain in {\n\t\ttype filter hook input priority 10; policy accept;\n"
        "\t\ttcp dport 22 drop\n\t}\n}\n"
    ),
    "dormant": Rules(
        "table inet off {\n\tflags dormant\n\tchain in {\n"
        "\t\ttype filter hook input priority 10; policy drop;\n\t}\n}\n",
        on=False,
    ),
    "fail2ban": Rules(
        FAIL2BAN,
        on=False,
    ),
    "fail2ban-and-firewall": Rules(FAIL2BAN + ruleset(*BASE, "tcp dport 22 accept")),
    "iptables": Rules(
        restore={
            "iptables-restore": iptables(
                *TABLES_BASE, "-A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT"
            )
        },
        families=(4,),
    ),
    "iptables-no-ssh": Rules(
        restore={
            "iptables-restore": iptables(
                *TABLES_BASE,
                '-A INPUT -p tcp -m tcp --dport 443 -m comment --comment "-j ACCEPT for the web" -j ACCEPT',
                '-A INPUT -j LOG --log-prefix "dropped -j ACCEPT "',
            ),
            "ip6tables-restore": iptables(*TABLES_BASE, "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"),
        },
    ),
    "iptables-docker": Rules(restore={"iptables-restore": DOCKER}, on=False, families=(4,)),
    "iptables-fail2ban": Rules(
        restore={
            "iptables-restore": iptables(
                "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd",
                *TABLES_BASE,
                "-A INPUT -p tcp -m tcp --dport 22 --tcp-flags FIN,SYN,RST,ACK SYN "
                "-m conntrack --ctstate NEW -m hashlimit --hashlimit-upto 5/min --hashlimit-burst 5 "
                "--hashlimit-mode srcip --hashlimit-name ssh -j ACCEPT",
                "-A f2b-sshd -s 192.0.2.9/32 -j REJECT --reject-with icmp-port-unreachable",
                "-A f2b-sshd -j RETURN",
                chains=("f2b-sshd",),
            )
        },
        families=(4,),
    ),
    "iptables-chains": Rules(
        restore={
            "iptables-restore": iptables(
                "-A INPUT ! -i lo -g outside",
                "-A INPUT -j DROP",
                "-A outside -s 198.51.100.0/25 -p tcp -m tcp --dport 22 -j ACCEPT",
                "-A outside -p tcp -m tcp ! --dport 23 -j REJECT --reject-with tcp-reset",
                policy="ACCEPT",
                chains=("outside",),
            )
        },
        families=(4,),
    ),
    "iptables-recent": Rules(
        restore={
            "iptables-restore": iptables(
                *TABLES_BASE,
                "-A INPUT -p tcp -m tcp --dport 22 -m recent --rcheck --seconds 30 --name knocked -j ACCEPT",
            )
        },
        unsure=(22,),
        families=(4,),
    ),
    "iptables-legacy": Rules(
        restore={
            "iptables-legacy-restore": iptables(*TABLES_BASE, "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT")
        },
        families=(4,),
    ),
    "iptables-mangle": Rules(
        restore={
            "iptables-restore": "*mangle\n:INPUT ACCEPT [0:0]\n"
            "-A INPUT -p tcp -m tcp --dport 1:1023 -j DROP\nCOMMIT\n"
        },
        families=(4,),
    ),
}
"""Each under the name of its recording; ports 22 and 23 are looked at."""


def tried(rules: Rules, *, outputs: bool = False) -> dict[str, Any]:
    """Set rules in a network of their own, and return what the checks say, what is so, and the outputs.

    The outputs are those of all tools, of which root alone may run the older ones.
    """
    words = [
        "unshare",
        "-rn",
        sys.executable,
        "-m",
        "tests.components.firewall_box",
    ]
    asked = json.dumps({**asdict(rules), "ports": PORTS, "outputs": outputs})
    done = subprocess.run(words, input=asked, capture_output=True, text=True, timeout=LIMIT, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def record() -> None:
    """Write what the tools print, and what the kernel did."""
    RECORDED.mkdir(exist_ok=True)
    for name, rules in CASES.items():
        answer = tried(rules, outputs=True)
        row = {"real": answer["real"], "outputs": answer["outputs"]}
        (RECORDED / f"{name}.json").write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    record()
