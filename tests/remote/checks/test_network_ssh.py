"""Where the SSH server is configured to listen, and where it and others do."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from gpubox.boxes.checks.check import Outcome
from tests.boxes.checks.facts import judge
from tests.remote.checks.test_network import LISTENS, facts, tree
from tests.remote.checks.web_tree import put

__all__ = ["tree"]  # a fixture

INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf\n"


@pytest.mark.parametrize(
    ("main", "drop", "ports"),
    [
        ("#Port 22\n", "", (22,)),
        ("Port 2222\nMatch User x\nPort 1\n", "", (2222,)),
        (INCLUDE, "Port = 2022\n", (2022,)),
        (INCLUDE + "Port 22\n", "Port 2022\n", (22, 2022)),
        ("", "Port 2022\n", (22,)),  # nothing includes the file
        ("ListenAddress 10.0.0.5:2200\nListenAddress [::]:2201\n", "", (2200, 2201)),
        ("ListenAddress 10.0.0.5:2200\nListenAddress ::\n", "", (22, 2200)),
        ("Port 2222\nListenAddress 10.0.0.5:2200\n", "", (2200,)),
    ],
)
def test_configured_ports_are_read(tree: Path, main: str, drop: str, ports: tuple[int, ...]) -> None:
    put(tree, "/etc/ssh/sshd_config", main)
    put(tree, "/etc/ssh/sshd_config.d/10-port.conf", drop)
    assert facts().ports == ports


def process(tree: Path, pid: int, parent: int, name: str, title: str, inode: int = 0, uid: int = -1) -> None:
    """Start a process, as far as files show it."""
    put(tree, f"/proc/{pid}/comm", name + "\n")
    put(tree, f"/proc/{pid}/cmdline", title + "\0")
    mine = os.geteuid() if uid < 0 else uid
    put(tree, f"/proc/{pid}/status", f"Name:\t{name}\nPPid:\t{parent}\nUid:\t{mine}\t{mine}\n")
    (tree / f"proc/{pid}/fd").mkdir(exist_ok=True)
    if inode:
        (tree / f"proc/{pid}/fd/3").symlink_to(f"socket:[{inode}]")


def test_the_sshd_that_let_us_in_is_compared_with_its_own_files(tree: Path) -> None:
    put(tree, "/etc/ssh/sshd_config", "Port 22\n")
    put(tree, "/srv/other/config", "Port 1\nListenAddress 0.0.0.0\n")
    put(
        tree,
        "/proc/net/tcp",
        "head\n"
        + LISTENS.format("00000000:0016", os.geteuid(), 11)
        + LISTENS.format("00000000:08AE", os.geteuid(), 12)
        + LISTENS.format("0100007F:177A", os.geteuid(), 13),
    )
    process(tree, 11, 1, "sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 11)
    own = "sshd: /usr/sbin/sshd -D -p 2222 -f /srv/other/config [listener] 0 of 10-100 startups"
    process(tree, 12, 1, "sshd", own, 12)
    process(tree, 13, 12, "sshd", "sshd: ada@pts/0", 13)  # a port that this session forwards
    process(tree, os.getppid(), 13, "bash", "-bash")
    found = facts()
    assert (found.config, found.ports) == ("/srv/other/config", (2222,))
    assert [(one.port, one.other) for one in found.listening] == [(22, True), (2222, False)]
    assert found.ssh_ports == (2222,)
    result = judge("network.ssh-port", msgspec.structs.replace(found, routes=()))
    assert (result.outcome, result.value) == (Outcome.OK, "2222")


def test_an_sshd_of_somebody_else_is_not_compared_with_the_usual_configuration(tree: Path) -> None:
    put(tree, "/etc/ssh/sshd_config", "#Port 22\n")
    put(tree, "/proc/net/tcp", "head\n" + LISTENS.format("0100007F:A000", os.geteuid(), 12))
    process(
        tree, 12, 1, "sshd", "sshd: /usr/sbin/sshd -D -e -f /tmp/x/config [listener] 0 of 10-100 startups", 12
    )
    found = facts()
    assert [(one.port, one.other) for one in found.listening] == [(40960, True)]
    assert judge("network.ssh-port", found).outcome is Outcome.NOT_HERE


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_only_root_reads_leaves_the_ports_open(tree: Path) -> None:
    put(tree, "/etc/ssh/sshd_config", INCLUDE)
    for name, ports in (("50-cloud-init.conf", (22,)), ("10-port.conf", None)):
        put(tree, f"/etc/ssh/sshd_config.d/{name}", "Port 2022\n")
        (tree / "etc/ssh/sshd_config.d" / name).chmod(0)
        assert facts().ports == ports


def test_where_processes_are_hidden_the_port_of_the_login_counts(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.9 50000 10.0.0.5 2222")
    tables = LISTENS.format("00000000:08AE", 0, 11) + LISTENS.format("00000000:1F90", 1000, 12)
    put(tree, "/proc/net/tcp", "head\n" + tables)
    found = facts()
    assert [(one.host, one.port) for one in found.listening] == [("0.0.0.0", 2222)]
    assert found.connection is not None
    assert (found.connection.client, found.connection.port) == ("203.0.113.9", 2222)
    assert found.ports is None


def test_a_process_that_is_seen_decides_whether_it_is_ssh(tree: Path) -> None:
    put(tree, "/proc/net/tcp", "head\n" + LISTENS.format("00000000:0016", os.geteuid(), 11))
    process(tree, 77, 1, "tarpit", "tarpit", 11)
    assert facts().listening == ()
    for path in ("comm", "cmdline", "status"):
        (tree / "proc/77" / path).unlink()
    process(tree, 77, 1, "sshd", "/usr/sbin/sshd -D")
    assert [(one.port, one.other) for one in facts().listening] == [(22, False)]
