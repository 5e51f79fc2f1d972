"""Finds the SSH server that let this login in, and whether one takes new logins, by the process list."""

from __future__ import annotations

import os
import re
from typing import List, NamedTuple, Optional

from gpubox.remote.checks.sshd_config import main_file
from gpubox.remote.kernel_files import contents, listing, read_text, rooted

SERVERS = {
    "sshd": "sshd",
    "sshd-session": "sshd",  # since 9.8 a session is a program of its own
    "dropbear": "dropbear",
    "tailscaled": "tailscaled",
}
"""Programs that let users in, by the name of their processes."""
LISTENER = re.compile(r"(?:sshd: )?(/\S*sshd)(?: |$)(.*)")
"""The title of the process that listens; the one of a session has a user in place of the path."""
DEEPEST = 64
"""Most processes between this one and the first."""


class ShownProcess(NamedTuple):
    """A process as /proc shows it."""

    pid: int
    parent: int
    uid: int
    name: str
    title: str
    """Its command line, as it may have rewritten it."""


class SshServer(NamedTuple):
    """The server that let us in."""

    kind: str
    """A value of SERVERS; "" when this is not a login over ssh, or when /proc does not show it."""
    config: str
    """The file after -f in its command line, or ""."""
    options: List[str]
    """The settings after each -o in its command line: `Port=2222`."""
    ports: List[str]
    """What is after each -p: with it, Port in files does not count."""


def process(pid: int) -> Optional[ShownProcess]:
    """Return a process, or None when there is none or /proc hides it."""
    status = read_text(rooted("/proc/%d/status" % pid), 4096)
    name, parent, uid = (re.search(r"^%s:\s+(\S+)" % key, status, re.M) for key in ("Name", "PPid", "Uid"))
    if not name or not parent or not uid:
        return None
    title = contents(rooted("/proc/%d/cmdline" % pid), 8192).replace(b"\0", b" ").decode("utf-8", "replace")
    return ShownProcess(pid, int(parent.group(1)), int(uid.group(1)), name.group(1), title.strip())


def ancestors() -> List[ShownProcess]:
    """Return the processes from our parent up to the first one, as far as /proc shows them."""
    found: List[ShownProcess] = []
    pid = os.getppid()
    while pid > 0 and len(found) < DEEPEST:
        one = process(pid)
        if one is None:
            break
        found.append(one)
        pid = one.parent
    return found


def server(above: List[ShownProcess]) -> SshServer:
    """Return the nearest server among our ancestors.

    Only a process of root, or of the user who runs this, is believed: what it names is read with our rights.
    """
    kind = next((SERVERS[one.name] for one in above if one.name in SERVERS), "")
    for one in above if kind == "sshd" else ():
        found = LISTENER.match(one.title)
        if one.name == "sshd" and found and one.uid in (0, os.geteuid()):
            words = found.group(2).split()
            config = valued(words, "f")[:1]
            return SshServer(kind, config[0] if config else "", valued(words, "o"), valued(words, "p"))
    return SshServer(kind, "", [], [])


def serves(process: ShownProcess, config: str) -> bool:
    """Return whether a process is an sshd that listens with a configuration."""
    found = LISTENER.match(process.title)
    if process.name != "sshd" or not found or process.uid not in (0, os.geteuid()):
        return False
    used = (valued(found.group(2).split(), "f") or [main_file()])[0]
    return os.path.realpath(used) == os.path.realpath(config)


def valued(words: List[str], letter: str) -> List[str]:
    """Return the values of an option with one letter, in one word with it or in the next."""
    found: List[str] = []
    for word, after in zip(words, [*words[1:], ""]):
        if word == "-" + letter and after:
            found.append(after)
        elif word.startswith("-" + letter) and len(word) > 2:
            found.append(word[2:])
    return found


def listens(above: List[ShownProcess]) -> Optional[bool]:
    """Return whether an sshd waits for logins; None when /proc hides the processes of others."""
    pids = [int(name) for name in listing(rooted("/proc")) if name.isdigit()]
    if not pids:
        return None
    seen = {one.pid: one for one in above}
    for pid in pids:
        name = seen[pid].name if pid in seen else read_text(rooted("/proc/%d/comm" % pid), 64)
        if name != "sshd":
            continue
        one = seen.get(pid) or process(pid)
        if one is not None and LISTENER.match(one.title):
            return True
    return False if os.geteuid() == 0 or 1 in pids else None


def connection(above: List[ShownProcess]) -> List[str]:
    """Return the words of SSH_CONNECTION: address and port of the client, then of the server; or none.

    sudo drops the variable; the processes above it still have it, and root may read that.
    """
    given = os.environ.get("SSH_CONNECTION", "")
    for one in above if not given else ():
        for entry in contents(rooted("/proc/%d/environ" % one.pid)).split(b"\0"):
            if entry.startswith(b"SSH_CONNECTION="):
                given = given or entry.partition(b"=")[2].decode("ascii", "replace")
    words = given.split()
    return words if len(words) == 4 and all(re.match(r"[0-9A-Za-z.:%_-]+$", word) for word in words) else []
