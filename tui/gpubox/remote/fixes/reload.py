"""Makes a running sshd read its configuration again, by whatever runs it here."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from gpubox.remote import process_tree
from gpubox.remote.checks import sshd_process
from gpubox.remote.checks.sshd_config import MAIN
from gpubox.remote.fixes import programs, sshd
from gpubox.remote.kernel_files import listing, read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

    Row = Dict[str, Any]

LIMIT = 20.0
"""Seconds for the manager of services."""
SETTLED = 5.0
"""Seconds that a listener has to listen again."""
PACE = 0.02
UNITS = ("ssh.service", "sshd.service")
SOCKETS = ("ssh.socket", "sshd.socket")
OPENRC = "sshd"
"""The service of OpenRC."""
ADDRESSES = {"port", "listenaddress", "addressfamily"}
"""Options that a socket of systemd learns only when it is made again."""


def reload(config: str, server: Optional[Row], options: Iterable[str]) -> Tuple[str, str]:
    """Make sshd read its configuration again; return what was reloaded, or "", and what went wrong, or "".

    Never without a test of the configuration: a listener that cannot read it ends.
    """
    objection = sshd.test(config)
    if objection:
        return "", "sshd refuses its configuration: %s" % objection
    if os.path.realpath(config) in map(os.path.realpath, MAIN):
        if os.path.isdir(rooted("/run/systemd/system")):
            done = by_systemd(set(options))
            if done[0] or done[1]:
                return done
        elif os.path.isdir(rooted("/run/openrc")):
            return ran(["rc-service", OPENRC, "reload"], OPENRC)
    return by_signal(server if process_tree.alive(server) else listener(config))


def by_systemd(options: Set[str]) -> Tuple[str, str]:
    """Reload the unit that is active; a socket alone starts a server that reads the files for each login."""
    unit = next(iter(active(UNITS)), "")
    socket = next(iter(active(SOCKETS)), "")
    done = ran(["systemctl", "reload", unit], unit) if unit else (socket, "")
    if socket and options & ADDRESSES and not done[1]:
        error = ran(["systemctl", "daemon-reload"], "")[1] or ran(["systemctl", "restart", socket], "")[1]
        return done[0], error
    return done


def active(units: Iterable[str]) -> List[str]:
    """Return those of some units that are active."""
    return [unit for unit in units if programs.run(["systemctl", "-q", "is-active", unit], LIMIT)[0] == 0]


def ran(argv: List[str], what: str) -> Tuple[str, str]:
    """Run a command of the manager of services; return `what`, or what went wrong."""
    status, out, err = programs.run(argv, LIMIT)
    return (what, "") if status == 0 else ("", "%s: %s" % (" ".join(argv), programs.last_line(err, out)))


def listener(config: str) -> Optional[Row]:
    """Return the sshd that listens with a configuration: above this process, or by its PidFile."""
    for one in reversed(sshd_process.ancestors()):
        if sshd_process.serves(one, config):
            return process_tree.identity(one.pid)
    pid = read_text(sshd.settings(config)[0].get("pidfile", ""), 32)
    one = sshd_process.process(int(pid)) if pid.isdigit() and len(pid) < 10 else None
    return process_tree.identity(one.pid) if one is not None and one.name == "sshd" else None


def by_signal(server: Optional[Row]) -> Tuple[str, str]:
    """Send a listener the signal to read its configuration, and wait until it listens again."""
    if server is None:
        return "", ""
    pid = int(server["pid"])
    before = listening(pid)
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        return "", "process %d of sshd: %s" % (pid, error.strerror)
    end = time.monotonic() + SETTLED
    while before and time.monotonic() < end:
        now = listening(pid)
        if now and not now & before:
            break
        if not process_tree.alive(server):
            return "", "sshd ended when it read its configuration"
        time.sleep(PACE)
    return "process %d" % pid, ""


def listening(pid: int) -> Set[str]:
    """Return the sockets on which a process listens; none when that cannot be seen."""
    owned: Set[str] = set()
    for name in listing("/proc/%d/fd" % pid):
        with contextlib.suppress(OSError):
            owned.add(os.readlink("/proc/%d/fd/%s" % (pid, name)))
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in read_text("/proc/%d/net/%s" % (pid, table), 1 << 22).splitlines()
    ]
    listens = {"socket:[%s]" % row[9] for row in rows if len(row) > 9 and row[3] == "0A"}
    return owned & listens


def revive(config: str, server: Optional[Row], reloaded: str) -> Optional[Tuple[str, str]]:
    """Start the sshd that ended when it read a configuration; None when it has not ended, or is not known.

    `reloaded` is what `reload` said then.
    """
    if reloaded in UNITS:
        return None if active([reloaded]) else ran(["systemctl", "start", reloaded], reloaded)
    if reloaded == OPENRC:
        return ran(["rc-service", OPENRC, "restart"], OPENRC)
    if not server or process_tree.rebooted(server) or process_tree.alive(server):
        return None
    # sshd hands TZ on to its sessions.
    return ran(["env", "-u", "TZ", "-u", "LC_ALL", sshd.program(), "-f", config], "a new sshd")
