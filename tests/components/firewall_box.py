"""A box behind rules of a firewall, in a network of its own, and a client that really knocks at its ports.

Run in a new network namespace; a request as JSON comes on stdin, and the answer goes to stdout.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from gpubox.remote.checks import filters
from gpubox.remote.checks.packet_filter import Packet
from tests.hang import LIMIT

Row = dict[str, Any]

BOX = {4: "198.51.100.1", 6: "2001:db8::1"}
CLIENT = {4: "198.51.100.77", 6: "2001:db8::77"}
INTERFACE = "eth0"
COMMANDS = (
    ("nft", "-j", "list", "ruleset"),
    ("nft", "-a", "list", "ruleset"),
    *((f"{tool}-save",) for tool in ("iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy")),
)
MAC = {"eth0": "02:00:00:00:00:01", "out": "02:00:00:00:00:02"}
"""Known to the other side, for rules may drop what would ask for it."""
_KNOCK = """
import json, os, socket, subprocess, sys
print(os.getpid(), flush=True)
sys.stdin.readline()
for words in json.loads(sys.argv[1]): subprocess.run(["ip", *words], check=True)
print("up", flush=True)
held = []
for line in sys.stdin:
    host, port = line.split()
    held.append(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
    held[-1].setblocking(False)
    held[-1].connect_ex((host, int(port)))
    print("sent", flush=True)
"""
_WATCH = """table inet gpubox_watch {{
  counter came {{ }}
  counter passed {{ }}
  chain before {{ type filter hook prerouting priority 1000; tcp dport {port} counter name came; }}
  chain after {{ type filter hook input priority 1000; tcp dport {port} counter name passed; }}
}}
"""


def run(*words: str, text: str = "") -> str:
    """Run a command that must succeed, and return what it prints."""
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


@contextmanager
def client() -> Generator[subprocess.Popen[str]]:
    """Connect this namespace with another one, in which a process takes places to knock at."""
    inside = set_up("out", CLIENT, INTERFACE, BOX)
    words = ["unshare", "-n", sys.executable, "-c", _KNOCK, json.dumps(inside)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as made:
        try:
            pid = said(made)
            run("ip", "link", "add", INTERFACE, "type", "veth", "peer", "name", "out")
            run("ip", "link", "set", "out", "netns", pid)
            for more in set_up(INTERFACE, BOX, "out", CLIENT):
                run("ip", *more)
            report(made, "go")
            assert said(made) == "up"
            yield made
        finally:
            made.kill()


def set_up(name: str, own: dict[int, str], peer: str, others: dict[int, str]) -> list[list[str]]:
    """Return the words for `ip` that give an interface its addresses, and those of the other side."""
    words = [
        ["link", "set", "lo", "up"],
        ["link", "set", name, "address", MAC[name]],
        ["link", "set", name, "up"],
    ]
    for family in (4, 6):
        place = f"{own[family]}/{24 if family == 4 else 64}"
        words.append(["addr", "add", place, "dev", name, *(("nodad",) if family == 6 else ())])
        words.append(["neigh", "replace", others[family], "lladdr", MAC[peer], "dev", name])
    return words


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def report(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def passes(knocker: subprocess.Popen[str], family: int, port: int) -> bool:
    """Return whether the first packet of a connection to a port passes all rules.

    A second one is sent after it: when that has come, the first one has been judged.
    """
    run("nft", "-f", "-", text=_WATCH.format(port=port))
    try:
        for _ in range(2):
            report(knocker, f"{BOX[family]} {port}")
            assert said(knocker) == "sent"
        while counted("came") < 2:
            pass
        return counted("passed") > 0
    finally:
        run("nft", "delete", "table", "inet", "gpubox_watch")


def counted(name: str) -> int:
    """Return how many packets came by a counter."""
    rows = json.loads(run("nft", "-j", "list", "counters", "table", "inet", "gpubox_watch"))["nftables"]
    return next(row["counter"]["packets"] for row in rows if row.get("counter", {}).get("name") == name)


def done(*words: str) -> list[str]:
    """Return what a command prints to stdout and stderr, as one of the checks."""
    came = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT)
    assert came.returncode == 0, f"{words}: {came.stderr}"
    return [came.stdout, came.stderr]


def packet(family: int, *, known: bool) -> Packet:
    """Return a packet of the client; where it is not known, nothing is known but its family."""
    return Packet(family, 0, CLIENT[family], BOX[family], INTERFACE) if known else Packet(family, 0)


def main() -> None:
    """Set the rules of a request, and answer with what the checks say of each port, and what is so."""
    asked: Row = json.load(sys.stdin)
    with client() as knocker:
        if asked["nft"]:
            run("nft", "-f", "-", text=asked["nft"])
        for tool, text in asked["restore"].items():
            run(tool, text=text)
        outputs = {" ".join(words): done(*words) for words in COMMANDS} if asked["outputs"] else {}
        looks = {
            family: {
                who: filters.look(packet(family, known=who == "known"), asked["ports"])
                for who in ("known", "unknown")
            }
            for family in asked["families"]
        }
        real = {
            family: {port: passes(knocker, family, port) for port in asked["ports"]}
            for family in asked["families"]
        }
        answer: Row = {"looks": looks, "real": real, "outputs": outputs}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
